//! A reader that keeps nothing: a WebSocket by hand that counts what comes and throws it away, so that a crowd of them can
//! read a large document on a small machine.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames;
use crate::wait::within;

/// A connection of which only the length of what comes is looked at.
#[derive(Debug)]
pub struct Drain {
    stream: TcpStream,
    read: u64,
}

impl Drain {
    /// Opens a socket at a path.
    ///
    /// # Errors
    /// There is none.
    pub async fn open(address: SocketAddr, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; 12];
        within("the upgrade is answered", stream.read_exact(&mut status)).await??;
        ensure!(status.ends_with(b"101"), "the upgrade is refused");
        Ok(Self { stream, read: 0 })
    }

    /// Asks for all that the document holds.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn ask(&mut self) -> Result<()> {
        let message = frames::have(&[0]);
        let head = [0x82, 0x80 | u8::try_from(message.len())?, 0, 0, 0, 0];
        self.stream.write_all(&head).await?;
        Ok(self.stream.write_all(&message).await?)
    }

    /// Reads until so many bytes have come in all.
    ///
    /// # Errors
    /// They did not.
    pub async fn read(&mut self, wanted: u64) -> Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        while self.read < wanted {
            let read = within("the server writes", self.stream.read(&mut bytes)).await??;
            ensure!(read > 0, "the connection ended after {} bytes", self.read);
            self.read += read as u64;
        }
        Ok(())
    }
}
