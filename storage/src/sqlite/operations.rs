//! Operations: whether they have the places and names that they claim, and where those of a document stand.
//!
//! The writer remembers how many operations a document has and the highest number of each source that it met, as it remembers
//! the heads of lanes. A higher number is a name that is new, so what follows evenly asks the database nothing. Only where a
//! number is not higher is it looked for.

use std::collections::BTreeMap;

use engine::DocumentKey;

use super::batch::{Batch, Stop};
use super::sql;
use crate::operation::{Following, Name, Placed, SOURCE_BYTES};
use crate::store::StoreError;

/// What the writer remembers of a document's operations.
#[derive(Debug, Default)]
pub(super) struct KnownOperations {
    /// How many there are.
    count: Option<u64>,
    /// The highest numbers of the sources that were asked for so far; none for a source without operations.
    highest: BTreeMap<[u8; SOURCE_BYTES], Option<i64>>,
}

/// The operations among the arrivals, with the places in the timeline at which they stand.
#[derive(Debug, Default)]
pub(super) struct ArrivedOperations {
    /// The last version of each document.
    last: BTreeMap<i64, (u64, i64)>,
    /// The versions by documents and names.
    named: BTreeMap<(i64, Name), (u64, i64)>,
}

/// What an append brings to a document.
#[derive(Debug)]
pub(super) struct NewOperations {
    count: u64,
    highest: BTreeMap<[u8; SOURCE_BYTES], Option<i64>>,
}

impl KnownOperations {
    pub(super) fn note(&mut self, new: NewOperations) {
        self.count = Some(new.count);
        self.highest.extend(new.highest);
    }

    pub(super) fn note_source(&mut self, source: [u8; SOURCE_BYTES], highest: Option<i64>) {
        self.highest.insert(source, highest);
    }

    /// How many sources are remembered.
    pub(super) fn sources(&self) -> usize {
        self.highest.len()
    }
}

impl ArrivedOperations {
    pub(super) fn note(&mut self, document: i64, placed: &Placed, order: i64) {
        let place = (placed.version, order);
        self.last.insert(document, place);
        self.named.insert((document, placed.name), place);
    }

    /// Everything up to a place in the timeline has been removed.
    pub(super) fn forget(&mut self, through: i64) {
        self.last.retain(|_, (_, order)| *order > through);
        self.named.retain(|_, (_, order)| *order > through);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// How many operations a document has; none if the last of them is not here.
    fn count(&self, document: i64) -> Option<u64> {
        self.last.get(&document).map(|(version, _)| version + 1)
    }

    /// The highest number of a source, if it is here.
    fn highest(&self, document: i64, source: [u8; SOURCE_BYTES]) -> Option<i64> {
        let name = |number| (document, Name { source, number });
        let named = self.named.range(name(i64::MIN)..=name(i64::MAX));
        named.last().map(|((_, name), _)| name.number)
    }

    /// The version of an operation, if it is here.
    fn version(&self, document: i64, name: Name) -> Option<u64> {
        self.named
            .get(&(document, name))
            .map(|(version, _)| *version)
    }
}

impl Batch<'_> {
    /// Whether operations, each with its index in the append, may be stored; none if there are no operations. Takes none of
    /// them, so that a refusal leaves nothing behind.
    pub(super) async fn follow(
        &mut self,
        document: &DocumentKey,
        operations: &[(usize, Placed)],
    ) -> Result<Option<NewOperations>, Stop> {
        if operations.is_empty() {
            return Ok(None);
        }
        let mut following = Following::new(self.count(document).await?);
        for (index, placed) in operations {
            following.take(placed, *index)?;
        }
        let mut highest = BTreeMap::new();
        for &(index, Placed { name, .. }) in operations {
            let stored = self.highest(document, name.source).await?;
            if stored.is_some_and(|stored| name.number <= stored)
                && let Some(version) = self.version(document, name).await?
            {
                return Err(StoreError::NameKnown { index, version }.into());
            }
            let known = highest.entry(name.source).or_insert(stored);
            *known = (*known).max(Some(name.number));
        }
        let count = following.next();
        Ok(Some(NewOperations { count, highest }))
    }

    /// How many operations a document has, pending ones included.
    async fn count(&mut self, document: &DocumentKey) -> Result<u64, Stop> {
        let Some(known) = self.cache.get_mut(document) else {
            return Ok(0);
        };
        if let Some(count) = known.operations.count {
            return Ok(count);
        }
        let id = known.id;
        let count = match self.cache.arrivals.operations.count(id) {
            Some(count) => count,
            None => {
                let last = sqlx::query_scalar(sql::LAST_VERSION).bind(id);
                let last: Option<i64> = last.fetch_one(self.database().await?).await?;
                last.map_or(0, |last| last.cast_unsigned() + 1)
            }
        };
        if let Some(known) = self.cache.get_mut(document) {
            known.operations.count = Some(count);
        }
        Ok(count)
    }

    /// The highest number of a source, pending operations included.
    async fn highest(
        &mut self,
        document: &DocumentKey,
        source: [u8; SOURCE_BYTES],
    ) -> Result<Option<i64>, Stop> {
        let Some(known) = self.cache.get_mut(document) else {
            return Ok(None);
        };
        if let Some(highest) = known.operations.highest.get(&source) {
            return Ok(*highest);
        }
        let id = known.id;
        let arrived = self.cache.arrivals.operations.highest(id, source);
        let filed: Option<i64> = sqlx::query_scalar(sql::HIGHEST_NUMBER)
            .bind(id)
            .bind(&source[..])
            .fetch_one(self.database().await?)
            .await?;
        let highest = arrived.max(filed);
        self.cache.note_source(document, source, highest);
        Ok(highest)
    }

    /// The version of an operation that is stored under a name.
    async fn version(&mut self, document: &DocumentKey, name: Name) -> Result<Option<u64>, Stop> {
        // It may be of this very batch.
        self.insert_pending().await?;
        let Some(id) = self.cache.get_mut(document).map(|known| known.id) else {
            return Ok(None);
        };
        if let Some(version) = self.cache.arrivals.operations.version(id, name) {
            return Ok(Some(version));
        }
        let version: Option<i64> = sqlx::query_scalar(sql::VERSION_OF_NAME)
            .bind(id)
            .bind(&name.source[..])
            .bind(name.number)
            .fetch_optional(self.database().await?)
            .await?;
        Ok(version.map(i64::cast_unsigned))
    }
}
