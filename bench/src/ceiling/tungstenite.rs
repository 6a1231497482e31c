//! The ceiling of a library: a task that reads and one that writes for each socket, a queue between them.

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::rooms::Rooms;

type Writer = SplitSink<WebSocketStream<TcpStream>, Message>;

/// Serves one socket to its end.
pub(super) async fn serve(stream: TcpStream, rooms: Rooms<UnboundedSender<Bytes>>) {
    let mut path = String::new();
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    #[expect(clippy::result_large_err, reason = "the library wants it so")]
    let note_path = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let Ok(socket) = accept_hdr_async_with_config(stream, note_path, Some(config)).await else {
        return;
    };
    let (writer, mut reader) = socket.split();
    let (outbox, waiting) = unbounded_channel();
    let seat = rooms.join(&path, outbox);
    let writing = spawn_local(write(writer, waiting));
    while let Some(Ok(message)) = reader.next().await {
        if let Message::Binary(frame) = message {
            seat.everyone(|outbox| {
                // Who has gone is about to leave the room.
                let _ = outbox.send(frame.clone());
            });
        }
    }
    writing.abort();
}

/// Writes what waits, and flushes once nothing does.
async fn write(mut writer: Writer, mut waiting: UnboundedReceiver<Bytes>) -> Result<(), Error> {
    while let Some(frame) = waiting.recv().await {
        writer.feed(Message::Binary(frame)).await?;
        while let Ok(frame) = waiting.try_recv() {
            writer.feed(Message::Binary(frame)).await?;
        }
        writer.flush().await?;
    }
    Ok(())
}

/// Enough for the frames of some dozen edits; the library's own 128 KiB make the frugal rows meaningless.
const BUFFER_BYTES: usize = 4 * 1024;
