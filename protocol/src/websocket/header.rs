//! The header of a client's frame (RFC 6455, section 5.2).
//!
//! What is wrong is said as soon as the header is whole, before any of the payload is waited for.

use super::Fault;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Whether it is the last, or only, fragment.
    pub(super) is_final: bool,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    fn new(opcode: u8) -> Result<Self, Fault> {
        Ok(match opcode {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => return Err(Fault::UnknownOpcode(other)),
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Header {
    /// How many bytes the header has that begins so. Its first two bytes tell, and are checked.
    pub(super) fn length_of(bytes: &[u8]) -> Result<usize, Fault> {
        let [first, second, ..] = *bytes else {
            return Ok(2);
        };
        check(first, second)?;
        Ok(2 + extended(second) + MASK_BYTES)
    }

    /// Reads a header that is as long as [`Self::length_of`] says.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let (first, second) = (bytes[0], bytes[1]);
        let (length, rest) = bytes[2..].split_at(extended(second));
        let mut mask = [0; MASK_BYTES];
        mask.copy_from_slice(&rest[..MASK_BYTES]);
        Ok(Self {
            kind: Kind::new(first & OPCODE)?,
            is_final: first & FINAL != 0,
            length: read_length(second & LENGTH, length)?,
            mask,
        })
    }
}

fn check(first: u8, second: u8) -> Result<(), Fault> {
    if first & RESERVED != 0 {
        return Err(Fault::ReservedBit);
    }
    let kind = Kind::new(first & OPCODE)?;
    if second & MASKED == 0 {
        return Err(Fault::NotMasked);
    }
    if kind.is_control() && first & FINAL == 0 {
        return Err(Fault::FragmentedControl);
    }
    if kind.is_control() && extended(second) > 0 {
        return Err(Fault::LongControl);
    }
    Ok(())
}

/// How many bytes of length follow the second byte.
fn extended(second: u8) -> usize {
    match second & LENGTH {
        LENGTH_16 => 2,
        LENGTH_64 => 8,
        _ => 0,
    }
}

fn read_length(short: u8, extended: &[u8]) -> Result<u64, Fault> {
    let long = extended
        .iter()
        .fold(0, |length, byte| length << 8 | u64::from(*byte));
    match short {
        LENGTH_16 if long < 126 => Err(Fault::LongLength),
        LENGTH_64 if long < 0x1_0000 => Err(Fault::LongLength),
        LENGTH_16 | LENGTH_64 => Ok(long),
        short => Ok(short.into()),
    }
}

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MASK_BYTES: usize = 4;
/// The longest header: two bytes, a length of eight, a mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Header, Fault> {
        assert_eq!(Header::length_of(bytes)?, bytes.len());
        Header::read(bytes)
    }

    #[test]
    fn a_length_takes_as_few_bytes_as_it_can() {
        let length = |bytes: &[u8]| read(bytes).map(|header| header.length);
        assert_eq!(length(&[0x82, 0xfd, 0, 0, 0, 0]), Ok(125));
        assert_eq!(length(&[0x82, 0xfe, 0, 126, 0, 0, 0, 0]), Ok(126));
        let too_long = Err(Fault::LongLength);
        assert_eq!(length(&[0x82, 0xfe, 0, 125, 0, 0, 0, 0]), too_long);
        let eight = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        assert_eq!(length(&eight(0xffff)), too_long);
        assert_eq!(length(&eight(0x1_0000)), Ok(0x1_0000));
        assert_eq!(length(&eight(u64::MAX)), Ok(u64::MAX));
    }

    #[test]
    fn what_no_client_may_send_is_told_apart() {
        let fault = |first, second| Header::length_of(&[first, second]).unwrap_err();
        assert_eq!(fault(0xc2, 0x80), Fault::ReservedBit);
        assert_eq!(fault(0x83, 0x80), Fault::UnknownOpcode(3));
        assert_eq!(fault(0x8f, 0x80), Fault::UnknownOpcode(15));
        assert_eq!(fault(0x82, 0x00), Fault::NotMasked);
        assert_eq!(fault(0x09, 0x80), Fault::FragmentedControl);
        assert_eq!(fault(0x89, 0xfe), Fault::LongControl);
    }
}
