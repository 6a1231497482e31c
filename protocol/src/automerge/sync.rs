//! The sync message of Automerge (`src/sync.rs` of the crate `automerge`).
//!
//! A byte says the version; then come lists, each with its length before it: the sender's heads, what it *needs*, what it *has*
//! (the heads that both had last, and a [`Bloom`] filter of what came since), and changes. At the end there may be flags, which
//! older clients do not see, and after them what newer ones may add, which is not read.
//!
//! In a message of version 1 each entry of the last list is one change. Version 2 is sent only to those who sent flags: an
//! entry is any chunks in a row, above all a whole document.

use bytes::Bytes;

use super::bloom::Bloom;
use super::hash::ChangeHash;
use super::scan::{Scan, write_bytes, write_unsigned};
use crate::FrameError;

/// How many heads a message may name, how many changes it may need, and how many may be shared.
const HASHES_MAX: usize = 65_536;

/// How many filters a message may have. Real ones have one, or none.
const HAVES_MAX: usize = 16;

/// How many entries of changes a message may have.
const CHANGES_MAX: usize = 1_000_000;

/// The least bytes that an entry of changes has: a chunk without content.
const CHANGE_BYTES_MIN: usize = 10;

const V1: u8 = 0x42;
const V2: u8 = 0x43;

/// Stands before the flags for clients that know it as the only one: this one reads version 2.
const READS_V2: u8 = 0x02;

/// A byte with this bit is flags.
const IS_FLAGS: u8 = 0x80;

/// How the changes of a message lie in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// One by one.
    #[default]
    V1,
    /// In chunks of any kind.
    V2,
}

/// What a peer says of itself with each message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The other one is to forget what it has sent, and send it again.
    pub const SYNC_RESET: u8 = 1;
    /// The sender takes no changes.
    pub const READ_ONLY: u8 = 1 << 1;
    /// The sender knows [`Self::SYNC_RESET`].
    pub const KNOWS_SYNC_RESET: u8 = 1 << 2;

    /// Whether a flag is set.
    pub fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// What somebody has, besides the heads that both had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// Heads that both had when they last spoke.
    pub last_sync: Vec<ChangeHash>,
    /// What came since.
    pub bloom: Bloom,
}

/// A sync message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncMessage {
    /// How its changes lie in it.
    pub version: Version,
    /// The heads of the sender.
    pub heads: Vec<ChangeHash>,
    /// Changes that the sender asks for by name.
    pub need: Vec<ChangeHash>,
    /// What the sender has.
    pub have: Vec<Have>,
    /// Changes for the other one, as they came: see [`super::preflight`].
    pub changes: Vec<Bytes>,
    /// What the sender says of itself. Who says nothing reads messages of version 1 only.
    pub flags: Option<Flags>,
}

impl SyncMessage {
    /// Reads a message. Its changes are only cut apart.
    ///
    /// # Errors
    /// The bytes are no message, or are beyond the bounds.
    pub fn read(bytes: &Bytes) -> Result<Self, FrameError> {
        if bytes.is_empty() {
            return Err(FrameError::Empty);
        }
        let mut scan = Scan::new(bytes, 0);
        Ok(Self {
            version: Version::read(&mut scan)?,
            heads: scan.hashes(HASHES_MAX, "heads")?,
            need: scan.hashes(HASHES_MAX, "needed changes")?,
            have: haves(&mut scan, bytes)?,
            changes: changes(&mut scan, bytes)?,
            flags: Flags::read(&mut scan)?,
        })
    }

    /// Writes the message. Hashes are written in order, as Automerge has them.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.length());
        out.push(match self.version {
            Version::V1 => V1,
            Version::V2 => V2,
        });
        write_hashes(&mut out, &self.heads);
        write_hashes(&mut out, &self.need);
        write_unsigned(&mut out, self.have.len() as u64);
        for have in &self.have {
            write_hashes(&mut out, &have.last_sync);
            write_bytes(&mut out, &have.bloom.write());
        }
        write_unsigned(&mut out, self.changes.len() as u64);
        for change in &self.changes {
            write_bytes(&mut out, change);
        }
        if let Some(Flags(flags)) = self.flags {
            write_bytes(&mut out, &[READS_V2, IS_FLAGS | flags]);
        }
        out.into()
    }

    /// About how long it is when it is written.
    fn length(&self) -> usize {
        let hashes = self.heads.len() + self.need.len();
        let changes = self.changes.iter().map(|change| change.len() + 5);
        64 + hashes * ChangeHash::BYTES + changes.sum::<usize>()
    }
}

impl Version {
    fn read(scan: &mut Scan<'_>) -> Result<Self, FrameError> {
        let field = "sync message's version";
        match scan.byte(field)? {
            V1 => Ok(Self::V1),
            V2 => Ok(Self::V2),
            byte => Err(FrameError::Unknown {
                field,
                at: 0,
                value: byte.into(),
            }),
        }
    }
}

impl Flags {
    fn read(scan: &mut Scan<'_>) -> Result<Option<Self>, FrameError> {
        if scan.is_empty() {
            return Ok(None);
        }
        let bytes = scan.bytes("flags")?;
        let flags = bytes.iter().filter(|byte| **byte & IS_FLAGS != 0);
        let flags = flags.fold(0, |flags, byte| flags | byte & !IS_FLAGS);
        Ok(Some(Self(flags)))
    }
}

fn haves(scan: &mut Scan<'_>, frame: &Bytes) -> Result<Vec<Have>, FrameError> {
    let count = scan.count(2, HAVES_MAX, "summaries of what is there")?;
    let mut haves = Vec::with_capacity(count);
    for _ in 0..count {
        haves.push(Have {
            last_sync: scan.hashes(HASHES_MAX, "shared heads")?,
            bloom: Bloom::read(scan.nested("Bloom filter")?, frame)?,
        });
    }
    Ok(haves)
}

fn changes(scan: &mut Scan<'_>, frame: &Bytes) -> Result<Vec<Bytes>, FrameError> {
    let each = 1 + CHANGE_BYTES_MIN as u64;
    let count = scan.count(each, CHANGES_MAX, "changes")?;
    let changes = (0..count).map(|_| change(scan, frame));
    changes.collect()
}

fn change(scan: &mut Scan<'_>, frame: &Bytes) -> Result<Bytes, FrameError> {
    let (field, at) = ("change", scan.position());
    let bytes = scan.bytes(field)?;
    if bytes.len() < CHANGE_BYTES_MIN {
        return Err(FrameError::OutOfRange { field, at });
    }
    Ok(frame.slice_ref(bytes))
}

fn write_hashes(out: &mut Vec<u8>, hashes: &[ChangeHash]) {
    write_unsigned(out, hashes.len() as u64);
    let mut hashes = hashes.to_vec();
    hashes.sort_unstable();
    hashes
        .iter()
        .for_each(|hash| out.extend_from_slice(&hash.0));
}
