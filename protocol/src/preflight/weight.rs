//! What an update weighs: how much memory the library will take for it, told from what is in it.
//!
//! A few bytes can become much: an empty map is two bytes and a hundred, a subdocument is seven and a thousand. The
//! factors are what yrs 0.28.1 took at its peak, measured shape by shape with a counting allocator and rounded up
//! (`docs/limits.md`).

use super::Bounds;
use super::scan::Scan;
use crate::FrameError;

/// What an update holds, counted while it was walked over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Its length.
    pub bytes: u64,
    /// Items, collected runs and skips.
    pub structs: u64,
    /// Clients with items.
    pub clients: u64,
    /// Deleted ranges, and the clients that they are of.
    pub ranges: u64,
    /// Items that hold a shared type.
    pub types: u64,
    /// Items that hold a subdocument.
    pub documents: u64,
    /// Items that name their root type.
    pub roots: u64,
    /// Items that name their key.
    pub keys: u64,
    /// Values, those within others included.
    pub values: u64,
    /// Values that hold others: arrays and objects.
    pub containers: u64,
}

impl Weight {
    /// What the library takes at its peak while it takes the update in, in bytes.
    pub fn memory(&self) -> u64 {
        let factors = [
            (self.bytes, 4),
            (self.structs, 256),
            (self.clients, 384),
            (self.ranges, 160),
            (self.types, 320),
            (self.documents, 800),
            (self.roots, 512),
            (self.keys, 256),
            (self.values, 64),
            (self.containers, 256),
        ];
        factors.iter().map(|(count, each)| count * each).sum()
    }

    /// Checks what was counted so far.
    pub(super) fn check(&self, scan: &Scan<'_>, bounds: &Bounds) -> Result<(), FrameError> {
        let counted = [
            ("items", self.structs, bounds.structs_max),
            ("deleted ranges", self.ranges, bounds.structs_max),
            ("clients", self.clients, bounds.clients_max),
            ("bytes of memory", self.memory(), bounds.memory_max),
        ];
        match counted.iter().find(|(_, count, max)| count > max) {
            None => Ok(()),
            Some((field, _, max)) => Err(FrameError::TooMany {
                field,
                at: scan.position(),
                max: usize::try_from(*max).unwrap_or(usize::MAX),
            }),
        }
    }
}
