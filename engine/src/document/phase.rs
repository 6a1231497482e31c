//! The life of a document in memory, as an enum that can be seen.
//!
//! ```text
//! Opening ──all replayed──▶ Open ──Drain──▶ Draining ──all stored──▶ (retired)
//!    │                      │  ▲
//!    │        content breaks│  │all replayed
//!    │          or is wanted▼  │
//!    │                    Rebuilding
//!    └──failed, deleted, wrong kind──▶ Closed ◀──Deleted──┘
//! ```

use super::effect::CloseReason;

/// Where a document is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its past is being loaded. Clients are not let in yet: nothing is answered from a document that is half there.
    Opening,
    /// It serves clients; as long as nobody needs its content, perhaps without.
    Open,
    /// Its content broke and is built anew, or was not needed until now and is loaded. Clients stay, and what they say is
    /// deferred.
    Rebuilding,
    /// It takes no more edits, waits until all is stored, and then lets everyone go.
    Draining(CloseReason),
    /// It serves nobody; whoever comes is told why.
    Closed(CloseReason),
}

impl Phase {
    /// Whether clients are best left where they wait, because nothing can be answered yet.
    pub fn is_building(self) -> bool {
        matches!(self, Self::Opening | Self::Rebuilding)
    }
}
