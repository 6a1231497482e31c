//! base58check, in which ids and heads are texts: the bytes and the first four of their double SHA-256, in base 58.

use sha2::{Digest, Sha256};

use crate::FrameError;

/// The most bytes that are read: base 58 takes time that grows with the square of them.
pub(super) const BYTES_MAX: usize = 64;

const CHECKSUM_BYTES: usize = 4;

/// As many characters as that many bytes and the checksum can have.
const TEXT_BYTES_MAX: usize = 94;

pub(super) fn write(bytes: &[u8]) -> String {
    let mut checked = Vec::with_capacity(bytes.len() + CHECKSUM_BYTES);
    checked.extend_from_slice(bytes);
    checked.extend_from_slice(&checksum(bytes));
    bs58::encode(checked).into_string()
}

/// # Errors
/// The text is longer than that of [`BYTES_MAX`] bytes, or is not base58check.
pub(super) fn read(text: &str, field: &'static str) -> Result<Vec<u8>, FrameError> {
    let wrong = FrameError::Wrong { field, at: 0 };
    if text.len() > TEXT_BYTES_MAX {
        return Err(FrameError::TooLong {
            field,
            at: 0,
            declared: text.len() as u64,
            available: TEXT_BYTES_MAX,
        });
    }
    let mut bytes = bs58::decode(text).into_vec().map_err(|_| wrong)?;
    let length = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(wrong)?;
    let (payload, declared) = bytes.split_at(length);
    if payload.len() > BYTES_MAX || checksum(payload) != declared {
        return Err(wrong);
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let twice = Sha256::digest(Sha256::digest(bytes));
    [twice[0], twice[1], twice[2], twice[3]]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in vec(any::<u8>(), 0..=BYTES_MAX)) {
            prop_assert_eq!(read(&write(&bytes), "id"), Ok(bytes));
        }

        #[test]
        fn whatever_is_read_has_that_one_text(text in "[1-9A-HJ-NP-Za-km-z]{0,96}") {
            if let Ok(bytes) = read(&text, "id") {
                prop_assert_eq!(write(&bytes), text);
            }
        }
    }

    #[test]
    fn a_wrong_character_or_too_many_are_refused() {
        let text = write(&[7; 16]);
        let wrong = Err(FrameError::Wrong { field: "id", at: 0 });
        assert_eq!(read(&text.replace(&text[3..4], "0"), "id"), wrong);
        assert_eq!(read("", "id"), wrong);
        assert_eq!(read("é", "id"), wrong);
        assert!(write(&[255; BYTES_MAX]).len() <= TEXT_BYTES_MAX);
        let long = "1".repeat(1_000_000);
        assert!(matches!(read(&long, "id"), Err(FrameError::TooLong { .. })));
    }
}
