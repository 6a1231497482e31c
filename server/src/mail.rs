//! What the session of a document is sent: by connections, by the hub, and when the server stops.

use engine::{Author, ConnectionId, Intent};
use protocol::Dialect;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use crate::outbox::Outbox;
use crate::receiving::Held;

/// The way to a session's mailbox. It is bounded: a sender waits when it is full, unless the session is given up.
#[derive(Clone, Debug)]
pub struct Mailbox {
    sender: mpsc::Sender<Mail>,
    abandoned: CancellationToken,
}

/// The session is gone, or will never read its mail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Mailbox {
    /// A mailbox for so many mails, and the end from which they are read.
    pub fn new(mails_max: usize) -> (Self, mpsc::Receiver<Mail>) {
        let (sender, receiver) = mpsc::channel(mails_max);
        let abandoned = CancellationToken::new();
        (Self { sender, abandoned }, receiver)
    }

    /// Sends a mail, and waits for room if there is none.
    ///
    /// # Errors
    /// Nobody will read it.
    pub async fn send(&self, mail: Mail) -> Result<(), Gone> {
        if self.is_gone() {
            return Err(Gone);
        }
        // Nearly always there is room, and then it need not be known whether the session is given up meanwhile.
        match self.sender.try_send(mail) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Gone),
            Err(TrySendError::Full(mail)) => tokio::select! {
                sent = self.sender.send(mail) => sent.map_err(|_| Gone),
                () = self.abandoned.cancelled() => Err(Gone),
            },
        }
    }

    /// Sends a mail if there is room, or gives it back.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the mail, for its next try"
    )]
    pub(crate) fn try_send(&self, mail: Mail) -> Result<(), Mail> {
        self.sender.try_send(mail).map_err(TrySendError::into_inner)
    }

    /// Waits for room, without taking it; or until nobody reads the mailbox.
    pub(crate) async fn room(&self) {
        tokio::select! {
            _ = self.sender.reserve() => {}
            () = self.abandoned.cancelled() => {}
        }
    }

    /// Whether nobody will read it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.sender.is_closed() || self.abandoned.is_cancelled()
    }

    /// Whether it is the way to the same session.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.sender.same_channel(&other.sender)
    }

    /// Nobody is to wait for this session any more.
    pub(crate) fn abandon(&self) {
        self.abandoned.cancel();
    }
}

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
        /// How much of this replica's lane it had been shown.
        seen: Option<u64>,
        /// The message that they came in, until they are worked off.
        held: Held,
    },
    /// A connection whose outbox was dropped has written what came before.
    Drained {
        /// Which.
        connection: ConnectionId,
        /// How much of this replica's lane it had been shown.
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
