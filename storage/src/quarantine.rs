//! What is kept of quarantined payloads, and how much of it: enough to look at them and to recognise them, and no more, so
//! that nobody fills the disk with what is refused.

use bytes::Bytes;
use engine::{DocumentKey, Quarantined};

/// Which quarantined payloads to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineQuery {
    /// Of this document; of all if none is named.
    pub document: Option<DocumentKey>,
    /// Only entries with lower numbers.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl QuarantineQuery {
    /// All of a document's.
    pub fn of(document: &DocumentKey) -> Self {
        Self {
            document: Some(document.clone()),
            before: None,
            limit: usize::MAX,
        }
    }
}

/// A quarantined payload as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// Its number in this store; a later one has a higher number.
    pub number: u64,
    /// How long the payload is. What is kept of it may be shorter.
    pub payload_bytes: u64,
    /// The payload and what it did. In lists the payload is left out.
    pub quarantined: Quarantined,
}

/// The part of a payload that is kept.
pub(crate) fn kept(payload: &Bytes) -> Bytes {
    payload.slice(..payload.len().min(PAYLOAD_KEPT_BYTES))
}

/// Bytes kept of one payload.
pub(crate) const PAYLOAD_KEPT_BYTES: usize = 1024 * 1024;

/// The newest entries keep their payloads; of older ones only the account stays.
pub(crate) const PAYLOADS_KEPT: u64 = 256;

/// Entries of one document that are in no log; beyond it the oldest goes. Those in the log are as few as the log has
/// changes, and go with nothing, because without them the document would fail again.
pub(crate) const UNLOGGED_MAX: usize = 256;
