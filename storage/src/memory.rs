//! The store in memory: the contract in its plainest form. For tests, and to read beside [`crate::Store`].
//!
//! Everything is behind one lock and kept in the order of its keys. It survives nothing, so no server offers it.

mod leases;
mod news;
mod quarantine;
mod revocations;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{
    Change, DocumentKey, Dot, Kind, Order, PayloadHash, Quarantined, ReplicaId, Snapshot,
    StoredChange, VectorClock,
};

use crate::lease::{Holder, Lease};
use crate::news::{News, NewsHabit, Told};
use crate::numbers::now_ms;
use crate::quarantine::{QuarantineEntry, QuarantineQuery};
use crate::revocation::{Revocation, RevocationEntry};
use crate::store::{
    Answer, Description, DocumentQuery, Past, Place, Store, StoreError, TimelinePage,
    WorkspaceSummary, assert_of_document,
};
use crate::thinning::superfluous;
use leases::Leases;
use news::Newsroom;
use quarantine::Quarantine;
use revocations::Revocations;

/// Keeps changes and snapshots until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    leases: Leases,
    last_order: u64,
    documents: BTreeMap<DocumentKey, Document>,
    quarantine: Quarantine,
    news: Newsroom,
    revocations: Revocations,
}

#[derive(Debug)]
struct Document {
    kind: Kind,
    created_ms: u64,
    deleted_ms: Option<u64>,
    /// In the order of the timeline.
    changes: Vec<StoredChange>,
    /// With the order through which each goes, ascending.
    snapshots: Vec<(Order, Snapshot)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<'a, T: Send + 'a>(
        &'a self,
        answer: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let mut state = self.lock();
            if state.closed {
                return Err(StoreError::Unavailable("store is closed".to_owned()));
            }
            answer(&mut state)
        })
    }

    /// No operation leaves the state half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn new_replica(&self) -> Answer<'_, ReplicaId> {
        self.with(move |state| {
            let replica = state.leases.take(now_ms());
            Ok(replica)
        })
    }

    fn hold(&self, replica: ReplicaId, holder: Holder, lasts: Duration) -> Answer<'_, ()> {
        self.with(move |state| state.leases.hold(replica, holder, now_ms(), lasts))
    }

    fn leases(&self, within: Duration) -> Answer<'_, Vec<Lease>> {
        self.with(move |state| Ok(state.leases.list(now_ms(), within)))
    }

    fn append(&self, document: DocumentKey, kind: Kind, changes: Vec<Change>) -> Answer<'_, ()> {
        assert_of_document(&document, &changes);
        self.with(move |state| state.append(&document, kind, changes))
    }

    fn load(&self, document: DocumentKey) -> Answer<'_, Past> {
        self.with(move |state| Ok(state.past(&document, Document::load)))
    }

    fn load_until(&self, document: DocumentKey, until: Order) -> Answer<'_, Past> {
        self.with(move |state| {
            Ok(state.past(&document, |found, quarantined| {
                found.past(until, quarantined)
            }))
        })
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Answer<'_, ()> {
        self.with(move |state| {
            state
                .living(&snapshot.document, snapshot.kind)?
                .ok_or(StoreError::SnapshotAhead)?
                .put_snapshot(snapshot)
        })
    }

    fn describe(&self, document: DocumentKey) -> Answer<'_, Option<Description>> {
        self.with(move |state| {
            let found = state.documents.get(&document);
            Ok(found.map(|found| found.describe(document)))
        })
    }

    fn create(&self, document: DocumentKey, kind: Kind) -> Answer<'_, Description> {
        self.with(move |state| match state.documents.get(&document) {
            Some(found) if found.deleted_ms.is_some() => Err(StoreError::Deleted),
            Some(_) => Err(StoreError::Exists),
            None => Ok(state.insert(&document, kind).describe(document)),
        })
    }

    fn create_with(
        &self,
        document: DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Answer<'_, ()> {
        assert_of_document(&document, &changes);
        self.with(move |state| match state.documents.get(&document) {
            Some(found) if found.deleted_ms.is_some() => Err(StoreError::Deleted),
            Some(_) => Err(StoreError::Exists),
            None => state.append(&document, kind, changes),
        })
    }

    fn delete(&self, document: DocumentKey) -> Answer<'_, bool> {
        self.with(move |state| match state.documents.get_mut(&document) {
            Some(found) if found.deleted_ms.is_none() => {
                let deleted_ms = now_ms();
                found.deleted_ms = Some(deleted_ms);
                state.news.deleted(&document, found.kind, deleted_ms);
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    fn workspaces(&self) -> Answer<'_, Vec<WorkspaceSummary>> {
        self.with(move |state| {
            let mut counts = BTreeMap::<&str, u64>::new();
            for (document, _) in state.not_deleted() {
                *counts.entry(document.workspace()).or_default() += 1;
            }
            let summary = |(name, documents): (&str, u64)| WorkspaceSummary {
                name: name.to_owned(),
                documents,
            };
            Ok(counts.into_iter().map(summary).collect())
        })
    }

    fn documents(&self, query: DocumentQuery) -> Answer<'_, Vec<Description>> {
        self.with(move |state| {
            let after = query.after.as_deref().unwrap_or("");
            let page = state
                .not_deleted()
                .filter(|(document, _)| {
                    document.workspace() == query.workspace
                        && document.name().starts_with(&query.prefix)
                        && document.name() > after
                })
                .take(query.limit);
            Ok(page
                .map(|(document, found)| found.describe(document.clone()))
                .collect())
        })
    }

    fn timeline(&self, document: DocumentKey, page: TimelinePage) -> Answer<'_, Vec<StoredChange>> {
        self.with(move |state| Ok(page_of(state.changes(&document), page)))
    }

    fn find(&self, document: DocumentKey, place: Place) -> Answer<'_, Option<Order>> {
        self.with(move |state| Ok(find(state.changes(&document), place)))
    }

    fn lane(
        &self,
        document: DocumentKey,
        replica: ReplicaId,
        counters: RangeInclusive<u64>,
    ) -> Answer<'_, Vec<StoredChange>> {
        self.with(move |state| {
            let wanted = |dot: Dot| dot.replica == replica && counters.contains(&dot.counter);
            let changes = state.changes(&document).iter();
            Ok(changes
                .filter(|it| wanted(it.change.dot))
                .cloned()
                .collect())
        })
    }

    fn heads(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<VectorClock>> {
        self.with(move |state| {
            let heads_of = |document: &DocumentKey| {
                let found = state.documents.get(document);
                found.map_or_else(VectorClock::default, |found| heads(&found.changes))
            };
            Ok(documents.iter().map(heads_of).collect())
        })
    }

    fn quarantine(&self, quarantined: Quarantined) -> Answer<'_, ()> {
        self.with(move |state| {
            state.quarantine.keep(quarantined);
            Ok(())
        })
    }

    fn quarantined(&self, query: QuarantineQuery) -> Answer<'_, Vec<QuarantineEntry>> {
        self.with(move |state| Ok(state.quarantine.list(&query)))
    }

    fn quarantined_payload(
        &self,
        document: DocumentKey,
        hash: PayloadHash,
    ) -> Answer<'_, Option<QuarantineEntry>> {
        self.with(move |state| Ok(state.quarantine.get(&document, hash)))
    }

    fn forget_quarantined(&self, document: DocumentKey, hash: PayloadHash) -> Answer<'_, bool> {
        self.with(move |state| Ok(state.quarantine.forget(&document, hash)))
    }

    fn keep_news(&self, habit: NewsHabit) {
        self.lock().news.keep(habit);
    }

    fn news(&self, limit: usize) -> Answer<'_, Vec<News>> {
        self.with(move |state| Ok(state.news.list(limit)))
    }

    fn told(&self, document: DocumentKey, told: Told) -> Answer<'_, ()> {
        self.with(move |state| {
            state.news.told(&document, told, now_ms());
            Ok(())
        })
    }

    fn put_off(&self, document: DocumentKey, until_ms: u64) -> Answer<'_, ()> {
        self.with(move |state| {
            state.news.put_off(&document, until_ms);
            Ok(())
        })
    }

    fn revoke(&self, revocation: Revocation) -> Answer<'_, RevocationEntry> {
        self.with(move |state| Ok(state.revocations.keep(revocation)))
    }

    fn revocations(&self) -> Answer<'_, Vec<RevocationEntry>> {
        self.with(|state| Ok(state.revocations.list()))
    }

    fn lift_revocation(&self, number: u64) -> Answer<'_, bool> {
        self.with(move |state| Ok(state.revocations.lift(number)))
    }

    fn check(&self) -> Answer<'_, ()> {
        self.with(|_| Ok(()))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.lock().closed = true;
            Ok(())
        })
    }
}

