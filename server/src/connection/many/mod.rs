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
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::CloseReason;
use protocol::websocket::Frame;
use protocol::{Dialect, hocuspocus};
use tokio::time::Instant;

use super::entering::Guest;
use super::line::Line;
use super::pulse::Due;
use super::{ConnectionLimits, End, why_late};
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
        line: Line::new(socket, DIALECT, KEEPALIVE_AFTER, &hub, &limits),
        alarm: Alarm::default(),
        late_at,
        taking: VecDeque::new(),
        seats: Seats::new(hub, guest, limits),
    });
    connection.serve()
}

/// One socket and all documents on it.
struct Connection {
    line: Line,
    alarm: Alarm,
    /// By when the client is to have been let into a document.
    late_at: Instant,
    /// Changes places with the queues of outboxes, so that they keep their memory.
    taking: VecDeque<Frame>,
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
            if let Poll::Ready(end) = self.poll_time(context) {
                return Poll::Ready(end);
            }
            if self.line.poll_stopping(context).is_ready() && !self.seats.is_anywhere() {
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
            let room = (!self.seats.is_known()).then(|| self.seats.room());
            let stop =
                (self.line).poll_receive(context, room, |incoming| self.seats.take(incoming));
            if let Stop::End(end) = ready!(stop) {
                return Poll::Ready(end);
            }
        }
    }

    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<End> {
        while let Poll::Ready(due) = self.line.pulse.poll(context) {
            match due {
                Due::Silent => return Poll::Ready(End::Close(CloseReason::Silent)),
                Due::Ping => self.line.socket.ping(),
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
        self.line.socket.rest();
        self.taking = VecDeque::new();
        if self.line.socket.queue().is_empty() {
            let keepalive = Frame::binary(self.seats.keepalive());
            self.line.socket.queue().push_back(keepalive);
        }
    }

    fn poll_writing(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if ready!(self.line.socket.poll_flush(context)).is_err() {
                return Poll::Ready(End::ByPeer);
            }
            self.seats.all_written();
            if let Some(end) = self.seats.end() {
                return Poll::Ready(end);
            }
            let queue = self.line.socket.queue();
            self.seats.poll_telling(context, queue, &mut self.taking);
            if !self.line.note_writing() && self.seats.end().is_none() {
                return Poll::Pending;
            }
        }
    }
}

const KEEPALIVE_AFTER: Duration = Duration::from_millis(hocuspocus::KEEPALIVE_AFTER_MS);
