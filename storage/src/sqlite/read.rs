//! Reading: every query that asks and does not write. All of them run on read connections, beside the writer, and each
//! sees the log as it stood when it began.
//!
//! No query here passes over a document's changes to find their heads. Heads come from a skip scan: one step into the
//! primary key for each lane, by a recursive query.

use std::ops::RangeInclusive;

use engine::{
    DocumentKey, Dot, Kind, Order, PayloadHash, ReplicaId, Snapshot, StoredChange, VectorClock,
};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::cache::Known;
use super::damage::DamageLog;
use super::failure::store_error;
use super::quarantine;
use super::rows;
use super::sql;
use crate::quarantine::{QuarantineEntry, QuarantineQuery};
use crate::store::{
    Description, DocumentQuery, Past, Place, StoreError, TimelinePage, WorkspaceSummary,
};

type Rows<'a> = BoxStream<'a, Result<SqliteRow, sqlx::Error>>;

/// The read connections.
#[derive(Debug)]
pub(super) struct Readers {
    pool: SqlitePool,
    damage: DamageLog,
}

impl Readers {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self {
            pool,
            damage: DamageLog::default(),
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// All that opening a document takes.
    pub(super) async fn load(&self, document: &DocumentKey) -> Result<Past, StoreError> {
        self.past(document, None).await
    }

    /// The past up to and including an order.
    pub(super) async fn load_until(
        &self,
        document: &DocumentKey,
        until: Order,
    ) -> Result<Past, StoreError> {
        self.past(document, Some(until)).await
    }

    async fn past(&self, document: &DocumentKey, until: Option<Order>) -> Result<Past, StoreError> {
        // One transaction, so that heads, snapshot and changes are of the same moment.
        let mut reading = self.pool.begin().await.map_err(|e| store_error(&e))?;
        let quarantined = quarantine::hashes(&mut reading, document)
            .await
            .map_err(|e| store_error(&e))?;
        let Some(known) = known(&mut reading, document).await? else {
            return Ok(Past {
                quarantined,
                ..Past::default()
            });
        };
        let heads = heads(&mut reading, known.id)
            .await
            .map_err(|e| store_error(&e))?;
        let mut past = Past {
            kind: Some(known.kind),
            deleted: known.deleted,
            quarantined,
            ..Past::default()
        };
        if known.deleted && until.is_none() {
            past.heads = heads;
            return Ok(past);
        }
        let gathering = Gathering {
            readers: self,
            document,
            known: &known,
            until: until.map_or(i64::MAX, |order| saturated(order.0)),
        };
        gathering
            .fill(&mut reading, &heads, &mut past)
            .await
            .map_err(|e| store_error(&e))?;
        Ok(past)
    }

    /// A document's description.
    pub(super) async fn describe(
        &self,
        document: &DocumentKey,
    ) -> Result<Option<Description>, StoreError> {
        sqlx::query(sql::DESCRIBE)
            .bind(document.workspace())
            .bind(document.name())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| store_error(&e))?
            .map(|row| rows::description(&row))
            .transpose()
    }

