//! A connection for one document, in the y-websocket dialect.
//!
//! Most connections are idle, so what one keeps is small: what it needs only to join, to wait for room, or to say goodbye
//! is allocated when it does.

mod talk;

use std::future::{Future, poll_fn};
use std::sync::Arc;

use engine::{CloseReason, ConnectionId, DocumentKey};
use protocol::Dialect;
use tracing::{debug, info};

use super::{ConnectionLimits, End, say_goodbye};
use crate::auth::Pass;
use crate::hub::{Hub, JoinError};
use crate::mail::{Mailbox, Newcomer, Way};
use crate::outbox::Outbox;
use crate::socket::Socket;
use crate::telemetry::metrics;
use talk::Talk;

const DIALECT: Dialect = Dialect::YWebsocket;

/// Serves one socket for one document until it closes.
pub fn serve(
    hub: Hub,
    socket: Socket,
    document: DocumentKey,
    pass: Arc<Pass>,
    limits: Arc<ConnectionLimits>,
) -> impl Future<Output = ()> + Send {
    let connection = Box::new(Connection {
        id: hub.next_connection(),
        document,
        pass,
        outbox: Outbox::new(limits.outbox),
        limits,
        socket,
    });
    connection.serve(hub)
}

/// One socket and the document that it is for.
struct Connection {
    id: ConnectionId,
    document: DocumentKey,
    pass: Arc<Pass>,
    limits: Arc<ConnectionLimits>,
    outbox: Outbox,
    socket: Socket,
}

impl Connection {
    async fn serve(mut self: Box<Self>, hub: Hub) {
        let _counted = metrics::connection_opened();
        let end = match Box::pin(self.join(hub)).await {
            Ok(mailbox) => {
                let mut talk = Talk::new(mailbox, &self.limits);
                let end = poll_fn(|context| talk.poll(&mut self, context)).await;
                talk.leave(self.id).await;
                end
            }
            Err(JoinError::Stopping) => End::Close(CloseReason::Stopping),
            Err(JoinError::Full) => End::Close(CloseReason::Overloaded),
        };
        Box::pin(self.close(end)).await;
    }

    async fn join(&self, hub: Hub) -> Result<Mailbox, JoinError> {
        let newcomer = Newcomer {
            connection: self.id,
            pass: self.pass.clone(),
            dialect: DIALECT,
            address: None,
            way: Way::Frames(self.outbox.clone()),
        };
        hub.join(&self.document, newcomer).await
    }

    async fn close(&mut self, end: End) {
        let (document, connection) = (&self.document, self.id);
        match &end {
            End::ByPeer => debug!(%document, %connection, "connection closed by its client"),
            End::Close(reason) => info!(%document, %connection, ?reason, "connection closed"),
            End::Refuse(reason, fault) => {
                info!(%document, %connection, ?reason, "connection closed: {fault}");
            }
        }
        if let Some(reason) = end.reason() {
            metrics::closed(reason);
            say_goodbye(&mut self.socket, DIALECT, reason).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ten thousand idle connections hold is mostly this, ten thousand times.
    #[test]
    fn what_a_connection_keeps_is_small() {
        let held = size_of::<Connection>() + size_of::<Talk>();
        assert!(held <= 768, "{held} bytes");
    }
}
