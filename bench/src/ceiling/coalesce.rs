//! The ceiling without a library: frames are read and written by hand, and all that waits for a socket leaves in one write.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::rooms::{Rooms, Seat};

/// What waits for one socket, as it shall be written.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: RefCell<Vec<u8>>,
    filled: Notify,
}

/// Serves one socket to its end.
pub(super) async fn serve(stream: TcpStream, rooms: Rooms<Rc<Outbox>>) {
    // A socket that breaks is a socket that has ended.
    let _ = try_serve(stream, &rooms).await;
}

async fn try_serve(mut stream: TcpStream, rooms: &Rooms<Rc<Outbox>>) -> io::Result<()> {
    let (path, mut received) = shake_hands(&mut stream).await?;
    let (mut reader, writer) = stream.into_split();
    let outbox = Rc::new(Outbox::default());
    let seat = rooms.join(&path, Rc::clone(&outbox));
    let writing = spawn_local(write(writer, outbox));
    loop {
        let taken = copy_whole(&mut received, &seat);
        let Some(taken) = taken else { break };
        received.drain(..taken);
        if received.is_empty() {
            // An idle connection holds no buffer.
            received = Vec::new();
            reader.readable().await?;
        }
        if reader.read_buf(&mut received).await? == 0 {
            break;
        }
    }
    writing.abort();
    Ok(())
}

/// Reads the request and accepts it; tells the path, and what came after the request.
async fn shake_hands(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut received = Vec::new();
    let end = loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if received.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    };
    let rest = received.split_off(end);
    let request = String::from_utf8_lossy(&received);
    let (path, key) = asked(&request).ok_or(io::ErrorKind::InvalidData)?;
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok((path.to_owned(), rest))
}

fn asked(request: &str) -> Option<(&str, &str)> {
    let path = request.split(' ').nth(1)?;
    let mut headers = request.lines().filter_map(|line| line.split_once(':'));
    let (_, key) = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    Some((path, key.trim()))
}

/// Copies every whole frame to the room; tells how many bytes they were, or nothing after a close.
fn copy_whole(received: &mut [u8], seat: &Seat<Rc<Outbox>>) -> Option<usize> {
    let mut taken = 0;
    while let Some(frame) = Frame::first(&received[taken..]) {
        let payload = &mut received[taken + frame.header..taken + frame.header + frame.payload];
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= frame.mask[at % 4];
        }
        match frame.opcode {
            BINARY => seat.everyone(|outbox| outbox.push(payload)),
            CLOSE => return None,
            _ => {}
        }
        taken += frame.header + frame.payload;
    }
    Some(taken)
}

/// Writes all that waits, as often as something does.
async fn write(mut writer: OwnedWriteHalf, outbox: Rc<Outbox>) -> io::Result<()> {
    let mut leaving = Vec::new();
    loop {
        outbox.filled.notified().await;
        std::mem::swap(&mut leaving, &mut *outbox.waiting.borrow_mut());
        writer.write_all(&leaving).await?;
        leaving = Vec::new();
    }
}

impl Outbox {
    fn push(&self, payload: &[u8]) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.push(0x80 | BINARY);
        let length = payload.len();
        match length {
            0..126 => waiting.push(length as u8),
            126..65_536 => {
                waiting.push(126);
                waiting.extend((length as u16).to_be_bytes());
            }
            _ => {
                waiting.push(127);
                waiting.extend((length as u64).to_be_bytes());
            }
        }
        waiting.extend_from_slice(payload);
        self.filled.notify_one();
    }
}

/// Where the parts of a client's frame are.
#[derive(Debug, PartialEq)]
struct Frame {
    opcode: u8,
    mask: [u8; 4],
    header: usize,
    payload: usize,
}

impl Frame {
    /// The first frame, if it is whole.
    fn first(bytes: &[u8]) -> Option<Self> {
        let (payload, at) = match bytes.get(1)? & 0x7f {
            126 => (u64::from(u16::from_be_bytes(array(bytes, 2)?)), 4),
            127 => (u64::from_be_bytes(array(bytes, 2)?), 10),
            short => (u64::from(short), 2),
        };
        let frame = Self {
            opcode: bytes[0] & 0x0f,
            mask: array(bytes, at)?,
            header: at + 4,
            payload: usize::try_from(payload).ok()?,
        };
        (bytes.len() - frame.header >= frame.payload).then_some(frame)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const REQUEST_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let bytes = [0x82, 0x83, 1, 2, 3, 4, 9, 9, 9];
        let frame = Frame {
            opcode: BINARY,
            mask: [1, 2, 3, 4],
            header: 6,
            payload: 3,
        };
        assert_eq!(Frame::first(&bytes), Some(frame));
        for cut in 0..bytes.len() {
            assert_eq!(Frame::first(&bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_long_frame_tells_its_length() {
        let mut bytes = vec![0x82, 0xfe, 0x01, 0x00, 0, 0, 0, 0];
        assert_eq!(Frame::first(&bytes), None);
        bytes.extend([7; 256]);
        assert_eq!(
            Frame::first(&bytes).map(|frame| (frame.header, frame.payload)),
            Some((8, 256))
        );
    }

    #[test]
    fn frames_wait_one_after_the_other() {
        let outbox = Outbox::default();
        outbox.push(&[1, 2]);
        outbox.push(&[3; 200]);
        let waiting = outbox.waiting.borrow();
        assert_eq!(waiting[..8], [0x82, 2, 1, 2, 0x82, 126, 0, 200]);
        assert_eq!(waiting.len(), 4 + 4 + 200);
    }
}
