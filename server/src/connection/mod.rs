//! The connection: one socket, from its first frame to its close code.
//!
//! One task reads and writes, and neither waits for the other. What is read becomes intents, which go to the document's
//! bounded mailbox, so a flood slows its own socket alone. What is written comes from the outbox. The first of the two to
//! end says why the connection closes; either way the document hears of it at once.
//!
//! Most connections are idle, so what a connection keeps is small: what it needs only to join, to wait for room, or to
//! say goodbye is allocated when it does.

mod pulse;

mod talk;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engine::{CloseReason, ConnectionId, DocumentKey};
use protocol::close::Close;
use protocol::preflight::Bounds;
use protocol::websocket::Frame;
use protocol::{Dialect, FrameError};
use tokio::time::timeout;
use tracing::{debug, info};

use crate::auth::Pass;
use crate::hub::{Hub, JoinError};
use crate::mail::{Gone, Mail, Mailbox, Newcomer};
use crate::outbox::{Outbox, OutboxLimits};
use crate::socket::{Broken, Socket};
use crate::telemetry::metrics;
use talk::Talk;

/// The bounds and delays of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Bounds of its outbox.
    pub outbox: OutboxLimits,
    /// Bounds of what a frame carries.
    pub bounds: Bounds,
    /// How often a sign of life is asked for.
    pub ping_interval: Duration,
    /// How long a connection may be silent before it is closed.
    pub silence_max: Duration,
}

/// Serves one socket until it closes.
pub fn serve(
    hub: Hub,
    socket: Socket,
    dialect: Dialect,
    document: DocumentKey,
    pass: Arc<Pass>,
    limits: Arc<ConnectionLimits>,
) -> impl Future<Output = ()> + Send {
    let connection = Box::new(Connection {
        id: hub.next_connection(),
        document,
        pass,
        dialect,
        outbox: Outbox::new(limits.outbox),
        limits,
        socket,
    });
    connection.serve(hub)
}

/// Refuses a socket without opening anything: says why, in the dialect and in the close code.
pub async fn refuse(mut socket: Socket, dialect: Dialect, reason: CloseReason) {
    metrics::closed(reason);
    say_goodbye(&mut socket, dialect, reason).await;
}

/// One socket and the document that it is for.
struct Connection {
    id: ConnectionId,
    document: DocumentKey,
    pass: Arc<Pass>,
    dialect: Dialect,
    limits: Arc<ConnectionLimits>,
    outbox: Outbox,
    socket: Socket,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The peer closed it, or it broke.
    ByPeer,
    /// It is to be closed.
    Close(CloseReason),
    /// It is to be closed for what its peer sent.
    Refuse(CloseReason, FrameError),
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::ByPeer
    }
}

/// A mail that waits for room.
type Sending = Pin<Box<dyn Future<Output = Result<(), Gone>> + Send>>;

impl Connection {
    async fn serve(mut self: Box<Self>, hub: Hub) {
        let _counted = metrics::connection_opened();
        let end = match Box::pin(self.join(hub)).await {
            Ok(mailbox) => {
                let mut talk = Talk::new(mailbox, self.dialect, &self.limits);
                let end = poll_fn(|context| talk.poll(&mut self, context)).await;
                // A session that is gone needs no goodbye.
                let _ = talk.leave(self.id).await;
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
            dialect: self.dialect,
            outbox: self.outbox.clone(),
        };
        hub.join(&self.document, newcomer).await
    }

    async fn close(&mut self, end: End) {
        let (document, connection) = (&self.document, self.id);
        let reason = match end {
            End::ByPeer => {
                debug!(%document, %connection, "connection closed by its client");
                return;
            }
            End::Close(reason) => {
                info!(%document, %connection, ?reason, "connection closed");
                reason
            }
            End::Refuse(reason, fault) => {
                info!(%document, %connection, ?reason, "connection closed: {fault}");
                reason
            }
        };
        metrics::closed(reason);
        say_goodbye(&mut self.socket, self.dialect, reason).await;
    }
}

/// Tells the client why, and listens until it closes too: a socket that is closed while its client still speaks is reset,
/// which takes the close code away from its reader.
async fn say_goodbye(socket: &mut Socket, dialect: Dialect, reason: CloseReason) {
    let close = Close::new(dialect, reason);
    let denied = dialect
        .denied(close.text)
        .filter(|_| close.is_permanent())
        .map(Frame::binary);
    let close = Frame::close(Some((close.code, close.text)));
    // Whoever does not answer is not waited for any longer.
    let _ = timeout(GOODBYE_MAX, socket.say_goodbye(denied, close)).await;
}

/// Sends a mail, now if there is room.
fn send(mailbox: &Mailbox, mail: Mail) -> Result<Option<Sending>, Gone> {
    if mailbox.is_gone() {
        return Err(Gone);
    }
    match mailbox.try_send(mail) {
        Ok(()) => Ok(None),
        Err(mail) => {
            let mailbox = mailbox.clone();
            Ok(Some(Box::pin(async move { mailbox.send(mail).await })))
        }
    }
}

/// How long a close may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

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
