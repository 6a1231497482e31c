//! The bounds and delays of one ordered document. Each bound is named here with what happens at it.

use crate::roster::RosterLimits;

/// Bounds and delays of one ordered document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderedLimits {
    /// Bytes that operations may take up while they wait for a place; the author of the next one is closed, retryably.
    pub waiting_bytes_max: usize,
    /// Operations in one append; the rest waits for the next.
    pub operations_per_append_max: usize,
    /// Operations that are kept at hand after they were stored; older ones are read from the store when somebody needs them.
    pub tail_operations_max: usize,
    /// The same in bytes.
    pub tail_bytes_max: usize,
    /// How many operations a client may be behind; one that is further has to begin anew with the whole document, and an
    /// operation that was made before is refused.
    pub catch_up_max: u64,
    /// How many operations a client that reads slowly is sent before it has to ask for more.
    pub catch_up_step: u64,
    /// Delay before a failed append is tried again, in milliseconds; doubles up to `retry_max_ms`.
    pub retry_min_ms: u64,
    /// The longest such delay.
    pub retry_max_ms: u64,
    /// Operations since the last snapshot that call for another.
    pub snapshot_operations: u64,
    /// Bounds and delays of presence.
    pub presence: RosterLimits,
    /// How long a document without clients stays in memory, in milliseconds.
    pub idle_ms: u64,
    /// Whether other replicas share the store: whether there is anyone to publish to.
    pub is_shared: bool,
}

impl Default for OrderedLimits {
    fn default() -> Self {
        Self {
            waiting_bytes_max: 16 * 1024 * 1024,
            operations_per_append_max: 1_024,
            tail_operations_max: 1_024,
            tail_bytes_max: 1024 * 1024,
            catch_up_max: 10_000,
            catch_up_step: 256,
            retry_min_ms: 100,
            retry_max_ms: 2_000,
            snapshot_operations: 1_000,
            presence: RosterLimits::default(),
            idle_ms: 30_000,
            is_shared: false,
        }
    }
}
