//! The WebSocket, behind one small type, so that the library beneath stays a choice.

use std::io;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use protocol::close::Close;
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::receiving::{Held, Meter, Metered, Overloaded};

/// A socket, from its handshake on.
pub struct Socket {
    stream: Stream,
    meter: Meter,
}

/// The reading end of a socket.
pub(crate) struct SocketReader {
    stream: SplitStream<Stream>,
    meter: Meter,
    /// Nothing more is read from it.
    is_overloaded: bool,
}

/// The writing end of a socket.
pub(crate) struct SocketWriter(SplitSink<Stream, Message>);

type Stream = WebSocketStream<Metered<TokioIo<Upgraded>>>;

/// What came in.
pub(crate) enum Incoming {
    /// A binary message, which counts as received until it is worked off.
    Binary(Bytes, Held),
    /// A text message; its text is of no interest to any binary dialect.
    Text,
    /// A sign of life: a ping or a pong.
    Alive,
    /// The peer closed, or the connection broke.
    Closed,
    /// The peer began a message longer than is allowed.
    TooLarge,
    /// The peer sent more than there is room for.
    Overloaded,
    /// The peer sent bytes that are no WebSocket frame.
    Malformed,
}

/// The connection broke while writing.
#[derive(Debug)]
pub(crate) struct Broken;

/// Takes a socket apart, so that reading and writing never wait for each other.
pub(crate) fn split(Socket { stream, meter }: Socket) -> (SocketReader, SocketWriter) {
    let (writer, stream) = stream.split();
    let reader = SocketReader {
        stream,
        meter,
        is_overloaded: false,
    };
    (reader, SocketWriter(writer))
}

impl Socket {
    /// The socket of an upgraded connection. Its buffers start small, because most connections are idle; a message is
    /// bounded by what the server accepts.
    pub(crate) async fn new(upgraded: Upgraded, message_bytes_max: usize, meter: Meter) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(UNREAD_BYTES_MAX)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let io = meter.clone().over(TokioIo::new(upgraded));
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Self { stream, meter }
    }
}

impl SocketReader {
    /// Waits for the next message. Cancel safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        let message = self.stream.next().await;
        let held = self.meter.take();
        match message {
            Some(Ok(Message::Binary(bytes))) => Incoming::Binary(bytes, held),
            Some(Ok(Message::Text(_))) => Incoming::Text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Alive,
            Some(Err(error)) => {
                let fault = fault(&error);
                self.is_overloaded |= matches!(fault, Incoming::Overloaded);
                fault
            }
            Some(Ok(Message::Close(_) | Message::Frame(_))) | None => Incoming::Closed,
        }
    }

    /// Passes over all that the peer still sends, until it closes. Where nothing can be read any more, this never ends.
    pub(crate) async fn pass_over(&mut self) {
        while !self.is_overloaded {
            match self.next().await {
                Incoming::Closed => return,
                Incoming::TooLarge | Incoming::Malformed => break,
                Incoming::Overloaded | Incoming::Binary(..) | Incoming::Text | Incoming::Alive => {}
            }
        }
        std::future::pending::<()>().await;
    }
}

impl SocketWriter {
    /// Writes messages together, with as few system calls as possible.
    pub(crate) async fn write(
        &mut self,
        frames: Vec<protocol::websocket::Frame>,
    ) -> Result<(), Broken> {
        for frame in frames {
            for part in parts(frame.payload()) {
                self.0.feed(part).await.map_err(|_| Broken)?;
            }
        }
        self.0.flush().await.map_err(|_| Broken)
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), Broken> {
        self.0
            .send(Message::Ping(Bytes::new()))
            .await
            .map_err(|_| Broken)
    }

    /// Says why, and closes.
    pub(crate) async fn close(&mut self, close: Close) -> Result<(), Broken> {
        let frame = CloseFrame {
            code: close.code.into(),
            reason: close.text.into(),
        };
        self.0
            .send(Message::Close(Some(frame)))
            .await
            .map_err(|_| Broken)
    }
}

/// A message in fragments, so that the library never copies more than one of them for a peer that reads slowly.
fn parts(message: Bytes) -> impl Iterator<Item = Message> {
    let mut rest = (message.len() > FRAGMENT_BYTES).then(|| (message.clone(), Data::Binary));
    let whole = rest.is_none().then(|| Message::Binary(message));
    let fragments = std::iter::from_fn(move || {
        let (mut bytes, data) = rest.take()?;
        let part = bytes.split_to(bytes.len().min(FRAGMENT_BYTES));
        let is_last = bytes.is_empty();
        rest = (!is_last).then_some((bytes, Data::Continue));
        let frame = Frame::message(part, OpCode::Data(data), is_last);
        Some(Message::Frame(frame))
    });
    whole.into_iter().chain(fragments)
}

/// Tells a peer that breaks the rules from a connection that breaks.
fn fault(error: &tungstenite::Error) -> Incoming {
    match error {
        tungstenite::Error::Capacity(_) => Incoming::TooLarge,
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Incoming::Closed
        }
        tungstenite::Error::Io(error) if is_overload(error) => Incoming::Overloaded,
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) => Incoming::Malformed,
        _ => Incoming::Closed,
    }
}

fn is_overload(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|cause| cause.is::<Overloaded>())
}

const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// What the library holds for a peer that does not read: a fragment, and answers to its pings. Without a bound, one that
/// sends pings and never reads would take all memory; beyond it, only the last ping is answered.
const UNREAD_BYTES_MAX: usize = 256 * 1024;
/// What is copied for one peer at a time, and what a ping waits for at most.
const FRAGMENT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(message: usize) -> Vec<(usize, OpCode, bool)> {
        let parts = parts(Bytes::from(vec![7; message]));
        let frames = parts.map(|part| match part {
            Message::Frame(frame) => {
                let header = frame.header();
                (frame.payload().len(), header.opcode, header.is_final)
            }
            whole => (whole.len(), OpCode::Data(Data::Binary), true),
        });
        frames.collect()
    }

    #[test]
    fn a_long_message_goes_in_fragments() {
        let (first, more) = (OpCode::Data(Data::Binary), OpCode::Data(Data::Continue));
        assert_eq!(lengths(0), [(0, first, true)]);
        assert_eq!(lengths(FRAGMENT_BYTES), [(FRAGMENT_BYTES, first, true)]);
        let long = [
            (FRAGMENT_BYTES, first, false),
            (FRAGMENT_BYTES, more, false),
            (5, more, true),
        ];
        assert_eq!(lengths(2 * FRAGMENT_BYTES + 5), long);
    }
}
