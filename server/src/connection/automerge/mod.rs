//! A connection for as many Automerge documents as its client names, in the dialect of automerge-repo.
//!
//! A client says who it is and is answered at once. Each document that it names from then on has a [`seat`], in which there is a
//! [`Conversation`](protocol::automerge::Conversation) about it: what the client lacks, what is stored, what it was told. What it is
//! not let into, and what nobody has, is *unavailable* to it; who waits for a document is told when it comes. What is wrong with one
//! document is said of that one. Nothing that a document tells is ever left out: a reader who is too slow is closed, and begins anew.
//!
//! One task polls all of it: [`hearing`] takes what comes, [`settling`] what was decided, [`telling`] writes.

mod hearing;

mod seat;

mod settling;

mod showing;

mod shown;

mod telling;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use engine::CloseReason;
use protocol::Dialect;
use protocol::automerge::{Envelope, Message, PeerId, encode};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::entering::Guest;
use super::line::Line;
use super::pulse::Due;
use super::{ConnectionLimits, End, why_late};
use crate::alarm::Alarm;
use crate::hub::Hub;
use crate::socket::Socket;
use crate::telemetry::metrics;
use seat::Seats;

const DIALECT: Dialect = Dialect::Automerge;

/// What every node calls itself, before what it is called besides.
const SERVER: &str = "quire";

/// Why reading stops.
enum Stop {
    /// The connection ends.
    End(End),
    /// Something is to be decided, sent or answered before more is read.
    Settle,
    /// A message has begun that is longer than may wait, and nobody is being asked whether the client may send it.
    Abridge,
}

/// Serves one socket for any Automerge documents of a workspace until it closes.
pub fn serve_automerge(
    hub: Hub,
    socket: Socket,
    guest: Guest,
    limits: Arc<ConnectionLimits>,
) -> impl Future<Output = ()> + Send {
    let late_at = Instant::now() + limits.pre_auth.time_max;
    let connection = Box::new(Connection {
        line: Line::new(socket, DIALECT, KEEPALIVE_AFTER, &hub, &limits),
        alarm: Alarm::default(),
        late_at,
        replaced: None,
        seats: Seats::new(hub, guest, limits),
    });
    connection.serve()
}

/// What a client is told before its connection is closed, whoever it is.
pub(super) fn last_words(text: &str) -> Bytes {
    encode(&Message::Error {
        envelope: Envelope {
            sender: PeerId(SERVER.into()),
            target: None,
        },
        message: text.into(),
    })
}

/// One socket and all documents on it.
struct Connection {
    line: Line,
    alarm: Alarm,
    /// By when the client is to have said who it is, and to have been let into a document unless it is known.
    late_at: Instant,
    /// Waits until the same peer joins by another socket; none before it has joined.
    replaced: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    seats: Seats,
}

impl Connection {
    async fn serve(mut self: Box<Self>) {
        let _counted = metrics::connection_opened();
        let end = poll_fn(|context| self.poll(context)).await;
        self.seats.leave().await;
        Box::pin(self.line.close(end)).await;
    }

    /// Reads, writes and keeps alive, until there is a reason to end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Poll::Ready(end) = self.poll_reading(context) {
                // The answer to a close, if it can be written at once.
                let _ = self.line.socket.poll_flush(context);
                return Poll::Ready(end);
            }
            if self.poll_replaced(context).is_ready() {
                return Poll::Ready(End::Close(CloseReason::Replaced));
            }
            if self.line.poll_stopping(context).is_ready() && !self.seats.is_anywhere() {
                return Poll::Ready(End::Close(CloseReason::Stopping));
            }
            let waited = self.seats.has_much_to_tell() || self.seats.is_ready_to_pull();
            if let Poll::Ready(end) = self.poll_writing(context) {
                return Poll::Ready(end);
            }
            // What was told may have set another time.
            let has_told = match self.poll_time(context) {
                Poll::Ready(Some(end)) => return Poll::Ready(end),
                Poll::Ready(None) => true,
                Poll::Pending => false,
            };
            let waits = waited || self.seats.is_ready_to_pull();
            if !has_told && (!waits || self.seats.has_much_to_tell()) {
                return Poll::Pending;
            }
        }
    }

    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Err(end) = ready!(self.seats.poll_settled(context)) {
                return Poll::Ready(end);
            }
            let room = (!self.seats.is_known).then(|| self.seats.room());
            let stop =
                (self.line).poll_receive(context, room, |incoming| self.seats.take(incoming));
            match ready!(stop) {
                Stop::End(end) => return Poll::Ready(end),
                Stop::Settle => {}
                Stop::Abridge if self.line.socket.abridge(KEPT_BYTES) => {}
                Stop::Abridge => return Poll::Ready(self.seats.too_long()),
            }
        }
    }

    /// Does what it is time for. Ready with nothing if there is something to tell because of that.
    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<Option<End>> {
        while let Poll::Ready(due) = self.line.pulse.poll(context) {
            match due {
                // A client that is not read cannot give a sign of life.
                Due::Silent if self.seats.has_much_to_tell() => self.line.pulse.heard(),
                Due::Silent => return Poll::Ready(Some(End::Close(CloseReason::Silent))),
                Due::Ping => self.line.socket.ping(),
                Due::KeepAlive => self.line.socket.rest(),
            }
        }
        while self.alarm.poll(self.next_at(), context).is_ready() {
            let now = Instant::now();
            if self.is_awaited() && self.late_at <= now {
                let reason = why_late(self.seats.was_denied);
                return Poll::Ready(Some(End::Close(reason)));
            }
            if self.seats.tell_missing(now) {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    }

    /// Whether the client may not stay as it is.
    fn is_awaited(&self) -> bool {
        !self.seats.is_known || self.seats.peer.is_none()
    }

    fn next_at(&self) -> Option<Instant> {
        let late_at = self.is_awaited().then_some(self.late_at);
        let missing_at = self.seats.next_missing_at();
        late_at.into_iter().chain(missing_at).min()
    }

    fn poll_replaced(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.replaced.is_none()
            && let Some(place) = &self.seats.place
        {
            self.replaced = Some(Box::pin(place.replaced().cancelled_owned()));
        }
        match &mut self.replaced {
            Some(replaced) => replaced.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    fn poll_writing(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if ready!(self.line.socket.poll_flush(context)).is_err() {
                return Poll::Ready(End::ByPeer);
            }
            if let Some(end) = self.seats.end() {
                return Poll::Ready(end);
            }
            let queue = self.line.socket.queue();
            self.seats.poll_telling(context, queue);
            if !self.line.note_writing() && self.seats.end().is_none() {
                return Poll::Pending;
            }
        }
    }
}

/// What is kept of the beginning of a message that is longer than may wait, and of its end: the names in it, and more.
const KEPT_BYTES: usize = 2 * 1024;
/// How long nothing may be written before memory is given back that was not needed; these clients take no silence for death.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// How long a document that nobody has is waited for before its client is told so: whoever has just made it may be about to send
/// it. Programs wait for an answer for a second at least.
const HOLD: Duration = Duration::from_millis(250);
