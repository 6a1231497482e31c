//! What the writer remembers of documents from one transaction to the next.

use std::collections::{BTreeMap, HashMap};

use engine::{Change, DocumentKey, Kind, ReplicaId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::arrivals::Arrivals;
use super::operations::{KnownOperations, NewOperations};
use super::{rows, sql};
use crate::numbers::signed;
use crate::operation::{Placed, SOURCE_BYTES};
use crate::store::StoreError;

/// What the writer remembers from one transaction to the next; thrown away when one fails.
#[derive(Debug, Default)]
pub(super) struct Cache {
    documents: HashMap<DocumentKey, Known>,
    /// How many sources of operations are remembered of them.
    sources: usize,
    /// Places in the timeline that no change has yet.
    pub(super) orders: Orders,
    pub(super) arrivals: Arrivals,
}

/// Places in the timeline that were set aside, in a transaction that has been committed or is under way.
#[derive(Debug, Default)]
pub(super) struct Orders {
    next: u64,
    left: u64,
}

/// A document that is in the store.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) kind: Kind,
    pub(super) deleted: bool,
    /// The heads of the lanes that were asked for so far; 0 stands for an empty lane.
    pub(super) heads: BTreeMap<ReplicaId, u64>,
    pub(super) operations: KnownOperations,
}

/// A change that was taken and not yet inserted.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) document: i64,
    pub(super) change: Change,
    /// If it is an operation.
    pub(super) placed: Option<Placed>,
}

impl Cache {
    /// What the database alone tells.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        Ok(Self {
            arrivals: Arrivals::read(connection).await?,
            ..Self::default()
        })
    }

    /// To be called between transactions only: within one, the cache knows of rows that are not inserted yet.
    pub(super) fn forget_if_large(&mut self) {
        if self.documents.len() >= CACHED_DOCUMENTS || self.sources >= CACHED_SOURCES {
            self.documents.clear();
            self.sources = 0;
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

    /// Gives back the places in the timeline that were set aside and not used, before the connection is closed. Should it
    /// fail, they are never used.
    pub(super) async fn give_back_orders(&self, connection: &mut SqliteConnection) {
        let Orders { next, left } = self.orders;
        if left == 0 {
            return;
        }
        let given = sqlx::query(sql::GIVE_BACK_ORDERS)
            .bind(signed(next - 1))
            .bind(signed(next - 1 + left))
            .execute(connection)
            .await;
        if let Err(error) = given {
            tracing::warn!(%error, "places in the timeline were not given back");
        }
    }

    pub(super) fn note_heads(&mut self, document: &DocumentKey, heads: BTreeMap<ReplicaId, u64>) {
        if let Some(known) = self.get_mut(document) {
            known.heads.extend(heads);
        }
    }

    /// The operations of an append have been taken.
    pub(super) fn note_operations(&mut self, document: &DocumentKey, new: NewOperations) {
        if let Some(known) = self.documents.get_mut(document) {
            let before = known.operations.sources();
            known.operations.note(new);
            self.sources += known.operations.sources() - before;
        }
    }

    /// A source was asked for.
    pub(super) fn note_source(
        &mut self,
        document: &DocumentKey,
        source: [u8; SOURCE_BYTES],
        highest: Option<i64>,
    ) {
        if let Some(known) = self.documents.get_mut(document) {
            known.operations.note_source(source, highest);
            self.sources += 1;
        }
    }
}

impl Orders {
    pub(super) fn new(next: u64, left: u64) -> Self {
        Self { next, left }
    }

    /// Takes so many and gives the first; none if there are fewer.
    pub(super) fn take(&mut self, count: u64) -> Option<u64> {
        self.left = self.left.checked_sub(count)?;
        let first = self.next;
        self.next += count;
        Some(first)
    }
}

impl Known {
    /// Reads a row of a document whose columns are id, kind, whether it is deleted, and whether its names lead to
    /// it.
    pub(super) fn read(row: &SqliteRow, document: &DocumentKey) -> Result<Self, StoreError> {
        let read = || {
            if !row.try_get(3).ok()? {
                tracing::error!(%document, "index of the documents is damaged; REINDEX mends it");
            }
            Some(Self {
                id: row.try_get(0).ok()?,
                kind: rows::kind(row, 1)?,
                deleted: row.try_get(2).ok()?,
                heads: BTreeMap::new(),
                operations: KnownOperations::default(),
            })
        };
        read().ok_or_else(rows::damaged_document)
    }
}

/// Some ten megabytes of names and heads.
const CACHED_DOCUMENTS: usize = 65_536;
/// As much again.
const CACHED_SOURCES: usize = 131_072;
