//! Looking through a collection for what a query finds. What was found before is known: only documents that have changed since
//! are looked at, and where their operations touch nothing that the query goes by, not even what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;

use engine::ordered::{Action, OperationName, Record, State};
use engine::{Capability, DocumentKey};
use protocol::sharedb::{self, Address, Code, Projection, Step};
use storage::StoreError;
use tokio::time::sleep_until;

use super::past::not_found;
use super::query::Filter;
use super::refusing::MADE_UP;
use super::seen;
use crate::auth::Pass;
use crate::hub::Hub;
use crate::ordered::{Documents, Unlisted};
use crate::place::{SeekError, state_at_version};

/// A query, and who asks it.
pub(super) struct Query {
    pub(super) hub: Hub,
    pub(super) pass: Arc<Pass>,
    /// The collection as the client names it.
    pub(super) collection: String,
    /// What stands for the collection that is looked through.
    pub(super) topic: DocumentKey,
    /// What the client sees of its documents; none if it is all.
    pub(super) projection: Option<Arc<Projection>>,
    pub(super) filter: Filter,
}

/// What the client knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The documents that were looked at, by their ids.
    documents: BTreeMap<String, Looked>,
    /// Those that were found, in the order in which the client has them.
    results: Vec<String>,
}

/// What is known of a document.
#[derive(Clone, Copy, Debug)]
struct Looked {
    /// Up to here its operations are known.
    version: u64,
    /// Whether the query asks for it; none if it was not looked at.
    is_asked_for: Option<bool>,
}

/// What is new.
#[derive(Debug)]
pub(super) struct News {
    pub(super) known: Known,
    /// What leads from the results before to those now.
    pub(super) steps: Vec<Step>,
    /// The documents that come in, as the client sees them.
    pub(super) inserted: Vec<(String, State)>,
    /// Operations of documents that were among the results, as the client is told of them.
    pub(super) operations: Vec<String>,
}

/// Why there is no answer.
type Refused = (Code, String);

/// One look.
struct Look<'a> {
    query: &'a Query,
    before: &'a Known,
    results: BTreeSet<&'a str>,
    known: BTreeMap<String, Looked>,
    /// The documents that are asked for, with their versions.
    asked_for: Vec<(&'a DocumentKey, String, u64)>,
    /// What some of them hold.
    states: BTreeMap<String, State>,
    operations: Vec<String>,
    bytes: usize,
}

impl Known {
    /// What a client knows that has these documents, in these versions.
    pub(super) fn of(results: &[(String, Option<u64>)]) -> Self {
        let looked = |version| Looked {
            version,
            is_asked_for: None,
        };
        let documents = results
            .iter()
            .filter_map(|(id, version)| Some((id.clone(), looked((*version)?))));
        Self {
            documents: documents.collect(),
            results: results.iter().map(|(id, _)| id.clone()).collect(),
        }
    }
}

impl Query {
    /// Looks at the documents of the collection.
    ///
    /// # Errors
    /// There is too much, or it can not be had.
    pub(super) async fn look(
        &self,
        before: &Known,
        documents: &Documents,
    ) -> Result<News, Refused> {
        let mut look = Look {
            query: self,
            before,
            results: before.results.iter().map(String::as_str).collect(),
            known: BTreeMap::new(),
            asked_for: Vec::new(),
            states: BTreeMap::new(),
            operations: Vec::new(),
            bytes: 0,
        };
        for (document, version) in documents {
            if self.may_read(document) {
                look.at(document, *version).await?;
            }
        }
        look.finish().await
    }

    /// Some documents as the client sees them. Those that it may not read are nothing to it.
    ///
    /// # Errors
    /// They are too large, or can not be had.
    pub(super) async fn fetch(
        &self,
        ids: &BTreeSet<&str>,
        documents: &Documents,
    ) -> Result<Vec<(String, State)>, Refused> {
        let mut fetched: BTreeMap<_, _> = ids
            .iter()
            .map(|id| ((*id).to_owned(), State::default()))
            .collect();
        let mut bytes = 0;
        for (document, version) in documents {
            let id = Address::of(document.name()).id;
            if let Some(state) = fetched.get_mut(&id)
                && self.may_read(document)
                && let Some(seen) = self.seen(document, *version).await?
            {
                add(&mut bytes, &seen)?;
                *state = seen;
            }
        }
        Ok(fetched.into_iter().collect())
    }

