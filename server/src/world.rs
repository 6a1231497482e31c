//! What every session of this process shares: the store, the replica id, the limits, and how far the store is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use engine::ordered::OrderedLimits;
use engine::{DocumentKey, Limits, ReplicaId};
use protocol::automerge::StorageId;
use protocol::sharedb::Projections;
use storage::{Store, StoreError, Word};
use tokio::sync::Semaphore;

use crate::auth::Auth;
use crate::breadcrumb::Crumbs;
use crate::clock::Clock;
use crate::cluster::{Cluster, Replicas};
use crate::hook::Hook;
use crate::limits::{Admission, Places};
use crate::memory::Memory;
use crate::ordered::Collections;
use crate::receiving::Receiving;
use crate::watchdog::Watchdog;

/// What every session shares.
#[derive(Debug)]
pub struct World {
    /// Where changes are kept.
    pub store: Arc<dyn Store>,
    /// The replica ids of this process.
    pub replicas: Arc<Replicas>,
    /// Bounds of each document.
    pub limits: Arc<Limits>,
    /// Bounds of each ordered document.
    pub ordered_limits: Arc<OrderedLimits>,
    /// Bytes of edits of all documents that may wait for the store; the author of the next one is closed, retryably.
    pub unsaved_bytes_max: usize,
    /// Bytes of edits that wait for the store now.
    pub unsaved_bytes: AtomicUsize,
    /// Changes of other nodes that wait for what they build on, in all documents.
    pub held_changes: AtomicUsize,
    /// When the store last refused an append, in monotonic milliseconds; 0 if it has taken one since.
    pub append_failed_ms: AtomicU64,
    /// Where each session notes what it is about to do.
    pub crumbs: Crumbs,
    /// Lets people in.
    pub auth: Arc<Auth>,
    /// How many connections there are, of whom, and may be.
    pub places: Places,
    /// Whether operations of ShareDB's clients are stored that change nothing.
    pub commits_noops: bool,
    /// The collections that somebody watches.
    pub collections: Collections,
    /// The collections that show ShareDB's clients something of others.
    pub projections: Projections,
    /// The application that is asked and told things, if there is one.
    pub hook: Option<Arc<Hook>>,
    /// What those who come wait for.
    pub admission: Admission,
    /// What all documents weigh, and may.
    pub memory: Memory,
    /// What all connections have received, and may.
    pub receiving: Receiving,
    /// Sees which sessions are stuck.
    pub watchdog: Arc<Watchdog>,
    /// How long the engine may be at one edit; the author of a longer one is closed.
    pub message_cpu_max: Duration,
    /// One permit for each connection that may be open.
    pub connections: Arc<Semaphore>,
    /// How many those are.
    pub connections_max: usize,
    /// The other nodes, if this one shares its store.
    pub cluster: Option<Arc<Cluster>>,
    /// What the store is called among clients of automerge-repo, the same on all nodes that share it; none if it forgets.
    pub storage_id: Option<StorageId>,
    /// The time.
    pub(crate) clock: Clock,
}

impl World {
    /// The replica id under which documents are opened now.
    pub fn replica(&self) -> ReplicaId {
        self.replicas.current().id()
    }

    /// How many connections are open.
    pub fn connections_open(&self) -> usize {
        self.connections_max
            .saturating_sub(self.connections.available_permits())
    }

    /// Tells the other nodes something of a document, if there are any.
    pub(crate) fn say(&self, document: &DocumentKey, word: Word) {
        if let Some(cluster) = &self.cluster {
            cluster.say(document, word);
        }
    }

    /// Edits of one document that wait for the store took up `before` bytes and take up `now`.
    pub(crate) fn account_unsaved(&self, before: usize, now: usize) {
        self.unsaved_bytes.fetch_add(now, Ordering::Relaxed);
        self.unsaved_bytes.fetch_sub(before, Ordering::Relaxed);
    }

    /// Whether as many bytes of edits wait for the store as may, in all documents.
    pub(crate) fn is_behind(&self) -> bool {
        self.unsaved_bytes.load(Ordering::Relaxed) > self.unsaved_bytes_max
    }

    /// Whether another process holds the replica id, so that this one must write no more.
    pub(crate) fn is_lost(&self) -> bool {
        self.cluster
            .as_ref()
            .is_some_and(|cluster| cluster.is_lost())
    }

    /// Notes how an append went.
    pub(crate) fn note_append(&self, stored: &Result<(), StoreError>) {
        let failed = matches!(stored, Err(StoreError::Full | StoreError::Unavailable(_)));
        let failed_ms = if failed {
            self.clock.now().monotonic_ms.max(1)
        } else {
            0
        };
        self.append_failed_ms.store(failed_ms, Ordering::Relaxed);
    }

    /// Whether the store refuses appends. A refused one is repeated every few seconds, so an old failure says nothing.
    pub(crate) fn appends_fail(&self) -> bool {
        let failed_ms = self.append_failed_ms.load(Ordering::Relaxed);
        failed_ms > 0 && self.clock.now().monotonic_ms < failed_ms + APPEND_FAILURE_STALE_MS
    }
}

/// How long a failed append speaks for the store.
const APPEND_FAILURE_STALE_MS: u64 = 10_000;
