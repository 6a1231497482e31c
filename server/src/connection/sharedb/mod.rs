//! A connection for as many ordered documents as its client names, in the ShareDB dialect.
//!
//! Each document that the client asks something of has a [`seat`], from the first question on until it is of no more use.
//! Each question waits in a table ([`requests`]) until it is answered, exactly once: by the document, or by the connection if
//! the document does not let the client in, or lets it go. All documents of a connection tell what they have to in one queue
//! of letters; where that is too much for a slow reader, what was left out is asked for again ([`filling`]). What is asked of the
//! [`past`], and queries, the store answers; queries that are subscribed to are looked for again ([`live`]).
//!
//! One task polls all of it: [`hearing`] takes what comes, [`settling`] what was decided, [`telling`] writes.

mod channels;

mod filling;

mod hearing;

mod live;

mod looking;

mod past;

mod query;

mod refusing;

mod requests;

mod seat;

mod seen;

mod settling;

mod telling;

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::CloseReason;
use protocol::Dialect;
use protocol::sharedb;
use tokio::time::Instant;

use super::entering::Guest;
use super::line::Line;
use super::pulse::Due;
use super::{ConnectionLimits, End, why_late};
use crate::alarm::Alarm;
use crate::hub::Hub;
use crate::socket::Socket;
use crate::telemetry::metrics;
use seat::Seats;

const DIALECT: Dialect = Dialect::ShareDb;

/// Why reading stops.
enum Stop {
    /// The connection ends.
    End(End),
    /// Something is to be decided, sent or answered before more is read.
    Settle,
    /// A message has begun that is longer than may wait, and nobody is being asked whether the client may send it.
    Look,
}

/// Serves one socket for any ordered documents of a workspace until it closes.
pub fn serve_sharedb(
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
        seats: Seats::new(hub, guest, limits),
    });
    connection.serve()
}

/// One socket and all documents on it.
struct Connection {
    line: Line,
    alarm: Alarm,
    /// By when the client is to have been let into a document, unless it is known.
    late_at: Instant,
    seats: Seats,
}

impl Connection {
    async fn serve(mut self: Box<Self>) {
        let _counted = metrics::connection_opened();
        self.seats.greet();
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
            if let Poll::Ready(end) = self.poll_time(context) {
                return Poll::Ready(end);
            }
            if self.line.poll_stopping(context).is_ready() && !self.seats.is_anywhere() {
                return Poll::Ready(End::Close(CloseReason::Stopping));
            }
            let waited = self.seats.has_enough();
            if let Poll::Ready(end) = self.poll_writing(context) {
                return Poll::Ready(end);
            }
            if !waited || self.seats.has_enough() {
                return Poll::Pending;
            }
        }
    }

    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(self.seats.poll_settled(context));
            let room = (!self.seats.is_known).then(|| self.seats.room());
            let stop =
                (self.line).poll_receive(context, room, |incoming| self.seats.take(incoming));
            match stop {
                Poll::Ready(Stop::End(end)) => return Poll::Ready(end),
                Poll::Ready(Stop::Settle) => {}
                Poll::Ready(Stop::Look) => {
                    if let Some(end) = ready!(self.poll_look(context)) {
                        return Poll::Ready(end);
                    }
                }
                Poll::Pending => {
                    // What came goes to the documents together.
                    let _ = self.seats.poll_settled(context);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Looks which document a message is about that is longer than may wait: whether the client may name that is decided before
    /// the rest is read. Gives how the connection ends if that is not to be seen.
    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Option<End>> {
        loop {
            let beginning = self.line.socket.beginning();
            if let Some(address) = sharedb::about(&beginning) {
                return Poll::Ready(self.seats.enter_for(address));
            }
            let room = self.seats.room();
            if beginning.len() >= room {
                return Poll::Ready(Some(self.seats.too_long()));
            }
            if let Err(incoming) = ready!(self.line.socket.poll_more(context, room))
                && let ControlFlow::Break(Stop::End(end)) = self.seats.take(incoming)
            {
                return Poll::Ready(Some(end));
            }
        }
    }

    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<End> {
        while let Poll::Ready(due) = self.line.pulse.poll(context) {
            match due {
                // A client that is not read cannot give a sign of life.
                Due::Silent if self.seats.has_enough() => self.line.pulse.heard(),
                Due::Silent => return Poll::Ready(End::Close(CloseReason::Silent)),
                Due::Ping => {
                    self.line.socket.ping();
                    self.seats.tidy_up();
                }
                Due::KeepAlive => self.line.socket.rest(),
            }
        }
        let late_at = (!self.seats.is_known).then_some(self.late_at);
        self.alarm
            .poll(late_at, context)
            .map(|()| End::Close(why_late(self.seats.was_denied)))
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
                self.seats.live.all_written();
                self.seats.fill_gaps(context);
                return Poll::Pending;
            }
        }
    }
}

/// How long nothing may be written before memory is given back that was not needed; these clients take no silence for death.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
