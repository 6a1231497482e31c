//! The WebSocket, behind one small type, so that the library beneath stays a choice.

use std::error::Error;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use protocol::close::Close;
use tungstenite::error::ProtocolError;

/// The reading end of a socket.
pub(crate) struct SocketReader(SplitStream<WebSocket>);

/// The writing end of a socket.
pub(crate) struct SocketWriter(SplitSink<WebSocket, Message>);

/// What came in.
pub(crate) enum Incoming {
    /// A binary message.
    Binary(Bytes),
    /// A text message; its text is of no interest to any binary dialect.
    Text,
    /// A sign of life: a ping or a pong.
    Alive,
    /// The peer closed, or the connection broke.
    Closed,
    /// The peer began a message longer than is allowed.
    TooLarge,
    /// The peer sent bytes that are no WebSocket frame.
    Malformed,
}

/// The connection broke while writing.
#[derive(Debug)]
pub(crate) struct Broken;

/// Takes a socket apart, so that reading and writing never wait for each other.
pub(crate) fn split(socket: WebSocket) -> (SocketReader, SocketWriter) {
    let (writer, reader) = socket.split();
    (SocketReader(reader), SocketWriter(writer))
}

impl SocketReader {
    /// Waits for the next message. Cancel safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.0.next().await {
            Some(Ok(Message::Binary(bytes))) => Incoming::Binary(bytes),
            Some(Ok(Message::Text(_))) => Incoming::Text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Alive,
            Some(Err(error)) => fault(&error),
            Some(Ok(Message::Close(_))) | None => Incoming::Closed,
        }
    }

    /// Passes over all that the peer still sends, until it closes. Where nothing can be read any more, this never ends.
    pub(crate) async fn pass_over(&mut self) {
        loop {
            match self.next().await {
                Incoming::Closed => return,
                Incoming::TooLarge | Incoming::Malformed => std::future::pending().await,
                Incoming::Binary(_) | Incoming::Text | Incoming::Alive => {}
            }
        }
    }
}

impl SocketWriter {
    /// Writes messages together, with as few system calls as possible.
    pub(crate) async fn write(&mut self, frames: Vec<Bytes>) -> Result<(), Broken> {
        for frame in frames {
            self.0
                .feed(Message::Binary(frame))
                .await
                .map_err(|_| Broken)?;
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
            code: close.code,
            reason: close.text.into(),
        };
        self.0
            .send(Message::Close(Some(frame)))
            .await
            .map_err(|_| Broken)
    }
}

/// Tells a peer that breaks the rules from a connection that breaks.
fn fault(error: &axum::Error) -> Incoming {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(tungstenite::Error::Capacity(_)) => Incoming::TooLarge,
        Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            Incoming::Closed
        }
        Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => Incoming::Malformed,
        _ => Incoming::Closed,
    }
}
