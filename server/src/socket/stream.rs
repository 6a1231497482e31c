//! What lies beneath a socket: TCP as it is, or TLS over it. What an encrypted one needs is kept elsewhere, so that a
//! plain one is no larger for it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection, encrypted or not.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Encrypted(Box<Encrypted>),
}

/// A connection over TLS, which says goodbye when it is dropped.
#[derive(Debug)]
pub(crate) struct Encrypted(TlsStream<TcpStream>);

impl Stream {
    /// A connection whose handshake is done.
    pub(crate) fn encrypted(stream: TlsStream<TcpStream>) -> Self {
        Self::Encrypted(Box::new(Encrypted(stream)))
    }
}

impl Drop for Encrypted {
    /// Without the word that nothing more comes, a client cannot tell the end from a cut. If it cannot be written at once,
    /// nobody is reading.
    fn drop(&mut self) {
        let (stream, session) = self.0.get_mut();
        session.send_close_notify();
        let mut goodbye = Vec::new();
        if session.write_tls(&mut goodbye).is_ok() {
            let _ = stream.try_write(&goodbye);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(&mut stream.0).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(&mut stream.0).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Encrypted(stream) => Pin::new(&mut stream.0).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Encrypted(stream) => stream.0.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(&mut stream.0).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(&mut stream.0).poll_shutdown(context),
        }
    }
}
