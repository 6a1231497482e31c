//! A writer. Lengths are as short as they can be, which cbor-x reads as well as its own.

use bytes::{BufMut, Bytes, BytesMut};

use super::{BYTES, FALSE, LIST, MAP, SIMPLE, TEXT, TRUE, UNSIGNED};

/// Writes a message.
#[derive(Debug, Default)]
pub(in super::super) struct Writer {
    out: BytesMut,
}

impl Writer {
    /// Begins a message that will have about so many bytes.
    pub(in super::super) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: BytesMut::with_capacity(bytes),
        }
    }

    /// Begins a map of so many pairs.
    pub(in super::super) fn map(&mut self, pairs: usize) {
        self.head(MAP, pairs as u64);
    }

    /// Begins a list of so many items.
    pub(in super::super) fn list(&mut self, items: usize) {
        self.head(LIST, items as u64);
    }

    pub(in super::super) fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.out.put_slice(text.as_bytes());
    }

    pub(in super::super) fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.out.put_slice(bytes);
    }

    pub(in super::super) fn boolean(&mut self, value: bool) {
        self.head(SIMPLE, if value { TRUE } else { FALSE });
    }

    /// Writes a value that was read somewhere.
    pub(in super::super) fn value(&mut self, value: &[u8]) {
        self.out.put_slice(value);
    }

    /// Writes a whole number that JavaScript can count to: what is beyond 32 bits as a double, since some clients read
    /// longer integers as what can not be added to a number.
    pub(in super::super) fn number(&mut self, number: u64) {
        if u32::try_from(number).is_ok() {
            self.head(UNSIGNED, number);
        } else {
            self.out.put_u8(SIMPLE << 5 | 27);
            self.out.put_f64(number as f64);
        }
    }

    /// The bytes written.
    pub(in super::super) fn finish(self) -> Bytes {
        self.out.freeze()
    }

    fn head(&mut self, major: u8, number: u64) {
        let major = major << 5;
        match number {
            0..24 => self.out.put_u8(major | number as u8),
            24..0x100 => {
                self.out.put_u8(major | 24);
                self.out.put_u8(number as u8);
            }
            0x100..0x1_0000 => {
                self.out.put_u8(major | 25);
                self.out.put_u16(number as u16);
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.put_u8(major | 26);
                self.out.put_u32(number as u32);
            }
            _ => {
                self.out.put_u8(major | 27);
                self.out.put_u64(number);
            }
        }
    }
}
