//! The Bloom filter in which a peer says what changes it has (`src/sync/bloom.rs` of the crate `automerge`).
//!
//! Ten bits for each change, of which seven are set: `x`, and then six times `x + y` while `y` grows by `z`, where the three
//! are the first three numbers of 32 bits, lowest byte first, of the change's hash; all modulo the number of bits. The format
//! would allow other numbers, by which a few bytes could keep a processor busy for seconds; nobody uses them, and they are
//! refused.

use bytes::Bytes;

use super::hash::ChangeHash;
use super::scan::{Scan, write_unsigned};
use crate::FrameError;

/// What changes somebody says to have. It may seem to have others as well, about one in a hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bloom {
    entries: u32,
    bits: Bytes,
}

const BITS_PER_ENTRY: u64 = 10;
const PROBES: u64 = 7;

impl Bloom {
    /// The filter that has these changes.
    pub fn of<'a>(hashes: impl ExactSizeIterator<Item = &'a ChangeHash>) -> Self {
        let entries = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
        let mut bits = vec![0; bytes_of(entries) as usize];
        for hash in hashes {
            for probe in probes(hash, bits.len()) {
                bits[probe / 8] |= 1 << (probe % 8);
            }
        }
        Self {
            entries,
            bits: bits.into(),
        }
    }

    /// For how many changes it was made.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Whether it has a change, or seems to.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        let mut probes = probes(hash, self.bits.len());
        self.entries > 0 && probes.all(|probe| self.bits[probe / 8] & (1 << (probe % 8)) != 0)
    }

    /// Reads a filter that was sent: nothing at all for an empty one. `frame` is what the scan walks over.
    pub(super) fn read(mut scan: Scan<'_>, frame: &Bytes) -> Result<Self, FrameError> {
        if scan.is_empty() {
            return Ok(Self::default());
        }
        let entries = scan.at_most(u32::MAX.into(), "Bloom filter's entries")?;
        let entries = entries as u32;
        expect(&mut scan, BITS_PER_ENTRY, "Bloom filter's bits per entry")?;
        expect(&mut scan, PROBES, "Bloom filter's probes")?;
        let bits = scan.take(bytes_of(entries), "Bloom filter")?;
        scan.finish("Bloom filter")?;
        Ok(Self {
            entries,
            bits: frame.slice_ref(bits),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.entries > 0 {
            write_unsigned(&mut out, self.entries.into());
            write_unsigned(&mut out, BITS_PER_ENTRY);
            write_unsigned(&mut out, PROBES);
            out.extend_from_slice(&self.bits);
        }
        out
    }
}

fn expect(scan: &mut Scan<'_>, number: u64, field: &'static str) -> Result<(), FrameError> {
    let at = scan.position();
    match scan.unsigned(field)? {
        value if value == number => Ok(()),
        value => Err(FrameError::Unknown { field, at, value }),
    }
}

fn bytes_of(entries: u32) -> u64 {
    (u64::from(entries) * BITS_PER_ENTRY).div_ceil(8)
}

/// The bits that are set for a change, in a filter of so many bytes, of which there is at least one.
fn probes(ChangeHash(hash): &ChangeHash, bytes: usize) -> impl Iterator<Item = usize> + use<> {
    let bits = (bytes as u64 * 8).max(1);
    let number = |at: usize| {
        let bytes = [hash[at], hash[at + 1], hash[at + 2], hash[at + 3]];
        u64::from(u32::from_le_bytes(bytes)) % bits
    };
    let (mut x, mut y, z) = (number(0), number(4), number(8));
    (0..PROBES).map(move |_| {
        let probe = x;
        x = (x + y) % bits;
        y = (y + z) % bits;
        probe as usize
    })
}
