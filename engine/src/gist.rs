//! The gist of a document: what clients are told that it has, so that those who have the same need no more.
//!
//! A gist is a cache and never the truth. It is of the changes of its clock, no more and no fewer: once another change is stored
//! it says nothing any more, and the log does.

use bytes::Bytes;

use crate::checksum::Checksum;
use crate::clock::VectorClock;
use crate::names::{DocumentKey, Kind};

/// What a document has after all the changes of `clock`, in a few bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gist {
    /// The document.
    pub document: DocumentKey,
    /// The document's kind, which says how to read it.
    pub kind: Kind,
    /// The changes that it is of, all of them stored.
    pub clock: VectorClock,
    /// What there is, as its engine says it to clients: of Automerge documents, the heads.
    pub have: Bytes,
}

impl Gist {
    /// A checksum (CRC-32) over every field, so that a damaged or misplaced row is noticed when it is read.
    pub fn checksum(&self) -> u32 {
        let mut checksum = Checksum::of(&self.document);
        checksum.field(self.kind.as_str().as_bytes());
        checksum.field(&self.clock.to_bytes());
        checksum.field(&self.have);
        checksum.value()
    }
}
