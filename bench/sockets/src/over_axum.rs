//! Over axum's WebSocket, which is tungstenite behind an upgrade of hyper.

use std::collections::VecDeque;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::Uri;
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;

use crate::room::{Member, Rooms};

type Shared = (Rooms<Bytes>, usize);

pub(crate) async fn serve(listener: TcpListener, buffer_bytes: usize) -> Result<()> {
    let shared: Shared = (Rooms::default(), buffer_bytes);
    let router = Router::new().fallback(upgrade).with_state(shared);
    let listener = listener.tap_io(|stream| {
        // One that is gone already is noticed soon enough.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn upgrade(
    State((rooms, buffer_bytes)): State<Shared>,
    address: Uri,
    upgrade: WebSocketUpgrade,
) -> Response {
    let path = address.path().to_owned();
    upgrade
        .read_buffer_size(buffer_bytes)
        .write_buffer_size(buffer_bytes)
        .on_upgrade(async move |socket| {
            let (writer, reader) = socket.split();
            let member = rooms.enter(path);
            // However it ends, it has ended.
            let _ = tokio::select! {
                ended = read(reader, &member) => ended,
                ended = write(writer, &member) => ended,
            };
        })
}

async fn read(mut reader: SplitStream<WebSocket>, member: &Member<Bytes>) -> Result<()> {
    while let Some(message) = reader.next().await {
        if let Message::Binary(payload) = message? {
            member.tell(&payload);
        }
    }
    Ok(())
}

async fn write(mut writer: SplitSink<WebSocket, Message>, member: &Member<Bytes>) -> Result<()> {
    let mut frames = VecDeque::new();
    loop {
        member.take(&mut frames).await;
        for frame in frames.drain(..) {
            writer.feed(Message::Binary(frame)).await?;
        }
        writer.flush().await?;
    }
}