    /// The workspaces that hold documents.
    pub(super) async fn workspaces(&self) -> Result<Vec<WorkspaceSummary>, StoreError> {
        let counts: Vec<(String, i64)> = sqlx::query_as(sql::WORKSPACES)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| store_error(&e))?;
        let summary = |(name, documents): (String, i64)| WorkspaceSummary {
            name,
            documents: documents.cast_unsigned(),
        };
        Ok(counts.into_iter().map(summary).collect())
    }

    /// A page of a workspace's documents. One whose row can not be read is left out and logged.
    pub(super) async fn documents(
        &self,
        query: &DocumentQuery,
    ) -> Result<Vec<Description>, StoreError> {
        // No UTF-8 has a byte 0xff, so this is after every name with the prefix, and before all others that follow it.
        let mut beyond = query.prefix.clone().into_bytes();
        beyond.push(0xff);
        let mut rows = sqlx::query(sql::DOCUMENTS)
            .bind(&query.workspace)
            .bind(&query.prefix)
            .bind(beyond)
            .bind(query.after.as_deref().unwrap_or(""))
            .fetch(&self.pool);
        let mut page = Vec::new();
        while page.len() < query.limit
            && let Some(row) = rows.try_next().await.map_err(|e| store_error(&e))?
        {
            match rows::description(&row) {
                Ok(description) => page.push(description),
                Err(_) => {
                    tracing::error!(workspace = ?query.workspace, "row of a document can not be read");
                }
            }
        }
        Ok(page)
    }

    /// A page of a document's timeline.
    pub(super) async fn timeline(
        &self,
        document: &DocumentKey,
        page: TimelinePage,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let (sql, from, limit) = match page {
            TimelinePage::After(order, limit) => (sql::TIMELINE_AFTER, saturated(order.0), limit),
            TimelinePage::Before(Some(order), limit) => {
                (sql::TIMELINE_BEFORE, saturated(order.0), limit)
            }
            TimelinePage::Before(None, limit) => (sql::TIMELINE_BEFORE, i64::MAX, limit),
        };
        let rows = sqlx::query(sql)
            .bind(document.workspace())
            .bind(document.name())
            .bind(from)
            .fetch(&self.pool);
        self.whole(document, rows, limit)
            .await
            .map_err(|e| store_error(&e))
    }

    /// A part of a lane.
    pub(super) async fn lane(
        &self,
        document: &DocumentKey,
        replica: ReplicaId,
        counters: &RangeInclusive<u64>,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let rows = sqlx::query(sql::LANE)
            .bind(document.workspace())
            .bind(document.name())
            .bind(replica.0)
            .bind(saturated(*counters.start()))
            .bind(saturated(*counters.end()))
            .fetch(&self.pool);
        self.whole(document, rows, usize::MAX)
            .await
            .map_err(|e| store_error(&e))
    }

    /// The place of a change in the timeline.
    pub(super) async fn find(
        &self,
        document: &DocumentKey,
        place: Place,
    ) -> Result<Option<Order>, StoreError> {
        let query = match place {
            Place::Dot(dot) => sqlx::query_scalar(sql::FIND_DOT)
                .bind(saturated(dot.counter))
                .bind(dot.replica.0),
            Place::Index(0) => return Ok(None),
            Place::Index(index) => sqlx::query_scalar(sql::FIND_INDEX).bind(saturated(index - 1)),
            Place::WallMs(wall_ms) => sqlx::query_scalar(sql::FIND_WALL).bind(last_hlc(wall_ms)),
        };
        let order: Option<i64> = query
            .bind(document.workspace())
            .bind(document.name())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| store_error(&e))?;
        Ok(order.map(|order| Order(order.cast_unsigned())))
    }

    /// Reads a snapshot back, by its number; none if the row is not whole.
    pub(super) async fn snapshot(
        &self,
        id: i64,
        document: &DocumentKey,
        kind: Kind,
    ) -> Result<Option<Snapshot>, StoreError> {
        let row = sqlx::query(sql::SNAPSHOT)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| store_error(&e))?;
        Ok(row.and_then(|row| rows::snapshot(&row, document, kind)))
    }

    /// The quarantine, without payloads.
    pub(super) async fn quarantined(
        &self,
        query: &QuarantineQuery,
    ) -> Result<Vec<QuarantineEntry>, StoreError> {
        quarantine::list(&self.pool, query).await
    }

    /// One entry of the quarantine, with its payload.
    pub(super) async fn quarantined_payload(
        &self,
        document: &DocumentKey,
        hash: PayloadHash,
    ) -> Result<Option<QuarantineEntry>, StoreError> {
        quarantine::get(&self.pool, document, hash).await
    }

    /// The changes that are whole, at most `limit` of them.
    async fn whole(
        &self,
        document: &DocumentKey,
        mut rows: Rows<'_>,
        limit: usize,
    ) -> Result<Vec<StoredChange>, sqlx::Error> {
        let mut changes = Vec::new();
        while changes.len() < limit
            && let Some(row) = rows.try_next().await?
        {
            match rows::change(&row, document) {
                Ok(change) => changes.push(change),
                Err(damage) => self.damage.report(document, damage),
            }
        }
        Ok(changes)
    }
}

