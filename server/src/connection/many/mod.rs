//! A connection for as many documents as its client names, in the Hocuspocus dialect.
//!
//! Each document has a [`seat`], from the first frame that names it on. A client says for each who it is, and is let in or
//! not ([`joined`]) while the other documents go on; what it says before that is known waits, within bounds. What is
//! wrong with one document is said of that one; only what is wrong with the whole connection closes it.
//!
//! One task polls all of it: [`hearing`] takes what comes, [`settling`] what was decided, [`telling`] writes.

mod hearing;

mod joined;

mod seat;

mod settling;

mod telling;

mod waiting;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::CloseReason;
use protocol::websocket::Frame;
use protocol::{Dialect, hocuspocus};
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
use hearing::Stop;
use seat::Seats;

const DIALECT: Dialect = Dialect::Hocuspocus;

/// Serves one socket for any documents of a workspace until it closes.
pub fn serve_many(
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
        taking: VecDeque::new(),
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
    /// By when the client is to have been let into a document.
    late_at: Instant,
    /// Changes places with the queues of outboxes, so that they keep their memory.
    taking: VecDeque<Frame>,
    /// Whether the socket takes less than it accepts.
    is_limited: bool,
    /// Waits until the server stops; none once it does.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    seats: Seats,
}

impl Connection {
    async fn serve(mut self: Box<Self>) {
        let _counted = metrics::connection_opened();
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
            let waited = self.seats.has_much_to_tell();
            if let Poll::Ready(end) = self.poll_writing(context) {
                return Poll::Ready(end);
            }
            if !waited || self.seats.has_much_to_tell() {
                return Poll::Pending;
            }
        }
    }

    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Err(end) = ready!(self.seats.poll_settled(context)) {
                return Poll::Ready(end);
            }
            self.limit_for_now();
            let (pulse, seats) = (&mut self.pulse, &mut self.seats);
            let stop = self.socket.poll_receive(context, |incoming| {
                pulse.heard();
                seats.take(incoming)
            });
            if let Stop::End(end) = ready!(stop) {
                return Poll::Ready(end);
            }
        }
    }

    /// Whoever is not known may have no more lie here than may wait.
    fn limit_for_now(&mut self) {
        if self.seats.is_known() {
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
                Due::Silent => return Poll::Ready(End::Close(CloseReason::Silent)),
                Due::Ping => self.socket.ping(),
                Due::KeepAlive => self.keep_alive(),
            }
        }
        while self.alarm.poll(self.next_at(), context).is_ready() {
            if self.is_late() {
                return Poll::Ready(End::Close(why_late(self.seats.was_denied)));
            }
            self.seats.ask_for_tokens(Instant::now());
        }
        Poll::Pending
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

    fn next_at(&self) -> Option<Instant> {
        let late_at = (!self.seats.is_known()).then_some(self.late_at);
        let tokens_at = self.seats.next_token_at();
        late_at.into_iter().chain(tokens_at).min()
    }

    fn is_late(&self) -> bool {
        !self.seats.is_known() && self.late_at <= Instant::now()
    }

    /// Says something, because clients close a server that is silent; what waits to be written does as well. Memory that
    /// was not needed for so long is given back.
    fn keep_alive(&mut self) {
        self.seats.rest();
        self.socket.rest();
        self.taking = VecDeque::new();
        if self.socket.queue().is_empty() {
            let keepalive = Frame::binary(self.seats.keepalive());
            self.socket.queue().push_back(keepalive);
        }
    }

    fn poll_writing(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if ready!(self.socket.poll_flush(context)).is_err() {
                return Poll::Ready(End::ByPeer);
            }
            self.seats.all_written();
            if let Some(end) = self.seats.end() {
                return Poll::Ready(end);
            }
            let queue = self.socket.queue();
            self.seats.poll_telling(context, queue, &mut self.taking);
            if queue.is_empty() && self.seats.end().is_none() {
                return Poll::Pending;
            }
            if !queue.is_empty() {
                let bytes = queue.iter().map(Frame::length).sum();
                metrics::frames_sent(queue.len(), bytes);
                self.pulse.said();
            }
        }
    }
}

const KEEPALIVE_AFTER: Duration = Duration::from_millis(hocuspocus::KEEPALIVE_AFTER_MS);
