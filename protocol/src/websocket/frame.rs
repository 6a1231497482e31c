//! A frame that the server sends: made once, shared by all who receive it.
//!
//! A short message is kept with its header in front, so that writing it is copying it. A long one, a large document, is
//! kept as it is and goes out in fragments, each under a header of its own: nobody copies it, and a sign of life fits in
//! between.

use bytes::{BufMut, Bytes, BytesMut};

/// A message, or a control frame, for any number of receivers. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Header and payload.
    Whole(Bytes),
    /// What a message is, and its payload, which is sent in fragments.
    Long(u8, Bytes),
}

/// A piece of a frame as it goes over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    header: Header,
    body: &'a [u8],
}

/// What is to be written of a header.
#[derive(Clone, Copy, Debug)]
struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    from: usize,
    to: usize,
}

impl Frame {
    /// A binary message.
    pub fn binary(payload: Bytes) -> Self {
        Self::message(BINARY, payload)
    }

    /// A text message.
    pub fn text(payload: String) -> Self {
        Self::message(TEXT, payload.into())
    }

    /// A question for a sign of life.
    pub fn ping() -> Self {
        Self(Kind::Whole(Bytes::from_static(&[FINAL | PING, 0])))
    }

    /// The answer to a ping, whose payload it repeats.
    pub fn pong(payload: &[u8]) -> Self {
        Self::whole(PONG, &[payload])
    }

    /// A close, with a code and a reason of at most [`crate::close::TEXT_BYTES_MAX`] bytes, or with neither.
    pub fn close(why: Option<(u16, &str)>) -> Self {
        match why {
            Some((code, reason)) => Self::whole(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()]),
            None => Self::whole(CLOSE, &[]),
        }
    }

    fn message(opcode: u8, payload: Bytes) -> Self {
        if payload.len() > FRAGMENT_BYTES {
            return Self(Kind::Long(opcode, payload));
        }
        Self::whole(opcode, &[&payload])
    }

    fn whole(opcode: u8, parts: &[&[u8]]) -> Self {
        let length = parts.iter().map(|part| part.len()).sum();
        let header = Header::new(FINAL | opcode, length);
        let mut whole = BytesMut::with_capacity(header.to + length);
        whole.put_slice(header.rest());
        parts.iter().for_each(|part| whole.put_slice(part));
        Self(Kind::Whole(whole.freeze()))
    }

    /// How many bytes it has on the wire.
    pub fn length(&self) -> usize {
        match &self.0 {
            Kind::Whole(whole) => whole.len(),
            Kind::Long(_, payload) => {
                let before = (payload.len() - 1) / FRAGMENT_BYTES;
                let last = payload.len() - before * FRAGMENT_BYTES;
                before * FRAGMENT_WIRE_BYTES + Header::new(0, last).to + last
            }
        }
    }

    /// What goes over the wire from there on, until the frame or fragment ends.
    pub fn chunk(&self, at: usize) -> Chunk<'_> {
        match &self.0 {
            Kind::Whole(whole) => Chunk {
                header: Header::NONE,
                body: &whole[at..],
            },
            Kind::Long(opcode, payload) => fragment(*opcode, payload, at),
        }
    }

    /// Whether another frame may be sent there.
    pub fn may_pause(&self, at: usize) -> bool {
        match &self.0 {
            Kind::Whole(_) => at == 0,
            Kind::Long(..) => at.is_multiple_of(FRAGMENT_WIRE_BYTES),
        }
    }

    /// Whether nobody else holds it.
    pub fn is_unique(&self) -> bool {
        let (Kind::Whole(bytes) | Kind::Long(_, bytes)) = &self.0;
        bytes.is_unique()
    }
}

impl<'a> Chunk<'a> {
    /// What is to be written before the body.
    pub fn header(&self) -> &[u8] {
        self.header.rest()
    }

    /// The rest of it.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// How many bytes both have.
    pub fn length(&self) -> usize {
        self.header().len() + self.body.len()
    }
}

impl Header {
    const NONE: Self = Self {
        bytes: [0; HEADER_BYTES_MAX],
        from: 0,
        to: 0,
    };

