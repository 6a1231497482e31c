//! Reading: every query that asks and does not write. All of them run on read connections, beside the writer, and each
//! sees the log as it stood when it began, what is filed and what has arrived.
//!
//! No query here passes over a document's changes to find their heads. Heads come from a skip scan: one step into the
//! primary key for each lane, by a recursive query. The arrivals are passed over as often as need be: they are bounded.

use std::ops::RangeInclusive;
use std::time::Duration;

use engine::{
    DocumentKey, Gist, Kind, Order, PayloadHash, ReplicaId, Snapshot, StoredChange, VectorClock,
};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Sqlite, Transaction};

use super::cache::Known;
use super::failure::store_error;
use super::gists;
use super::latest::Latest;
use super::leases;
use super::news;
use super::past::{known, past};
use super::quarantine;
use super::revocations;
use super::rows;
use super::sql;
use crate::damage::DamageLog;
use crate::lease::Lease;
use crate::news::News;
use crate::numbers::{last_hlc, saturated};
use crate::operation::Name;
use crate::quarantine::{QuarantineEntry, QuarantineQuery};
use crate::revocation::RevocationEntry;
use crate::store::{
    Description, DocumentQuery, Past, Place, Standing, StoreError, TimelinePage, WorkspaceSummary,
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
        let mut reading = self.begin().await?;
        past(&mut reading, document, until, &self.damage).await
    }

    /// A document's gist.
    pub(super) async fn gist(&self, document: &DocumentKey) -> Result<Option<Gist>, StoreError> {
        let mut reading = self.begin().await?;
        gists::gist(&mut reading, document).await
    }

    /// A transaction, so that all that is read in it is of the same moment.
    async fn begin(&self) -> Result<Transaction<'_, Sqlite>, StoreError> {
        self.pool.begin().await.map_err(|e| store_error(&e))
    }

    /// A document's description.
    pub(super) async fn describe(
        &self,
        document: &DocumentKey,
    ) -> Result<Option<Description>, StoreError> {
        let mut reading = self.begin().await?;
        let Some(Known { id, .. }) = known(&mut reading, document).await? else {
            return Ok(None);
        };
        let row = sqlx::query(sql::DESCRIBE_FILED).bind(id);
        let row = row.fetch_one(&mut *reading).await;
        let mut description = rows::description(&row.map_err(|e| store_error(&e))?)?;
        let latest = Latest::of(&mut reading, id).await;
        latest
            .map_err(|e| store_error(&e))?
            .add(id, &mut description);
        Ok(Some(description))
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
        let mut reading = self.begin().await?;
        let latest = Latest::of_all(&mut reading).await;
        let latest = latest.map_err(|e| store_error(&e))?;
        let mut rows = sqlx::query(sql::DOCUMENTS_FILED)
            .bind(&query.workspace)
            .bind(&query.prefix)
            .bind(beyond)
            .bind(query.after.as_deref().unwrap_or(""))
            .fetch(&mut *reading);
        let mut page = Vec::new();
        while page.len() < query.limit
            && let Some(row) = rows.try_next().await.map_err(|e| store_error(&e))?
        {
            match (rows::description(&row), rows::document_id(&row)) {
                (Ok(mut description), Ok(id)) => {
                    latest.add(id, &mut description);
                    page.push(description);
                }
                _ => {
                    tracing::error!(workspace = ?query.workspace, "row of a document can not be read");
                }
            }
        }
        Ok(page)
    }

    /// What is to be told next.
    pub(super) async fn news(&self, limit: usize) -> Result<Vec<News>, StoreError> {
        news::list(&self.pool, limit).await
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

    /// The operations from one version up to another.
    pub(super) async fn operations(
        &self,
        document: &DocumentKey,
        from: u64,
        to: Option<u64>,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let rows = sqlx::query(sql::OPERATIONS)
            .bind(document.workspace())
            .bind(document.name())
            .bind(saturated(from))
            .bind(to.map_or(i64::MAX, saturated))
            .fetch(&self.pool);
        self.whole(document, rows, usize::MAX)
            .await
            .map_err(|e| store_error(&e))
    }

    /// The version of the operation of a name.
    pub(super) async fn version_of(
        &self,
        document: &DocumentKey,
        name: Name,
    ) -> Result<Option<u64>, StoreError> {
        let version: Option<i64> = sqlx::query_scalar(sql::VERSION_OF)
            .bind(document.workspace())
            .bind(document.name())
            .bind(&name.source[..])
            .bind(name.number)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| store_error(&e))?;
        Ok(version.map(i64::cast_unsigned))
    }

    /// The place of a change in the timeline.
    pub(super) async fn find(
        &self,
        document: &DocumentKey,
        place: Place,
    ) -> Result<Option<Order>, StoreError> {
        let (sql, number, replica) = match place {
            Place::Dot(dot) => (sql::FIND_DOT, saturated(dot.counter), Some(dot.replica.0)),
            Place::Index(0) => return Ok(None),
            Place::Index(index) => (sql::FIND_INDEX, saturated(index - 1), None),
            Place::WallMs(wall_ms) => (sql::FIND_WALL, last_hlc(wall_ms), None),
        };
        let mut query = sqlx::query_scalar(sql)
            .bind(document.workspace())
            .bind(document.name())
            .bind(number);
        if let Some(replica) = replica {
            query = query.bind(replica);
        }
        let order: Option<i64> = query
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

    /// All revocations.
    pub(super) async fn revocations(&self) -> Result<Vec<RevocationEntry>, StoreError> {
        revocations::list(&self.pool).await
    }

    /// The latest change of each lane of some documents. Nobody shares such a database, so nobody asks often.
    pub(super) async fn heads(
        &self,
        documents: &[DocumentKey],
    ) -> Result<Vec<VectorClock>, StoreError> {
        let mut heads = Vec::with_capacity(documents.len());
        for document in documents {
            let described = self.describe(document).await?;
            heads.push(described.map(|it| it.clock).unwrap_or_default());
        }
        Ok(heads)
    }

    /// How some documents stand; nobody asks often here either.
    pub(super) async fn standings(
        &self,
        documents: &[DocumentKey],
    ) -> Result<Vec<Standing>, StoreError> {
        let mut standings = Vec::with_capacity(documents.len());
        for document in documents {
            let described = self.describe(document).await?;
            let is_deleted = described.is_some_and(|it| it.deleted_ms.is_some());
            let quarantine = self.quarantined(&QuarantineQuery::of(document)).await?;
            standings.push(Standing::of(is_deleted, &quarantine));
        }
        Ok(standings)
    }

    /// What the database is called.
    pub(super) async fn identity(&self) -> Result<Option<u128>, StoreError> {
        let id: Vec<u8> = sqlx::query_scalar("SELECT id FROM identity")
            .fetch_one(&self.pool)
            .await
            .map_err(|e| store_error(&e))?;
        let id = id.try_into().map_err(|_| {
            StoreError::Unavailable("what the database is called can not be read".to_owned())
        })?;
        Ok(Some(u128::from_be_bytes(id)))
    }

    /// The replica ids that are held, or were within the time before now.
    pub(super) async fn leases(&self, within: Duration) -> Result<Vec<Lease>, StoreError> {
        leases::list(&self.pool, within).await
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
