//! What the writer knows of documents, so that an append to one that it has met asks the database nothing.

use std::collections::{BTreeMap, HashMap};

use engine::{DocumentKey, Kind, ReplicaId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::batch::{Batch, Stop};
use super::rows;
use super::sql;
use crate::store::StoreError;

/// What the writer remembers from one transaction to the next; thrown away when one fails.
#[derive(Debug, Default)]
pub(super) struct Cache {
    documents: HashMap<DocumentKey, Known>,
}

/// A document that is in the store.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) kind: Kind,
    pub(super) deleted: bool,
    /// The heads of the lanes that were asked for so far; 0 stands for an empty lane.
    pub(super) heads: BTreeMap<ReplicaId, u64>,
}

impl Cache {
    /// To be called between transactions only: within one, the cache knows of rows that are not inserted yet.
    pub(super) fn forget_if_large(&mut self) {
        if self.documents.len() >= CACHED_DOCUMENTS {
            self.documents.clear();
        }
    }

    pub(super) fn get_mut(&mut self, document: &DocumentKey) -> Option<&mut Known> {
        self.documents.get_mut(document)
    }

    pub(super) fn note_heads(&mut self, document: &DocumentKey, heads: BTreeMap<ReplicaId, u64>) {
        if let Some(known) = self.get_mut(document) {
            known.heads.extend(heads);
        }
    }
}

impl Known {
    /// Reads a row whose columns are id, kind, whether it is deleted.
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let read = || {
            Some(Self {
                id: row.try_get(0).ok()?,
                kind: rows::kind(row, 1)?,
                deleted: row.try_get(2).ok()?,
                heads: BTreeMap::new(),
            })
        };
        read().ok_or_else(rows::damaged_document)
    }
}

impl Batch<'_> {
    /// The number of a document that may be written as `kind`; none if there is none yet.
    pub(super) async fn living(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
    ) -> Result<Option<i64>, Stop> {
        match self.known(document).await? {
            Some(known) if known.deleted => Err(StoreError::Deleted.into()),
            Some(known) if known.kind != kind => Err(StoreError::KindDiffers(known.kind).into()),
            known => Ok(known.map(|known| known.id)),
        }
    }

    /// What is known of a document, if there is or was one.
    pub(super) async fn known(
        &mut self,
        document: &DocumentKey,
    ) -> Result<Option<&mut Known>, Stop> {
        if !self.cache.documents.contains_key(document) {
            let row = sqlx::query(sql::KNOWN)
                .bind(document.workspace())
                .bind(document.name())
                .fetch_optional(&mut *self.connection)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let known = Known::read(&row)?;
            self.cache.documents.insert(document.clone(), known);
        }
        Ok(self.cache.get_mut(document))
    }

    /// Creates a document that there is not yet, and gives its number.
    pub(super) async fn insert_document(
        &mut self,
        document: DocumentKey,
        kind: Kind,
    ) -> Result<i64, Stop> {
        let inserted = sqlx::query(sql::INSERT_DOCUMENT)
            .bind(document.workspace())
            .bind(document.name())
            .bind(kind.as_str())
            .bind(self.now_ms)
            .execute(&mut *self.connection)
            .await?;
        let id = inserted.last_insert_rowid();
        let known = Known {
            id,
            kind,
            deleted: false,
            heads: BTreeMap::new(),
        };
        self.cache.documents.insert(document, known);
        Ok(id)
    }
}

/// Some ten megabytes of names and heads.
const CACHED_DOCUMENTS: usize = 65_536;
