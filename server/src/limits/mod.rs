//! How many connections there may be of each address and user and to each document, and how fast each may send.
//!
//! Whoever has a place in a [`Counts`] gives it back when it is dropped, so nothing is counted that is not there, and what
//! is remembered is no more than what is. Nodes that share a bus count together.

mod counts;
pub use counts::{Counts, Place, Taken, Tally};

mod others;

mod pace;
pub(crate) use pace::Pace;
pub use pace::{PaceLimits, Rate};

mod sharing;
pub(crate) use sharing::keep_up;

mod turns;
pub use turns::{Admission, Turn, Turns};

use std::net::IpAddr;
use std::sync::Arc;

use engine::{Author, DocumentKey, Limit};
use tokio::sync::Notify;

use crate::cluster::Cluster;
use crate::telemetry::metrics;
use sharing::Sharing;

/// The places that connections take up.
#[derive(Debug)]
pub struct Places {
    addresses: Counts<IpAddr>,
    users: Counts<Author>,
    documents: Counts<DocumentKey>,
    sharing: Option<Sharing>,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacesLimits {
    /// From one address.
    pub per_address_max: usize,
    /// Of one user.
    pub per_user_max: usize,
    /// To one document.
    pub per_document_max: usize,
}

impl Places {
    /// Nobody is here yet. Where there is a bus, the places are those of all nodes together.
    pub fn new(limits: PlacesLimits, cluster: Option<Arc<Cluster>>) -> Self {
        let cluster = cluster.filter(|cluster| cluster.bus().is_some());
        let sharing = cluster.map(Sharing::new);
        let changed = || sharing.as_ref().map(|sharing| sharing.changed.clone());
        Self {
            addresses: Counts::new(limits.per_address_max, changed()),
            users: Counts::new(limits.per_user_max, changed()),
            documents: Counts::new(limits.per_document_max, changed()),
            sharing,
        }
    }

    /// A place for a connection from an address; none is needed where it is not counted.
    ///
    /// # Errors
    /// There are as many as may be.
    pub async fn of_address(
        &self,
        address: Option<IpAddr>,
    ) -> Result<Option<Place<IpAddr>>, Limit> {
        if let (Some(sharing), Some(address)) = (&self.sharing, &address) {
            sharing.ask_if_due(&self.addresses, address).await;
        }
        self.addresses
            .take(address)
            .map_err(|Taken| met(Limit::ConnectionsPerAddress))
    }

    /// A place for a connection of a user; none is needed for somebody unknown.
    ///
    /// # Errors
    /// There are as many as may be.
    pub async fn of_user(&self, user: Option<Author>) -> Result<Option<Place<Author>>, Limit> {
        self.expect_user(user.as_ref()).await;
        self.of_expected_user(user)
    }

    /// A user is about to come: whoever has to know what the other nodes have does so from now on.
    pub async fn expect_user(&self, user: Option<&Author>) {
        if let (Some(sharing), Some(user)) = (&self.sharing, user) {
            sharing.ask_if_due(&self.users, user).await;
        }
    }

    /// The same as [`Self::of_user`] for one who was expected.
    ///
    /// # Errors
    /// There are as many as may be.
    pub fn of_expected_user(&self, user: Option<Author>) -> Result<Option<Place<Author>>, Limit> {
        self.users
            .take(user)
            .map_err(|Taken| met(Limit::ConnectionsPerUser))
    }

    /// The places of a document, which has no connections yet.
    pub fn of_document(&self, document: DocumentKey) -> Tally<DocumentKey> {
        self.documents.tally(document)
    }

    /// Lets one more into a document if there is room.
    ///
    /// # Errors
    /// There are as many as may be.
    pub fn in_document(&self, has_room: bool) -> Result<(), Limit> {
        if has_room {
            return Ok(());
        }
        Err(met(Limit::ConnectionsPerDocument))
    }

    /// Is told when the other nodes are to know of a change; nobody is where there are none.
    fn changed(&self) -> Option<Arc<Notify>> {
        Some(self.sharing.as_ref()?.changed.clone())
    }

    /// Tells the other nodes what has changed, and learns what they have.
    async fn round(&self) {
        if let Some(sharing) = &self.sharing {
            sharing.round(&self.addresses).await;
            sharing.round(&self.users).await;
            sharing.round(&self.documents).await;
        }
    }
}

/// Counts that a limit was met.
fn met(limit: Limit) -> Limit {
    metrics::limit_hit(limit.as_str());
    limit
}
