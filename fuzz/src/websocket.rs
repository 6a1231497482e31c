//! What comes over a socket: whatever it is, it says the same in whatever pieces it comes, and nothing longer than allowed.

use protocol::websocket::{Decoder, Fault, Received};

use crate::script::Script;

/// Reads the bytes whole, byte by byte, and in pieces that the first of them decide.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let pieces: Vec<_> = (0..PIECES).map(|_| usize::from(script.byte())).collect();
    let bytes = input.get(PIECES..).unwrap_or_default();
    let whole = read(bytes, &[bytes.len()]);
    assert_eq!(whole, read(bytes, &[1]), "byte by byte");
    assert_eq!(whole, read(bytes, &pieces), "in pieces of {pieces:?}");
    let payloads = whole.0.iter().map(|received| match received {
        Received::Text(text) => {
            assert!(std::str::from_utf8(text).is_ok());
            text.len()
        }
        Received::Binary(bytes) => bytes.len(),
        Received::Ping(payload) => {
            assert!(payload.len() <= 125);
            payload.len()
        }
        Received::Abridged(_) | Received::Pong | Received::Close(_) | Received::Withheld => 0,
    });
    let lengths: Vec<_> = payloads.collect();
    assert!(lengths.iter().all(|length| *length <= MESSAGE_BYTES_MAX));
    assert!(lengths.iter().sum::<usize>() <= bytes.len());
}

/// What is said up to the first fault, and the fault.
fn read(mut bytes: &[u8], pieces: &[usize]) -> (Vec<Received>, Option<Fault>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut said = Vec::new();
    for length in pieces.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        // A piece of nothing would be no step.
        let (mut piece, rest) = bytes.split_at((*length).clamp(1, bytes.len()));
        bytes = rest;
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(received)) => said.push(received),
                Ok(None) => break,
                Err(fault) => return (said, Some(fault)),
            }
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    (said, None)
}

const PIECES: usize = 4;
const MESSAGE_BYTES_MAX: usize = 1_000;
