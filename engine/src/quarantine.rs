//! What is kept out of documents: payloads that made a content library fail, told apart by their hash.
//!
//! A payload that panics a library, contradicts the document or ends the process is *quarantined*: its sender is closed,
//! the document is rebuilt without it, and the same bytes are never shown to the library again. The driver keeps what is
//! quarantined, for people to look at and for the next opening.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::dot::Dot;
use crate::names::{Author, ConnectionId, DocumentKey};

/// The SHA-256 of a raw payload: its name among the quarantined.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadHash(pub [u8; 32]);

/// Text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("hash is not 64 hexadecimal digits")]
pub struct MalformedHash;

/// A payload that is kept out of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The document that it was meant for.
    pub document: DocumentKey,
    /// The hash of the whole payload.
    pub hash: PayloadHash,
    /// The payload; cut or empty if it was not at hand.
    pub payload: Bytes,
    /// Who sent it, if that is known.
    pub author: Option<Author>,
    /// The connection that it came through, if that is known.
    pub connection: Option<ConnectionId>,
    /// The change that carries it, if it is in the log.
    pub dot: Option<Dot>,
    /// What it did, in a few words.
    pub reason: String,
    /// When that was seen, in milliseconds since 1970.
    pub wall_ms: u64,
}

impl PayloadHash {
    /// The hash of a payload.
    pub fn of(payload: &[u8]) -> Self {
        Self(Sha256::digest(payload).into())
    }

    /// Whether a payload is one of these. There are nearly always none, and then it need not be hashed.
    pub(crate) fn is_among(payload: &[u8], hashes: &BTreeSet<Self>) -> bool {
        !hashes.is_empty() && hashes.contains(&Self::of(payload))
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PayloadHash {
    type Err = MalformedHash;

    fn from_str(text: &str) -> Result<Self, MalformedHash> {
        let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.ok_or(MalformedHash)?;
        let pairs = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).map_err(|_| MalformedHash),
            _ => Err(MalformedHash),
        });
        let bytes: Vec<_> = pairs.collect::<Result<_, _>>()?;
        bytes.try_into().map(Self).map_err(|_| MalformedHash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_as_it_was_written() {
        let hash = PayloadHash::of(b"abc");
        let text = hash.to_string();
        assert!(text.starts_with("ba7816bf8f01cfea"), "{text}");
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        for wrong in [
            "",
            "ba",
            &text[1..],
            &format!("{text}00"),
            &text.replace('b', "x"),
        ] {
            assert_eq!(wrong.parse::<PayloadHash>(), Err(MalformedHash), "{wrong}");
        }
    }
}
