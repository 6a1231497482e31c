//! What a session asks of the store: its past, that changes be kept, that a snapshot be.
//!
//! Appends are many and the session waits for nothing else meanwhile, so it looks after the one that is on its way itself:
//! a task of its own for each would cost as much as the edit. The others are rare and may take long, and run beside.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engine::{Change, DocumentKey, Gist, Input, Kind, Loaded, ReplicaId, Snapshot};
use storage::{Failpoint, Past, StoreError, load_log};
use tracing::{debug, error, info, warn};

use super::hot;
use crate::breadcrumb::Step;
use crate::hook::{self, Hook};
use crate::telemetry::metrics::{self, LoadedWhat};
use crate::world::World;

/// The append that is on its way, if one is: a document has one at a time.
#[derive(Default)]
pub(super) struct Appending(Option<Pin<Box<dyn Future<Output = Input> + Send>>>);

impl Appending {
    /// An append is to be asked for, as soon as this is polled.
    pub(super) fn begin(&mut self, append: impl Future<Output = Input> + Send + 'static) {
        debug_assert!(self.0.is_none(), "a document has one append at a time");
        self.0 = Some(Box::pin(append));
    }

    /// Helps the append along, and gives its answer once that is there.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Input> {
        let append = self.0.as_mut()?;
        let Poll::Ready(answer) = append.as_mut().poll(context) else {
            return None;
        };
        self.0 = None;
        Some(answer)
    }
}

/// Stores changes of a document.
pub(super) async fn append(
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    changes: Vec<Change>,
) -> Input {
    let through = changes.last().map_or(0, |change| change.dot.counter);
    let timer = metrics::append_started(changes.len());
    Failpoint::BeforeAppend.reach();
    if world.is_lost() {
        return Input::AppendRefused;
    }
    let stored = world.store.append(key.clone(), kind, changes).await;
    timer.finished(stored.is_ok());
    world.note_append(&stored);
    match stored {
        Ok(()) => {
            Failpoint::CommitHeard.reach();
            Input::Committed { through }
        }
        Err(StoreError::Deleted) => Input::Deleted,
        Err(
            failure @ (StoreError::DotReused(_)
            | StoreError::HoleInLane(_)
            | StoreError::KindDiffers(_)),
        ) => {
            error!(document = %key, "edits are not those that follow in the store: {failure}");
            Input::AppendRefused
        }
        Err(failure) => {
            warn!(document = %key, "edits wait, the store did not take them: {failure}");
            Input::CommitFailed
        }
    }
}

/// Stores changes again that the store has lost.
pub(super) async fn give_back(
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    changes: Vec<Change>,
) -> Input {
    if world.is_lost() {
        return Input::GiveBackFailed;
    }
    match world.store.append(key.clone(), kind, changes).await {
        Ok(()) => Input::GivenBack,
        Err(StoreError::Deleted) => Input::Deleted,
        Err(failure @ (StoreError::DotReused(_) | StoreError::KindDiffers(_))) => {
            error!(document = %key, "what the store has lost was filled with something else: {failure}");
            Input::GiveBackRefused
        }
        Err(failure) => {
            warn!(document = %key, "the store did not take what it has lost: {failure}");
            Input::GiveBackFailed
        }
    }
}

/// Reads what a document comes to, or if the store has not kept that, its past.
pub(super) async fn load_gist(world: Arc<World>, key: DocumentKey, kind: Kind) -> Input {
    let turn = world.admission.openings.take().await;
    let gist = world.store.gist(key.clone()).await;
    drop(turn);
    match gist {
        Ok(Some(gist)) => {
            metrics::document_loaded(LoadedWhat::Gist);
            Input::Opened(gist.into())
        }
        // If the store fails, it is asked for more at once, and that failure is told of.
        Ok(None) | Err(_) => load(world, key, kind).await,
    }
}

/// Keeps what a document comes to. Nobody misses it if that fails.
pub(super) async fn store_gist(world: Arc<World>, gist: Gist) {
    let key = gist.document.clone();
    if let Err(failure) = world.store.keep_gist(gist).await {
        debug!(document = %key, "what the document comes to was not kept: {failure}");
    }
}

