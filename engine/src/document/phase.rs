//! The life of a document in memory, as an enum that can be seen.
//!
//! ```text
//! Opening ──Opened──▶ Open ──Drain──▶ Draining ──all stored──▶ (retired)
//!    └──failed, deleted, wrong kind──▶ Closed ◀──Deleted──┘
//! ```

use super::effect::CloseReason;

/// Where a document is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its past is being loaded. Clients are not let in yet: nothing is answered from a document that is half there.
    Opening,
    /// It serves clients.
    Open,
    /// It takes no more edits, waits until all is stored, and then lets everyone go.
    Draining(CloseReason),
    /// It serves nobody; whoever comes is told why.
    Closed(CloseReason),
}
