//! The WebSocket, over the connection beneath it.
//!
//! What it says is decided by `protocol::websocket`; here are the reads and writes. One task owns a socket and polls both
//! directions. An idle one holds no buffer: bytes are read into a [`scratch`] of the thread, and kept only where a message
//! is half here or its receiver has no room.

mod scratch;

mod stream;
pub(crate) use stream::Stream;

mod writing;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use engine::Limit;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use protocol::websocket::{Abridged, Decoder, Fault, Frame, Received, answer};
use tokio::io::{AsyncRead, ReadBuf};

use crate::limits::Pace;
use crate::receiving::{Held, Meter};
use crate::telemetry::metrics;
use writing::Writing;

/// A socket, from its handshake on.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    decoder: Decoder,
    meter: Meter,
    pace: Pace,
    /// What has come and was not looked at.
    unread: Bytes,
    /// How much is read at once.
    read_max: usize,
    /// Nothing more that comes can be understood.
    is_faulty: bool,
    writing: Writing,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A binary message, which counts as received until it is worked off.
    Binary(Bytes, Held),
    /// A text message, which is UTF-8 and counts as received until it is worked off.
    Text(Bytes, Held),
    /// A sign of life: a ping or a pong.
    Alive,
    /// The peer closed, or the connection broke.
    Closed,
    /// The peer began a message longer than is allowed.
    TooLarge,
    /// The peer began a message that is too long for now ([`Socket::limit_for_now`]).
    Withheld,
    /// A binary message of which the middle was left out ([`Socket::abridge`]).
    Abridged(Abridged, Held),
    /// The peer sent more than there is room for.
    Overloaded,
    /// The peer sends faster than it may.
    TooFast(Limit),
    /// The peer sent bytes that are no WebSocket frame.
    Malformed,
    /// The peer sent a text that is not UTF-8.
    NotUtf8,
}

/// The connection broke while writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken;

impl Socket {
    /// The socket of an upgraded connection, whose messages are bounded by what the server accepts. None if the connection
    /// is not of a kind that this server accepts.
    pub(crate) fn new(
        upgraded: Upgraded,
        message_bytes_max: usize,
        mut meter: Meter,
        pace: Pace,
    ) -> Option<Self> {
        let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
        meter.count(parts.read_buf.len());
        Some(Self {
            stream: parts.io.into_inner(),
            decoder: Decoder::new(message_bytes_max),
            meter,
            pace,
            unread: parts.read_buf,
            read_max: usize::MAX,
            is_faulty: false,
            writing: Writing::default(),
        })
    }

    /// Takes no message of more than so many bytes until this is said anew, nor reads more at once. What is longer waits
    /// where it comes from.
    pub(crate) fn limit_for_now(&mut self, bytes_max: usize) {
        self.decoder.limit_for_now(bytes_max);
        self.read_max = bytes_max.max(READ_AT_LEAST);
    }

    /// Gives what comes to `take`, for as long as that goes on and there is something. After it broke off because of an
    /// end, nothing more is to be received.
    pub(crate) fn poll_receive<T>(
        &mut self,
        context: &mut Context<'_>,
        mut take: impl FnMut(Incoming) -> ControlFlow<T>,
    ) -> Poll<T> {
        if !self.unread.is_empty() || self.decoder.is_withholding() {
            self.pace.look_at_clock();
            let come = std::mem::take(&mut self.unread);
            let (taken, flow) = self.decode(&come, &mut take);
            self.unread = come;
            self.unread.advance(taken);
            if let ControlFlow::Break(end) = flow {
                return Poll::Ready(end);
            }
            self.unread = Bytes::new();
        }
        loop {
            let read = scratch::with(|scratch| self.poll_some(context, scratch, &mut take));
            if let ControlFlow::Break(end) = ready!(read) {
                return Poll::Ready(end);
            }
        }
    }

    /// Takes the message that is withheld without its middle, and so many bytes at least of its beginning and of its end. False if it
    /// is a text.
    pub(crate) fn abridge(&mut self, kept: usize) -> bool {
        self.decoder.abridge(kept)
    }

    /// What has come of the message that is withheld.
    pub(crate) fn beginning(&self) -> Vec<u8> {
        self.decoder.beginning(&self.unread)
    }

