//! The checksum of a stored row: CRC-32 over its fields, each preceded by its length, so that no two different rows feed
//! the same bytes to it.

use crc32fast::Hasher;

use crate::names::DocumentKey;

/// A checksum that is being made, field by field.
pub(crate) struct Checksum(Hasher);

impl Checksum {
    /// The checksum of a row of this document.
    pub(crate) fn of(document: &DocumentKey) -> Self {
        let mut checksum = Self(Hasher::new());
        checksum.field(document.workspace().as_bytes());
        checksum.field(document.name().as_bytes());
        checksum
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The checksum of all fields.
    pub(crate) fn value(self) -> u32 {
        self.0.finalize()
    }
}
