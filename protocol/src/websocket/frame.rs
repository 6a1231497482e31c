//! A message as it goes over the wire: made once, shared by all who receive it.
//!
//! A short message is kept with its header in front, so that writing it is copying it. A long one, a large document, is
//! kept as it is and goes out in fragments, each under a header of its own: nobody copies it, and a sign of life fits in
//! between.

use bytes::{BufMut, Bytes, BytesMut};

/// A binary message for any number of receivers. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Header and payload.
    Whole(Bytes),
    /// A payload that is sent in fragments.
    Long(Bytes),
}

impl Frame {
    /// The frame of a binary message.
    pub fn binary(payload: Bytes) -> Self {
        if payload.len() > FRAGMENT_BYTES {
            return Self(Kind::Long(payload));
        }
        let mut whole = BytesMut::with_capacity(HEADER_BYTES_MAX + payload.len());
        put_header(&mut whole, FINAL | BINARY, payload.len());
        whole.put_slice(&payload);
        Self(Kind::Whole(whole.freeze()))
    }

    /// The message.
    pub fn payload(&self) -> Bytes {
        match &self.0 {
            Kind::Whole(whole) => whole.slice(header_length(whole)..),
            Kind::Long(payload) => payload.clone(),
        }
    }

    /// How many bytes it takes up.
    pub fn weight(&self) -> usize {
        let (Kind::Whole(bytes) | Kind::Long(bytes)) = &self.0;
        bytes.len()
    }

    /// Whether nobody else holds it.
    pub fn is_unique(&self) -> bool {
        let (Kind::Whole(bytes) | Kind::Long(bytes)) = &self.0;
        bytes.is_unique()
    }
}

/// Writes the header of a frame that is not masked, its length in as few bytes as it takes.
fn put_header(out: &mut BytesMut, first: u8, length: usize) {
    out.put_u8(first);
    match length {
        0..126 => out.put_u8(length as u8),
        126..0x1_0000 => {
            out.put_u8(LENGTH_16);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(LENGTH_64);
            out.put_u64(length as u64);
        }
    }
}

/// How long the header of a frame that is not masked is.
fn header_length(frame: &[u8]) -> usize {
    match frame[1] {
        LENGTH_16 => 4,
        LENGTH_64 => 10,
        _ => 2,
    }
}

const FINAL: u8 = 0x80;
const BINARY: u8 = 2;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const HEADER_BYTES_MAX: usize = 10;
/// A message that is longer goes in fragments of this length, which is what a ping waits for at most.
const FRAGMENT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_out_as_it_went_in() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537] {
            let payload = Bytes::from(vec![7; length]);
            let frame = Frame::binary(payload.clone());
            assert_eq!(frame.payload(), payload);
        }
    }

    #[test]
    fn only_a_short_payload_is_copied() {
        let long = Bytes::from(vec![7; FRAGMENT_BYTES + 1]);
        assert_eq!(
            Frame::binary(long.clone()).payload().as_ptr(),
            long.as_ptr()
        );
        let frame = Frame::binary(Bytes::from_static(b"short"));
        assert!(frame.is_unique());
        let shared = frame.clone();
        assert!(!frame.is_unique() && shared.weight() == 7);
    }
}
