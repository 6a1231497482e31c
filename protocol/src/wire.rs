//! How numbers, bytes and strings lie in a frame: the encoding of the npm package lib0 (`encoding.js`, `decoding.js`),
//! which all Yjs protocols use.
//!
//! A *varUint* has seven bits a byte, the lowest first, and the eighth bit says that more follow. A *varUint8Array* is a
//! varUint length and that many bytes; a *varString* is the same, holding UTF-8.
//!
//! [`Reader`] is bounded by the bytes that it was given: it checks a declared length against what is left before it does
//! anything else, and hands out slices that share the frame. Where lib0's reader is loose it is strict: a number has at
//! most [`VAR_UINT_BYTES_MAX`] bytes and is at most [`VAR_UINT_MAX`], where lib0 reads on through any run of `0x80`. Like
//! lib0 it accepts an over-long number (`80 00` for zero), although neither lib0 nor [`Writer`] ever writes one.

use bytes::{BufMut, Bytes, BytesMut};

use crate::FrameError;

/// The largest number on the wire: JavaScript's `Number.MAX_SAFE_INTEGER`.
pub const VAR_UINT_MAX: u64 = (1 << 53) - 1;

/// The most bytes that a number may take: 53 bits at seven a byte.
pub const VAR_UINT_BYTES_MAX: usize = 8;

/// Reads a frame, or a part of one, from its start. `field` is the name under which a fault is reported.
#[derive(Clone, Debug)]
pub struct Reader {
    rest: Bytes,
    at: usize,
}

impl Reader {
    /// Reads a frame from its first byte.
    pub fn new(frame: &Bytes) -> Self {
        Self {
            rest: frame.clone(),
            at: 0,
        }
    }

    /// The offset of the next byte, from the start of the frame.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether all bytes were read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads a number.
    ///
    /// # Errors
    /// The bytes end within the number, it does not end, or it is larger than [`VAR_UINT_MAX`].
    pub fn var_uint(&mut self, field: &'static str) -> Result<u64, FrameError> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().take(VAR_UINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return self.number(value, index + 1, field);
            }
        }
        Err(self.unending(field))
    }

    /// Reads a number of at most 32 bits.
    ///
    /// # Errors
    /// As [`Self::var_uint`], or the number is larger.
    pub fn var_u32(&mut self, field: &'static str) -> Result<u32, FrameError> {
        let at = self.at;
        let value = self.var_uint(field)?;
        u32::try_from(value).map_err(|_| FrameError::OutOfRange { field, at })
    }

    /// Reads a length and that many bytes, which are shared with the frame.
    ///
    /// # Errors
    /// The length is no number, or more bytes are declared than are left.
    pub fn var_bytes(&mut self, field: &'static str) -> Result<Bytes, FrameError> {
        let declared = self.var_uint(field)?;
        match usize::try_from(declared) {
            Ok(length) if length <= self.rest.len() => Ok(self.advance(length)),
            _ => Err(FrameError::TooLong {
                field,
                at: self.at,
                declared,
                available: self.rest.len(),
            }),
        }
    }

    /// Reads a length and that many bytes of UTF-8, which are shared with the frame.
    ///
    /// # Errors
    /// As [`Self::var_bytes`], or the bytes are not UTF-8.
    pub fn var_string(&mut self, field: &'static str) -> Result<Bytes, FrameError> {
        let bytes = self.var_bytes(field)?;
        let start = self.at - bytes.len();
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(bytes),
            Err(fault) => Err(FrameError::NotUtf8 {
                field,
                at: start + fault.valid_up_to(),
            }),
        }
    }

    /// Reads a length and gives a reader of that many bytes, which counts on from here.
    ///
    /// # Errors
    /// As [`Self::var_bytes`].
    pub fn nested(&mut self, field: &'static str) -> Result<Self, FrameError> {
        let rest = self.var_bytes(field)?;
        let at = self.at - rest.len();
        Ok(Self { rest, at })
    }

    /// Checks that all bytes were read.
    ///
    /// # Errors
    /// Some are left.
    pub fn finish(&self, field: &'static str) -> Result<(), FrameError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Trailing { field, at: self.at })
        }
    }

    fn number(
        &mut self,
        value: u64,
        length: usize,
        field: &'static str,
    ) -> Result<u64, FrameError> {
        if value > VAR_UINT_MAX {
            return Err(FrameError::OutOfRange { field, at: self.at });
        }
        self.advance(length);
        Ok(value)
    }

    fn unending(&self, field: &'static str) -> FrameError {
        if self.rest.len() < VAR_UINT_BYTES_MAX {
            let at = self.at + self.rest.len();
            FrameError::Truncated { field, at }
        } else {
            FrameError::OutOfRange { field, at: self.at }
        }
    }

    fn advance(&mut self, length: usize) -> Bytes {
        self.at += length;
        self.rest.split_to(length)
    }
}

