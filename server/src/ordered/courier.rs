//! The courier: has one operation made for somebody who has no connection to the document, and brings back what became of it.
//!
//! It joins the document as a connection does, so an operation that comes over the API is placed, stored and told of like any
//! other, and never before another that was submitted earlier.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use engine::ordered::{Deed, Misplaced, OperationName, OrderedEvent, Request, RequestTag};
use engine::{CloseReason, ConnectionId, DocumentKey};
use protocol::Dialect;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::letters::{Letter, Letters};
use crate::auth::Pass;
use crate::hub::{Hub, JoinError};
use crate::mail::{Mail, Mailbox, Newcomer, Way};

/// An operation that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// What it is called; a name that nobody else gives if none.
    pub(crate) name: Option<OperationName>,
    /// The version that it was made on; none to create what nobody has looked for, and for the last one.
    pub(crate) made_on: Option<u64>,
    /// What it does.
    pub(crate) deed: Deed,
}

impl Submission {
    /// The version that it was made on, for a document that is at one.
    pub(crate) fn made_on_or(&self, version: u64) -> Option<u64> {
        match self.deed {
            Deed::Create { .. } => self.made_on,
            Deed::Edit(_) | Deed::Delete => Some(self.made_on.unwrap_or(version)),
        }
    }
}

/// Why an operation was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotMade {
    /// It has no place.
    Refused(Misplaced),
    /// Whoever sent it may not.
    Forbidden,
    /// The document lets nobody do anything just now, or not this one.
    Closed(CloseReason),
    /// It was sent, and nobody knows whether it was made.
    Unknown,
}

/// Makes an operation, and says on which version it was committed.
///
/// # Errors
/// It was not made, or nobody knows.
pub(crate) async fn submit(
    hub: &Hub,
    document: &DocumentKey,
    pass: &Arc<Pass>,
    submission: Submission,
) -> Result<u64, NotMade> {
    let (answer, answered) = oneshot::channel();
    let errand = Errand {
        hub: hub.clone(),
        connection: hub.next_connection(),
    };
    let (document, pass) = (document.clone(), pass.clone());
    // Whoever asked may give up, but who has joined has to leave.
    hub.spawn(async move {
        let done = errand.run(&document, pass, submission).await;
        let _ = answer.send(done);
    });
    answered.await.unwrap_or(Err(NotMade::Unknown))
}

struct Errand {
    hub: Hub,
    connection: ConnectionId,
}

impl Errand {
    async fn run(
        &self,
        document: &DocumentKey,
        pass: Arc<Pass>,
        submission: Submission,
    ) -> Result<u64, NotMade> {
        let letters = Letters::new(LETTERS_BYTES_MAX);
        let newcomer = Newcomer {
            connection: self.connection,
            pass,
            dialect: Dialect::ShareDb,
            address: None,
            way: Way::Letters(letters.clone()),
        };
        let mailbox = self.hub.join(document, newcomer).await?;
        let done = timeout(PATIENCE, self.ask(&mailbox, &letters, submission)).await;
        // A session that has ended has nobody left to let go.
        let _ = mailbox.send(Mail::Leave(self.connection)).await;
        done.unwrap_or(Err(NotMade::Unknown))
    }

    async fn ask(
        &self,
        mailbox: &Mailbox,
        letters: &Letters,
        submission: Submission,
    ) -> Result<u64, NotMade> {
        let request = Request::Submit {
            tag: RequestTag::default(),
            name: submission.name.unwrap_or_else(|| self.name()),
            made_on: submission.made_on,
            deed: submission.deed,
            skips_noop: false,
        };
        let mail = Mail::Requests {
            connection: self.connection,
            requests: vec![request],
            held: Vec::new(),
        };
        if mailbox.send(mail).await.is_err() {
            return Err(NotMade::Closed(CloseReason::NotReady));
        }
        loop {
            let mut taken = VecDeque::new();
            poll_fn(|context| letters.poll_take(context, &mut taken)).await;
            if let Some(answer) = taken.into_iter().find_map(answer) {
                return answer;
            }
        }
    }

    /// What is called so by nobody else: replica ids and connections are not given out again.
    fn name(&self) -> OperationName {
        let replica = self.hub.world().replica();
        OperationName {
            source: format!("api/{replica}/{}", self.connection).into(),
            number: 1,
        }
    }
}

/// What a letter says about the operation, if it does.
fn answer(letter: Letter) -> Option<Result<u64, NotMade>> {
    let event = match letter {
        Letter::Told { event, .. } => event,
        Letter::Closed { reason, .. } => return Some(Err(NotMade::Closed(reason))),
        Letter::Missed { .. } => return None,
    };
    match event {
        OrderedEvent::Committed { version, .. } => Some(Ok(version)),
        OrderedEvent::Refused { why, .. } => Some(Err(NotMade::Refused(why))),
        OrderedEvent::Forbidden { .. } => Some(Err(NotMade::Forbidden)),
        _ => None,
    }
}

impl From<JoinError> for NotMade {
    fn from(error: JoinError) -> Self {
        Self::Closed(match error {
            JoinError::Stopping => CloseReason::Stopping,
            JoinError::Full => CloseReason::Overloaded,
        })
    }
}

/// What comes before the answer is of no use here, so hardly any of it has to wait.
const LETTERS_BYTES_MAX: usize = 64 * 1024;
/// How long an operation may wait for the store. It may be made later nonetheless.
const PATIENCE: Duration = Duration::from_secs(20);