/// Reads a document's past. One that does not exist may begin with content of the application.
pub(super) async fn load(world: Arc<World>, key: DocumentKey, kind: Kind) -> Input {
    let turn = world.admission.openings.take().await;
    let past = hot::load(&world, &key).await;
    drop(turn);
    let is_new = matches!(past, Ok(Past { kind: None, .. })) && kind == Kind::Yjs;
    let loader = world.hook.as_ref().filter(|hook| is_new && hook.loads());
    match (loader, past) {
        (Some(hook), Ok(past)) => seed(&world, hook, &key, past).await,
        (_, past) => opened(&key, past),
    }
}

async fn seed(world: &Arc<World>, hook: &Hook, key: &DocumentKey, past: Past) -> Input {
    match hook::seed(hook, world, key, &past).await {
        Ok(true) => opened(key, world.store.load(key.clone()).await),
        Ok(false) => opened(key, Ok(past)),
        Err(failure) => {
            warn!(document = %key, "document is not opened, the application did not give its first content: {failure:#}");
            Input::OpenFailed
        }
    }
}

/// Reads changes of another replica that got lost on the bus.
pub(super) async fn pull(
    world: Arc<World>,
    key: DocumentKey,
    replica: ReplicaId,
    counters: RangeInclusive<u64>,
) -> Input {
    match world.store.lane(key.clone(), replica, counters).await {
        Ok(changes) => {
            metrics::pulled(changes.len());
            Input::Pulled(changes)
        }
        Err(failure) => {
            warn!(document = %key, "changes of another node are not to be had: {failure}");
            Input::PullFailed
        }
    }
}

/// Reads how far each lane of a document is.
pub(super) async fn heads(world: Arc<World>, key: DocumentKey) -> Input {
    let heads = world.store.heads(vec![key.clone()]).await;
    match heads.map(|mut heads| heads.pop()) {
        Ok(heads) => Input::Heads {
            heads: heads.unwrap_or_default(),
            asked: true,
        },
        Err(failure) => {
            warn!(document = %key, "clients are let in with what is here, the store did not tell what there is: {failure}");
            Input::HeadsFailed
        }
    }
}

/// Reads a document's past without its snapshots.
pub(super) async fn load_from_log(world: Arc<World>, key: DocumentKey) -> Input {
    opened(&key, load_log(&*world.store, &key, None).await)
}

/// Verifies a snapshot and stores it.
pub(super) async fn store_snapshot(world: Arc<World>, snapshot: Snapshot) -> Input {
    let key = snapshot.document.clone();
    match verify_and_store(world, snapshot).await {
        Ok(()) => Input::SnapshotStored,
        Err(failure) => {
            error!(document = %key, "snapshot was not kept: {failure:#}");
            Input::SnapshotFailed
        }
    }
}

fn opened(key: &DocumentKey, past: Result<Past, StoreError>) -> Input {
    match past {
        Ok(past) => Input::Opened(loaded(key, past)),
        Err(failure) => {
            error!(document = %key, "document can not be opened: {failure}");
            Input::OpenFailed
        }
    }
}

fn loaded(key: &DocumentKey, past: Past) -> Loaded {
    if past.damaged > 0 {
        metrics::damaged_rows(past.damaged);
        error!(document = %key, rows = past.damaged, "damaged rows were left out, the document opens without them");
    }
    metrics::document_loaded(LoadedWhat::Content);
    info!(document = %key, changes = past.changes.len(), snapshot = past.snapshot.is_some(), "document opened");
    past.into()
}

async fn verify_and_store(world: Arc<World>, snapshot: Snapshot) -> anyhow::Result<()> {
    let mut trail = world.crumbs.begin();
    let verified = tokio::task::spawn_blocking(move || {
        trail.leave(&snapshot.document, snapshot.kind, &Step::Render);
        snapshot.verify().map(|()| snapshot)
    });
    let snapshot = verified.await??;
    Failpoint::BeforeSnapshot.reach();
    world.store.put_snapshot(snapshot.clone()).await?;
    Failpoint::SnapshotStored.reach();
    metrics::snapshot_stored();
    hot::keep(&world, snapshot);
    Ok(())
}
