//! How much was received and not yet worked off: bytes of messages that are half here, and of those that wait for a
//! session. They are counted as they come off each socket, for all sockets together, and at the bound the connection
//! that asks for more is closed, to come back. A connection may always have a little, so that small messages pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all connections together may have received. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Receiving(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: AtomicUsize,
    bytes_max: usize,
}

/// Counts what one connection receives.
#[derive(Debug)]
pub struct Meter {
    receiving: Receiving,
    /// Received, and not yet taken as a message.
    bytes: usize,
}

/// The bytes of a message that is not worked off yet; it is when this is dropped.
#[derive(Debug)]
pub struct Held {
    receiving: Receiving,
    bytes: usize,
}

impl Receiving {
    /// Nothing is received yet.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shared {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }))
    }

    /// A meter for one connection.
    pub fn meter(&self) -> Meter {
        Meter {
            receiving: self.clone(),
            bytes: 0,
        }
    }

    /// What is received now and not worked off.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    fn release(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Meter {
    /// A message is whole: takes over all that has come but so many bytes, which came after it.
    pub fn take_all_but(&mut self, after: usize) -> Held {
        let bytes = self.bytes - after;
        self.bytes = after;
        Held {
            receiving: self.receiving.clone(),
            bytes,
        }
    }

    /// How many bytes may be received now.
    pub(crate) fn room(&self) -> usize {
        let Shared { bytes, bytes_max } = &*self.receiving.0;
        let of_all = bytes_max.saturating_sub(bytes.load(Ordering::Relaxed));
        of_all.max(ALWAYS_BYTES.saturating_sub(self.bytes))
    }

    /// So many bytes came.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        let all = &self.receiving.0.bytes;
        all.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.receiving.release(self.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.receiving.release(self.bytes);
    }
}

/// What a connection may have received whatever the others have: a message of usual size.
const ALWAYS_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_their_message_is_worked_off() {
        let receiving = Receiving::new(100_000);
        let (mut one, mut two) = (receiving.meter(), receiving.meter());
        one.count(60_000);
        two.count(40_000);
        assert!(one.room() == 0 && two.room() == 0);
        let other = receiving.meter().room();
        assert_eq!(other, ALWAYS_BYTES, "a little is always allowed");
        let held = one.take_all_but(1_000);
        assert!(one.room() == ALWAYS_BYTES - 1_000 && receiving.bytes() == 100_000);
        drop(held);
        assert_eq!(two.room(), 59_000);
        drop(one);
        drop(two);
        assert_eq!(receiving.bytes(), 0);
    }
}
