//! What the session of an ordered document asks of the store, and what the answers are to the document.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use engine::ordered::{Action, OrderedInput, OrderedPast, Record, Sought, State};
use engine::{Change, DocumentKey, Kind, Snapshot, StoredChange};
use futures_util::stream::{FuturesUnordered, Stream};
use storage::{Failpoint, Past, StoreError, load_log};
use tracing::{error, info, warn};

use crate::telemetry::metrics;
use crate::world::World;

/// What was asked of the store and not answered yet: a few things at a time.
#[derive(Default)]
pub(super) struct Requests(FuturesUnordered<Pin<Box<dyn Future<Output = Stored> + Send>>>);

/// An answer of the store.
pub(super) enum Stored {
    /// The document's past.
    Opened(Box<Opened>),
    /// Anything else.
    Answer(OrderedInput),
}

/// A document's past, or that there is none to be had.
pub(super) struct Opened {
    /// What the store has the document as.
    pub(super) kind: Option<Kind>,
    pub(super) input: OrderedInput,
}

impl Opened {
    /// The past of what is not in the store.
    pub(super) fn of_nothing() -> Self {
        Self {
            kind: None,
            input: OrderedInput::Opened(OrderedPast::default()),
        }
    }
}

impl Requests {
    /// Something is to be asked for, as soon as this is polled.
    pub(super) fn begin(&mut self, request: impl Future<Output = Stored> + Send + 'static) {
        self.0.push(Box::pin(request));
    }

