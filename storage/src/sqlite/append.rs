//! Appending: which of the changes are new, and whether they may be stored; then their insertion, many in a statement.

use std::collections::BTreeMap;

use engine::{Author, Change, DocumentKey, Dot, Kind, Order, ReplicaId, StoredChange};

use sqlx::sqlite::SqliteRow;

use super::batch::{Batch, Query, Stop};
use super::cache::{Orders, Pending};
use super::operations::NewOperations;
use super::rows::{self, change_checksum};
use super::sql;
use crate::numbers::signed;
use crate::operation::Placed;
use crate::store::{AppendRefused, StoreError};

/// An append that may be carried out.
struct Judged {
    document: DocumentKey,
    kind: Kind,
    /// The document's number, if there is one.
    known: Option<i64>,
    fresh: Vec<(Change, Option<Placed>)>,
    heads: BTreeMap<ReplicaId, u64>,
    operations: Option<NewOperations>,
}

impl Batch<'_> {
    pub(super) async fn append(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<(), Stop> {
        let judged = self.judge(document, kind, changes).await?;
        self.take(judged).await
    }

    /// Appends to several documents, which are not the same, if none of them refuses.
    pub(super) async fn append_all(
        &mut self,
        appends: Vec<(DocumentKey, Kind, Vec<Change>)>,
    ) -> Result<Result<(), AppendRefused>, Stop> {
        let mut judged = Vec::with_capacity(appends.len());
        for (index, (document, kind, changes)) in appends.into_iter().enumerate() {
            match self.judge(&document, kind, changes).await {
                Ok(append) => judged.push(append),
                Err(Stop::Refused(error)) => return Ok(Err(AppendRefused { index, error })),
                Err(failed) => return Err(failed),
            }
        }
        for append in judged {
            self.take(append).await?;
        }
        Ok(Ok(()))
    }

    /// Whether an append may be carried out. Takes nothing of it, so that a refusal leaves nothing behind.
    async fn judge(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<Judged, Stop> {
        let known = self.living(document, kind).await?;
        let placed = Placed::of_all(&changes)?;
        let (fresh, heads) = self.fresh(document, known, changes).await?;
        let operations = fresh
            .iter()
            .filter_map(|(index, _)| Some((*index, placed[*index]?)));
        let operations: Vec<_> = operations.collect();
        let operations = self.follow(document, &operations).await?;
        let fresh = fresh.into_iter();
        let fresh = fresh.map(|(index, change)| (change, placed[index]));
        Ok(Judged {
            document: document.clone(),
            kind,
            known,
            fresh: fresh.collect(),
            heads,
            operations,
        })
    }

    async fn take(&mut self, judged: Judged) -> Result<(), Stop> {
        let document = &judged.document;
        let id = match judged.known {
            Some(id) => id,
            None => self.insert_document(document.clone(), judged.kind).await?,
        };
        self.cache.note_heads(document, judged.heads);
        if let Some(operations) = judged.operations {
            self.cache.note_operations(document, operations);
        }
        let pending = judged.fresh.into_iter().map(|(change, placed)| Pending {
            document: id,
            change,
            placed,
        });
        self.pending.extend(pending);
        Ok(())
    }

    /// Sorts out the changes that are not stored yet, with their indices in the append, and where their lanes end with them.
    async fn fresh(
        &mut self,
        document: &DocumentKey,
        id: Option<i64>,
        changes: Vec<Change>,
    ) -> Result<(Vec<(usize, Change)>, BTreeMap<ReplicaId, u64>), Stop> {
        let mut fresh: Vec<(usize, Change)> = Vec::with_capacity(changes.len());
        let mut heads = BTreeMap::new();
        for (index, change) in changes.into_iter().enumerate() {
            let Dot { replica, counter } = change.dot;
            let head = match heads.get(&replica) {
                Some(&head) => head,
                None => self.head(document, replica).await?,
            };
            if counter == head.saturating_add(1) {
                heads.insert(replica, counter);
                fresh.push((index, change));
            } else if counter == 0 || counter > head {
                return Err(StoreError::HoleInLane(change.dot).into());
            } else if let Some((_, twin)) = fresh.iter().find(|(_, it)| it.dot == change.dot) {
                same(twin, &change)?;
            } else {
                self.same_as_stored(id, &change).await?;
            }
        }
        Ok((fresh, heads))
    }

    async fn same_as_stored(&mut self, id: Option<i64>, change: &Change) -> Result<(), Stop> {
        // The one that it repeats may be of this very batch.
        self.insert_pending().await?;
        let row = match id {
            Some(id) => self.stored(id, change.dot).await?,
            None => None,
        };
        let stored = row.map(|row| rows::change(&row, &change.document));
        match stored {
            Some(Ok(StoredChange { change: stored, .. })) => same(&stored, change),
            // A damaged row can not vouch for being the same.
            _ => Err(StoreError::DotReused(change.dot).into()),
        }
    }

    /// The row of a change, wherever it stands.
    async fn stored(&mut self, document: i64, dot: Dot) -> Result<Option<SqliteRow>, Stop> {
        let filed = sqlx::query(sql::FILED)
            .bind(document)
            .bind(dot.replica.0)
            .bind(signed(dot.counter))
            .fetch_optional(self.database().await?)
            .await?;
        let arrived = self.cache.arrivals.order(document, dot);
        let Some(order) = arrived.filter(|_| filed.is_none()) else {
            return Ok(filed);
        };
        let arrived = sqlx::query(sql::ARRIVED).bind(order);
        Ok(arrived.fetch_optional(self.database().await?).await?)
    }

    /// The highest counter of a lane, pending changes included; 0 if it is empty.
    async fn head(&mut self, document: &DocumentKey, replica: ReplicaId) -> Result<u64, Stop> {
        let Some(known) = self.cache.get_mut(document) else {
            return Ok(0);
        };
        if let Some(&head) = known.heads.get(&replica) {
            return Ok(head);
        }
        let id = known.id;
        let head = match self.cache.arrivals.head(id, replica) {
            Some(head) => head,
            None => self.filed_head(id, replica).await?,
        };
        self.cache
            .note_heads(document, BTreeMap::from([(replica, head)]));
        Ok(head)
    }

    async fn filed_head(&mut self, document: i64, replica: ReplicaId) -> Result<u64, Stop> {
        let head: Option<i64> = sqlx::query_scalar(sql::FILED_HEAD)
            .bind(document)
            .bind(replica.0)
            .fetch_one(self.database().await?)
            .await?;
        Ok(head.unwrap_or(0).cast_unsigned())
    }

    /// Inserts what is pending, in the order in which it was taken.
    pub(super) async fn insert_pending(&mut self) -> Result<(), sqlx::Error> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let mut order = self.take_orders(pending.len()).await?;
        let mut rest = &pending[..];
        for insert in sql::INSERT_CHANGES.iter() {
            while let Some((rows, after)) = rest.split_at_checked(insert.rows) {
                self.database().await?;
                self.run(bound(&insert.sql, rows, order)).await?;
                self.note_arrivals(rows, order);
                order += insert.rows as u64;
                rest = after;
            }
        }
        Ok(())
    }

    /// Inserts what is pending in a statement that is a transaction of its own: if that is all there is to do, and little.
    pub(super) async fn commit_at_once(&mut self) -> Result<bool, sqlx::Error> {
        let few = self.pending.len().checked_sub(1);
        let Some(sql) = few.and_then(|few| sql::COMMIT_CHANGES.get(few)) else {
            return Ok(false);
        };
        if self.has_begun() || self.wants_changes() {
            return Ok(false);
        }
        let Some(first) = self.cache.orders.take(self.pending.len() as u64) else {
            return Ok(false);
        };
        let pending = std::mem::take(&mut self.pending);
        self.run(bound(sql, &pending, first)).await?;
        self.note_arrivals(&pending, first);
        Ok(true)
    }

    fn note_arrivals(&mut self, rows: &[Pending], first: u64) {
        for (pending, order) in rows.iter().zip(first..) {
            self.cache.arrivals.note(pending, signed(order));
            self.note_changed(pending.document, &pending.change, order);
        }
    }

    /// Takes the next places in the timeline and gives the first of them. When those that were set aside do not suffice,
    /// others are, in the database, so that not even a second process on the same file could hand one out twice.
    async fn take_orders(&mut self, count: usize) -> Result<u64, sqlx::Error> {
        let count = count as u64;
        if let Some(first) = self.cache.orders.take(count) {
            return Ok(first);
        }
        let aside = count + ORDERS_SET_ASIDE;
        let last: i64 = sqlx::query_scalar(sql::TAKE_ORDERS)
            .bind(signed(aside))
            .fetch_one(self.database().await?)
            .await?;
        let first = last.cast_unsigned() + 1 - aside;
        self.cache.orders = Orders::new(first + count, ORDERS_SET_ASIDE);
        Ok(first)
    }
}