/// One document's past being put together.
struct Gathering<'a> {
    readers: &'a Readers,
    document: &'a DocumentKey,
    known: &'a Known,
    until: i64,
}

impl Gathering<'_> {
    async fn fill(
        &self,
        reading: &mut SqliteConnection,
        heads: &VectorClock,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        self.find_snapshot(reading, heads, past).await?;
        let covered = past.snapshot.as_ref().map(|it| it.clock.clone());
        let covered = covered.unwrap_or_default();
        past.heads = covered.clone();
        for head in heads.heads().filter(|head| !covered.contains(*head)) {
            self.read_lane(reading, head.replica, covered.get(head.replica), past)
                .await?;
        }
        past.changes.sort_unstable_by_key(|change| change.order);
        Ok(())
    }

    /// The newest snapshot that is whole, is not quarantined and covers nothing that the log has lost.
    async fn find_snapshot(
        &self,
        reading: &mut SqliteConnection,
        heads: &VectorClock,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        let mut rows = sqlx::query(sql::SNAPSHOTS)
            .bind(self.known.id)
            .bind(self.until)
            .fetch(reading);
        while let Some(row) = rows.try_next().await? {
            let found = rows::snapshot(&row, self.document, self.known.kind)
                .filter(|snapshot| heads.dominates(&snapshot.clock));
            if let Some(snapshot) = found {
                if past.quarantines(&snapshot) {
                    continue;
                }
                past.snapshot = Some(snapshot);
                return Ok(());
            }
            past.damaged += 1;
            let id: i64 = row.try_get(3)?;
            self.readers.damage.report_snapshot(self.document, id);
        }
        Ok(())
    }

    /// Orders grow along a lane, so the first change beyond the last order wanted ends it.
    async fn read_lane(
        &self,
        reading: &mut SqliteConnection,
        replica: ReplicaId,
        covered: u64,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        let mut rows = sqlx::query(sql::LANE_AFTER)
            .bind(self.known.id)
            .bind(replica.0)
            .bind(saturated(covered))
            .fetch(reading);
        while let Some(row) = rows.try_next().await? {
            let (counter, order): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            if order > self.until {
                break;
            }
            past.heads
                .observe(Dot::new(replica, counter.cast_unsigned()));
            match rows::change(&row, self.document) {
                Ok(change) => past.changes.push(change),
                Err(damage) => {
                    past.damaged += 1;
                    self.readers.damage.report(self.document, damage);
                }
            }
        }
        Ok(())
    }
}

async fn known(
    reading: &mut SqliteConnection,
    document: &DocumentKey,
) -> Result<Option<Known>, StoreError> {
    let row = sqlx::query(sql::KNOWN)
        .bind(document.workspace())
        .bind(document.name())
        .fetch_optional(reading)
        .await
        .map_err(|e| store_error(&e))?;
    row.as_ref().map(Known::read).transpose()
}

async fn heads(reading: &mut SqliteConnection, document: i64) -> Result<VectorClock, sqlx::Error> {
    let heads: Vec<(u32, i64)> = sqlx::query_as(sql::HEADS)
        .bind(document)
        .fetch_all(reading)
        .await?;
    let head =
        |(replica, counter): (u32, i64)| Dot::new(ReplicaId(replica), counter.cast_unsigned());
    Ok(heads.into_iter().map(head).collect())
}

/// A bound of a range: numbers that SQLite does not have stand for the highest that it has, which no row reaches.
fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The highest timestamp whose wall-clock part is not after `wall_ms`. From the year 6429 on the sign bit is set; such a
/// timestamp, of a clock gone wrong, is before no time.
fn last_hlc(wall_ms: u64) -> i64 {
    let next = wall_ms.saturating_add(1).min(1 << 47);
    saturated((next << 16) - 1)
}
