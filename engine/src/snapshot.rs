//! A snapshot: the content of a document after a set of changes, so that opening it need not replay them all.
//!
//! A snapshot is a cache and never the truth. It is trusted only after it was proved to rebuild the content it was taken
//! from ([`Snapshot::verify`]) and was read back from the store unchanged.

use bytes::Bytes;
use thiserror::Error;

use crate::checksum::Checksum;
use crate::clock::VectorClock;
use crate::content::Content;
use crate::names::{DocumentKey, Kind};
use crate::ordered::State;

/// The content of a document after all the changes of `clock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The document.
    pub document: DocumentKey,
    /// The document's kind, which says how to read the state.
    pub kind: Kind,
    /// The changes that the state covers.
    pub clock: VectorClock,
    /// The content, as its engine encodes it.
    pub state: Bytes,
}

/// A snapshot that does not rebuild the content it was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("snapshot does not rebuild the content it was taken from")]
pub struct SnapshotMismatch;

impl Snapshot {
    /// Proves that the state rebuilds content which holds all that it does, and nothing else.
    ///
    /// # Errors
    /// It does not, and must not be stored.
    pub fn verify(&self) -> Result<(), SnapshotMismatch> {
        if self.kind.is_ordered() {
            let state = State::of(self).map_err(|_| SnapshotMismatch)?;
            let is_same = state.to_bytes() == self.state;
            return is_same.then_some(()).ok_or(SnapshotMismatch);
        }
        let mut content = Content::new(self.kind).map_err(|_| SnapshotMismatch)?;
        content.restore(&self.state).map_err(|_| SnapshotMismatch)?;
        match content.matches(&self.state) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(SnapshotMismatch),
        }
    }

    /// A checksum (CRC-32) over every field, so that a damaged or misplaced row is noticed when it is read.
    pub fn checksum(&self) -> u32 {
        let mut checksum = Checksum::of(&self.document);
        checksum.field(self.kind.as_str().as_bytes());
        checksum.field(&self.clock.to_bytes());
        checksum.field(&self.state);
        checksum.value()
    }
}
