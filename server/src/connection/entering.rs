//! On the way into a document: whether the client is let in is decided somewhere else, perhaps far away, and the session
//! may have no room just then. Both are waited for while the other documents of the connection go on.

use std::sync::Arc;

use engine::{Author, Capability, ConnectionId, DocumentKey, Limit};
use protocol::Dialect;

use crate::auth::{Auth, Credential, Pass, Refusal, Visitor};
use crate::hub::{Hub, JoinError};
use crate::limits::Place;
use crate::mail::{Mailbox, Newcomer, Way};
use crate::world::World;

/// What somebody came with.
#[derive(Clone, Debug)]
pub enum Own {
    /// Something that is to be looked at for each document.
    Credential(Credential),
    /// A pass that they were given already.
    Pass(Arc<Pass>),
}

/// Whose connection it is, and for what.
#[derive(Debug)]
pub struct Guest {
    /// The workspace whose documents it may name.
    pub workspace: Box<str>,
    /// What it came with; it counts for each document for which it shows nothing else.
    pub own: Option<Own>,
    /// Whether it need not show anything in order to stay.
    pub is_known: bool,
}

/// Who wants to get in, and where.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) connection: ConnectionId,
    pub(super) document: DocumentKey,
    pub(super) dialect: Dialect,
    /// None if it is the document's name.
    pub(super) address: Option<Box<str>>,
    /// None if they show nothing.
    pub(super) own: Option<Own>,
    pub(super) way: Way,
}

/// Why somebody did not get in.
#[derive(Debug)]
pub(super) enum NotIn {
    /// What they show is not good for this document.
    Refused(Refusal),
    /// There is no room, or the server is stopping.
    NoRoom(JoinError),
}

/// Lets somebody into a document, and gives the way to its session.
pub(super) async fn enter(hub: Hub, entrant: Entrant) -> Result<(Arc<Pass>, Mailbox), NotIn> {
    let Entrant {
        connection,
        document,
        dialect,
        address,
        own,
        way,
    } = entrant;
    let world = hub.world();
    let pass = admit(&world.auth, own, &document).await;
    let pass = pass.map_err(NotIn::Refused)?;
    world.places.expect_user(pass.author().as_ref()).await;
    let newcomer = Newcomer {
        connection,
        pass: pass.clone(),
        dialect,
        address,
        way,
    };
    let mailbox = hub.join(&document, newcomer).await.map_err(NotIn::NoRoom)?;
    Ok((pass, mailbox))
}

/// Looks at what somebody shows for a document.
pub(super) async fn admit(
    auth: &Auth,
    own: Option<Own>,
    document: &DocumentKey,
) -> Result<Arc<Pass>, Refusal> {
    let credential = match own {
        Some(Own::Pass(pass)) => {
            auth.check_again(&pass, Some(document))?;
            return allowed(pass, document);
        }
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

/// The users whose connection it is, with the place that it takes up of each one's.
#[derive(Debug, Default)]
pub(super) struct Users(Vec<(Author, Place<Author>)>);

impl Users {
    /// The connection counts once for each of its users.
    pub(super) fn take_place(&mut self, world: &World, user: Option<Author>) -> Result<(), Limit> {
        let Some(user) = user else {
            return Ok(());
        };
        if self.0.iter().all(|(known, _)| *known != user) {
            let place = world.places.of_expected_user(Some(user.clone()))?;
            self.0.extend(place.map(|place| (user, place)));
        }
        Ok(())
    }
}
