//! A client's end of a WebSocket, without any protocol upon it.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::wait::within;

/// A WebSocket to the server.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

/// What came from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A binary message.
    Frame(Bytes),
    /// A text message.
    Text(String),
    /// The server answered a ping.
    Pong,
    /// The server closed, with this code and reason.
    Closed(u16, String),
    /// The connection broke, or ended without a word.
    Gone,
}

impl Socket {
    /// Connects to a path, which begins with a slash and is sent as it stands.
    ///
    /// # Errors
    /// The server did not agree to speak WebSocket.
    pub async fn connect(address: SocketAddr, path: &str) -> Result<Self> {
        Self::connect_with(address, path, &[]).await
    }

    /// Connects to a path with further headers.
    ///
    /// # Errors
    /// The server did not agree to speak WebSocket, or to one of the subprotocols that were offered.
    pub async fn connect_with(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self> {
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let config = WebSocketConfig::default()
                .max_message_size(None)
                .max_frame_size(None);
            let mut request = format!("ws://{address}{path}").into_client_request()?;
            for (name, value) in headers {
                request.headers_mut().insert(*name, value.parse()?);
            }
            let (stream, _) = client_async_with_config(request, stream, Some(config)).await?;
            anyhow::Ok(Self { stream })
        };
        within("the socket opens", opening)
            .await?
            .with_context(|| format!("connecting to {path:.80}"))
    }

    /// The connection itself, for a client that brings its own protocol.
    pub fn into_stream(self) -> WebSocketStream<TcpStream> {
        self.stream
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, frame: Bytes) -> Result<()> {
        self.send_message(Message::Binary(frame)).await
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn say(&mut self, text: String) -> Result<()> {
        self.send_message(Message::text(text)).await
    }

    /// Sends any message.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_message(&mut self, message: Message) -> Result<()> {
        Ok(within("the server reads", self.stream.send(message)).await??)
    }

    /// Sends any message with those that follow, as soon as they are worth a packet.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn feed(&mut self, message: Message) -> Result<()> {
        Ok(within("the server reads", self.stream.feed(message)).await??)
    }

    /// Puts bytes on the connection that need not be WebSocket at all.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(within("the server reads", self.stream.get_mut().write_all(bytes)).await??)
    }

    /// Waits for what the server sends next.
    ///
    /// # Errors
    /// Nothing came.
    pub async fn next(&mut self) -> Result<Heard> {
        within("the server says something", self.hear()).await
    }

    /// Waits for what the server sends next, however long that takes.
    pub async fn next_whenever(&mut self) -> Heard {
        self.hear().await
    }

    /// What has come already, if anything has.
    pub fn try_next(&mut self) -> Option<Heard> {
        self.hear().now_or_never()
    }

    /// Waits for the end of the connection, whatever else comes before it.
    ///
    /// # Errors
    /// It did not end.
    pub async fn closed(&mut self) -> Result<Heard> {
        within("the server closes the connection", self.closed_whenever()).await
    }

    /// Waits for the end of the connection, however long that takes.
    pub async fn closed_whenever(&mut self) -> Heard {
        loop {
            if let end @ (Heard::Closed(..) | Heard::Gone) = self.hear().await {
                return end;
            }
        }
    }

    /// Waits for the close code and reason.
    ///
    /// # Errors
    /// The connection did not end, or ended without a word.
    pub async fn close_code(&mut self) -> Result<(u16, String)> {
        match self.closed().await? {
            Heard::Closed(code, reason) => Ok((code, reason)),
            other => bail!("the connection ended without a close code: {other:?}"),
        }
    }

    /// Says goodbye and waits until the server has heard it.
    ///
    /// # Errors
    /// The connection did not end.
    pub async fn close(mut self) -> Result<()> {
        // A connection that is gone already needs no goodbye.
        let _ = self.stream.close(None).await;
        self.closed().await.map(|_| ())
    }

    async fn hear(&mut self) -> Heard {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(frame))) => return Heard::Frame(frame),
                Some(Ok(Message::Text(text))) => return Heard::Text(text.as_str().to_owned()),
                Some(Ok(Message::Pong(_))) => return Heard::Pong,
                Some(Ok(Message::Close(Some(close)))) => {
                    return Heard::Closed(close.code.into(), close.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Gone,
                Some(Ok(_)) => {}
            }
        }
    }
}