    /// Waits until more has come of the message that is withheld, of which at most so many bytes may wait. Something else came if
    /// nothing of it can.
    pub(crate) fn poll_more(
        &mut self,
        context: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<Result<(), Incoming>> {
        scratch::with(|scratch| {
            let wanted = bytes_max.saturating_sub(self.unread.len());
            let room = self.meter.room().min(scratch.len()).min(wanted);
            if room == 0 {
                self.met("receiving_bytes");
                return Poll::Ready(Err(Incoming::Overloaded));
            }
            let mut buffer = ReadBuf::new(&mut scratch[..room]);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            let come = buffer.filled();
            if read.is_err() || come.is_empty() {
                return Poll::Ready(Err(Incoming::Closed));
            }
            self.meter.count(come.len());
            self.pace.look_at_clock();
            self.unread = [&self.unread, come].concat().into();
            let pace = self.pace.bytes(come.len());
            Poll::Ready(pace.map_err(|limit| self.too_fast(limit)))
        })
    }

    /// Reads once.
    fn poll_some<T>(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
        take: &mut impl FnMut(Incoming) -> ControlFlow<T>,
    ) -> Poll<ControlFlow<T>> {
        let room = self.meter.room().min(scratch.len()).min(self.read_max);
        if room == 0 {
            self.met("receiving_bytes");
            return Poll::Ready(take(Incoming::Overloaded));
        }
        let mut buffer = ReadBuf::new(&mut scratch[..room]);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
        let come = buffer.filled();
        if read.is_err() || come.is_empty() {
            return Poll::Ready(take(Incoming::Closed));
        }
        self.meter.count(come.len());
        self.pace.look_at_clock();
        if let Err(limit) = self.pace.bytes(come.len()) {
            return Poll::Ready(take(self.too_fast(limit)));
        }
        let (taken, flow) = self.decode(come, take);
        if taken < come.len() {
            self.unread = Bytes::copy_from_slice(&come[taken..]);
        }
        Poll::Ready(flow)
    }

    /// Takes bytes apart, and tells how many until `take` broke off.
    fn decode<T>(
        &mut self,
        come: &[u8],
        take: &mut impl FnMut(Incoming) -> ControlFlow<T>,
    ) -> (usize, ControlFlow<T>) {
        let mut rest = come;
        loop {
            let incoming = match self.decoder.next(&mut rest) {
                Ok(None) => {
                    self.let_go();
                    return (come.len(), ControlFlow::Continue(()));
                }
                Ok(Some(received)) => self.receive(received, rest.len()),
                Err(fault) => self.fail(fault),
            };
            if let ControlFlow::Break(end) = take(incoming) {
                return (come.len() - rest.len(), ControlFlow::Break(end));
            }
        }
    }

    /// What was left out of a message does not lie here.
    fn let_go(&mut self) {
        if self.decoder.is_abridging() {
            drop(self.meter.take_all_but(self.decoder.held()));
        }
    }

    /// Something is whole, and so many bytes behind it are not looked at.
    fn receive(&mut self, received: Received, unread: usize) -> Incoming {
        if received == Received::Withheld {
            return Incoming::Withheld;
        }
        let held = self.meter.take_all_but(unread);
        if let Err(limit) = self.pace.message() {
            return self.too_fast(limit);
        }
        match received {
            Received::Binary(message) => return Incoming::Binary(message, held),
            Received::Text(message) => return Incoming::Text(message, held),
            Received::Abridged(message) => return Incoming::Abridged(message, held),
            Received::Pong | Received::Withheld => {}
            Received::Ping(payload) => self.writing.interject(Frame::pong(&payload)),
            Received::Close(code) => {
                let why = code.map(|code| (answer(code), ""));
                self.writing.end(None, Frame::close(why));
                return Incoming::Closed;
            }
        }
        Incoming::Alive
    }

    fn too_fast(&self, limit: Limit) -> Incoming {
        self.met(limit.as_str());
        Incoming::TooFast(limit)
    }

    /// Counts that a limit was met, once: what comes after the close is not looked at.
    fn met(&self, limit: &'static str) {
        if !self.writing.is_ending() {
            metrics::limit_hit(limit);
        }
    }

    fn fail(&mut self, fault: Fault) -> Incoming {
        self.is_faulty = true;
        match fault {
            Fault::TooLarge => {
                self.met("message_bytes");
                Incoming::TooLarge
            }
            Fault::NotUtf8 => Incoming::NotUtf8,
            _ => Incoming::Malformed,
        }
    }

    /// Where frames are put that are to be written.
    pub(crate) fn queue(&mut self) -> &mut VecDeque<Frame> {
        self.writing.queue()
    }

    /// Writes all that is to be written, with as few system calls as possible.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.writing
            .poll(&mut self.stream, context)
            .map_err(|_| Broken)
    }

    /// Asks for a sign of life, before what waits to be written.
    pub(crate) fn ping(&mut self) {
        self.writing.interject(Frame::ping());
    }

    /// Gives back memory, where nothing has happened for a while.
    pub(crate) fn rest(&mut self) {
        self.writing.rest();
    }

    /// Writes these and nothing else any more, then passes over all that the peer still sends, until it closes.
    pub(crate) async fn say_goodbye(&mut self, last_words: Option<Frame>, close: Frame) {
        self.writing.end(last_words, close);
        if poll_fn(|context| self.poll_flush(context)).await.is_ok() {
            poll_fn(|context| self.poll_pass_over(context)).await;
        }
    }

    fn poll_pass_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.is_faulty {
            let end = self.poll_receive(context, |incoming| match incoming {
                Incoming::Closed => ControlFlow::Break(true),
                Incoming::TooLarge
                | Incoming::TooFast(_)
                | Incoming::Malformed
                | Incoming::NotUtf8
                | Incoming::Overloaded
                | Incoming::Withheld => ControlFlow::Break(false),
                Incoming::Binary(..)
                | Incoming::Abridged(..)
                | Incoming::Text(..)
                | Incoming::Alive => ControlFlow::Continue(()),
            });
            if ready!(end) {
                return Poll::Ready(());
            }
            self.is_faulty = true;
        }
        scratch::with(|scratch| self.poll_throw_away(context, scratch))
    }

    /// Reads what nobody will look at, until the connection ends.
    fn poll_throw_away(&mut self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<()> {
        loop {
            let mut buffer = ReadBuf::new(scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

/// What is read at once wherever that is limited: the head of a message, and a little more.
const READ_AT_LEAST: usize = 1_024;
