//! A bounded reader. Nothing is built but what is asked for, and nothing is allocated for a length that was declared.

use bytes::Bytes;

use super::{
    BYTES, FALSE, LIST, MAP, NULL, SIMPLE, TAG, TAG_BYTES, TEXT, TRUE, UNDEFINED, UNSIGNED,
};
use crate::FrameError;

/// How deep a message may be nested. Real ones are four deep.
const DEPTH_MAX: usize = 16;

/// Reads a frame from its start. `field` is the name under which a fault is reported.
#[derive(Clone, Debug)]
pub(in super::super) struct Reader {
    frame: Bytes,
    at: usize,
}

/// How many items of a list or pairs of a map are still to come; none is said if they end with a break.
#[derive(Debug)]
pub(in super::super) struct Items(Option<u64>);

/// The first bytes of an item: what it is, and the number that follows; none for what has no end of its own.
#[derive(Clone, Copy, Debug)]
struct Head {
    major: u8,
    info: u8,
    number: Option<u64>,
}

const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;

const HALF: u8 = 25;
const SINGLE: u8 = 26;
const DOUBLE: u8 = 27;

impl Reader {
    pub(in super::super) fn new(frame: &Bytes) -> Self {
        Self::at(frame, 0)
    }

    /// Reads on from a byte of a frame.
    pub(in super::super) fn at(frame: &Bytes, at: usize) -> Self {
        let frame = frame.clone();
        Self { frame, at }
    }

    /// The whole frame.
    pub(in super::super) fn frame(&self) -> Bytes {
        self.frame.clone()
    }

    /// The offset of the next byte.
    pub(in super::super) fn position(&self) -> usize {
        self.at
    }

    pub(in super::super) fn map(&mut self, field: &'static str) -> Result<Items, FrameError> {
        self.items(MAP, field)
    }

    pub(in super::super) fn list(&mut self, field: &'static str) -> Result<Items, FrameError> {
        self.items(LIST, field)
    }

    /// Whether there is one more; if so it is read next.
    pub(in super::super) fn more(
        &mut self,
        items: &mut Items,
        field: &'static str,
    ) -> Result<bool, FrameError> {
        match &mut items.0 {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => {
                let is_over = self.peek(field)? == BREAK;
                self.at += usize::from(is_over);
                Ok(!is_over)
            }
        }
    }

    /// Whether what comes is null or undefined; then it is read.
    pub(in super::super) fn nothing(&mut self, field: &'static str) -> Result<bool, FrameError> {
        let byte = u64::from(self.peek(field)?);
        let is_nothing = [NULL, UNDEFINED].contains(&(byte ^ u64::from(SIMPLE << 5)));
        self.at += usize::from(is_nothing);
        Ok(is_nothing)
    }

    /// Reads a text of at most `max` bytes.
    pub(in super::super) fn text(
        &mut self,
        max: usize,
        field: &'static str,
    ) -> Result<Box<str>, FrameError> {
        let start = self.at;
        let bytes = self.string(TEXT, field)?;
        if bytes.len() > max {
            return Err(FrameError::TooLong {
                field,
                at: start,
                declared: bytes.len() as u64,
                available: max,
            });
        }
        let text = std::str::from_utf8(&bytes).map_err(|fault| FrameError::NotUtf8 {
            field,
            at: self.at - bytes.len() + fault.valid_up_to(),
        })?;
        Ok(text.into())
    }

    /// Whether what comes is a text.
    pub(in super::super) fn is_text(&self, field: &'static str) -> Result<bool, FrameError> {
        Ok(self.peek(field)? >> 5 == TEXT)
    }

    /// Reads bytes, which are shared with the frame.
    pub(in super::super) fn bytes(&mut self, field: &'static str) -> Result<Bytes, FrameError> {
        let start = self.at;
        let head = self.head(field)?;
        if (head.major, head.number) != (TAG, Some(TAG_BYTES)) {
            self.at = start;
        }
        self.string(BYTES, field)
    }

    /// Reads how many bytes come, and not these.
    pub(in super::super) fn bytes_ahead(&mut self, field: &'static str) -> Result<u64, FrameError> {
        let at = self.at;
        let mut head = self.head(field)?;
        if (head.major, head.number) == (TAG, Some(TAG_BYTES)) {
            head = self.head(field)?;
        }
        match head.number {
            Some(length) if head.major == BYTES => Ok(length),
            _ => Err(FrameError::Wrong { field, at }),
        }
    }

