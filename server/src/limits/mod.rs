//! How many connections there may be of each address and user, and how fast each may send.
//!
//! Whoever has a place in a [`Counts`] gives it back when it is dropped, so nothing is counted that is not there, and what
//! is remembered is no more than what is.

mod counts;
pub use counts::{Counts, Place, Taken};

mod pace;
pub(crate) use pace::Pace;
pub use pace::{PaceLimits, Rate};

mod turns;
pub use turns::{Admission, Turn, Turns};

use std::net::IpAddr;

use engine::{Author, Limit};

use crate::telemetry::metrics;

/// The places that connections take up.
#[derive(Debug)]
pub struct Places {
    addresses: Counts<IpAddr>,
    users: Counts<Author>,
    per_document_max: usize,
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
    /// Nobody is here yet.
    pub fn new(limits: PlacesLimits) -> Self {
        Self {
            addresses: Counts::new(limits.per_address_max),
            users: Counts::new(limits.per_user_max),
            per_document_max: limits.per_document_max,
        }
    }

    /// A place for a connection from an address; none is needed where it is not counted.
    ///
    /// # Errors
    /// There are as many as may be.
    pub fn of_address(&self, address: Option<IpAddr>) -> Result<Option<Place<IpAddr>>, Limit> {
        self.addresses
            .take(address)
            .map_err(|Taken| met(Limit::ConnectionsPerAddress))
    }

    /// A place for a connection of a user; none is needed for somebody unknown.
    ///
    /// # Errors
    /// There are as many as may be.
    pub fn of_user(&self, user: Option<Author>) -> Result<Option<Place<Author>>, Limit> {
        self.users
            .take(user)
            .map_err(|Taken| met(Limit::ConnectionsPerUser))
    }

    /// Whether a document that so many connections have open may have one more.
    ///
    /// # Errors
    /// There are as many as may be.
    pub fn in_document(&self, connections: usize) -> Result<(), Limit> {
        if connections < self.per_document_max {
            return Ok(());
        }
        Err(met(Limit::ConnectionsPerDocument))
    }
}

/// Counts that a limit was met.
fn met(limit: Limit) -> Limit {
    metrics::limit_hit(limit.as_str());
    limit
}
