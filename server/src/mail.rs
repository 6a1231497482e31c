//! What the session of a document is sent: by connections, by the hub, and when the server stops.

use engine::{Author, ConnectionId, Intent};
use protocol::Dialect;
use tokio::sync::mpsc;

use crate::outbox::Outbox;

/// The way to a session's mailbox. It is bounded: a sender waits when it is full.
pub type Mailbox = mpsc::Sender<Mail>;

/// What the session of a document is sent.
#[derive(Debug)]
pub enum Mail {
    /// A connection wants to join.
    Join(Joining),
    /// A connection closed.
    Leave(ConnectionId),
    /// A connection asks for something.
    Intents {
        /// Which.
        connection: ConnectionId,
        /// What, in the order in which it came.
        intents: Vec<Intent>,
        /// The last step of the document that it had been shown.
        seen: Option<u64>,
    },
    /// A connection whose outbox was dropped has written what came before.
    Drained {
        /// Which.
        connection: ConnectionId,
        /// The last step of the document that it had been shown.
        seen: Option<u64>,
    },
    /// The document was deleted.
    Deleted,
    /// The server is stopping.
    Drain,
}

/// A connection that wants to join.
#[derive(Debug)]
pub struct Joining {
    /// Which.
    pub connection: ConnectionId,
    /// Who; none if anonymous.
    pub author: Option<Author>,
    /// In which dialect.
    pub dialect: Dialect,
    /// Where to put frames for it.
    pub outbox: Outbox,
}
