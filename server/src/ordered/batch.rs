//! Batches: operations in several ordered documents, all of them made or none, in one transaction of the store.
//!
//! No session has all of the documents, so a batch is drafted from what is stored, behind the last operation of each document, and
//! goes to the store directly. If somebody was faster anywhere it is drafted anew. Sessions that have a document open are told of
//! what was stored as they are of what other nodes store, here and elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ordered::{Draft, Drafter, Misplaced, OperationName, OrderedPast, Sought, State};
use engine::ot::{OtType, Snapshot};
use engine::{Author, Change, DocumentKey, Input, Kind, Now, ReplicaId};
use storage::{AppendRefused, Failpoint, StoreError, Word};
use tracing::{error, warn};

use super::courier::Submission;
use super::storing;
use crate::hub::Hub;
use crate::telemetry::metrics;
use crate::world::World;

/// One operation of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// In which document.
    pub(crate) document: DocumentKey,
    /// What. One that names no version is made on the last, after those of the batch that come before it.
    pub(crate) submission: Submission,
}

/// Why nothing of a batch was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// One of its operations has no place.
    Refused {
        /// Which, from 0.
        index: usize,
        /// Why not.
        why: Misplaced,
    },
    /// The document of one of them takes none.
    NotOrdered {
        /// Which, from 0.
        index: usize,
        /// What it is.
        kind: Kind,
    },
    /// The document of one of them was deleted for good.
    Deleted {
        /// Which, from 0.
        index: usize,
    },
    /// Others were faster, again and again.
    Contended,
    /// This process must not write just now, or a document cannot be read.
    Unavailable,
    /// The store was asked to make them and failed, so nobody knows whether it did.
    Unknown,
    /// The store failed, and nothing was stored.
    Store(StoreError),
}

/// Makes all operations of a batch, and says on which version each was committed.
///
/// # Errors
/// None was made; or nobody knows, after [`BatchError::Unknown`].
pub(crate) async fn make(
    hub: &Hub,
    author: Option<Author>,
    items: Vec<Item>,
) -> Result<Vec<u64>, BatchError> {
    let by = Drafter {
        author,
        connection: hub.next_connection(),
    };
    let mut batch = Batch {
        world: hub.world(),
        hub: hub.clone(),
        by,
        items: Arc::new(items),
        comes_again: false,
        made: BTreeMap::new(),
        types: BTreeMap::new(),
    };
    for _ in 0..TRIES_MAX {
        if let Some(versions) = batch.attempt().await? {
            return Ok(versions);
        }
    }
    Err(BatchError::Contended)
}

struct Batch {
    world: Arc<World>,
    hub: Hub,
    by: Drafter,
    items: Arc<Vec<Item>>,
    /// Whether some of it may have been made before.
    comes_again: bool,
    /// Which operations were, and on which versions.
    made: BTreeMap<usize, u64>,
    /// What the documents were when they were read last.
    types: BTreeMap<DocumentKey, Option<OtType>>,
}

/// A document that a batch is about.
struct Begun {
    kind: Option<Kind>,
    /// The version of the snapshot that it was read from.
    snapshot: u64,
    draft: Draft,
}

/// What is to be stored of one document.
struct Drafted {
    document: DocumentKey,
    kind: Kind,
    changes: Vec<Change>,
    after: State,
    snapshot: u64,
}

type Documents = BTreeMap<DocumentKey, Begun>;

impl Batch {
    /// Drafts and stores it. None if somebody was faster.
    async fn attempt(&mut self) -> Result<Option<Vec<u64>>, BatchError> {
        let own = self.world.replicas.current();
        if self.comes_again {
            self.recognise().await?;
        }
        let begun = self.begin(own.id()).await?;
        if self.world.is_lost() || !self.world.replicas.may_open(&own) {
            return Err(BatchError::Unavailable);
        }
        let (versions, drafted) = match self.draft(begun).await {
            Err(BatchError::Refused { .. }) if !self.comes_again => {
                self.comes_again = true;
                return Ok(None);
            }
            drafted => drafted?,
        };
        match self.store(&drafted).await {
            Ok(Ok(())) => {
                self.tell(drafted);
                Ok(Some(versions))
            }
            Ok(Err(refused)) => {
                self.refused(&drafted, refused)?;
                Ok(None)
            }
            Err(StoreError::Unavailable(failure)) => {
                warn!("nobody knows whether a batch is stored: {failure}");
                Err(BatchError::Unknown)
            }
            Err(failure) => Err(BatchError::Store(failure)),
        }
    }

