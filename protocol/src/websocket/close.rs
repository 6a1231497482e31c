//! What a close frame says: a code that programs act upon, and a reason for people (RFC 6455, sections 5.5.1 and 7.4).

use super::Fault;

/// Reads the payload of a close frame: its code, if it has one.
pub(super) fn read(payload: &[u8]) -> Result<Option<u16>, Fault> {
    match payload {
        [] => Ok(None),
        [_] => Err(Fault::HalfCloseCode),
        [high, low, reason @ ..] => {
            std::str::from_utf8(reason).map_err(|_| Fault::NotUtf8)?;
            Ok(Some(u16::from_be_bytes([*high, *low])))
        }
    }
}

/// The code that answers a close with this one: the same, unless nobody may send that.
pub fn answer(code: u16) -> u16 {
    if may_be_sent(code) {
        code
    } else {
        PROTOCOL_ERROR
    }
}

/// Whether a code may stand in a frame: 1004 has no meaning, 1005, 1006 and 1015 only say that no code came, and beyond
/// 1014 nothing is registered below 3000.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const PROTOCOL_ERROR: u16 = 1002;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_nobody_may_send_is_answered_with_another() {
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(answer(code), code);
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert_eq!(answer(code), PROTOCOL_ERROR);
        }
    }

    #[test]
    fn a_close_has_no_code_or_all_of_it() {
        assert_eq!(read(b""), Ok(None));
        assert_eq!(read(&[3]), Err(Fault::HalfCloseCode));
        assert_eq!(read(&[3, 0xe8]), Ok(Some(1000)));
        assert_eq!(read("\u{3}\u{0}bye: é".as_bytes()), Ok(Some(768)));
        assert_eq!(read(&[3, 0, 0xff]), Err(Fault::NotUtf8));
    }
}
