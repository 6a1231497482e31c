//! How much was received and not yet worked off: bytes of messages that are half here, and of those that wait for a
//! session. They are counted as they come off each socket, for all sockets together, and at the bound the connection
//! that asks for more is closed, to come back. A connection may always have a little, so that small messages pass.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What all connections together may have received. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Receiving(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: AtomicUsize,
    bytes_max: usize,
}

/// Counts what one connection receives. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Own>);

#[derive(Debug)]
struct Own {
    receiving: Receiving,
    /// Received, and not yet taken as a message.
    bytes: AtomicUsize,
}

/// The bytes of a message that is not worked off yet; it is when this is dropped.
#[derive(Debug)]
pub struct Held {
    receiving: Receiving,
    bytes: usize,
}

/// As much is received as may be.
#[derive(Clone, Copy, Debug, Error)]
#[error("as much is received as may be")]
pub(crate) struct Overloaded;

impl Receiving {
    /// Nothing is received yet.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shared {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }))
    }

    /// A meter for one connection.
    pub fn meter(&self) -> Meter {
        Meter(Arc::new(Own {
            receiving: self.clone(),
            bytes: AtomicUsize::new(0),
        }))
    }

    /// What is received now and not worked off.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    fn release(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Meter {
    /// Counts what comes over a connection.
    pub(crate) fn over<S>(self, stream: S) -> Metered<S> {
        Metered {
            stream,
            meter: self,
        }
    }

    /// A message is whole: takes over what has come for it.
    pub fn take(&self) -> Held {
        Held {
            receiving: self.0.receiving.clone(),
            bytes: self.0.bytes.swap(0, Ordering::Relaxed),
        }
    }

    fn has_room(&self) -> bool {
        let Shared { bytes, bytes_max } = &*self.0.receiving.0;
        bytes.load(Ordering::Relaxed) < *bytes_max
            || self.0.bytes.load(Ordering::Relaxed) < ALWAYS_BYTES
    }

    fn count(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        let all = &self.0.receiving.0.bytes;
        all.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.receiving.release(self.bytes.load(Ordering::Relaxed));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.receiving.release(self.bytes);
    }
}

/// A connection whose received bytes are counted.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.meter.has_room() {
            return Poll::Ready(Err(io::Error::other(Overloaded)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.meter.count(buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What a connection may have received whatever the others have: a message of usual size.
const ALWAYS_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_their_message_is_worked_off() {
        let receiving = Receiving::new(100_000);
        let (one, two) = (receiving.meter(), receiving.meter());
        one.count(60_000);
        two.count(60_000);
        assert!(!one.has_room() && !two.has_room());
        assert!(receiving.meter().has_room(), "a little is always allowed");
        let held = one.take();
        assert!(one.has_room() && receiving.bytes() == 120_000);
        drop(held);
        assert!(two.has_room());
        drop(two);
        assert_eq!(receiving.bytes(), 0);
    }
}
