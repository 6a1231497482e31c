//! The courier: brings a document that merges an edit of somebody who has no connection to it, and says when it is stored.
//!
//! It joins the document as a connection does, so what comes over the API is checked, stored and told of like any other edit.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, DocumentKey, Event, Intent, PushTag};
use protocol::Dialect;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::auth::Pass;
use crate::events::{Events, Told};
use crate::hub::{Hub, JoinError};
use crate::mail::{Mail, Mailbox, Newcomer, Way};
use crate::receiving::Held;

/// Changes that are to be brought.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) document: DocumentKey,
    /// The Automerge changes.
    pub(crate) payload: Bytes,
    /// The message that they came in.
    pub(crate) held: Held,
}

/// Why changes were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The document does not take these, or none just now.
    Refused(CloseReason),
    /// They were sent, and nobody knows whether they were stored.
    Unknown,
}

/// Brings Automerge changes to their document, and returns when they are stored; false if all were there before.
///
/// # Errors
/// They were not taken, or nobody knows.
pub(crate) async fn push(hub: &Hub, pass: &Arc<Pass>, parcel: Parcel) -> Result<bool, NotTaken> {
    let (answer, answered) = oneshot::channel();
    let errand = Errand {
        hub: hub.clone(),
        connection: hub.next_connection(),
        events: Events::new(EVENTS_BYTES_MAX),
    };
    let pass = pass.clone();
    // Whoever asked may give up, but who has joined has to leave.
    hub.spawn(async move {
        let done = errand.run(pass, parcel).await;
        let _ = answer.send(done);
    });
    answered.await.unwrap_or(Err(NotTaken::Unknown))
}

struct Errand {
    hub: Hub,
    connection: ConnectionId,
    events: Events,
}

impl Errand {
    async fn run(&self, pass: Arc<Pass>, parcel: Parcel) -> Result<bool, NotTaken> {
        let newcomer = Newcomer {
            connection: self.connection,
            pass,
            dialect: Dialect::Automerge,
            address: None,
            way: Way::Events(self.events.clone()),
        };
        let mailbox = self.hub.join(&parcel.document, newcomer).await?;
        let done = timeout(PATIENCE, self.ask(&mailbox, parcel)).await;
        // A session that has ended has nobody left to let go.
        let _ = mailbox.send(Mail::Leave(self.connection)).await;
        done.unwrap_or(Err(NotTaken::Unknown))
    }

    async fn ask(&self, mailbox: &Mailbox, parcel: Parcel) -> Result<bool, NotTaken> {
        let mail = Mail::Intents {
            connection: self.connection,
            intents: vec![Intent::Push {
                payload: parcel.payload,
                tag: TAG,
            }],
            seen: None,
            held: parcel.held,
        };
        if mailbox.send(mail).await.is_err() {
            return Err(NotTaken::Refused(CloseReason::NotReady));
        }
        loop {
            let told = poll_fn(|context| self.events.poll_next(context)).await;
            if let Some(answer) = answer(&told.map_err(|_| NotTaken::Unknown)?) {
                return answer;
            }
        }
    }
}

/// What something that is told says about the changes, if it does.
fn answer(told: &Told) -> Option<Result<bool, NotTaken>> {
    let shared = match told {
        Told::Event { shared, .. } => shared,
        Told::Closed { reason, .. } => return Some(Err(NotTaken::Refused(*reason))),
    };
    match &shared.event {
        Event::Ack { tag: TAG, news, .. } => Some(Ok(*news)),
        Event::Refused { tag: TAG, reason } => Some(Err(NotTaken::Refused(*reason))),
        _ => None,
    }
}

impl From<JoinError> for NotTaken {
    fn from(error: JoinError) -> Self {
        Self::Refused(match error {
            JoinError::Stopping => CloseReason::Stopping,
            JoinError::Full => CloseReason::Overloaded,
        })
    }
}

/// Of one push there is one answer.
const TAG: PushTag = PushTag(0);
/// What others do meanwhile is of no use here, and read at once.
const EVENTS_BYTES_MAX: usize = 1024 * 1024;
/// How long changes may wait for the store. They may be stored later nonetheless.
const PATIENCE: Duration = Duration::from_secs(20);
