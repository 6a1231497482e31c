//! A message of which only the beginning and the end are here: enough to tell which document it is about, where the rest may not
//! come before it is known whether its sender may name that. Stock clients say that behind the data, or before it.

use bytes::Bytes;

use super::cbor::Reader;
use super::message::Message;
use super::read::decode;
use crate::FrameError;
use crate::websocket::Abridged;

/// Reads a message without its data, which is where the middle was left out: the data is empty.
///
/// # Errors
/// It is no message, or something else than data is long in it.
pub fn decode_abridged(message: &Abridged) -> Result<Message, FrameError> {
    let mut reader = Reader::new(&message.beginning);
    let mut pairs = reader.map("message")?;
    while reader.more(&mut pairs, "message")? {
        let mut name = reader.clone();
        reader.skip("field's name")?;
        if name.is_text("field's name")? && *name.text(usize::MAX, "field's name")? == *DATA {
            return without_data(message, reader);
        }
        reader.skip("field")?;
    }
    Err(FrameError::Missing { field: DATA })
}

/// `reader` stands before the data.
fn without_data(message: &Abridged, mut reader: Reader) -> Result<Message, FrameError> {
    let Abridged {
        beginning,
        left_out,
        end,
    } = message;
    let at = reader.position();
    let length = reader.bytes_ahead(DATA)?;
    let gap_end = (beginning.len() + left_out) as u64;
    let data_end = length.saturating_add(reader.position() as u64);
    let behind = data_end
        .checked_sub(gap_end)
        .and_then(|skipped| end.get(usize::try_from(skipped).ok()?..))
        .ok_or(FrameError::TooLong {
            field: DATA,
            at,
            declared: length,
            available: left_out + end.len(),
        })?;
    decode(&Bytes::from([&beginning[..at], NO_BYTES, behind].concat()))
}

const DATA: &str = "data";
/// An empty string of bytes in CBOR.
const NO_BYTES: &[u8] = &[0x40];

#[cfg(test)]
mod tests {
    use super::super::{DocumentId, Envelope, PeerId, Said, encode};
    use super::*;

    fn message(data: Bytes) -> Message {
        Message::Document {
            envelope: Envelope {
                sender: PeerId("ann".into()),
                target: None,
            },
            document: DocumentId::new(&[7; 16]).unwrap(),
            said: Said::Sync(data),
        }
    }

    fn cut(frame: &[u8], kept: usize, end: usize) -> Abridged {
        Abridged {
            beginning: Bytes::copy_from_slice(&frame[..kept]),
            left_out: frame.len() - kept - end,
            end: Bytes::copy_from_slice(&frame[frame.len() - end..]),
        }
    }

    /// The same message with its data before all else but its kind, as the client in JavaScript writes it.
    fn data_first(data: &[u8]) -> Vec<u8> {
        let bare = encode(&message(Bytes::new()));
        let name = bare.windows(5).position(|at| at == b"\x64data").unwrap();
        let kind = [&bare[..1], b"\x64type\x64sync"].concat();
        let rest = &bare[kind.len()..name];
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&kind, &b"\x64data\x59"[..], &length, data, rest].concat()
    }

    #[test]
    fn a_message_is_read_without_its_data_wherever_that_stands() {
        let data = vec![9; 1_000];
        let last = encode(&message(data.clone().into()));
        for frame in [data_first(&data), last.to_vec()] {
            assert_eq!(
                decode(&frame.clone().into()),
                Ok(message(data.clone().into()))
            );
            for (kept, end) in [(200, 200), (120, 100), (300, 90)] {
                let read = decode_abridged(&cut(&frame, kept, end));
                assert_eq!(read, Ok(message(Bytes::new())), "{kept} {end}");
            }
        }
    }

    #[test]
    fn what_is_cut_elsewhere_is_refused_and_nothing_panics() {
        let frame = data_first(&[9; 200]);
        for kept in 0..frame.len() {
            for end in 0..frame.len() - kept {
                let read = decode_abridged(&cut(&frame, kept, end));
                assert!(read.is_err() || read == Ok(message(Bytes::new())));
            }
        }
        let mut endless = frame;
        let at = endless.iter().position(|byte| *byte == 0x59).unwrap();
        endless[at..at + 9].copy_from_slice(&[0x5b, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert!(decode_abridged(&cut(&endless, 100, 100)).is_err());
    }
}
