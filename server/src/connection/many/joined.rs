//! A client's place in a document of many: where its mails go and what it is told, and when it is to show a newer token.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engine::{ConnectionId, DocumentKey, Now};
use tokio::time::Instant;

use super::super::ConnectionLimits;
use super::super::entering::{Entrant, NotIn, Own, admit, enter};
use super::super::mailing::Mailing;
use super::DIALECT;
use crate::auth::{Pass, Refusal};
use crate::hub::Hub;
use crate::mail::{Mailbox, Way};
use crate::outbox::Outbox;

/// Somebody on the way into a document.
pub(super) type Entering = Pin<Box<dyn Future<Output = Result<Joined, NotIn>> + Send>>;

/// A newer token that is being looked at.
pub(super) type Renewing = Pin<Box<dyn Future<Output = Result<Arc<Pass>, Refusal>> + Send>>;

/// A client's place in a document.
pub(super) struct Joined {
    pub(super) connection: ConnectionId,
    pub(super) document: DocumentKey,
    pub(super) pass: Arc<Pass>,
    pub(super) mailbox: Mailbox,
    pub(super) outbox: Outbox,
    /// The question for what was dropped, while it waits for room in the mailbox.
    pub(super) asking: Mailing,
    /// A newer token that is being looked at.
    pub(super) renewing: Option<Renewing>,
    /// When the client is to be asked for a newer token.
    pub(super) token_at: Option<Instant>,
    /// The last step of the document that was written.
    pub(super) seen: Option<u64>,
    /// The same, once all is written that was taken.
    pub(super) taken: Option<u64>,
}

impl Joined {
    pub(super) fn new(
        connection: ConnectionId,
        document: DocumentKey,
        pass: Arc<Pass>,
        mailbox: Mailbox,
        outbox: Outbox,
        now: Now,
    ) -> Self {
        Self {
            connection,
            document,
            token_at: token_at(&pass, now),
            pass,
            mailbox,
            outbox,
            asking: Mailing::Idle,
            renewing: None,
            seen: None,
            taken: None,
        }
    }
}

/// Lets somebody into a document, which has it by an address of its own if one is given.
pub(super) fn entering(
    hub: Hub,
    limits: &ConnectionLimits,
    document: DocumentKey,
    address: Option<Box<str>>,
    own: Option<Own>,
) -> Entering {
    let outbox = Outbox::new(limits.outbox);
    Box::pin(async move {
        let connection = hub.next_connection();
        let entrant = Entrant {
            connection,
            document: document.clone(),
            dialect: DIALECT,
            address,
            own,
            way: Way::Frames(outbox.clone()),
        };
        let (pass, mailbox) = enter(hub.clone(), entrant).await?;
        let now = hub.world().clock.now();
        Ok(Joined::new(
            connection, document, pass, mailbox, outbox, now,
        ))
    })
}

/// Looks at a newer token.
pub(super) fn renew(hub: &Hub, document: DocumentKey, own: Option<Own>) -> Renewing {
    let auth = hub.world().auth.clone();
    Box::pin(async move { admit(&auth, own, &document).await })
}

/// When a client is to be asked for a newer token than the one behind a pass.
pub(super) fn token_at(pass: &Pass, now: Now) -> Option<Instant> {
    let left_ms = pass.grant.expires_ms?.saturating_sub(now.wall_ms);
    let left = Duration::from_millis(left_ms);
    Instant::now().checked_add(left - TOKEN_BEFORE.min(left / 2))
}

/// How long before a pass ends a newer token is asked for, unless half of its time is less.
const TOKEN_BEFORE: Duration = Duration::from_secs(30);
