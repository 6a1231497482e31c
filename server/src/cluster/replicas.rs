//! The replica ids of this process: the one under which documents are opened now, and those under which some are still open.
//!
//! A process has one, until its store may have lost the end of what it had acknowledged. A document that was put away before
//! that would then be opened with a lane that is shorter than it was, and give the lost names again to other changes. So from
//! then on documents are opened under a new id, and whoever comes before that was taken is told to come back. What was open
//! stays open under its id, and gives back what was lost: it knows what it has named. An id is held for as long as a
//! document is open under it.
//!
//! The store tells that it may have lost something ([`Store::era`]), and does so before it answers anything after that. So
//! what counts is asked after a document's past was read. A document that finds something lost tells too, for a store that
//! can not or did not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use engine::ReplicaId;
use storage::{Store, StoreError};
use tokio::sync::Notify;

/// A replica id of this process, alive while documents are opened or open under it.
#[derive(Debug)]
pub(crate) struct OwnReplica {
    id: ReplicaId,
    era: Option<u64>,
    taken: Instant,
    /// Whether something was found lost since.
    is_spent: AtomicBool,
}

/// All replica ids of this process.
#[derive(Debug)]
pub struct Replicas {
    store: Arc<dyn Store>,
    known: Mutex<Known>,
    /// Somebody wants a new one.
    wanted: Notify,
}

#[derive(Debug)]
struct Known {
    current: Arc<OwnReplica>,
    earlier: Vec<(ReplicaId, Weak<OwnReplica>)>,
}

impl OwnReplica {
    /// Takes a new one, of the era that the store is in.
    ///
    /// # Errors
    /// The store does not give one.
    pub(crate) async fn take(store: &dyn Store) -> Result<Self, StoreError> {
        loop {
            let era = store.era();
            let id = store.new_replica().await?;
            if store.era() == era {
                return Ok(Self {
                    id,
                    era,
                    taken: Instant::now(),
                    is_spent: AtomicBool::new(false),
                });
            }
        }
    }

    /// The id.
    pub(crate) fn id(&self) -> ReplicaId {
        self.id
    }
}

impl Replicas {
    /// Those of a process that has taken its first.
    pub(crate) fn new(store: Arc<dyn Store>, first: OwnReplica) -> Self {
        Self {
            store,
            known: Mutex::new(Known {
                current: Arc::new(first),
                earlier: Vec::new(),
            }),
            wanted: Notify::new(),
        }
    }

    /// The one under which documents are opened now.
    pub(crate) fn current(&self) -> Arc<OwnReplica> {
        self.known().current.clone()
    }

    /// Those under which documents are open that were opened before the current one was taken.
    pub(crate) fn earlier(&self) -> Vec<ReplicaId> {
        let known = self.known();
        let alive = known.earlier.iter().filter(|(_, own)| is_alive(own));
        alive.map(|(id, _)| *id).collect()
    }

    /// Whether a document whose past was just read may be opened under an id. If not, another one is wanted.
    pub(crate) fn may_open(&self, own: &OwnReplica) -> bool {
        let may = !own.is_spent.load(Ordering::Relaxed) && own.era == self.store.era();
        if !may {
            self.wanted.notify_one();
        }
        may
    }

    /// A document that is open under an id has found something lost. Many do so after the same loss, for which one new id is
    /// enough.
    pub(crate) fn found_loss(&self, own: &OwnReplica) {
        let current = self.current();
        if current.id == own.id || current.taken.elapsed() > SAME_LOSS {
            current.is_spent.store(true, Ordering::Relaxed);
            self.wanted.notify_one();
        }
    }

    /// Waits until somebody wants another one, or it is time to look whether one is needed.
    pub(super) async fn wanted(&self) {
        tokio::select! {
            () = self.wanted.notified() => {}
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }

    /// From now on documents are opened under this one.
    pub(super) fn change_to(&self, next: OwnReplica) {
        let mut known = self.known();
        let last = std::mem::replace(&mut known.current, Arc::new(next));
        known.earlier.push((last.id, Arc::downgrade(&last)));
    }

    /// Those under which nothing is open any more since this was asked last.
    pub(super) fn ended(&self) -> Vec<ReplicaId> {
        let mut known = self.known();
        let earlier = std::mem::take(&mut known.earlier);
        let (alive, ended): (Vec<_>, Vec<_>) =
            earlier.into_iter().partition(|(_, own)| is_alive(own));
        known.earlier = alive;
        ended.into_iter().map(|(id, _)| id).collect()
    }

    /// No operation leaves it half changed.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_alive(own: &Weak<OwnReplica>) -> bool {
    own.strong_count() > 0
}

/// How often it is looked whether a new id is needed, if nobody asks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// For how long after an id was taken documents of earlier ones find what was lost before that.
const SAME_LOSS: Duration = Duration::from_secs(60);