    /// Reads a whole number that JavaScript can count to, whether it is written as one or as a float.
    pub(in super::super) fn number(&mut self, field: &'static str) -> Result<u64, FrameError> {
        const MAX: u64 = (1 << 53) - 1;
        let at = self.at;
        let head = self.head(field)?;
        let value = match (head.major, head.info, head.number) {
            (UNSIGNED, _, Some(number)) => Some(number),
            (SIMPLE, HALF, Some(bits)) => whole(half(bits as u16)),
            (SIMPLE, SINGLE, Some(bits)) => whole(f32::from_bits(bits as u32).into()),
            (SIMPLE, DOUBLE, Some(bits)) => whole(f64::from_bits(bits)),
            _ => None,
        };
        value
            .filter(|value| *value <= MAX)
            .ok_or(FrameError::OutOfRange { field, at })
    }

    pub(in super::super) fn boolean(&mut self, field: &'static str) -> Result<bool, FrameError> {
        let at = self.at;
        let head = self.head(field)?;
        match (head.major, head.info, head.number) {
            (SIMPLE, _, Some(FALSE)) if head.info < HALF => Ok(false),
            (SIMPLE, _, Some(TRUE)) if head.info < HALF => Ok(true),
            _ => Err(FrameError::Wrong { field, at }),
        }
    }

    /// Reads over one item, whatever it is.
    pub(in super::super) fn skip(&mut self, field: &'static str) -> Result<(), FrameError> {
        self.skip_within(field, DEPTH_MAX)
    }

    /// Reads over one item that is nested at most so deep.
    pub(super) fn skip_within(
        &mut self,
        field: &'static str,
        depth_max: usize,
    ) -> Result<(), FrameError> {
        self.skip_one(field, depth_max, depth_max)
    }

    pub(in super::super) fn finish(&self, field: &'static str) -> Result<(), FrameError> {
        if self.at == self.frame.len() {
            Ok(())
        } else {
            Err(FrameError::Trailing { field, at: self.at })
        }
    }

    fn skip_one(
        &mut self,
        field: &'static str,
        depth: usize,
        max: usize,
    ) -> Result<(), FrameError> {
        let at = self.at;
        let head = self.head(field)?;
        let below = || {
            depth
                .checked_sub(1)
                .ok_or(FrameError::TooDeep { field, at, max })
        };
        match (head.major, head.number) {
            (BYTES, Some(length)) => self.take(length, field).map(|_| ()),
            (TEXT, Some(length)) => self
                .take(length, field)
                .and_then(|text| self.utf8(&text, field)),
            (LIST, number) => self.skip_items(Items(number), 1, field, below()?, max),
            (MAP, number) => self.skip_items(Items(number), 2, field, below()?, max),
            (TAG, Some(_)) => self.skip_one(field, below()?, max),
            (_, Some(_)) => Ok(()),
            (_, None) => Err(FrameError::Wrong { field, at }),
        }
    }

    fn skip_items(
        &mut self,
        mut items: Items,
        each: usize,
        field: &'static str,
        depth: usize,
        max: usize,
    ) -> Result<(), FrameError> {
        while self.more(&mut items, field)? {
            for _ in 0..each {
                self.skip_one(field, depth, max)?;
            }
        }
        Ok(())
    }

    fn utf8(&self, text: &Bytes, field: &'static str) -> Result<(), FrameError> {
        let fault = std::str::from_utf8(text).err();
        let start = self.at - text.len();
        fault.map_or(Ok(()), |fault| {
            let at = start + fault.valid_up_to();
            Err(FrameError::NotUtf8 { field, at })
        })
    }

    fn items(&mut self, major: u8, field: &'static str) -> Result<Items, FrameError> {
        let at = self.at;
        let head = self.head(field)?;
        if head.major == major {
            Ok(Items(head.number))
        } else {
            Err(FrameError::Wrong { field, at })
        }
    }

    fn string(&mut self, major: u8, field: &'static str) -> Result<Bytes, FrameError> {
        let at = self.at;
        let head = self.head(field)?;
        match head.number {
            Some(length) if head.major == major => self.take(length, field),
            _ => Err(FrameError::Wrong { field, at }),
        }
    }

    fn head(&mut self, field: &'static str) -> Result<Head, FrameError> {
        let at = self.at;
        let byte = self.peek(field)?;
        self.at += 1;
        let (major, info) = (byte >> 5, byte & 0x1f);
        let number = match info {
            0..24 => Some(info.into()),
            24..=27 => Some(self.big_endian(1 << (info - 24), field)?),
            INDEFINITE => None,
            _ => return Err(FrameError::Wrong { field, at }),
        };
        Ok(Head {
            major,
            info,
            number,
        })
    }