impl State {
    fn append(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        let stored = self.living(document, kind)?;
        let fresh = fresh(stored.map_or(&[][..], |found| &found.changes), changes)?;
        let first = self.last_order + 1;
        self.last_order += fresh.len() as u64;
        let author = fresh.last().map(|change| change.author.clone());
        let numbered = fresh.into_iter().zip(first..);
        self.insert(document, kind)
            .changes
            .extend(numbered.map(|(change, order)| StoredChange {
                order: Order(order),
                change,
            }));
        if let Some(author) = author {
            let through = Order(self.last_order);
            self.news.changed(document, kind, through, author, now_ms());
        }
        Ok(())
    }

    /// A document's past as `read` gives it.
    fn past(
        &self,
        document: &DocumentKey,
        read: impl FnOnce(&Document, BTreeSet<PayloadHash>) -> Past,
    ) -> Past {
        let quarantined = self.quarantine.hashes(document);
        match self.documents.get(document) {
            Some(found) => read(found, quarantined),
            None => Past {
                quarantined,
                ..Past::default()
            },
        }
    }

    /// A document that may be written as `kind`, if there is one.
    fn living(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
    ) -> Result<Option<&mut Document>, StoreError> {
        match self.documents.get_mut(document) {
            Some(found) if found.deleted_ms.is_some() => Err(StoreError::Deleted),
            Some(found) if found.kind != kind => Err(StoreError::KindDiffers(found.kind)),
            found => Ok(found),
        }
    }

