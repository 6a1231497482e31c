//! Leases: which process holds a replica id, and whether it lives.
//!
//! An id is handed out once and for ever ([`Store::new_replica`]), so a lease decides nothing about writing. It says who is
//! here: whose lanes will grow, what a node can be asked, and whose presence nobody will take back. And it notices what
//! must never be: a database that was put back to an earlier day hands out the same ids again, to another process.
//!
//! [`Store::new_replica`]: crate::Store::new_replica

use engine::ReplicaId;

/// The process that holds a replica id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What the node is called, by which operators know it.
    pub node: String,
    /// A random number of this process, unlike that of any other.
    pub incarnation: u128,
}

/// A replica id and who holds it. Times are milliseconds since the Unix epoch, by the store's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The id.
    pub replica: ReplicaId,
    /// Who holds it; none where a process took an id and never said who it is.
    pub holder: Option<Holder>,
    /// When the id was handed out.
    pub started_ms: u64,
    /// Until when the holder has said that it lives; none where it never did.
    pub until_ms: Option<u64>,
    /// Whether that time has not come yet.
    pub is_held: bool,
}
