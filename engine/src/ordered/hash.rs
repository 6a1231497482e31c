//! The hash of a state: all who hold the same have the same, so whoever has another at the same version has diverged.
//!
//! It is the SHA-256 of a text in UTF-8: the URI of the type, a line feed, and what the document holds as canonical JSON
//! ([`Snapshot::write_canonical`](crate::ot::Snapshot::write_canonical)): without spaces; members in the order of their
//! names as JavaScript's `sort` has them; numbers and strings as `JSON.stringify` writes them. A document that was never
//! created, or was deleted, is the empty text. The version is not part of it. `tests/js/ot/hash.mjs` does the same for what a
//! client of npm `sharedb` holds.

use std::fmt;

use sha2::{Digest, Sha256};

use super::State;

/// The hash of what a document holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateHash(pub [u8; 32]);

impl State {
    /// The hash of what it holds.
    pub fn hash(&self) -> StateHash {
        let mut hash = Sha256::new();
        if let Some(content) = &self.content {
            hash.update(content.ot_type().uri());
            hash.update("\n");
            hash.update(content.write_canonical());
        }
        StateHash(hash.finalize().into())
    }
}

/// As 64 hexadecimal digits.
impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::{OtType, Snapshot};

    fn hash(ot_type: OtType, data: &str) -> StateHash {
        let state = State {
            content: Snapshot::create(ot_type, Some(data)).ok(),
            ..State::default()
        };
        assert!(state.content.is_some(), "{data}");
        state.hash()
    }

    #[test]
    fn the_order_in_which_members_came_does_not_matter() {
        let one = hash(
            OtType::Json0,
            r#"{"b":1,"é":{"y":1.0,"x":-0},"10":2,"9":3}"#,
        );
        let other = hash(OtType::Json0, r#"{"9":3,"10":2,"é":{"x":0,"y":1},"b":1}"#);
        assert_eq!(one, other);
        assert_ne!(
            one,
            hash(OtType::Json0, r#"{"9":3,"10":2,"é":{"x":0,"y":2},"b":1}"#)
        );
    }

    #[test]
    fn types_are_told_apart_and_so_is_nothing() {
        let (text, unicode) = (
            hash(OtType::Text, "\"a\""),
            hash(OtType::TextUnicode, "\"a\""),
        );
        assert_ne!(text, unicode);
        let nothing = State::default().hash().to_string();
        assert!(nothing.starts_with("e3b0c44298fc1c14"), "{nothing}");
    }
}
