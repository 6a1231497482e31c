//! A cursor over bytes that are only looked at.

use crate::FrameError;
use crate::wire::VAR_UINT_MAX;

/// Walks over bytes from their start. `field` is the name under which a fault is reported.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, FrameError> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or(FrameError::Truncated {
            field,
            at: self.bytes.len(),
        })
    }

    /// A number of at most 53 bits. lib0 reads on through any run of `0x80`; eight bytes hold all there is to read.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, FrameError> {
        let start = self.at;
        if let Some(&byte) = self.bytes.get(start).filter(|byte| **byte < 0x80) {
            self.at += 1;
            return Ok(byte.into());
        }
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return in_range(value, VAR_UINT_MAX, field, start);
            }
        }
        Err(FrameError::OutOfRange { field, at: start })
    }

    /// A number that is at most `max`.
    pub(super) fn clock(&mut self, field: &'static str, max: u64) -> Result<u64, FrameError> {
        let start = self.at;
        in_range(self.number(field)?, max, field, start)
    }

    /// A client's id: whatever JavaScript can count.
    pub(super) fn client(&mut self, field: &'static str) -> Result<u64, FrameError> {
        self.number(field)
    }

    /// How many things follow, each of which takes `bytes_min` at least.
    pub(super) fn count(&mut self, field: &'static str, bytes_min: u64) -> Result<u64, FrameError> {
        let declared = self.number(field)?;
        let available = self.bytes.len() - self.at;
        if declared.saturating_mul(bytes_min) <= available as u64 {
            Ok(declared)
        } else {
            Err(FrameError::TooLong {
                field,
                at: self.at,
                declared,
                available,
            })
        }
    }

    /// So many bytes.
    pub(super) fn take(
        &mut self,
        length: u64,
        field: &'static str,
    ) -> Result<&'a [u8], FrameError> {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        match usize::try_from(length) {
            Ok(length) if length <= rest.len() => {
                self.at += length;
                Ok(&rest[..length])
            }
            _ => Err(FrameError::TooLong {
                field,
                at: self.at,
                declared: length,
                available: rest.len(),
            }),
        }
    }

    /// A length and that many bytes.
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FrameError> {
        let length = self.number(field)?;
        self.take(length, field)
    }

    /// A length and that many bytes of UTF-8.
    pub(super) fn string(&mut self, field: &'static str) -> Result<&'a str, FrameError> {
        let bytes = self.bytes(field)?;
        let start = self.at - bytes.len();
        std::str::from_utf8(bytes).map_err(|fault| FrameError::NotUtf8 {
            field,
            at: start + fault.valid_up_to(),
        })
    }

    pub(super) fn finish(&self, field: &'static str) -> Result<(), FrameError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(FrameError::Trailing { field, at: self.at })
        }
    }
}

fn in_range(value: u64, max: u64, field: &'static str, at: usize) -> Result<u64, FrameError> {
    if value <= max {
        Ok(value)
    } else {
        Err(FrameError::OutOfRange { field, at })
    }
}
