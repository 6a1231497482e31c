//! Updates that build on something that has not arrived yet, kept as the raw bytes that came.
//!
//! yrs has a place of its own for such updates, but it integrates what stands behind a hole, sometimes never looks at
//! what waits again, and can lose some of it when it encodes (see `docs/decisions/0002-yrs-and-yjs.md`). So it is never
//! shown one: an update that is not ready as a whole waits here, and is tried again whenever something else was integrated.

use bytes::Bytes;

/// Raw updates that wait, each once. They are in the order of their bytes, so that the same updates are the same state
/// in whatever order they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    updates: Vec<Bytes>,
    bytes: usize,
}

impl Waiting {
    /// Keeps an update; false if it was here already.
    pub(super) fn insert(&mut self, update: Bytes) -> bool {
        let place = self.updates.binary_search(&update);
        if let Err(at) = place {
            self.bytes += update.len();
            self.updates.insert(at, update);
        }
        place.is_err()
    }

    /// Whether an update waits already or may do so.
    pub(super) fn may_insert(&self, update: &Bytes) -> bool {
        let room = self.bytes + update.len() <= WAITING_BYTES_MAX
            && self.updates.len() < WAITING_UPDATES_MAX;
        room || self.updates.binary_search(update).is_ok()
    }

    /// Takes all that waits, to try it again.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.updates)
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What waits, in the order of the bytes.
    pub(super) fn updates(&self) -> &[Bytes] {
        &self.updates
    }
}

/// How many bytes of updates may wait in one document. A client that sends more is closed; when it comes back, what it
/// sends is computed from what is here, and fills the hole.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// How many updates may wait in one document: each is tried again whenever something else is integrated.
const WAITING_UPDATES_MAX: usize = 1024;