fn bound<'q>(sql: &'static str, rows: &'q [Pending], first: u64) -> Query<'q> {
    let mut query = sqlx::query(sql);
    for (pending, order) in rows.iter().zip(first..) {
        query = bind_change(query, pending.document, &pending.change, Order(order));
        let placed = pending.placed.as_ref();
        query = query
            .bind(placed.map(|it| signed(it.version)))
            .bind(placed.map(|it| &it.name.source[..]))
            .bind(placed.map(|it| it.name.number));
    }
    query
}

/// A change with a dot that is taken must be the one that took it.
fn same(stored: &Change, change: &Change) -> Result<(), Stop> {
    if stored == change {
        Ok(())
    } else {
        Err(StoreError::DotReused(change.dot).into())
    }
}

fn bind_change<'q>(query: Query<'q>, document: i64, change: &'q Change, order: Order) -> Query<'q> {
    query
        .bind(document)
        .bind(change.dot.replica.0)
        .bind(signed(change.dot.counter))
        .bind(signed(order.0))
        .bind(change.context.to_bytes())
        .bind(signed(change.hlc.0))
        .bind(change.author.as_ref().map(Author::as_str))
        .bind(signed(change.connection.0))
        .bind(change.kind as u8)
        .bind(&*change.payload)
        .bind(change_checksum(change, order))
}

/// Places in the timeline that are set aside for the next commits, which so have a row less to write. Those that are left
/// when the process is killed are never used.
const ORDERS_SET_ASIDE: u64 = 4_096;
