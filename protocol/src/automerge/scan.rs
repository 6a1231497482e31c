//! A cursor over Automerge's own bytes. Numbers are LEB128: seven bits a byte, the lowest first; signed ones are extended
//! from their last bit. Each number is written in as few bytes as it takes, and is refused otherwise, as Automerge does.

use super::hash::ChangeHash;
use crate::FrameError;

/// Walks over bytes from their start. `field` is the name under which a fault is reported.
#[derive(Clone, Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Scan<'a> {
    /// Walks over bytes of which the first is the byte `base` of what faults are told of.
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    /// The offset of the next byte, counted as faults are.
    pub(super) fn position(&self) -> usize {
        self.base + self.at
    }

    /// The offset of the next byte, from the first one.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, FrameError> {
        let at = self.base + self.bytes.len();
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or(FrameError::Truncated { field, at })?;
        self.at += 1;
        Ok(byte)
    }

    /// So many bytes, which are not copied.
    pub(super) fn take(&mut self, count: u64, field: &'static str) -> Result<&'a [u8], FrameError> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(count) {
            Ok(length) if length <= rest.len() => {
                self.at += length;
                Ok(&rest[..length])
            }
            _ => Err(FrameError::TooLong {
                field,
                at: self.position(),
                declared: count,
                available: rest.len(),
            }),
        }
    }

    /// A length and that many bytes.
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FrameError> {
        let length = self.unsigned(field)?;
        self.take(length, field)
    }

    /// A length and that many bytes of UTF-8.
    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, FrameError> {
        let bytes = self.bytes(field)?;
        let start = self.position() - bytes.len();
        utf8(bytes, start, field)
    }

    /// A scan of a length and that many bytes.
    pub(super) fn nested(&mut self, field: &'static str) -> Result<Self, FrameError> {
        let bytes = self.bytes(field)?;
        Ok(Self::new(bytes, self.position() - bytes.len()))
    }

    /// A number of at most 64 bits.
    pub(super) fn unsigned(&mut self, field: &'static str) -> Result<u64, FrameError> {
        let at = self.position();
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let is_short = shift == 0 || byte > 0;
                let fits = shift < 63 || byte <= 1;
                return number(value, is_short && fits, field, at);
            }
        }
        Err(FrameError::OutOfRange { field, at })
    }

    /// A signed number of at most 64 bits.
    pub(super) fn signed(&mut self, field: &'static str) -> Result<i64, FrameError> {
        let at = self.position();
        let mut value = 0;
        let mut before = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(field)?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let extends =
                    (byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 > 0);
                let fits = shift < 63 || byte == 0 || byte == 0x7f;
                let is_short = shift == 0 || !extends;
                if shift < 57 && byte & 0x40 > 0 {
                    value |= -1 << (shift + 7);
                }
                return number(value, is_short && fits, field, at);
            }
            before = byte;
        }
        Err(FrameError::OutOfRange { field, at })
    }

    /// A number of at most `max`.
    pub(super) fn at_most(&mut self, max: u64, field: &'static str) -> Result<u64, FrameError> {
        let at = self.position();
        let value = self.unsigned(field)?;
        number(value, value <= max, field, at)
    }

    /// How many things follow, each of which takes `bytes_min` at least, and of which `max` are taken.
    pub(super) fn count(
        &mut self,
        bytes_min: u64,
        max: usize,
        field: &'static str,
    ) -> Result<usize, FrameError> {
        let declared = self.unsigned(field)?;
        let at = self.position();
        if declared.saturating_mul(bytes_min) > self.left() as u64 {
            return Err(FrameError::TooLong {
                field,
                at,
                declared,
                available: self.left(),
            });
        }
        match usize::try_from(declared) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(FrameError::TooMany { field, at, max }),
        }
    }

    /// A count and that many hashes.
    pub(super) fn hashes(
        &mut self,
        max: usize,
        field: &'static str,
    ) -> Result<Vec<ChangeHash>, FrameError> {
        let count = self.count(ChangeHash::BYTES as u64, max, field)?;
        (0..count).map(|_| self.hash(field)).collect()
    }

    fn hash(&mut self, field: &'static str) -> Result<ChangeHash, FrameError> {
        let mut hash = [0; ChangeHash::BYTES];
        hash.copy_from_slice(self.take(ChangeHash::BYTES as u64, field)?);
        Ok(ChangeHash(hash))
    }

    pub(super) fn finish(&self, field: &'static str) -> Result<(), FrameError> {
        if self.is_empty() {
            Ok(())
        } else {
            let at = self.position();
            Err(FrameError::Trailing { field, at })
        }
    }
}

/// The text that bytes are.
pub(super) fn utf8<'a>(
    bytes: &'a [u8],
    start: usize,
    field: &'static str,
) -> Result<&'a str, FrameError> {
    std::str::from_utf8(bytes).map_err(|fault| FrameError::NotUtf8 {
        field,
        at: start + fault.valid_up_to(),
    })
}

/// Writes a number in as few bytes as it takes.
pub(super) fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a length and the bytes.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn number<T>(value: T, is_good: bool, field: &'static str, at: usize) -> Result<T, FrameError> {
    if is_good {
        Ok(value)
    } else {
        Err(FrameError::OutOfRange { field, at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed(mut value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let byte = value as u8 & 0x7f;
            value >>= 7;
            let is_last = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 > 0);
            out.push(if is_last { byte } else { byte | 0x80 });
            if is_last {
                return out;
            }
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(value: u64, shift in 0..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            write_unsigned(&mut out, value);
            prop_assert_eq!(Scan::new(&out, 0).unsigned("n"), Ok(value));
            let last = out.len() - 1;
            out[last] |= 0x80;
            out.push(0);
            prop_assert!(Scan::new(&out, 0).unsigned("n").is_err(), "over-long");
        }

        #[test]
        fn so_are_signed_ones(value: i64, shift in 0..64) {
            let value = value >> shift;
            let mut out = signed(value);
            prop_assert_eq!(Scan::new(&out, 0).signed("n"), Ok(value));
            let last = out.len() - 1;
            out[last] |= 0x80;
            out.push(if value < 0 { 0x7f } else { 0 });
            prop_assert!(Scan::new(&out, 0).signed("n").is_err(), "over-long");
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_refused() {
        let most = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(Scan::new(&most, 0).unsigned("n"), Ok(u64::MAX));
        let mut more = most;
        more[9] = 2;
        assert!(Scan::new(&more, 0).unsigned("n").is_err());
        assert!(Scan::new(&more, 0).signed("n").is_err());
        assert!(Scan::new(&[0x80; 100], 0).unsigned("n").is_err());
        assert!(Scan::new(&[0x80; 100], 0).signed("n").is_err());
        let cut_off = FrameError::Truncated { field: "n", at: 9 };
        assert_eq!(Scan::new(&[0x80; 4], 5).unsigned("n"), Err(cut_off));
    }

    #[test]
    fn counts_are_held_against_the_bytes_and_the_bound() {
        let bytes = [3, 0, 0];
        assert_eq!(
            Scan::new(&bytes, 0).count(1, 9, "things"),
            Err(FrameError::TooLong {
                field: "things",
                at: 1,
                declared: 3,
                available: 2
            })
        );
        assert_eq!(
            Scan::new(&[2, 0, 0], 0).count(1, 1, "things"),
            Err(FrameError::TooMany {
                field: "things",
                at: 1,
                max: 1
            })
        );
    }
}
