//! How fields stand in bytes between nodes: numbers as LEB128, everything else behind its length, a checksum at the end.
//!
//! Whatever is read may have been written by anybody. So a [`Reader`] takes nothing on trust: a length is compared with
//! what is there before anything is made of it, and every error is an answer.

use bytes::Bytes;
use thiserror::Error;

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unreadable {
    /// They are not what they should be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A newer program wrote them.
    #[error("of a newer version")]
    Unknown,
}

/// Bytes that are being written.
#[derive(Debug)]
pub(crate) struct Writer(Vec<u8>);

/// Bytes that are being read, from the front.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Writer {
    /// Begins with the version.
    pub(crate) fn new(version: u8) -> Self {
        Self(vec![version])
    }

    /// Begins with nothing: for a part of something.
    pub(crate) fn part() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.byte(u8::from(flag))
    }

    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8)
    }

    /// Eight bytes, little endian: for numbers that are large as a rule.
    pub(crate) fn wide(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64).raw(bytes)
    }

    pub(crate) fn maybe(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        self.flag(bytes.is_some());
        if let Some(bytes) = bytes {
            self.bytes(bytes);
        }
        self
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Ends with the checksum of all before.
    pub(crate) fn seal(mut self) -> Bytes {
        let checksum = crc32fast::hash(&self.0);
        self.raw(&checksum.to_le_bytes());
        self.0.into()
    }
}

impl Reader {
    /// Looks at the checksum and the version.
    pub(crate) fn unseal(mut sealed: Bytes, version: u8) -> Result<Self, Unreadable> {
        let length = sealed.len().checked_sub(CHECKSUM_BYTES);
        let checksum = sealed.split_off(length.ok_or(Unreadable::Malformed("too short"))?);
        if crc32fast::hash(&sealed).to_le_bytes() != *checksum {
            return Err(Unreadable::Malformed("checksum differs"));
        }
        let mut reader = Self(sealed);
        match reader.byte()? {
            found if found == version => Ok(reader),
            _ => Err(Unreadable::Unknown),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Unreadable> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable::Malformed("flag is neither 0 nor 1")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let digit = u64::from(byte & 0x7f);
            if digit.leading_zeros() < shift {
                return Err(Unreadable::Malformed("number is too large"));
            }
            number |= digit << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable::Malformed("number has no end"))
    }

    /// A number of 32 bits.
    pub(crate) fn small(&mut self) -> Result<u32, Unreadable> {
        u32::try_from(self.number()?).map_err(|_| Unreadable::Malformed("number is too large"))
    }

    pub(crate) fn wide(&mut self) -> Result<u64, Unreadable> {
        let bytes = self.take(8)?;
        let bytes = bytes.first_chunk().copied();
        Ok(bytes.map_or(0, u64::from_le_bytes))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Unreadable> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(crate) fn maybe(&mut self) -> Result<Option<Bytes>, Unreadable> {
        let is_there = self.flag()?;
        is_there.then(|| self.bytes()).transpose()
    }

    pub(crate) fn text(&mut self) -> Result<String, Unreadable> {
        readable(&self.bytes()?)
    }

    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, Unreadable> {
        let bytes = self.maybe()?;
        bytes.map(|bytes| readable(&bytes)).transpose()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.0.split_off(0)
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), Unreadable> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Unreadable::Malformed("something follows the end"))
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Unreadable> {
        if length > self.0.len() {
            return Err(Unreadable::Malformed("cut short"));
        }
        Ok(self.0.split_to(length))
    }
}

fn readable(bytes: &[u8]) -> Result<String, Unreadable> {
    let text = str::from_utf8(bytes);
    let text = text.map_err(|_| Unreadable::Malformed("text is not UTF-8"))?;
    Ok(text.to_owned())
}

const CHECKSUM_BYTES: usize = 4;
