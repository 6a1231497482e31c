//! The WebSocket codec against tungstenite: what one accepts, refuses and reads, the other does, however the bytes come.

use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::websocket::{Decoder, Fault, Frame, Received};
use tungstenite::error::Error;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Message, error::CapacityError};

/// Longest message that both accept here.
const MESSAGE_BYTES_MAX: usize = 400;

/// What some bytes say, up to the first fault or close.
#[derive(Debug, PartialEq)]
struct Reading {
    said: Vec<Received>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// There is no more.
    Open,
    Closed,
    TooLarge,
    Refused,
}

/// A stream that ends, and takes whatever is written.
struct Stream(Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenite(role: Role, bytes: Vec<u8>, max: usize) -> WebSocket<Stream> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    WebSocket::from_raw_socket(Stream(Cursor::new(bytes)), role, Some(config))
}

fn by_tungstenite(bytes: &[u8]) -> Reading {
    let mut socket = tungstenite(Role::Server, bytes.to_vec(), MESSAGE_BYTES_MAX);
    let mut said = Vec::new();
    let end = loop {
        said.push(match socket.read() {
            Ok(Message::Binary(bytes)) => Received::Binary(bytes),
            Ok(Message::Text(text)) => Received::Text(text.into()),
            Ok(Message::Ping(payload)) => Received::Ping(payload),
            Ok(Message::Pong(_)) => Received::Pong,
            Ok(Message::Close(_)) => break End::Closed,
            Ok(Message::Frame(_)) => unreachable!("frames are not given"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break End::Open,
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => break End::TooLarge,
            Err(_) => break End::Refused,
        });
    };
    Reading { said, end }
}

/// Reads pieces of these lengths, and then the rest.
fn by_us(bytes: &[u8], pieces: &[usize]) -> Reading {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let (mut said, mut rest) = (Vec::new(), bytes);
    for piece in pieces.iter().copied().chain([usize::MAX]) {
        let (mut piece, after) = rest.split_at(piece.min(rest.len()));
        rest = after;
        let end = loop {
            match decoder.next(&mut piece) {
                Ok(Some(Received::Close(_))) => break End::Closed,
                Ok(Some(received)) => said.push(received),
                Ok(None) => break End::Open,
                Err(Fault::TooLarge) => break End::TooLarge,
                Err(_) => break End::Refused,
            }
        };
        if end != End::Open {
            return Reading { said, end };
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    let end = End::Open;
    Reading { said, end }
}

/// A frame with its length in as few bytes as it takes: tungstenite takes it in more, and we do not.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = match payload.len() {
        length @ 0..126 => vec![first, masked | length as u8],
        length => [&[first, masked | 126][..], &(length as u16).to_be_bytes()].concat(),
    };
    frame.extend(
        mask.unwrap_or_default()
            .iter()
            .take(if mask.is_some() { 4 } else { 0 }),
    );
    let mask = mask.unwrap_or_default().into_iter().cycle();
    frame.extend(payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    frame
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        2 => "[a-zé🙂]{0,6}".prop_map(String::into_bytes),
        1 => "[é🙂]{1,3}".prop_map(|text| text.into_bytes()[..1].to_vec()),
        1 => vec(any::<u8>(), 120..130),
        1 => vec(any::<u8>(), 130..300),
    ]
}

/// Frames of which most are as they should be.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => Just(0x82),
        3 => Just(0x81),
        3 => Just(0x02),
        2 => Just(0x01),
        4 => Just(0x00),
        4 => Just(0x80),
        2 => Just(0x89),
        2 => Just(0x8a),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let mask = prop_oneof![20 => any::<[u8; 4]>().prop_map(Some), 1 => Just(None)];
    let frame =
        (first, mask, payloads()).prop_map(|(first, mask, payload)| frame(first, mask, &payload));
    vec(frame, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn both_read_the_same(bytes in frames()) {
        let (ours, theirs) = (by_us(&bytes, &[]), by_tungstenite(&bytes));
        prop_assert_eq!(&ours.said, &theirs.said);
        // Where a frame has several faults, each may name another.
        let refused = [End::TooLarge, End::Refused];
        let same = ours.end == theirs.end || (refused.contains(&ours.end) && refused.contains(&theirs.end));
        prop_assert!(same, "{:?} is not {:?}", ours.end, theirs.end);
    }

    #[test]
    fn it_does_not_matter_how_bytes_come(bytes in frames(), pieces in vec(0usize..40, 0..60)) {
        let whole = by_us(&bytes, &[]);
        prop_assert_eq!(&by_us(&bytes, &pieces), &whole);
        prop_assert_eq!(&by_us(&bytes, &vec![1; bytes.len()]), &whole);
    }

    #[test]
    fn noise_is_read_alike_in_all_pieces(bytes in vec(any::<u8>(), 0..200), pieces in vec(0usize..9, 0..60)) {
        prop_assert_eq!(by_us(&bytes, &pieces), by_us(&bytes, &[]));
    }
}

/// All that goes over the wire.
fn wire(frame: &Frame) -> Vec<u8> {
    let mut wire = Vec::new();
    while wire.len() < frame.length() {
        let chunk = frame.chunk(wire.len());
        wire.extend_from_slice(chunk.header());
        wire.extend_from_slice(chunk.body());
    }
    wire
}

#[test]
fn a_client_reads_what_was_written() {
    let lengths = [
        0, 1, 125, 126, 127, 65_531, 65_532, 65_533, 65_536, 131_064, 131_065, 300_000,
    ];
    for length in lengths {
        let payload: Bytes = (0..length).map(|number| number as u8).collect();
        let wire = wire(&Frame::binary(payload.clone()));
        let read = tungstenite(Role::Client, wire, 1 << 20).read();
        assert_eq!(read.unwrap(), Message::Binary(payload), "{length}");
    }
}

#[test]
fn a_client_understands_control_frames() {
    let read = |frame: Frame| {
        tungstenite(Role::Client, wire(&frame), 1_000)
            .read()
            .unwrap()
    };
    assert_eq!(read(Frame::ping()), Message::Ping(Bytes::new()));
    let payload = Bytes::from_static(b"again");
    assert_eq!(read(Frame::pong(&payload)), Message::Pong(payload));
    let Message::Close(Some(close)) = read(Frame::close(Some((4400, "why")))) else {
        panic!("it is a close");
    };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (4400, "why")
    );
    assert_eq!(read(Frame::close(None)), Message::Close(None));
}
