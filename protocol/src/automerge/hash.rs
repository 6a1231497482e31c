//! What a change is called: the SHA-256 of its bytes.

use std::fmt;

use super::base58;
use crate::FrameError;

/// The hash of a change, by which others depend on it. In order they are ordered as their bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash(pub [u8; Self::BYTES]);

impl ChangeHash {
    /// How many bytes one has.
    pub const BYTES: usize = 32;

    /// Reads base58check, as hashes stand in addresses and in the heads of other servers.
    ///
    /// # Errors
    /// The text is not base58check of so many bytes.
    pub fn of_text(text: &str) -> Result<Self, FrameError> {
        let field = "hash";
        let bytes = base58::read(text, field)?;
        match <[u8; Self::BYTES]>::try_from(bytes) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(FrameError::Wrong { field, at: 0 }),
        }
    }

    /// Writes base58check.
    pub fn to_text(self) -> String {
        base58::write(&self.0)
    }
}

/// Hexadecimal, as Automerge itself shows hashes.
impl fmt::Display for ChangeHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