    fn big_endian(&mut self, length: u64, field: &'static str) -> Result<u64, FrameError> {
        let bytes = self.take(length, field)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn peek(&self, field: &'static str) -> Result<u8, FrameError> {
        let byte = self.frame.get(self.at).copied();
        byte.ok_or(FrameError::Truncated { field, at: self.at })
    }

    fn take(&mut self, count: u64, field: &'static str) -> Result<Bytes, FrameError> {
        let available = self.frame.len() - self.at;
        match usize::try_from(count) {
            Ok(length) if length <= available => {
                self.at += length;
                Ok(self.frame.slice(self.at - length..self.at))
            }
            _ => Err(FrameError::TooLong {
                field,
                at: self.at,
                declared: count,
                available,
            }),
        }
    }
}

/// The whole number that a float is.
fn whole(value: f64) -> Option<u64> {
    let number = value as u64;
    (number as f64 == value).then_some(number)
}

/// A float of 16 bits: a sign, 5 bits of exponent, 10 of fraction. Those that are no numbers are told as such.
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(&Bytes::from_static(bytes))
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        let seven: [&[u8]; 6] = [
            &[7],
            &[0x18, 7],
            &[0x1b, 0, 0, 0, 0, 0, 0, 0, 7],
            &[0xf9, 0x47, 0],
            &[0xfa, 0x40, 0xe0, 0, 0],
            &[0xfb, 0x40, 0x1c, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in seven {
            let read = Reader::new(&Bytes::copy_from_slice(bytes)).number("n");
            assert_eq!(read, Ok(7), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_javascript_is_none() {
        let none: [&[u8]; 8] = [
            &[0x20],
            &[0xf9, 0x7e, 0],
            &[0xf9, 0xc7, 0],
            &[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
            &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
            &[0xfb, 0x43, 0x40, 0, 0, 0, 0, 0, 0],
            &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0xf6],
        ];
        for bytes in none {
            let read = Reader::new(&Bytes::copy_from_slice(bytes)).number("n");
            assert!(read.is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn bytes_may_stand_behind_a_tag() {
        assert_eq!(
            reader(&[0x42, 1, 2]).bytes("b"),
            Ok(Bytes::from_static(&[1, 2]))
        );
        assert_eq!(
            reader(&[0xd8, 64, 0x42, 1, 2]).bytes("b"),
            Ok(Bytes::from_static(&[1, 2]))
        );
        assert!(reader(&[0xd8, 65, 0x42, 1, 2]).bytes("b").is_err());
        assert!(reader(&[0x62, 1, 2]).bytes("b").is_err());
    }

    #[test]
    fn declared_lengths_are_held_against_the_bytes() {
        let huge = reader(&[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0, 1]).bytes("b");
        let too_long = FrameError::TooLong {
            field: "b",
            at: 9,
            declared: 1 << 63,
            available: 1,
        };
        assert_eq!(huge, Err(too_long));
        for endless in [
            &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255, 0][..],
            &[0x9f, 1, 2],
            &[0xbf, 1],
        ] {
            let read = Reader::new(&Bytes::copy_from_slice(endless)).skip("list");
            assert!(
                matches!(read, Err(FrameError::Truncated { .. })),
                "{read:?}"
            );
        }
    }

    #[test]
    fn nesting_is_bounded() {
        for head in [0x81, 0x9f, 0xc1] {
            let mut bytes = vec![head; 10_000];
            bytes.push(0);
            let read = Reader::new(&bytes.into()).skip("value");
            assert!(matches!(read, Err(FrameError::TooDeep { .. })), "{read:?}");
        }
        let mut bytes = vec![0x81; DEPTH_MAX];
        bytes.push(0);
        assert_eq!(Reader::new(&bytes.into()).skip("value"), Ok(()));
    }

    #[test]
    fn strings_without_a_length_are_refused() {
        for bytes in [
            &[0x7f, 0x61, 0x61, 0xff][..],
            &[0x5f, 0x41, 1, 0xff],
            &[0xff],
            &[0x1c],
        ] {
            let read = Reader::new(&Bytes::copy_from_slice(bytes)).skip("value");
            assert!(matches!(read, Err(FrameError::Wrong { .. })), "{read:?}");
        }
    }
}