    async fn draft(&self, begun: Documents) -> Result<(Vec<u64>, Vec<Drafted>), BatchError> {
        let (items, by, now) = (self.items.clone(), self.by.clone(), self.world.clock.now());
        let made = self.made.clone();
        // Transforming many operations takes a while.
        let drafting = tokio::task::spawn_blocking(move || draft(&items, &made, &by, begun, now));
        drafting.await.map_err(|_| BatchError::Unavailable)?
    }

    /// Has the store look for all that have names and may have been made before, however long ago.
    async fn recognise(&mut self) -> Result<(), BatchError> {
        for (index, item) in self.items.clone().iter().enumerate() {
            let Some(name) = item.submission.name.clone() else {
                continue;
            };
            let (author, made_on) = (self.by.author.clone(), item.submission.made_on);
            let reach = self.world.ordered_limits.catch_up_max;
            let sought = Sought::new(author, name, made_on, reach);
            let found = storing::find(&self.world, &item.document, &sought).await;
            let found = found.map_err(BatchError::Store)?;
            if found.is_empty() {
                continue;
            }
            let ot_type = self.types.get(&item.document).copied().flatten();
            let deed = item.submission.deed.clone();
            let recognising =
                tokio::task::spawn_blocking(move || sought.recognise(deed, &found, ot_type));
            let recognised = recognising.await.map_err(|_| BatchError::Unavailable)?;
            let version = recognised.map_err(|why| BatchError::Refused { index, why })?;
            self.made.insert(index, version);
        }
        Ok(())
    }

    /// Reads the documents, each as far back as its operations reach.
    async fn begin(&mut self, replica: ReplicaId) -> Result<Documents, BatchError> {
        let mut begun = Documents::new();
        for (index, item) in self.items.clone().iter().enumerate() {
            let document = &item.document;
            if !begun.contains_key(document) {
                let read = self.read(index, document, replica).await?;
                let content = read.draft.state().content.as_ref();
                let ot_type = content.map(Snapshot::ot_type);
                self.types.insert(document.clone(), ot_type);
                begun.insert(document.clone(), read);
            }
        }
        Ok(begun)
    }

    async fn read(
        &self,
        index: usize,
        document: &DocumentKey,
        replica: ReplicaId,
    ) -> Result<Begun, BatchError> {
        let past = storing::past(&self.world, document).await;
        let past = past.map_err(BatchError::Store)?;
        match past.kind {
            _ if past.is_deleted => return Err(BatchError::Deleted { index }),
            Some(kind) if !kind.is_ordered() => return Err(BatchError::NotOrdered { index, kind }),
            _ => {}
        }
        let draft = self.begin_draft(document, replica, &past).await?;
        Ok(Begun {
            kind: past.kind,
            snapshot: past.snapshot.version,
            draft,
        })
    }

    async fn begin_draft(
        &self,
        document: &DocumentKey,
        replica: ReplicaId,
        past: &OrderedPast,
    ) -> Result<Draft, BatchError> {
        let broken = |broken| {
            error!(%document, "a batch cannot be drafted: {broken}");
            BatchError::Unavailable
        };
        let mut draft = Draft::new(document.clone(), replica, past).map_err(broken)?;
        let (from, to) = (self.reaches_to(document), draft.oldest());
        let reach = self.world.ordered_limits.catch_up_max;
        if from < to && draft.state().version - from <= reach {
            let older = self
                .world
                .store
                .operations(document.clone(), from, Some(to));
            let older = older.await.map_err(BatchError::Store)?;
            let older: Vec<_> = older.into_iter().map(|stored| stored.change).collect();
            draft.prepend(&older).map_err(broken)?;
        }
        Ok(draft)
    }

    /// The first version of a document that has to be at hand.
    fn reaches_to(&self, document: &DocumentKey) -> u64 {
        let items = self.items.iter().enumerate();
        let to_make = items.filter(|(index, _)| !self.made.contains_key(index));
        let of_document = to_make.filter(|(_, item)| item.document == *document);
        let made_on = of_document.filter_map(|(_, item)| item.submission.made_on);
        made_on.min().unwrap_or(u64::MAX)
    }

