//! Claims: who says what of a presence entry, and whether it is news.
//!
//! A connection counts the versions of its entries and means what it says until it closes. A node says what its
//! connections have, over a bus that repeats and reorders, so its words are told apart by their turns.

use bytes::Bytes;

use crate::dot::ReplicaId;
use crate::names::ConnectionId;
use crate::time::Now;

use super::{PresenceEntry, PresenceId, PresenceNotice};

/// Whose an entry is: a connection's of this node, or another node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Connection(ConnectionId),
    Replica(ReplicaId),
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) claim: Claim,
    /// Who has the entry when its owner lets go.
    pub(super) heir: Option<Claim>,
}

/// An entry as its owner said it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) owner: Owner,
    /// Whether the owner meant itself, rather than passing on what it was shown elsewhere.
    pub(super) is_self: bool,
    pub(super) version: u32,
    pub(super) state: Bytes,
    pub(super) renewed_ms: u64,
    /// Since when it may be that its node is gone.
    pub(super) doubted_ms: Option<u64>,
    pub(super) turn: u64,
}

/// Who says something about presence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub(super) owner: Owner,
    pub(super) joined_ms: u64,
    /// Whether it speaks for itself. For a connection: whether this is one entry alone, and the first thing it says.
    pub(super) means_itself: bool,
    pub(super) turn: u64,
}

/// A removed entry, remembered so that its echoes are known for what they are.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) version: u32,
    pub(super) removed_ms: u64,
    pub(super) owner: Owner,
    pub(super) turn: u64,
}

impl Owner {
    /// Whether it is a connection of this node.
    pub(super) fn is_here(self) -> bool {
        matches!(self, Self::Connection(_))
    }
}

impl Speaker {
    pub(super) fn claims(self, version: u32, state: &Bytes, now: Now) -> Claim {
        Claim {
            owner: self.owner,
            is_self: self.means_itself,
            version,
            // A slice would keep the whole frame that it came in.
            state: Bytes::copy_from_slice(state),
            renewed_ms: now.monotonic_ms,
            doubted_ms: None,
            turn: self.turn,
        }
    }

    /// Whether its word is newer than its own earlier one: a client counts versions, a node takes turns.
    pub(super) fn renews(self, claim: &Claim, version: u32) -> bool {
        match self.owner {
            Owner::Connection(_) => version > claim.version,
            Owner::Replica(_) => self.turn > claim.turn,
        }
    }

    pub(super) fn may_end(self, claim: &Claim, version: u32) -> bool {
        match self.owner {
            Owner::Connection(_) => version >= claim.version,
            Owner::Replica(_) => self.turn > claim.turn,
        }
    }

    pub(super) fn says(self, entry: PresenceEntry) -> PresenceNotice {
        PresenceNotice {
            entry,
            is_self: self.means_itself,
            turn: self.turn,
        }
    }
}

impl Live {
    pub(super) fn claims_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        std::iter::once(&mut self.claim).chain(&mut self.heir)
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        std::iter::once(&self.claim).chain(&self.heir)
    }

    pub(super) fn any(&self, ends: impl Fn(&Claim) -> bool) -> bool {
        ends(&self.claim) || self.heir.as_ref().is_some_and(ends)
    }
}

impl Claim {
    /// Whether it says nothing but that its owner is still here.
    pub(super) fn only_renews(&self, before: &Self) -> bool {
        self.owner == before.owner && self.state == before.state
    }

    pub(super) fn entry(&self, id: PresenceId) -> PresenceEntry {
        PresenceEntry {
            id,
            version: self.version,
            state: Some(self.state.clone()),
        }
    }

    pub(super) fn notice(&self, id: PresenceId) -> PresenceNotice {
        PresenceNotice {
            entry: self.entry(id),
            is_self: self.is_self,
            turn: self.turn,
        }
    }

    pub(super) fn goodbye(&self, id: PresenceId, turn: u64) -> PresenceNotice {
        PresenceNotice {
            entry: without_state(id, self.version),
            is_self: self.is_self,
            turn,
        }
    }
}

pub(super) fn without_state(id: PresenceId, version: u32) -> PresenceEntry {
    PresenceEntry {
        id,
        version,
        state: None,
    }
}
