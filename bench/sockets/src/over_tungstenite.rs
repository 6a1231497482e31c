//! Over tungstenite, without a web framework.

use std::collections::VecDeque;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::handshake;
use crate::room::{Member, Rooms};

type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn serve(listener: TcpListener, buffer_bytes: usize) -> Result<()> {
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve_one(stream, rooms.clone(), buffer_bytes));
    }
}

async fn serve_one(mut stream: TcpStream, rooms: Rooms<Bytes>, buffer_bytes: usize) -> Result<()> {
    let path = handshake::agree(&mut stream, None).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(buffer_bytes)
        .write_buffer_size(buffer_bytes);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (writer, reader) = socket.split();
    let member = rooms.enter(path);
    tokio::select! {
        ended = read(reader, &member) => ended,
        ended = write(writer, &member) => ended,
    }
}

async fn read(mut reader: SplitStream<Socket>, member: &Member<Bytes>) -> Result<()> {
    while let Some(message) = reader.next().await {
        if let Message::Binary(payload) = message? {
            member.tell(&payload);
        }
    }
    Ok(())
}

async fn write(mut writer: SplitSink<Socket, Message>, member: &Member<Bytes>) -> Result<()> {
    let mut frames = VecDeque::new();
    loop {
        member.take(&mut frames).await;
        for frame in frames.drain(..) {
            writer.feed(Message::Binary(frame)).await?;
        }
        writer.flush().await?;
    }
}
