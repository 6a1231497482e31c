//! What connections for many documents have in common, whatever is said on them: a socket, its [`Pulse`], and that they end with
//! the server.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use protocol::Dialect;
use protocol::websocket::Frame;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info};

use super::pulse::Pulse;
use super::{ConnectionLimits, End, say_goodbye};
use crate::hub::Hub;
use crate::socket::{Incoming, Socket};
use crate::telemetry::metrics;

/// A socket that is kept alive.
pub(super) struct Line {
    pub(super) socket: Socket,
    pub(super) pulse: Pulse,
    dialect: Dialect,
    /// Waits until the server stops; none once it does.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Line {
    /// A socket in a dialect, whose clients are told something after so long a silence.
    pub(super) fn new(
        socket: Socket,
        dialect: Dialect,
        keepalive_after: Duration,
        hub: &Hub,
        limits: &ConnectionLimits,
    ) -> Self {
        Self {
            socket,
            pulse: Pulse::new(keepalive_after, limits),
            dialect,
            stopping: Some(Box::pin(hub.stopping())),
        }
    }

    /// Gives what comes to `take`. Whoever is not known may have no more lie here than there is `room` for.
    pub(super) fn poll_receive<T>(
        &mut self,
        context: &mut Context<'_>,
        room: Option<usize>,
        mut take: impl FnMut(Incoming) -> ControlFlow<T>,
    ) -> Poll<T> {
        self.socket.limit_for_now(room.unwrap_or(usize::MAX));
        let pulse = &mut self.pulse;
        self.socket.poll_receive(context, |incoming| {
            pulse.heard();
            take(incoming)
        })
    }

    /// Waits until the server stops. A client that is in no document hears of that from none.
    pub(super) fn poll_stopping(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping {
            ready!(stopping.as_mut().poll(context));
            self.stopping = None;
        }
        Poll::Ready(())
    }

    /// Notes that what is in the queue is going to be written. True if there is anything.
    pub(super) fn note_writing(&mut self) -> bool {
        let queue = self.socket.queue();
        if queue.is_empty() {
            return false;
        }
        let bytes = queue.iter().map(Frame::length).sum();
        metrics::frames_sent(queue.len(), bytes);
        self.pulse.said();
        true
    }

    /// Closes the socket, unless its peer has.
    pub(super) async fn close(&mut self, end: End) {
        match &end {
            End::ByPeer => debug!("connection closed by its client"),
            End::Close(reason) => info!(?reason, "connection closed"),
            End::Refuse(reason, fault) => info!(?reason, "connection closed: {fault}"),
        }
        if let Some(reason) = end.reason() {
            metrics::closed(reason);
            say_goodbye(&mut self.socket, self.dialect, reason).await;
        }
    }
}