    /// The header of a frame that is not masked, its length in as few bytes as it takes.
    fn new(first: u8, length: usize) -> Self {
        let [high, low] = (length as u16).to_be_bytes();
        let (bytes, to) = if length < LENGTH_16.into() {
            ([first, low, 0, 0], 2)
        } else {
            ([first, LENGTH_16, high, low], HEADER_BYTES_MAX)
        };
        Self { bytes, from: 0, to }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}

fn fragment(first: u8, payload: &[u8], at: usize) -> Chunk<'_> {
    let (number, within) = (at / FRAGMENT_WIRE_BYTES, at % FRAGMENT_WIRE_BYTES);
    let rest = &payload[number * FRAGMENT_BYTES..];
    let body = &rest[..rest.len().min(FRAGMENT_BYTES)];
    let opcode = if number == 0 { first } else { CONTINUATION };
    let last = if body.len() == rest.len() { FINAL } else { 0 };
    let mut header = Header::new(last | opcode, body.len());
    header.from = within.min(header.to);
    Chunk {
        header,
        body: &body[within - header.from..],
    }
}

const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const LENGTH_16: u8 = 126;
/// Nothing that is sent under one header needs a length of eight bytes.
const HEADER_BYTES_MAX: usize = 4;
/// What goes under one header at most, and what a sign of life waits for.
const FRAGMENT_BYTES: usize = FRAGMENT_WIRE_BYTES - HEADER_BYTES_MAX;
const FRAGMENT_WIRE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// All that goes over the wire, read in chunks of which so much is written each time.
    fn wire(frame: &Frame, step: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        while wire.len() < frame.length() {
            let chunk = frame.chunk(wire.len());
            let bytes = [chunk.header(), chunk.body()].concat();
            assert_eq!(bytes.len(), chunk.length());
            wire.extend_from_slice(&bytes[..bytes.len().min(step)]);
        }
        assert_eq!(wire.len(), frame.length());
        wire
    }

    #[test]
    fn a_short_message_is_header_and_payload() {
        assert_eq!(
            wire(&Frame::binary(Bytes::from_static(b"hi")), 9),
            *b"\x82\x02hi"
        );
        let longer = Frame::binary(vec![7; 126].into());
        assert_eq!(wire(&longer, 200)[..5], [0x82, 126, 0, 126, 7]);
        assert_eq!(wire(&Frame::text("é".to_owned()), 9), *b"\x81\x02\xc3\xa9");
        assert_eq!(wire(&Frame::ping(), 9), [0x89, 0]);
        assert_eq!(wire(&Frame::pong(b"?"), 9), *b"\x8a\x01?");
        assert_eq!(wire(&Frame::close(None), 9), [0x88, 0]);
        let close = Frame::close(Some((1000, "bye")));
        assert_eq!(wire(&close, 9), *b"\x88\x05\x03\xe8bye");
    }

    #[test]
    fn a_long_message_goes_in_fragments_wherever_writing_stops() {
        for more in [1, 125, 126, FRAGMENT_BYTES, FRAGMENT_BYTES + 5] {
            let payload: Bytes = (0..FRAGMENT_BYTES + more).map(|n| n as u8).collect();
            let frame = Frame::binary(payload.clone());
            let whole = wire(&frame, usize::MAX);
            assert_eq!(whole, wire(&frame, 1_003));
            assert_eq!(whole[..4], [0x02, 126, 0xff, 0xfc]);
            assert_eq!(whole[4..FRAGMENT_WIRE_BYTES], payload[..FRAGMENT_BYTES]);
            assert!(frame.may_pause(FRAGMENT_WIRE_BYTES) && !frame.may_pause(4));
            let text = "a".repeat(FRAGMENT_BYTES + more);
            let text = wire(&Frame::text(text), usize::MAX);
            assert_eq!((text[0], text[FRAGMENT_WIRE_BYTES] & 0x0f), (0x01, 0));
        }
    }

    #[test]
    fn only_a_short_payload_is_copied() {
        let long = Bytes::from(vec![7; FRAGMENT_BYTES + 1]);
        let frame = Frame::binary(long.clone());
        assert_eq!(frame.chunk(0).body().as_ptr(), long.as_ptr());
        assert!(Frame::binary(Bytes::from_static(b"short")).is_unique());
        assert!(!frame.is_unique());
    }
}
