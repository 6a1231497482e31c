//! On the way into a document: whether the client is let in is decided somewhere else, perhaps far away, and the session
//! may have no room just then. Both are waited for while the other documents of the connection go on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use engine::{Capability, DocumentKey};

use super::super::ConnectionLimits;
use super::joined::{Joined, Renewing};
use super::{DIALECT, Own};
use crate::auth::{Auth, Pass, Refusal, Visitor};
use crate::hub::{Hub, JoinError};
use crate::mail::Newcomer;
use crate::outbox::Outbox;

/// Somebody on the way into a document.
pub(super) type Entering = Pin<Box<dyn Future<Output = Result<Joined, NotIn>> + Send>>;

/// Why somebody did not get in.
#[derive(Debug)]
pub(super) enum NotIn {
    /// What they show is not good for this document.
    Refused(Refusal),
    /// There is no room, or the server is stopping.
    NoRoom(JoinError),
}

/// Who wants to get in, and where.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) document: DocumentKey,
    /// None if it is the document's name.
    pub(super) address: Option<Box<str>>,
    /// None if they show nothing.
    pub(super) own: Option<Own>,
}

/// Lets somebody into a document.
pub(super) fn enter(hub: Hub, limits: Arc<ConnectionLimits>, entrant: Entrant) -> Entering {
    Box::pin(async move {
        let Entrant {
            document,
            address,
            own,
        } = entrant;
        let auth = hub.world().auth.clone();
        let pass = admit(&auth, own, &document).await;
        let pass = pass.map_err(NotIn::Refused)?;
        let (connection, outbox) = (hub.next_connection(), Outbox::new(limits.outbox));
        let newcomer = Newcomer {
            connection,
            pass: pass.clone(),
            dialect: DIALECT,
            address,
            outbox: outbox.clone(),
        };
        let mailbox = hub.join(&document, newcomer).await.map_err(NotIn::NoRoom)?;
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

async fn admit(
    auth: &Auth,
    own: Option<Own>,
    document: &DocumentKey,
) -> Result<Arc<Pass>, Refusal> {
    let credential = match own {
        Some(Own::Pass(pass)) if auth.is_revoked(&pass, document) => return Err(Refusal::Revoked),
        Some(Own::Pass(pass)) => return allowed(pass, document),
        Some(Own::Credential(credential)) => Some(credential),
        None => None,
    };
    let visitor = Visitor {
        credential: credential.as_ref(),
        document: Some(document),
    };
    allowed(auth.admit(visitor).await?, document)
}

fn allowed(pass: Arc<Pass>, document: &DocumentKey) -> Result<Arc<Pass>, Refusal> {
    pass.check(document, Capability::Read)?;
    Ok(pass)
}
