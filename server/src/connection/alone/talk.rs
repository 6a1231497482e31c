//! The talk of a connection that has joined: reading, writing and keeping alive, polled by one task.

use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, Intent};
use protocol::websocket::Frame;
use protocol::{FrameError, ywebsocket};
use storage::Failpoint;

use super::super::mailing::{self, Mailing};
use super::super::pulse::{Due, Pulse};
use super::super::{ConnectionLimits, End};
use super::{Connection, DIALECT};
use crate::mail::{Mail, Mailbox};
use crate::outbox::Taken;
use crate::receiving::Held;
use crate::socket::Incoming;
use crate::telemetry::metrics;

/// What a connection is at.
pub(super) struct Talk {
    mailbox: Mailbox,
    pulse: Pulse,
    /// What was read and waits for room in the mailbox; nothing more is read meanwhile.
    reading: Mailing,
    /// The question for what was dropped, while it waits for room in the mailbox.
    asking: Mailing,
    /// The last step of the document that was written.
    seen: Option<u64>,
    /// The same, once all is written that was taken.
    taken: Option<u64>,
}

/// Why reading stops.
enum Stop {
    End(End),
    Mailing(Mailing),
}

impl Talk {
    pub(super) fn new(mailbox: Mailbox, limits: &ConnectionLimits) -> Self {
        Self {
            mailbox,
            pulse: Pulse::new(KEEPALIVE_AFTER, limits),
            reading: Mailing::Idle,
            asking: Mailing::Idle,
            seen: None,
            taken: None,
        }
    }

    /// Reads, writes and keeps alive, until there is a reason to end.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        if let Poll::Ready(end) = self.poll_reading(connection, context) {
            // The answer to a close, if it can be written at once.
            let _ = connection.socket.poll_flush(context);
            return Poll::Ready(end);
        }
        while let Poll::Ready(due) = self.pulse.poll(context) {
            match due {
                Due::Silent => return Poll::Ready(End::Close(CloseReason::Silent)),
                Due::Ping => connection.socket.ping(),
                Due::KeepAlive => connection.keep_alive(),
            }
        }
        self.poll_writing(connection, context)
    }

    /// Tells the session that the connection is gone.
    pub(super) async fn leave(self, id: ConnectionId) {
        mailing::leave(&self.mailbox, id).await;
    }

    fn poll_reading(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        loop {
            if ready!(self.reading.poll(context)).is_err() {
                connection.outbox.close(CloseReason::NotReady);
                return Poll::Pending;
            }
            let socket = &mut connection.socket;
            let reader = Reader {
                id: connection.id,
                limits: &connection.limits,
                mailbox: &self.mailbox,
                seen: self.seen,
            };
            let pulse = &mut self.pulse;
            let stop = socket.poll_receive(context, |incoming| {
                pulse.heard();
                reader.take(incoming)
            });
            match ready!(stop) {
                Stop::End(end) => return Poll::Ready(end),
                Stop::Mailing(mailing) => self.reading = mailing,
            }
        }
    }

    fn poll_writing(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        loop {
            if ready!(connection.socket.poll_flush(context)).is_err() {
                return Poll::Ready(End::ByPeer);
            }
            self.seen = self.seen.max(self.taken);
            if ready!(self.asking.poll(context)).is_err() {
                connection.outbox.close(CloseReason::NotReady);
            }
            let queue = connection.socket.queue();
            match ready!(connection.outbox.poll_take(context, queue)) {
                Taken::Frames { bytes, shows, .. } => {
                    metrics::frames_sent(queue.len(), bytes);
                    self.pulse.said();
                    self.taken = shows;
                }
                Taken::Dropped => self.ask(connection.id),
                Taken::Close(reason) => return Poll::Ready(End::Close(reason)),
            }
        }
    }

    /// Asks the session for what was dropped.
    fn ask(&mut self, connection: ConnectionId) {
        let seen = self.seen;
        let mail = Mail::Drained { connection, seen };
        self.asking = Mailing::send(&self.mailbox, mail);
    }
}

impl Connection {
    /// Says something, because clients close a server that is silent; what waits to be written does as well. Memory that
    /// was not needed for so long is given back.
    fn keep_alive(&mut self) {
        self.outbox.rest();
        self.socket.rest();
        if self.socket.queue().is_empty() {
            let keepalive = Frame::binary(ywebsocket::keepalive());
            self.socket.queue().push_back(keepalive);
        }
    }
}

/// Turns what comes in into mail.
struct Reader<'a> {
    id: ConnectionId,
    limits: &'a ConnectionLimits,
    mailbox: &'a Mailbox,
    seen: Option<u64>,
}

impl Reader<'_> {
    fn take(&self, incoming: Incoming) -> ControlFlow<Stop> {
        let end = match incoming {
            Incoming::Binary(frame, held) => return self.forward(&frame, held),
            Incoming::Alive => return ControlFlow::Continue(()),
            Incoming::Text(..)
            | Incoming::Abridged(..)
            | Incoming::Malformed
            | Incoming::NotUtf8 => End::Close(CloseReason::BadFrame),
            Incoming::Overloaded => End::Close(CloseReason::Overloaded),
            Incoming::TooFast(limit) => End::Close(CloseReason::Flooding(limit)),
            Incoming::TooLarge | Incoming::Withheld => End::Close(CloseReason::TooLarge),
            Incoming::Closed => End::ByPeer,
        };
        ControlFlow::Break(Stop::End(end))
    }

    fn forward(&self, frame: &Bytes, held: Held) -> ControlFlow<Stop> {
        metrics::frame_received(frame.len());
        Failpoint::FrameReceived.reach();
        let intents = match self.read(frame) {
            Ok(intents) => intents,
            Err((reason, fault)) => {
                return ControlFlow::Break(Stop::End(End::refuse(reason, fault)));
            }
        };
        Failpoint::FrameChecked.reach();
        let mail = Mail::Intents {
            connection: self.id,
            intents,
            seen: self.seen,
            held,
        };
        match Mailing::send(self.mailbox, mail) {
            Mailing::Idle => ControlFlow::Continue(()),
            waits => ControlFlow::Break(Stop::Mailing(waits)),
        }
    }

    /// Reads a frame and checks what it carries, before any library takes that apart.
    fn read(&self, frame: &Bytes) -> Result<Vec<Intent>, (CloseReason, FrameError)> {
        let intents = ywebsocket::decode(frame).map_err(|fault| (CloseReason::BadFrame, fault))?;
        for intent in &intents {
            DIALECT.check(intent, &self.limits.bounds)?;
        }
        Ok(intents)
    }
}

const KEEPALIVE_AFTER: Duration = Duration::from_millis(ywebsocket::KEEPALIVE_AFTER_MS);
