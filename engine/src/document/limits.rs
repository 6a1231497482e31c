//! The bounds and delays of one document. Each bound is named here with what happens at it.

use crate::presence::PresenceLimits;

use super::writers::WriterPolicy;

/// Bounds and delays of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that edits may take up while they wait for the store, some 256 for each besides its own; the author of the next one is closed, retryably.
    pub unsaved_bytes_max: usize,
    /// Raw edits of one author that one change may carry; further ones make another change.
    pub updates_per_change_max: usize,
    /// Changes in one append; the rest waits for the next.
    pub changes_per_append_max: usize,
    /// Delay before a failed append is tried again, in milliseconds; doubles up to `retry_max_ms`.
    pub retry_min_ms: u64,
    /// The longest such delay.
    pub retry_max_ms: u64,
    /// Changes since the last snapshot that call for another.
    pub snapshot_changes: u64,
    /// Bytes of changes since the last snapshot that call for another, some 20 for each edit besides its own. If the last
    /// snapshot is larger, as many as that.
    pub snapshot_bytes: u64,
    /// Estimated memory of the content, in bytes; the author of an edit that adds beyond it is closed.
    pub document_weight_max: usize,
    /// How deep shared types may be nested; the author of an edit that nests deeper is closed.
    pub nesting_max: u16,
    /// How long a document without clients stays in memory, in milliseconds.
    pub idle_ms: u64,
    /// Whether other replicas share the store: whether there is anyone to publish to and to pull from.
    pub shared: bool,
    /// Changes of other replicas that may be held until what they build on is here; further ones are dropped and pulled later.
    pub held_changes_max: usize,
    /// Bytes of such changes, some 256 for each besides its own.
    pub held_bytes_max: usize,
    /// Changes in one pull; the rest is another.
    pub changes_per_pull_max: u64,
    /// How long a missing change may be on its way before it is pulled, in milliseconds.
    pub pull_delay_ms: u64,
    /// How long a client that comes may wait until what others have stored is here, in milliseconds; then it is let in with
    /// what is here.
    pub join_wait_ms: u64,
    /// Bytes of changes that are kept after they were stored, some 256 for each besides its own, in case the store loses them;
    /// the oldest are forgotten.
    pub kept_bytes_max: usize,
    /// How long they are kept, in milliseconds.
    pub kept_ms: u64,
    /// What becomes of edits under the number of a writer who is connected.
    pub writers: WriterPolicy,
    /// Bounds of the presence table.
    pub presence: PresenceLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unsaved_bytes_max: 16 * 1024 * 1024,
            updates_per_change_max: 64,
            changes_per_append_max: 4_096,
            retry_min_ms: 100,
            retry_max_ms: 2_000,
            snapshot_changes: 2_000,
            snapshot_bytes: 256 * 1024,
            document_weight_max: 1024 * 1024 * 1024,
            nesting_max: 512,
            idle_ms: 30_000,
            shared: false,
            held_changes_max: 1_024,
            held_bytes_max: 8 * 1024 * 1024,
            changes_per_pull_max: 256,
            pull_delay_ms: 30,
            join_wait_ms: 2_000,
            kept_bytes_max: 1024 * 1024,
            kept_ms: 60_000,
            writers: WriterPolicy::default(),
            presence: PresenceLimits::default(),
        }
    }
}
