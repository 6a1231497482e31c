//! Over yawc, with and without compression (permessage-deflate, its state pooled for all connections).

use std::collections::VecDeque;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use yawc::DeflatePool;
use yawc::{Frame, OpCode, Options, Role, WebSocket};

use crate::handshake;
use crate::room::{Member, Rooms};

type Socket = WebSocket<TcpStream>;

pub(crate) async fn serve(listener: TcpListener, deflates: bool) -> Result<()> {
    let rooms = Rooms::default();
    let pool = deflates.then(|| DeflatePool::new(POOLED_STATES));
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve_one(stream, rooms.clone(), pool.clone()));
    }
}

async fn serve_one(
    mut stream: TcpStream,
    rooms: Rooms<Bytes>,
    pool: Option<DeflatePool>,
) -> Result<()> {
    let extensions = pool.as_ref().map(|_| DEFLATE);
    let path = handshake::agree(&mut stream, extensions).await?;
    let small = Options::default()
        .with_read_buffer_capacity(BUFFER_BYTES)
        .with_write_buffer_capacity(BUFFER_BYTES);
    let options = match pool {
        Some(pool) => small
            .with_low_latency_compression()
            .with_compression_threshold(0)
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(pool),
        None => small.without_compression(),
    };
    let socket = Socket::from_stream_with_extensions(stream, Role::Server, extensions, options)?;
    let (writer, reader) = socket.split();
    let member = rooms.enter(path);
    tokio::select! {
        () = read(reader, &member) => Ok(()),
        ended = write(writer, &member) => ended,
    }
}

async fn read(mut reader: SplitStream<Socket>, member: &Member<Bytes>) {
    while let Some(frame) = reader.next().await {
        if frame.opcode() == OpCode::Binary {
            member.tell(frame.payload());
        }
    }
}

async fn write(mut writer: SplitSink<Socket, Frame>, member: &Member<Bytes>) -> Result<()> {
    let mut frames = VecDeque::new();
    loop {
        member.take(&mut frames).await;
        for frame in frames.drain(..) {
            writer.feed(Frame::binary(frame)).await?;
        }
        writer.flush().await?;
    }
}

const DEFLATE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const BUFFER_BYTES: usize = 1024;
/// States for compressing that are kept: one thread needs one at a time.
const POOLED_STATES: usize = 4;
