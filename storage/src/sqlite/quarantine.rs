//! The quarantine in the database: written with the writer's batches, read beside them.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{Author, ConnectionId, DocumentKey, Dot, PayloadHash, Quarantined, ReplicaId};
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::batch::{Batch, Stop};
use super::failure::store_error;
use super::rows::unsigned;
use super::sql;
use crate::numbers::{saturated, signed};
use crate::quarantine::{PAYLOADS_KEPT, QuarantineEntry, QuarantineQuery, UNLOGGED_MAX, kept};
use crate::store::StoreError;

impl Batch<'_> {
    pub(super) async fn quarantine(&mut self, quarantined: &Quarantined) -> Result<(), Stop> {
        let Quarantined {
            document,
            dot,
            hash,
            ..
        } = quarantined;
        sqlx::query(sql::QUARANTINE)
            .bind(document.workspace())
            .bind(document.name())
            .bind(&hash.0[..])
            .bind(&*kept(&quarantined.payload))
            .bind(signed(quarantined.payload.len() as u64))
            .bind(quarantined.author.as_ref().map(Author::as_str))
            .bind(
                quarantined
                    .connection
                    .map(|connection| signed(connection.0)),
            )
            .bind(dot.map(|dot| dot.replica.0))
            .bind(dot.map(|dot| signed(dot.counter)))
            .bind(&quarantined.reason)
            .bind(signed(quarantined.wall_ms))
            .execute(self.database().await?)
            .await?;
        self.drop_oldest(document).await?;
        self.drop_old_payloads().await
    }

    async fn drop_oldest(&mut self, document: &DocumentKey) -> Result<(), Stop> {
        sqlx::query(sql::DROP_OLDEST_QUARANTINED)
            .bind(document.workspace())
            .bind(document.name())
            .bind(UNLOGGED_MAX as i64)
            .execute(self.database().await?)
            .await?;
        Ok(())
    }

    async fn drop_old_payloads(&mut self) -> Result<(), Stop> {
        sqlx::query(sql::DROP_OLD_PAYLOADS)
            .bind(signed(PAYLOADS_KEPT))
            .execute(self.database().await?)
            .await?;
        Ok(())
    }

    pub(super) async fn forget_quarantined(
        &mut self,
        document: &DocumentKey,
        hash: PayloadHash,
    ) -> Result<bool, Stop> {
        let gone = sqlx::query(sql::FORGET_QUARANTINED)
            .bind(document.workspace())
            .bind(document.name())
            .bind(&hash.0[..])
            .execute(self.database().await?)
            .await?;
        Ok(gone.rows_affected() > 0)
    }
}

/// The hashes that are kept out of a document.
pub(super) async fn hashes(
    reading: &mut SqliteConnection,
    document: &DocumentKey,
) -> Result<BTreeSet<PayloadHash>, sqlx::Error> {
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar(sql::QUARANTINED_HASHES)
        .bind(document.workspace())
        .bind(document.name())
        .fetch_all(reading)
        .await?;
    let hashes = hashes.into_iter().filter_map(|it| it.try_into().ok());
    Ok(hashes.map(PayloadHash).collect())
}

/// The entries of a document or of all, the newest first, without their payloads.
pub(super) async fn list(
    pool: &SqlitePool,
    query: &QuarantineQuery,
) -> Result<Vec<QuarantineEntry>, StoreError> {
    let before = query.before.map_or(i64::MAX, saturated);
    let rows = match &query.document {
        Some(document) => sqlx::query(sql::QUARANTINED_OF_DOCUMENT)
            .bind(before)
            .bind(document.workspace())
            .bind(document.name()),
        None => sqlx::query(sql::QUARANTINED).bind(before),
    };
    let mut rows = rows.fetch(pool);
    let mut page = Vec::new();
    while page.len() < query.limit
        && let Some(row) = rows.try_next().await.map_err(|e| store_error(&e))?
    {
        match entry(&row) {
            Some(entry) => page.push(entry),
            None => tracing::error!("row of the quarantine can not be read"),
        }
    }
    Ok(page)
}

/// One entry with its payload.
pub(super) async fn get(
    pool: &SqlitePool,
    document: &DocumentKey,
    hash: PayloadHash,
) -> Result<Option<QuarantineEntry>, StoreError> {
    let row = sqlx::query(sql::QUARANTINED_ONE)
        .bind(document.workspace())
        .bind(document.name())
        .bind(&hash.0[..])
        .fetch_optional(pool)
        .await
        .map_err(|e| store_error(&e))?;
    Ok(row.as_ref().and_then(entry))
}

/// Reads a row whose columns are as [`sql::QUARANTINED_ONE`] has them.
fn entry(row: &SqliteRow) -> Option<QuarantineEntry> {
    let replica: Option<u32> = row.try_get(8).ok()?;
    let counter: Option<i64> = row.try_get(9).ok()?;
    let connection: Option<i64> = row.try_get(7).ok()?;
    let hash: Vec<u8> = row.try_get(3).ok()?;
    let payload: Vec<u8> = row.try_get(4).ok()?;
    let author: Option<&str> = row.try_get(6).ok()?;
    let dot = replica.zip(counter);
    Some(QuarantineEntry {
        number: unsigned(row, 0)?,
        payload_bytes: unsigned(row, 5)?,
        quarantined: Quarantined {
            document: DocumentKey::new(row.try_get(1).ok()?, row.try_get(2).ok()?).ok()?,
            hash: PayloadHash(hash.try_into().ok()?),
            payload: Bytes::from(payload),
            author: author.map(Author::new),
            connection: connection.map(|id| ConnectionId(id.cast_unsigned())),
            dot: dot
                .map(|(replica, counter)| Dot::new(ReplicaId(replica), counter.cast_unsigned())),
            reason: row.try_get(10).ok()?,
            wall_ms: unsigned(row, 11)?,
        },
    })
}
