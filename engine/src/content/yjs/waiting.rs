//! Updates that build on something that has not arrived yet, kept as the raw bytes that came.
//!
//! yrs has a place of its own for such updates, but it integrates what stands behind a hole, sometimes never looks at
//! what waits again, and can lose some of it when it encodes (see `docs/decisions/0002-yrs-and-yjs.md`). So it is never
//! shown one: what is not ready waits here, in the order of arrival, and is tried again whenever something else was
//! integrated.

use bytes::Bytes;

/// Raw updates that wait, each once.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    updates: Vec<Bytes>,
    bytes: usize,
}

impl Waiting {
    /// Keeps an update; false if it was here already.
    pub(super) fn insert(&mut self, update: Bytes) -> bool {
        let new = !self.updates.contains(&update);
        if new {
            self.bytes += update.len();
            self.updates.push(update);
        }
        new
    }

    /// Whether so many more bytes may wait.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= WAITING_BYTES_MAX
    }

    /// Takes all that waits, to try it again.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.updates)
    }

    /// What waits, in the order in which it came.
    pub(super) fn updates(&self) -> &[Bytes] {
        &self.updates
    }
}

/// How many bytes of updates may wait in one document. A client that sends more is closed; when it comes back, what it
/// sends is computed from what is here, and fills the hole.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