    /// Waits until whoever asks may ask no more.
    pub(super) fn over(&self) -> impl Future<Output = ()> + use<> {
        let clock = self.hub.world().clock;
        let now = clock.now();
        let expires_ms = self.pass.grant.expires_ms;
        let left_ms = expires_ms.map(|expires_ms| expires_ms.saturating_sub(now.wall_ms));
        async move {
            match left_ms {
                Some(left_ms) => sleep_until(clock.instant(now.monotonic_ms + left_ms)).await,
                None => pending().await,
            }
        }
    }

    /// Whether what whoever asks was let in with was taken away.
    pub(super) fn is_revoked(&self) -> bool {
        self.hub.world().auth.is_revoked(&self.pass, &self.topic)
    }

    fn may_read(&self, document: &DocumentKey) -> bool {
        let may = self.pass.check(document, Capability::Read).is_ok();
        may && !self.hub.world().auth.is_revoked(&self.pass, document)
    }

    /// A document; none if it is none any more.
    async fn state(&self, document: &DocumentKey, version: u64) -> Result<Option<State>, Refused> {
        let world = self.hub.world();
        match state_at_version(&*world.store, document, version).await {
            Ok(state) => Ok(Some(state)),
            Err(
                SeekError::Store(StoreError::Deleted)
                | SeekError::NotOrdered(_)
                | SeekError::Ahead { .. },
            ) => Ok(None),
            Err(error) => Err(not_found(&error)),
        }
    }

    /// A document as the client sees it; none if it is none any more, or is not seen.
    async fn seen(&self, document: &DocumentKey, version: u64) -> Result<Option<State>, Refused> {
        let state = self.state(document, version).await?;
        let seen = state.map(|state| seen::state(self.projection.as_deref(), state));
        Ok(seen.and_then(Result::ok))
    }

    /// The operations of a document from one version up to another; none if they are too many, or are not all to be had.
    async fn operations(&self, document: &DocumentKey, from: u64, to: u64) -> Option<Vec<Record>> {
        if to - from > OPERATIONS_MAX {
            return None;
        }
        let world = self.hub.world();
        let stored = world.store.operations(document.clone(), from, Some(to));
        let stored = stored.await.ok()?;
        let records = stored
            .iter()
            .map(|stored| Record::from_bytes(&stored.change.payload).ok());
        let records: Vec<_> = records.collect::<Option<_>>()?;
        (records.len() as u64 == to - from).then_some(records)
    }

    /// What the client is told of an operation.
    fn told(&self, id: &str, record: &Record) -> String {
        let address = Address {
            collection: self.collection.clone(),
            id: id.to_owned(),
        };
        match &self.projection {
            Some(projection) => seen::operation(projection, &address, record),
            None => sharedb::operation(&address, record),
        }
    }
}

impl<'a> Look<'a> {
    async fn at(&mut self, document: &'a DocumentKey, version: u64) -> Result<(), Refused> {
        let id = Address::of(document.name()).id;
        let before = self.before.documents.get(&id);
        let since = before.map_or(version, |before| before.version.min(version));
        let records = match since < version {
            true => self.query.operations(document, since, version).await,
            false => Some(Vec::new()),
        };
        if since < version && self.results.contains(id.as_str()) {
            self.tell(&id, version, records.as_deref());
        }
        let is_touched = records.is_none_or(|it| self.query.filter.is_touched_by(&it));
        let is_asked_for = match before.and_then(|before| before.is_asked_for) {
            Some(is_asked_for) if !is_touched => is_asked_for,
            _ => self.look_into(document, &id, version).await?,
        };
        let looked = Looked {
            version,
            is_asked_for: Some(is_asked_for),
        };
        self.known.insert(id.clone(), looked);
        if is_asked_for {
            self.asked_for.push((document, id, version));
        }
        Ok(())
    }

