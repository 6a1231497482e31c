//! Tickets: what stands for a token once, as the nodes that share a store know it of each other.
//!
//! Whoever reads the store can not use them: of a ticket there is only its hash. When one ends is by the store's own clock,
//! so nodes whose clocks differ agree about it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use engine::Author;

/// The hash of a ticket, by which it is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketHash(pub [u8; 32]);

/// A ticket that is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTicket {
    /// Its hash.
    pub hash: TicketHash,
    /// Whose it is; none if anonymous.
    pub user: Option<Author>,
    /// What whoever shows it is let in with. The store does not look into it.
    pub pass: Bytes,
    /// How long it may wait to be used.
    pub lasts: Duration,
}

/// How many tickets may wait to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketBounds {
    /// Those of one user; anonymous ones count as one user's.
    pub of_user: u32,
    /// All together.
    pub of_all: u32,
}

/// What became of a ticket that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketKept {
    /// It is good from now on.
    Good,
    /// Its user has as many as may be.
    TooManyOfUser,
    /// All users together have.
    TooMany,
}

impl TicketBounds {
    /// Whether one more may be kept, where so many wait to be used.
    pub(crate) fn judge(self, of_user: u64, of_all: u64) -> TicketKept {
        if of_all >= u64::from(self.of_all) {
            TicketKept::TooMany
        } else if of_user >= u64::from(self.of_user) {
            TicketKept::TooManyOfUser
        } else {
            TicketKept::Good
        }
    }
}

impl fmt::Debug for TicketHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketHash(…)")
    }
}