    /// Helps all of it along, and gives the next answer that is there.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Stored> {
        match Pin::new(&mut self.0).poll_next(context) {
            Poll::Ready(Some(stored)) => Poll::Ready(stored),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Reads a document's past.
pub(super) async fn load(world: Arc<World>, key: DocumentKey) -> Stored {
    let turn = world.admission.openings.take().await;
    let past = past(&world, &key).await;
    drop(turn);
    let opened = match past {
        Ok(past) => Opened {
            kind: past.kind,
            input: OrderedInput::Opened(past),
        },
        Err(failure) => {
            error!(document = %key, "document can not be opened: {failure}");
            Opened {
                kind: None,
                input: OrderedInput::OpenFailed,
            }
        }
    };
    Stored::Opened(Box::new(opened))
}

pub(super) async fn past(world: &World, key: &DocumentKey) -> Result<OrderedPast, StoreError> {
    let past = world.store.load(key.clone()).await?;
    if past.damaged > 0 {
        metrics::damaged_rows(past.damaged);
        error!(document = %key, rows = past.damaged, "damaged rows were left out");
    }
    info!(document = %key, changes = past.changes.len(), snapshot = past.snapshot.is_some(), "document opened");
    let state = past.snapshot.as_ref().map(state_of);
    match state {
        None => Ok(ordered(past, State::default())),
        Some(Some(state)) => Ok(ordered(past, state)),
        Some(None) => {
            metrics::damaged_rows(1);
            error!(document = %key, "a snapshot does not restore, the document opens from its log");
            let log = load_log(&*world.store, key, None).await?;
            Ok(ordered(log, State::default()))
        }
    }
}

fn state_of(snapshot: &Snapshot) -> Option<State> {
    State::from_bytes(&snapshot.state, snapshot.clock.clone()).ok()
}

fn ordered(past: Past, snapshot: State) -> OrderedPast {
    OrderedPast {
        kind: past.kind,
        is_deleted: past.deleted,
        snapshot,
        changes: changes(past.changes),
    }
}

fn changes(stored: Vec<StoredChange>) -> Vec<Change> {
    stored.into_iter().map(|stored| stored.change).collect()
}

/// Stores operations of a document, if nobody was faster.
pub(super) async fn append(
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    changes: Vec<Change>,
) -> Stored {
    let first = changes.first().and_then(record_of);
    let from = first.map_or(0, |record| record.version);
    let timer = metrics::append_started(changes.len());
    Failpoint::BeforeAppend.reach();
    if world.is_lost() {
        return Stored::Answer(OrderedInput::AppendRefused);
    }
    let stored = world.store.append(key.clone(), kind, changes).await;
    timer.finished(stored.is_ok());
    world.note_append(&stored);
    Stored::Answer(match stored {
        Ok(()) => {
            Failpoint::CommitHeard.reach();
            OrderedInput::Appended
        }
        Err(StoreError::Deleted) => OrderedInput::Deleted,
        Err(StoreError::NameKnown { index, version }) => OrderedInput::NameKnown { index, version },
        Err(StoreError::Overtaken(_)) => overtaken(&world, key, from).await,
        // What came first may be of a batch, which is of this replica too, or have made it a document of another kind. And what
        // should have come first may be lost, of which the lane tells before the versions do.
        Err(
            failure @ (StoreError::DotReused(_)
            | StoreError::KindDiffers(_)
            | StoreError::HoleInLane(_)),
        ) => match overtaken(&world, key.clone(), from).await {
            OrderedInput::Overtaken(changes) if ends_before(&changes, from) => match failure {
                // Another node has just given that back.
                StoreError::HoleInLane(_) => OrderedInput::AppendFailed,
                failure => refused(&key, &failure),
            },
            overtaken => overtaken,
        },
        Err(failure @ StoreError::NoOperation(_)) => refused(&key, &failure),
        Err(failure) => {
            warn!(document = %key, "operations wait, the store did not take them: {failure}");
            OrderedInput::AppendFailed
        }
    })
}

/// Whether the last operation is the one before a version, so that nobody was faster and nothing is lost.
fn ends_before(changes: &[Change], version: u64) -> bool {
    let last = changes.last().and_then(record_of);
    last.map_or(0, |last| last.version + 1) == version
}

fn refused(key: &DocumentKey, failure: &StoreError) -> OrderedInput {
    error!(document = %key, "operations are not those that follow in the store: {failure}");
    OrderedInput::AppendRefused
}

/// Reads what is where an append was to begin, and the last operation before.
async fn overtaken(world: &World, key: DocumentKey, first: u64) -> OrderedInput {
    let from = first.saturating_sub(1);
    match world.store.operations(key.clone(), from, None).await {
        Ok(stored) => OrderedInput::Overtaken(changes(stored)),
        Err(failure) => {
            warn!(document = %key, "operations wait, those of another node are not to be had: {failure}");
            OrderedInput::AppendFailed
        }
    }
}

/// Stores operations again that the store has lost. Other nodes may be giving it the same.
pub(super) async fn give_back(
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    changes: Vec<Change>,
) -> Stored {
    let mut given = try_to_give_back(&world, &key, kind, &changes).await;
    for round in 1..GIVE_BACK_ROUNDS {
        if !came_between(&given) {
            break;
        }
        tokio::time::sleep(GIVE_BACK_PAUSE * round).await;
        given = try_to_give_back(&world, &key, kind, &changes).await;
    }
    Stored::Answer(match given {
        Ok(()) => OrderedInput::GivenBack,
        Err(Some(StoreError::Deleted)) => OrderedInput::Deleted,
        Err(Some(failure @ (StoreError::Full | StoreError::Unavailable(_)))) => {
            warn!(document = %key, "the store did not take what it has lost: {failure}");
            OrderedInput::GiveBackFailed
        }
        Err(failure) => {
            let why = failure.map_or_else(|| "other operations".to_owned(), |it| it.to_string());
            error!(document = %key, "what the store has lost was filled with something else: {why}");
            OrderedInput::GiveBackRefused
        }
    })
}

/// Whether another node may have given some of it a moment ago.
fn came_between(given: &Result<(), Option<StoreError>>) -> bool {
    matches!(
        given,
        Err(Some(
            StoreError::HoleInLane(_)
                | StoreError::Overtaken(_)
                | StoreError::NameKnown { .. }
                | StoreError::DotReused(_)
        ))
    )
}

/// Stores those of some operations that the store lacks. It fails without a reason if the store has others in their place.
async fn try_to_give_back(
    world: &World,
    key: &DocumentKey,
    kind: Kind,
    given: &[Change],
) -> Result<(), Option<StoreError>> {
    let versions = given.iter().filter_map(record_of).map(|it| it.version);
    let (Some(first), Some(last)) = (versions.clone().min(), versions.max()) else {
        return Ok(());
    };
    if world.is_lost() {
        return Err(Some(StoreError::Unavailable(
            "this node has lost its lease".to_owned(),
        )));
    }
    let stored = world.store.operations(key.clone(), first, Some(last + 1));
    let stored = changes(stored.await?);
    match given.strip_prefix(&stored[..]) {
        None => Err(None),
        Some([]) => Ok(()),
        Some(lost) => Ok(world.store.append(key.clone(), kind, lost.to_vec()).await?),
    }
}

/// Reads operations of a document.
pub(super) async fn read(
    world: Arc<World>,
    key: DocumentKey,
    from: u64,
    to: Option<u64>,
) -> Stored {
    Stored::Answer(match world.store.operations(key.clone(), from, to).await {
        Ok(stored) => OrderedInput::Read(changes(stored)),
        Err(failure) => {
            warn!(document = %key, "operations are not to be had: {failure}");
            OrderedInput::ReadFailed
        }
    })
}

/// Looks for an operation by its name.
pub(super) async fn seek(world: Arc<World>, key: DocumentKey, sought: Sought) -> Stored {
    Stored::Answer(match find(&world, &key, &sought).await {
        Ok(found) => OrderedInput::Found(found),
        Err(failure) => {
            warn!(document = %key, "nobody knows whether an operation was committed: {failure}");
            OrderedInput::SeekFailed
        }
    })
}

/// The operation that is sought, behind those that belong to it; nothing if there is none.
pub(super) async fn find(
    world: &World,
    key: &DocumentKey,
    sought: &Sought,
) -> Result<Vec<Change>, StoreError> {
    let (author, name) = (sought.author.clone(), sought.name.clone());
    let version = world.store.version_of(key.clone(), author, name).await?;
    let Some(version) = version else {
        return Ok(Vec::new());
    };
    let found = changes(
        world
            .store
            .operations(key.clone(), version, Some(version + 1))
            .await?,
    );
    let Some(record) = found.last().and_then(record_of) else {
        return Ok(Vec::new());
    };
    let before = sought.versions(&record).start;
    let before = world.store.operations(key.clone(), before, Some(version));
    Ok([changes(before.await?), found].concat())
}

/// Verifies a snapshot and stores it.
pub(super) async fn store_snapshot(
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    state: State,
) -> Stored {
    Stored::Answer(match verify_and_store(&world, &key, kind, state).await {
        Ok(()) => OrderedInput::SnapshotStored,
        Err(failure) => {
            error!(document = %key, "snapshot was not kept: {failure:#}");
            OrderedInput::SnapshotFailed
        }
    })
}

async fn verify_and_store(
    world: &World,
    key: &DocumentKey,
    kind: Kind,
    state: State,
) -> anyhow::Result<()> {
    let document = key.clone();
    let written = tokio::task::spawn_blocking(move || {
        let snapshot = Snapshot {
            document,
            kind,
            clock: state.clock.clone(),
            state: state.to_bytes(),
        };
        snapshot.verify().map(|()| snapshot)
    });
    let snapshot = written.await??;
    Failpoint::BeforeSnapshot.reach();
    world.store.put_snapshot(snapshot).await?;
    Failpoint::SnapshotStored.reach();
    metrics::snapshot_stored();
    Ok(())
}

/// The kind that the first operation of a document makes it: what it creates, or if it deletes what never was, what clients
/// expect of all documents.
pub(super) fn kind_of(changes: &[Change]) -> Kind {
    match changes
        .first()
        .and_then(record_of)
        .map(|record| record.action)
    {
        Some(Action::Create { ot_type, .. }) => ot_type.kind(),
        Some(Action::Edit { .. } | Action::Delete) | None => Kind::Json0,
    }
}

/// The kind of a document whose first operation others made, if this tells of it.
pub(super) fn kind_heard(input: &OrderedInput) -> Option<Kind> {
    let (OrderedInput::Heard(changes)
    | OrderedInput::Overtaken(changes)
    | OrderedInput::Read(changes)) = input
    else {
        return None;
    };
    let first = changes.first().and_then(record_of)?;
    (first.version == 0).then(|| kind_of(changes))
}

fn record_of(change: &Change) -> Option<Record> {
    Record::from_bytes(&change.payload).ok()
}

/// How often it is looked what the store lacks, and given that.
const GIVE_BACK_ROUNDS: u32 = 4;
/// Before the second time; longer before each that follows.
const GIVE_BACK_PAUSE: Duration = Duration::from_millis(200);
