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
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::CloseReason;
use protocol::Dialect;
use protocol::sharedb;
use protocol::websocket::Frame;
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info};

use super::entering::Guest;
use super::pulse::{Due, Pulse};
use super::{ConnectionLimits, End, say_goodbye, why_late};
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
        socket,
        pulse: Pulse::new(KEEPALIVE_AFTER, &limits),
        alarm: Alarm::default(),
        late_at,
        is_limited: !guest.is_known,
        stopping: Some(Box::pin(hub.stopping())),
        seats: Seats::new(hub, guest, limits),
    });
    connection.serve()
}

/// One socket and all documents on it.
struct Connection {
    socket: Socket,
    pulse: Pulse,
    alarm: Alarm,
    /// By when the client is to have been let into a document, unless it is known.
    late_at: Instant,
    /// Whether the socket takes less than it accepts.
    is_limited: bool,
    /// Waits until the server stops; none once it does.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    seats: Seats,
}

impl Connection {
    async fn serve(mut self: Box<Self>) {
        let _counted = metrics::connection_opened();
        self.seats.greet();
        let end = poll_fn(|context| self.poll(context)).await;
        self.seats.leave().await;
        Box::pin(self.close(end)).await;
    }

    async fn close(&mut self, end: End) {
        match &end {
            End::ByPeer => debug!("connection closed by its client"),
            End::Close(reason) => info!(?reason, "connection closed"),
            End::Refuse(reason, fault) => info!(?reason, "connection closed: {fault}"),
        }
        if let Some(reason) = end.reason() {
            metrics::closed(reason);
            say_goodbye(&mut self.socket, DIALECT, reason).await;
        }
    }

    /// Reads, writes and keeps alive, until there is a reason to end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Poll::Ready(end) = self.poll_reading(context) {
                // The answer to a close, if it can be written at once.
                let _ = self.socket.poll_flush(context);
                return Poll::Ready(end);
            }
            if let Poll::Ready(end) = self.poll_time(context) {
                return Poll::Ready(end);
            }
            if self.poll_stopping(context).is_ready() {
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
            self.limit_for_now();
            let (pulse, seats) = (&mut self.pulse, &mut self.seats);
            let stop = self.socket.poll_receive(context, |incoming| {
                pulse.heard();
                seats.take(incoming)
            });
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
            let beginning = self.socket.beginning();
            if let Some(address) = sharedb::about(&beginning) {
                return Poll::Ready(self.seats.enter_for(address));
            }
            let room = self.seats.room();
            if beginning.len() >= room {
                return Poll::Ready(Some(self.seats.too_long()));
            }
            if let Err(incoming) = ready!(self.socket.poll_more(context, room))
                && let ControlFlow::Break(Stop::End(end)) = self.seats.take(incoming)
            {
                return Poll::Ready(Some(end));
            }
        }
    }

    /// Whoever is not known may have no more lie here than may wait.
    fn limit_for_now(&mut self) {
        if self.seats.is_known {
            if std::mem::take(&mut self.is_limited) {
                self.socket.limit_for_now(usize::MAX);
            }
        } else {
            self.socket.limit_for_now(self.seats.room());
        }
    }

    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<End> {
        while let Poll::Ready(due) = self.pulse.poll(context) {
            match due {
                // A client that is not read cannot give a sign of life.
                Due::Silent if self.seats.has_enough() => self.pulse.heard(),
                Due::Silent => return Poll::Ready(End::Close(CloseReason::Silent)),
                Due::Ping => {
                    self.socket.ping();
                    self.seats.tidy_up();
                }
                Due::KeepAlive => self.socket.rest(),
            }
        }
        let late_at = (!self.seats.is_known).then_some(self.late_at);
        self.alarm
            .poll(late_at, context)
            .map(|()| End::Close(why_late(self.seats.was_denied)))
    }

    /// A client that is in no document hears from none that the server stops.
    fn poll_stopping(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping {
            ready!(stopping.as_mut().poll(context));
            self.stopping = None;
        }
        match self.seats.is_anywhere() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn poll_writing(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if ready!(self.socket.poll_flush(context)).is_err() {
                return Poll::Ready(End::ByPeer);
            }
            if let Some(end) = self.seats.end() {
                return Poll::Ready(end);
            }
            let queue = self.socket.queue();
            self.seats.poll_telling(context, queue);
            if !queue.is_empty() {
                let bytes = queue.iter().map(Frame::length).sum();
                metrics::frames_sent(queue.len(), bytes);
                self.pulse.said();
            } else if self.seats.end().is_none() {
                self.seats.live.all_written();
                self.seats.fill_gaps(context);
                return Poll::Pending;
            }
        }
    }
}

/// How long nothing may be written before memory is given back that was not needed; these clients take no silence for death.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