/// Writes a frame.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// Begins a frame that will have about so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            out: BytesMut::with_capacity(bytes),
        }
    }

    /// Writes a number, in as few bytes as it takes.
    pub fn var_uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.put_u8(value as u8);
    }

    /// Writes a length and the bytes.
    pub fn var_bytes(&mut self, bytes: &[u8]) {
        self.var_uint(bytes.len() as u64);
        self.out.put_slice(bytes);
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// Writes a length and the string as UTF-8.
    pub fn var_string(&mut self, string: &str) {
        self.var_bytes(string.as_bytes());
    }

    /// The bytes written.
    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }
}

/// How many bytes [`Writer::var_uint`] takes for a number.
pub fn var_uint_length(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    bits.max(1).div_ceil(7) as usize
}

/// How many bytes [`Writer::var_bytes`] takes for so many.
pub fn var_bytes_length(bytes: usize) -> usize {
    var_uint_length(bytes as u64) + bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(&Bytes::from_static(bytes))
    }

    fn written(value: u64) -> Bytes {
        let mut writer = Writer::default();
        writer.var_uint(value);
        writer.finish()
    }

    #[test]
    fn numbers_are_written_as_short_as_they_are() {
        assert_eq!(written(0), [0][..]);
        assert_eq!(written(127), [127][..]);
        assert_eq!(written(128), [0x80, 1][..]);
        assert_eq!(
            written(VAR_UINT_MAX),
            [255, 255, 255, 255, 255, 255, 255, 15][..]
        );
    }

    #[test]
    fn lengths_are_known_before_writing() {
        for shift in 0..=53 {
            for value in [(1 << shift) - 1, 1 << shift] {
                assert_eq!(var_uint_length(value), written(value).len(), "{value}");
            }
        }
        assert_eq!(var_bytes_length(128), 130);
    }

    #[test]
    fn over_long_numbers_are_read() {
        assert_eq!(reader(&[0x80, 0]).var_uint("n"), Ok(0));
        let padded = reader(&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]).var_uint("n");
        assert_eq!(padded, Ok(1));
    }

    #[test]
    fn numbers_beyond_javascript_are_refused() {
        let out_of_range = Err(FrameError::OutOfRange { field: "n", at: 0 });
        let two_to_the_53 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert_eq!(
            Reader::new(&Bytes::copy_from_slice(&two_to_the_53)).var_uint("n"),
            out_of_range
        );
        assert_eq!(reader(&[0x80; 9]).var_uint("n"), out_of_range);
        assert_eq!(reader(&[0xff; 8]).var_uint("n"), out_of_range);
        assert_eq!(
            reader(&[0x80; 7]).var_uint("n"),
            Err(FrameError::Truncated { field: "n", at: 7 })
        );
    }

    #[test]
    fn a_number_of_32_bits_says_where_it_began() {
        let mut numbers = reader(&[
            1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x80, 0x80, 0x80, 0x80, 0x10,
        ]);
        assert_eq!(numbers.var_u32("n"), Ok(1));
        assert_eq!(numbers.var_u32("n"), Ok(u32::MAX));
        assert_eq!(
            numbers.var_u32("n"),
            Err(FrameError::OutOfRange { field: "n", at: 6 })
        );
    }

    #[test]
    fn declared_lengths_are_held_against_what_is_left() {
        assert_eq!(
            reader(&[3, 1, 2]).var_bytes("b"),
            Err(FrameError::TooLong {
                field: "b",
                at: 1,
                declared: 3,
                available: 2
            })
        );
        let huge = reader(&[255, 255, 255, 255, 255, 255, 255, 15, 9]).var_bytes("b");
        assert_eq!(
            huge,
            Err(FrameError::TooLong {
                field: "b",
                at: 8,
                declared: VAR_UINT_MAX,
                available: 1
            })
        );
    }

    #[test]
    fn nested_readers_count_on_and_stop_at_their_end() {
        let mut outer = reader(&[9, 2, 5, 0x80, 7]);
        outer.var_uint("first").unwrap();
        let mut inner = outer.nested("part").unwrap();
        assert_eq!(inner.position(), 2);
        assert_eq!(
            inner.finish("part"),
            Err(FrameError::Trailing {
                field: "part",
                at: 2
            })
        );
        assert_eq!(inner.var_uint("n"), Ok(5));
        assert_eq!(
            inner.var_uint("n"),
            Err(FrameError::Truncated { field: "n", at: 4 })
        );
        assert_eq!(outer.var_uint("last"), Ok(7));
        assert!(outer.is_empty());
    }

    #[test]
    fn strings_are_utf8_and_say_where_they_are_not() {
        assert_eq!(reader(b"\x02\xc3\xa9").var_string("s").unwrap(), "é");
        assert_eq!(
            reader(b"\x03a\xc3b").var_string("s"),
            Err(FrameError::NotUtf8 { field: "s", at: 2 })
        );
    }

    #[test]
    fn slices_share_the_frame() {
        let frame = Bytes::copy_from_slice(&[2, 8, 9]);
        let slice = Reader::new(&frame).var_bytes("b").unwrap();
        assert_eq!(slice.as_ptr(), frame[1..].as_ptr());
    }
}
