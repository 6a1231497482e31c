//! The store in memory: the contract in its plainest form. For tests, and to read beside [`crate::Store`].
//!
//! Everything is behind one lock and kept in the order of its keys. It survives nothing, so no server offers it.

mod document;
mod duties;
mod leases;
mod news;
mod quarantine;
mod revocations;
mod tickets;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::ordered::OperationName;
use engine::{
    Author, Change, DocumentKey, Dot, Gist, Kind, Order, PayloadHash, Quarantined, ReplicaId,
    Snapshot, StoredChange, VectorClock,
};

use crate::lease::{Holder, Lease};
use crate::news::{News, NewsHabit, Told};
use crate::numbers::now_ms;
use crate::operation::Name;
use crate::quarantine::{QuarantineEntry, QuarantineQuery};
use crate::revocation::{Revocation, RevocationEntry};
use crate::store::{
    Answer, AppendRefused, Description, DocumentQuery, Past, Place, Standing, Store, StoreError,
    TimelinePage, WorkspaceSummary, assert_apart, assert_of_document,
};
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};
use document::{Document, Fresh};
use duties::Duties;
use leases::Leases;
use news::Newsroom;
use quarantine::Quarantine;
use revocations::Revocations;
use tickets::Tickets;

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
    tickets: Tickets,
    duties: Duties,
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

    fn append_all(
        &self,
        appends: Vec<(DocumentKey, Kind, Vec<Change>)>,
    ) -> Answer<'_, Result<(), AppendRefused>> {
        assert_apart(&appends);
        self.with(move |state| Ok(state.append_all(appends)))
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

    fn keep_gist(&self, gist: Gist) -> Answer<'_, bool> {
        self.with(move |state| {
            let found = state.documents.get_mut(&gist.document);
            Ok(found.is_some_and(|found| found.keep_gist(gist)))
        })
    }

    fn gist(&self, document: DocumentKey) -> Answer<'_, Option<Gist>> {
        self.with(move |state| {
            let is_clean = state.quarantine.hashes(&document).is_empty();
            let found = state.documents.get(&document).filter(|_| is_clean);
            Ok(found.and_then(Document::gist).cloned())
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
        self.with(move |state| {
            let found = state.documents.get(&document);
            Ok(found.map_or_else(Vec::new, |found| found.page(page)))
        })
    }

    fn find(&self, document: DocumentKey, place: Place) -> Answer<'_, Option<Order>> {
        self.with(move |state| {
            let found = state.documents.get(&document);
            Ok(found.and_then(|found| found.find(place)))
        })
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

    fn operations(
        &self,
        document: DocumentKey,
        from: u64,
        to: Option<u64>,
    ) -> Answer<'_, Vec<StoredChange>> {
        self.with(move |state| {
            let found = state.documents.get(&document);
            Ok(found.map_or_else(Vec::new, |found| found.operations(from, to)))
        })
    }

    fn version_of(
        &self,
        document: DocumentKey,
        author: Option<Author>,
        name: OperationName,
    ) -> Answer<'_, Option<u64>> {
        self.with(move |state| {
            let name = Name::of(author.as_ref(), &name);
            let found = state.documents.get(&document);
            Ok(found.and_then(|found| found.version_of(name)))
        })
    }

    fn heads(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<VectorClock>> {
        self.with(move |state| {
            let heads_of = |document: &DocumentKey| {
                let found = state.documents.get(document);
                found.map_or_else(VectorClock::default, Document::heads)
            };
            Ok(documents.iter().map(heads_of).collect())
        })
    }

    fn standings(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<Standing>> {
        self.with(move |state| {
            let standing = |document: &DocumentKey| {
                let found = state.documents.get(document);
                let is_deleted = found.is_some_and(|found| found.deleted_ms.is_some());
                let query = QuarantineQuery::of(document);
                Standing::of(is_deleted, &state.quarantine.list(&query))
            };
            Ok(documents.iter().map(standing).collect())
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
        self.with(move |state| Ok(state.news.list(limit, now_ms())))
    }

    fn told(&self, document: DocumentKey, told: Told) -> Answer<'_, ()> {
        self.with(move |state| {
            state.news.told(&document, told, now_ms());
            Ok(())
        })
    }

    fn put_off(&self, document: DocumentKey, delay: Duration) -> Answer<'_, ()> {
        self.with(move |state| {
            state.news.put_off(&document, delay, now_ms());
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

    fn keep_ticket(&self, ticket: NewTicket, bounds: TicketBounds) -> Answer<'_, TicketKept> {
        self.with(move |state| Ok(state.tickets.keep(ticket, bounds, now_ms())))
    }

    fn use_ticket(&self, hash: TicketHash) -> Answer<'_, Option<Bytes>> {
        self.with(move |state| Ok(state.tickets.take(hash, now_ms())))
    }

    fn take_duty(&self, duty: String, holder: Holder, lasts: Duration) -> Answer<'_, bool> {
        self.with(move |state| Ok(state.duties.take(duty, &holder, lasts, now_ms())))
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
        let fresh = self.fresh(document, kind, changes)?;
        self.take(document, kind, fresh);
        Ok(())
    }

    fn append_all(
        &mut self,
        appends: Vec<(DocumentKey, Kind, Vec<Change>)>,
    ) -> Result<(), AppendRefused> {
        let mut judged = Vec::new();
        for (index, (document, kind, changes)) in appends.into_iter().enumerate() {
            let fresh = self.fresh(&document, kind, changes);
            let fresh = fresh.map_err(|error| AppendRefused { index, error })?;
            judged.push((document, kind, fresh));
        }
        for (document, kind, fresh) in judged {
            self.take(&document, kind, fresh);
        }
        Ok(())
    }

    /// What of some changes is not stored yet; an error if they may not be.
    fn fresh(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<Fresh, StoreError> {
        match self.living(document, kind)? {
            Some(found) => found.fresh(changes),
            None => Document::new(kind, 0).fresh(changes),
        }
    }

    fn take(&mut self, document: &DocumentKey, kind: Kind, fresh: Fresh) {
        let first = self.last_order + 1;
        self.last_order += fresh.len() as u64;
        let author = fresh.last().map(|change| change.author.clone());
        self.insert(document, kind).append(fresh, first);
        if let Some(author) = author {
            let through = Order(self.last_order);
            self.news.changed(document, kind, through, author, now_ms());
        }
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
            .or_insert_with(|| Document::new(kind, now_ms()))
    }

    fn not_deleted(&self) -> impl Iterator<Item = (&DocumentKey, &Document)> {
        self.documents
            .iter()
            .filter(|(_, found)| found.deleted_ms.is_none())
    }

    fn changes(&self, document: &DocumentKey) -> &[StoredChange] {
        self.documents.get(document).map_or(&[], Document::changes)
    }
}

#[cfg(test)]
mod tests {
    crate::store_contract!(Box::new(super::MemoryStore::new()));
}
