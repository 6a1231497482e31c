//! The WebSocket, behind one small type, so that the library beneath stays a choice.

use std::error::Error;
use std::io;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use protocol::close::Close;
use tungstenite::error::ProtocolError;

use crate::receiving::{Held, Meter, Overloaded};

/// The reading end of a socket.
pub(crate) struct SocketReader {
    socket: SplitStream<WebSocket>,
    meter: Meter,
    /// Nothing more is read from it.
    is_overloaded: bool,
}

/// The writing end of a socket.
pub(crate) struct SocketWriter(SplitSink<WebSocket, Message>);

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
pub(crate) fn split(socket: WebSocket, meter: Meter) -> (SocketReader, SocketWriter) {
    let (writer, socket) = socket.split();
    let reader = SocketReader {
        socket,
        meter,
        is_overloaded: false,
    };
    (reader, SocketWriter(writer))
}

impl SocketReader {
    /// Waits for the next message. Cancel safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        let message = self.socket.next().await;
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
            Some(Ok(Message::Close(_))) | None => Incoming::Closed,
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
        Some(tungstenite::Error::Io(error)) if is_overload(error) => Incoming::Overloaded,
        Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => Incoming::Malformed,
        _ => Incoming::Closed,
    }
}

fn is_overload(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|cause| cause.is::<Overloaded>())
}
