//! The talk of a connection that has joined: reading, writing and keeping alive, polled by one task.

use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, Intent};
use protocol::websocket::Frame;
use protocol::{Dialect, FrameError};
use storage::Failpoint;

use super::pulse::{Due, Pulse};
use super::{Connection, ConnectionLimits, End, Sending, send};
use crate::mail::{Gone, Mail, Mailbox};
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

/// A direction that may have a mail under way.
enum Mailing {
    Idle,
    Sending(Sending),
    /// The session is gone. It says why through the outbox, which has the last word.
    Nobody,
}

/// Why reading stops.
enum Stop {
    End(End),
    Mailing(Mailing),
}

impl Mailing {
    fn new(sent: Result<Option<Sending>, Gone>) -> Self {
        match sent {
            Ok(None) => Self::Idle,
            Ok(Some(sending)) => Self::Sending(sending),
            Err(Gone) => Self::Nobody,
        }
    }

    /// Waits until another mail may be sent.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match self {
            Self::Idle => Poll::Ready(Ok(())),
            Self::Nobody => Poll::Ready(Err(Gone)),
            Self::Sending(sending) => {
                let sent = ready!(sending.as_mut().poll(context));
                *self = sent.map_or(Self::Nobody, |()| Self::Idle);
                Poll::Ready(sent)
            }
        }
    }
}

impl Talk {
    pub(super) fn new(mailbox: Mailbox, dialect: Dialect, limits: &ConnectionLimits) -> Self {
        Self {
            mailbox,
            pulse: Pulse::new(dialect, limits),
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
    pub(super) async fn leave(self, id: ConnectionId) -> Result<(), Gone> {
        match send(&self.mailbox, Mail::Leave(id))? {
            Some(sending) => sending.await,
            None => Ok(()),
        }
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
            let (socket, reader) = (&mut connection.socket, connection.dialect);
            let reader = Reader {
                id: connection.id,
                dialect: reader,
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
                Taken::Frames { bytes, shows } => {
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
        self.asking = Mailing::new(send(&self.mailbox, mail));
    }
}

impl Connection {
    /// Says something, because clients close a server that is silent; what waits to be written does as well. Memory that
    /// was not needed for so long is given back.
    fn keep_alive(&mut self) {
        self.outbox.rest();
        self.socket.rest();
        if self.socket.queue().is_empty() {
            let keepalive = Frame::binary(self.dialect.keepalive());
            self.socket.queue().push_back(keepalive);
        }
    }
}

/// Turns what comes in into mail.
struct Reader<'a> {
    id: ConnectionId,
    dialect: Dialect,
    limits: &'a ConnectionLimits,
    mailbox: &'a Mailbox,
    seen: Option<u64>,
}

impl Reader<'_> {
    fn take(&self, incoming: Incoming) -> ControlFlow<Stop> {
        let end = match incoming {
            Incoming::Binary(frame, held) => return self.forward(&frame, held),
            Incoming::Alive => return ControlFlow::Continue(()),
            Incoming::Text | Incoming::Malformed => End::Close(CloseReason::BadFrame),
            Incoming::Overloaded => End::Close(CloseReason::Overloaded),
            Incoming::TooLarge => End::Close(CloseReason::TooLarge),
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
                return ControlFlow::Break(Stop::End(End::Refuse(reason, fault)));
            }
        };
        Failpoint::FrameChecked.reach();
        let mail = Mail::Intents {
            connection: self.id,
            intents,
            seen: self.seen,
            held,
        };
        match Mailing::new(send(self.mailbox, mail)) {
            Mailing::Idle => ControlFlow::Continue(()),
            waits => ControlFlow::Break(Stop::Mailing(waits)),
        }
    }

    /// Reads a frame and checks what it carries, before any library takes that apart.
    fn read(&self, frame: &Bytes) -> Result<Vec<Intent>, (CloseReason, FrameError)> {
        let intents = self
            .dialect
            .decode(frame)
            .map_err(|fault| (CloseReason::BadFrame, fault))?;
        for intent in &intents {
            self.dialect.check(intent, &self.limits.bounds)?;
        }
        Ok(intents)
    }
}
