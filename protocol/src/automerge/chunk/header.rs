//! What stands before a chunk's body.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::hash::ChangeHash;
use super::super::scan::{Scan, write_unsigned};
use crate::FrameError;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];

const CHECKSUM_BYTES: usize = 4;

/// What a chunk is. There is a fourth kind, the bundle, that clients do not send; it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Document = 0,
    Change = 1,
    Compressed = 2,
}

/// A chunk that is cut off from what follows it.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    checksum: [u8; CHECKSUM_BYTES],
    /// The hash of the chunk; none if it is compressed, as it is then one of what it is not compressed.
    pub(super) hash: Option<ChangeHash>,
    /// The whole chunk.
    pub(super) chunk: Bytes,
    pub(super) body: Bytes,
    /// Where the body begins, as faults are counted.
    pub(super) at: usize,
}

impl Header {
    /// Reads a chunk's header, and checks its checksum if it is one of the body as it is.
    pub(super) fn read(scan: &mut Scan<'_>, bytes: &Bytes) -> Result<Self, FrameError> {
        let (start, at) = (scan.offset(), scan.position());
        if scan.take(MAGIC.len() as u64, "chunk")? != MAGIC {
            let field = "chunk's magic number";
            return Err(FrameError::Wrong { field, at });
        }
        let mut checksum = [0; CHECKSUM_BYTES];
        checksum.copy_from_slice(scan.take(CHECKSUM_BYTES as u64, "checksum")?);
        let kind = Kind::read(scan)?;
        let body = bytes.slice_ref(scan.bytes("chunk")?);
        let hash = (kind != Kind::Compressed).then(|| hash_of(kind, &body));
        let header = Self {
            kind,
            checksum,
            hash,
            chunk: bytes.slice(start..scan.offset()),
            at: scan.position() - body.len(),
            body,
        };
        if let Some(hash) = &hash {
            header.check(hash)?;
        }
        Ok(header)
    }

    /// Passes over a chunk.
    pub(super) fn skip(scan: &mut Scan<'_>) -> Result<(), FrameError> {
        scan.take((MAGIC.len() + CHECKSUM_BYTES + 1) as u64, "chunk")?;
        scan.bytes("chunk").map(drop)
    }

    /// Checks that the checksum is that of a hash.
    pub(super) fn check(&self, ChangeHash(hash): &ChangeHash) -> Result<(), FrameError> {
        if hash[..CHECKSUM_BYTES] == self.checksum {
            Ok(())
        } else {
            let (field, at) = ("checksum", self.at);
            Err(FrameError::Wrong { field, at })
        }
    }
}

impl Kind {
    fn read(scan: &mut Scan<'_>) -> Result<Self, FrameError> {
        let (field, at) = ("chunk's kind", scan.position());
        match scan.byte(field)? {
            0 => Ok(Self::Document),
            1 => Ok(Self::Change),
            2 => Ok(Self::Compressed),
            value => Err(FrameError::Unknown {
                field,
                at,
                value: value.into(),
            }),
        }
    }
}

/// The hash of a chunk.
fn hash_of(kind: Kind, body: &[u8]) -> ChangeHash {
    let mut front = vec![kind as u8];
    write_unsigned(&mut front, body.len() as u64);
    let hash = Sha256::new().chain_update(front).chain_update(body);
    ChangeHash(hash.finalize().into())
}

/// A chunk of a body, and its hash.
pub(super) fn write(kind: Kind, body: &[u8]) -> (Bytes, ChangeHash) {
    let hash = hash_of(kind, body);
    let mut out = Vec::with_capacity(body.len() + 20);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&hash.0[..CHECKSUM_BYTES]);
    out.push(kind as u8);
    write_unsigned(&mut out, body.len() as u64);
    out.extend_from_slice(body);
    (out.into(), hash)
}