    /// Tells what became of a document since the client was told of it. Where that is too much, the client is shown that
    /// it is behind, and asks itself.
    fn tell(&mut self, id: &str, version: u64, records: Option<&[Record]>) {
        let weight = |records: &[Record]| records.iter().map(Record::weight).sum::<usize>();
        let Some(records) = records.filter(|it| self.bytes + weight(it) <= FOUND_BYTES_MAX) else {
            let told = self.query.told(id, &beyond(version));
            return self.operations.push(told);
        };
        self.bytes += weight(records);
        let told = records.iter().map(|record| self.query.told(id, record));
        self.operations.extend(told);
    }

    /// Whether a document is asked for, by what it holds. What is not seen is not asked for.
    async fn look_into(
        &mut self,
        document: &DocumentKey,
        id: &str,
        version: u64,
    ) -> Result<bool, Refused> {
        let state = self.query.state(document, version).await?;
        let content = state.as_ref().and_then(|state| state.content.as_ref());
        if !content.is_some_and(|content| self.query.filter.takes(content)) {
            return Ok(false);
        }
        let seen = state.map(|state| seen::state(self.query.projection.as_deref(), state));
        let Some(Ok(seen)) = seen else {
            return Ok(false);
        };
        add(&mut self.bytes, &seen)?;
        self.states.insert(id.to_owned(), seen);
        Ok(true)
    }

    async fn finish(mut self) -> Result<News, Refused> {
        let Filter { skip, limit, .. } = self.query.filter;
        let asked_for = std::mem::take(&mut self.asked_for);
        let found: Vec<_> = asked_for.into_iter().skip(skip).take(limit).collect();
        let results: Vec<_> = found.iter().map(|(_, id, _)| id.clone()).collect();
        let steps = sharedb::steps(&self.before.results, &results);
        let mut inserted = Vec::new();
        for step in &steps {
            if let Step::Insert { index, count } = *step {
                for (document, id, version) in &found[index..index + count] {
                    let state = self.take_state(document, id, *version).await?;
                    inserted.push((id.clone(), state));
                }
            }
        }
        let known = Known {
            documents: self.known,
            results,
        };
        Ok(News {
            known,
            steps,
            inserted,
            operations: self.operations,
        })
    }

    /// What a document holds that is asked for. One that has ceased to be since it was listed is nothing, until the next look.
    async fn take_state(
        &mut self,
        document: &DocumentKey,
        id: &str,
        version: u64,
    ) -> Result<State, Refused> {
        if let Some(state) = self.states.remove(id) {
            return Ok(state);
        }
        let seen = self.query.seen(document, version).await?;
        let seen = seen.unwrap_or_default();
        add(&mut self.bytes, &seen)?;
        Ok(seen)
    }
}

/// The documents of a collection, if they could be listed.
///
/// # Errors
/// They could not.
pub(super) fn documents(
    listed: Result<Arc<Documents>, Unlisted>,
) -> Result<Arc<Documents>, Refused> {
    listed.map_err(|why| match why {
        Unlisted::TooMany => (Code::TooMany, TOO_MANY.to_owned()),
        Unlisted::Unavailable => {
            not_found(&StoreError::Unavailable("it does not answer".to_owned()).into())
        }
    })
}

/// Counts what is found.
fn add(bytes: &mut usize, state: &State) -> Result<(), Refused> {
    *bytes += state.content.as_ref().map_or(0, |content| content.weight());
    match *bytes > FOUND_BYTES_MAX {
        true => Err((Code::TooMany, TOO_MUCH.to_owned())),
        false => Ok(()),
    }
}

/// An operation that nobody has made, on a version that there is not: it has the client ask for what it misses.
fn beyond(version: u64) -> Record {
    Record {
        version: version + 1,
        made_on: None,
        name: OperationName {
            source: MADE_UP.into(),
            number: version + 1,
        },
        action: Action::Delete,
    }
}

/// Operations of one document that a client is told of at once.
const OPERATIONS_MAX: u64 = 1_000;
/// What the documents may take up together that a query finds, about; and with them what is told of others.
const FOUND_BYTES_MAX: usize = 16 * 1024 * 1024;
const TOO_MANY: &str =
    "The collection has more than 1000 documents, which are too many to look through.";
const TOO_MUCH: &str = "What is found takes up more than 16 MiB; ask for less with $limit.";
