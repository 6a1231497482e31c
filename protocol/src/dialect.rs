//! The wire protocols that are served, as a closed list: whoever adds one is led by the compiler to all that it needs.

use std::time::Duration;

use bytes::Bytes;
use engine::{CloseReason, Event, Intent, Kind};

use crate::preflight::Bounds;
use crate::{FrameError, yjs, ywebsocket};

/// A wire protocol that clients may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What the npm package `y-websocket` speaks.
    YWebsocket,
}

impl Dialect {
    /// The dialect's word, as it stands in addresses and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::YWebsocket => "yjs",
        }
    }

    /// The kind of document that the dialect's clients expect.
    pub fn kind(self) -> Kind {
        match self {
            Self::YWebsocket => yjs::KIND,
        }
    }

    /// Whether its clients count what they sent and is not stored (`engine::Joining::counts`).
    pub fn counts(self) -> bool {
        match self {
            Self::YWebsocket => false,
        }
    }

    /// Reads a client's frame.
    ///
    /// # Errors
    /// The frame is not of the dialect; nothing of it is to be obeyed.
    pub fn decode(self, frame: &Bytes) -> Result<Vec<Intent>, FrameError> {
        match self {
            Self::YWebsocket => ywebsocket::decode(frame),
        }
    }

    /// Checks what an intent carries before any library takes it apart ([`crate::preflight`]).
    ///
    /// # Errors
    /// It is malformed or beyond the bounds, with the reason for which its sender is to be closed.
    pub fn check(self, intent: &Intent, bounds: &Bounds) -> Result<(), (CloseReason, FrameError)> {
        match self {
            Self::YWebsocket => yjs::check(intent, bounds),
        }
    }

    /// Writes an event as one frame, or nothing if clients of this dialect need not hear of it.
    pub fn encode(self, event: &Event) -> Option<Bytes> {
        match self {
            Self::YWebsocket => ywebsocket::encode(event),
        }
    }

    /// A frame that tells a client why it is about to be closed for good, where the dialect has one.
    pub fn denied(self, reason: &str) -> Option<Bytes> {
        match self {
            Self::YWebsocket => Some(ywebsocket::denied(reason)),
        }
    }

    /// A frame that says nothing, for clients that take silence for death.
    pub fn keepalive(self) -> Bytes {
        match self {
            Self::YWebsocket => ywebsocket::keepalive(),
        }
    }

    /// After how long without any frame a client is sent a [`Self::keepalive`].
    pub fn keepalive_after(self) -> Duration {
        match self {
            Self::YWebsocket => Duration::from_millis(ywebsocket::KEEPALIVE_AFTER_MS),
        }
    }
}
