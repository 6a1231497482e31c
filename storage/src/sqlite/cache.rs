//! What the writer remembers of documents from one transaction to the next.

use std::collections::{BTreeMap, HashMap};

use engine::{DocumentKey, Kind, ReplicaId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows;
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

    pub(super) fn contains(&self, document: &DocumentKey) -> bool {
        self.documents.contains_key(document)
    }

    pub(super) fn insert(&mut self, document: DocumentKey, known: Known) {
        self.documents.insert(document, known);
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

/// Some ten megabytes of names and heads.
const CACHED_DOCUMENTS: usize = 65_536;