    async fn store(&self, drafted: &[Drafted]) -> Result<Result<(), AppendRefused>, StoreError> {
        let appends: Vec<_> = drafted
            .iter()
            .map(|it| (it.document.clone(), it.kind, it.changes.clone()))
            .collect();
        if appends.is_empty() {
            return Ok(Ok(()));
        }
        let changes = appends.iter().map(|(_, _, changes)| changes.len()).sum();
        let timer = metrics::append_started(changes);
        Failpoint::BeforeAppend.reach();
        let stored = self.world.store.append_all(appends).await;
        timer.finished(matches!(stored, Ok(Ok(()))));
        self.world.note_append(&stored.clone().map(|_| ()));
        if let Ok(Ok(())) = stored {
            Failpoint::CommitHeard.reach();
        }
        stored
    }

    /// Somebody was faster in one document, or the store knows an operation by its name.
    fn refused(&mut self, drafted: &[Drafted], refused: AppendRefused) -> Result<(), BatchError> {
        let Some(of) = drafted.get(refused.index) else {
            return Err(BatchError::Unavailable);
        };
        match refused.error {
            StoreError::NameKnown { .. } => {
                self.comes_again = true;
                Ok(())
            }
            // Of a document that is open here, its session may have given the same dot, or begun it as another kind.
            StoreError::Overtaken(_)
            | StoreError::DotReused(_)
            | StoreError::HoleInLane(_)
            | StoreError::KindDiffers(_)
            | StoreError::Deleted => Ok(()),
            failure => {
                warn!(document = %of.document, "a batch is not stored: {failure}");
                Err(BatchError::Store(failure))
            }
        }
    }

    /// Tells all who have one of the documents open, and keeps snapshots of those that nobody has.
    fn tell(&self, drafted: Vec<Drafted>) {
        for it in drafted {
            let (document, changes) = (it.document, it.changes);
            self.world.say(&document, Word::Changes(changes.clone()));
            self.world.stir(&document);
            let is_heard = self.hub.hear(&document, Input::Heard { changes });
            if !is_heard && let Some(mailbox) = self.hub.mailbox(&document) {
                mailbox.tell_heads(it.after.clock.clone());
            }
            let since = it.after.version - it.snapshot;
            if since >= self.world.ordered_limits.snapshot_operations {
                let world = self.world.clone();
                let storing = storing::store_snapshot(world, document, it.kind, it.after);
                self.hub.spawn(async move { drop(storing.await) });
            }
        }
    }
}

/// Drafts all operations in their order but those that were made before, and says on which version each is.
fn draft(
    items: &[Item],
    made: &BTreeMap<usize, u64>,
    by: &Drafter,
    mut begun: Documents,
    now: Now,
) -> Result<(Vec<u64>, Vec<Drafted>), BatchError> {
    let mut versions = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        if let Some(version) = made.get(&index) {
            versions.push(*version);
            continue;
        }
        let Some(Begun { draft, .. }) = begun.get_mut(&item.document) else {
            return Err(BatchError::Unavailable);
        };
        let submission = item.submission.clone();
        let version = draft.state().version;
        let made_on = submission.made_on_or(version);
        let name = submission.name.unwrap_or_else(|| name(by, index, draft));
        let drafted = draft.submit(by, name, made_on, submission.deed, now);
        versions.push(drafted.map_err(|why| BatchError::Refused { index, why })?);
    }
    let drafted = begun.into_iter().map(|(document, begun)| {
        let after = begun.draft.state().clone();
        let changes = begun.draft.into_changes();
        let kind = begun.kind.unwrap_or_else(|| storing::kind_of(&changes));
        Drafted {
            document,
            kind,
            after,
            snapshot: begun.snapshot,
            changes,
        }
    });
    let drafted = drafted.filter(|it| !it.changes.is_empty());
    Ok((versions, drafted.collect()))
}

/// What is called so by nobody else: replica ids and connections are not given out again.
fn name(by: &Drafter, index: usize, draft: &Draft) -> OperationName {
    OperationName {
        source: format!("api/{}/{}", draft.replica(), by.connection).into(),
        number: index as u64 + 1,
    }
}

/// How often a batch is drafted anew because others were faster.
const TRIES_MAX: usize = 16;