    fn insert(&mut self, document: &DocumentKey, kind: Kind) -> &mut Document {
        if !self.documents.contains_key(document) {
            self.news.created(document, kind, now_ms());
        }
        self.documents
            .entry(document.clone())
            .or_insert_with(|| Document {
                kind,
                created_ms: now_ms(),
                deleted_ms: None,
                changes: Vec::new(),
                snapshots: Vec::new(),
            })
    }

    fn not_deleted(&self) -> impl Iterator<Item = (&DocumentKey, &Document)> {
        self.documents
            .iter()
            .filter(|(_, found)| found.deleted_ms.is_none())
    }

    fn changes(&self, document: &DocumentKey) -> &[StoredChange] {
        self.documents
            .get(document)
            .map_or(&[], |found| &found.changes)
    }
}

impl Document {
    fn load(&self, quarantined: BTreeSet<PayloadHash>) -> Past {
        let past = self.past(Order(u64::MAX), quarantined);
        if past.deleted {
            return Past {
                snapshot: None,
                changes: Vec::new(),
                ..past
            };
        }
        past
    }

    fn past(&self, until: Order, quarantined: BTreeSet<PayloadHash>) -> Past {
        let past = Past {
            quarantined,
            ..Past::default()
        };
        let newest = self
            .snapshots
            .iter()
            .rfind(|(through, it)| *through <= until && !past.quarantines(it));
        let snapshot = newest.map(|(_, snapshot)| snapshot.clone());
        let covered = |dot| {
            snapshot
                .as_ref()
                .is_some_and(|snapshot| snapshot.clock.contains(dot))
        };
        let within = self.changes.iter().filter(|it| it.order <= until);
        Past {
            kind: Some(self.kind),
            deleted: self.deleted_ms.is_some(),
            heads: heads(within.clone()),
            changes: within
                .filter(|it| !covered(it.change.dot))
                .cloned()
                .collect(),
            snapshot,
            ..past
        }
    }

    fn put_snapshot(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        if !heads(&self.changes).dominates(&snapshot.clock) {
            return Err(StoreError::SnapshotAhead);
        }
        let through = self
            .changes
            .iter()
            .rfind(|it| snapshot.clock.contains(it.change.dot))
            .map_or(Order(0), |it| it.order);
        let at = self.snapshots.partition_point(|(it, _)| *it <= through);
        self.snapshots.insert(at, (through, snapshot));
        self.thin();
        Ok(())
    }

    fn thin(&mut self) {
        let kept = self.snapshots.iter().enumerate();
        let kept: Vec<_> = kept.map(|(at, (_, it))| (at, it.clock.count())).collect();
        for at in superfluous(&kept).into_iter().rev() {
            self.snapshots.remove(at);
        }
    }

    fn describe(&self, document: DocumentKey) -> Description {
        Description {
            document,
            kind: self.kind,
            created_ms: self.created_ms,
            changed_ms: self.changes.last().map(|it| it.change.hlc.wall_ms()),
            deleted_ms: self.deleted_ms,
            clock: heads(&self.changes),
        }
    }
}

/// The changes that are not stored yet; an error if one does not fit.
fn fresh(stored: &[StoredChange], changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
    let mut heads = heads(stored);
    let mut fresh: Vec<Change> = Vec::new();
    for change in changes {
        let dot = change.dot;
        let twin = stored.iter().map(|it| &it.change).chain(&fresh);
        match twin.into_iter().find(|twin| twin.dot == dot) {
            Some(twin) if *twin == change => {}
            Some(_) => return Err(StoreError::DotReused(dot)),
            None if dot.counter == heads.get(dot.replica) + 1 => {
                heads.observe(dot);
                fresh.push(change);
            }
            None => return Err(StoreError::HoleInLane(dot)),
        }
    }
    Ok(fresh)
}

fn heads<'a>(changes: impl IntoIterator<Item = &'a StoredChange>) -> VectorClock {
    changes.into_iter().map(|it| it.change.dot).collect()
}

fn page_of(changes: &[StoredChange], page: TimelinePage) -> Vec<StoredChange> {
    let wanted = changes.iter().cloned();
    match page {
        TimelinePage::After(order, limit) => {
            wanted.filter(|it| it.order > order).take(limit).collect()
        }
        TimelinePage::Before(order, limit) => wanted
            .rev()
            .filter(|it| order.is_none_or(|order| it.order < order))
            .take(limit)
            .collect(),
    }
}

fn find(changes: &[StoredChange], place: Place) -> Option<Order> {
    let found = match place {
        Place::Dot(dot) => changes.iter().find(|it| it.change.dot == dot),
        Place::Index(index) => {
            let at = usize::try_from(index.checked_sub(1)?).ok()?;
            changes.get(at)
        }
        Place::WallMs(wall_ms) => changes
            .iter()
            .rfind(|it| it.change.hlc.wall_ms() <= wall_ms),
    };
    found.map(|it| it.order)
}

#[cfg(test)]
mod tests {
    crate::store_contract!(Box::new(super::MemoryStore::new()));
}
