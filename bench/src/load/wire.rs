//! The numbers and strings of lib0, of which all these protocols are made.

use anyhow::{Context, Result};

/// Reads from the front of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("cut off")?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn var_uint(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
            anyhow::ensure!(shift < 63, "a number beyond 63 bits");
        }
    }

    /// A number that counts what fits into memory, as clocks and lengths do.
    #[inline]
    pub(crate) fn count(&mut self) -> Result<u32> {
        u32::try_from(self.var_uint()?).context("a count beyond 32 bits")
    }

    /// A length and so many bytes: a string, or bytes.
    #[inline]
    pub(crate) fn var_bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.bytes(length as usize)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<()> {
        self.bytes(count).map(|_| ())
    }

    pub(crate) fn skip_var_bytes(&mut self) -> Result<()> {
        self.var_bytes().map(|_| ())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a number.
#[inline]
pub(crate) fn put_var_uint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a string, or bytes, after their length.
pub(crate) fn put_var_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
