//! What waits on one connection until it is known who its client is, and how much that may be.

use engine::Limit;
use protocol::hocuspocus::Message;

use super::super::PreAuthLimits;
use crate::receiving::Held;

/// Something that a client said of a document.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) message: Message,
    /// The length of its frame.
    pub(super) bytes: usize,
    /// The frame, until it is worked off.
    pub(super) held: Held,
}

/// How much waits, of all documents on a connection together.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: usize,
    bytes: usize,
}

impl Waiting {
    pub(super) fn add(&mut self, heard: &Heard) {
        self.messages += 1;
        self.bytes += heard.bytes;
    }

    pub(super) fn remove(&mut self, heard: &Heard) {
        self.messages -= 1;
        self.bytes -= heard.bytes;
    }

    /// Whether nothing more may wait.
    pub(super) fn is_full(&self, limits: &PreAuthLimits) -> bool {
        self.messages >= limits.messages_max || self.bytes >= limits.bytes_max
    }

    /// How many more bytes may wait.
    pub(super) fn room(&self, limits: &PreAuthLimits) -> usize {
        limits.bytes_max.saturating_sub(self.bytes)
    }

    /// The limit beyond which something waits.
    pub(super) fn exceeds(&self, limits: &PreAuthLimits) -> Option<Limit> {
        if self.bytes > limits.bytes_max {
            return Some(Limit::PreAuthBytes);
        }
        (self.messages > limits.messages_max).then_some(Limit::PreAuthMessages)
    }
}
