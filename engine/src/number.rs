//! Numbers in stored bytes: LEB128, in the one shortest form of each.

use thiserror::Error;

/// Bytes that are no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum MalformedNumber {
    /// The bytes end within the number, or it does not fit its type.
    #[error("number is cut short or out of range")]
    CutShort,
    /// There is a shorter form.
    #[error("number is padded")]
    Padded,
}

/// Appends a number.
pub(crate) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front of some bytes.
pub(crate) fn read_number(bytes: &mut &[u8]) -> Result<u64, MalformedNumber> {
    let mut number = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(MalformedNumber::CutShort)?;
        *bytes = rest;
        let digit = u64::from(byte & 0x7f);
        if digit.leading_zeros() < shift {
            return Err(MalformedNumber::CutShort);
        }
        number |= digit << shift;
        if byte < 0x80 {
            let is_padded = byte == 0 && shift > 0;
            return match is_padded {
                true => Err(MalformedNumber::Padded),
                false => Ok(number),
            };
        }
    }
    Err(MalformedNumber::CutShort)
}
