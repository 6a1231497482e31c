//! The quarantine in the database.

use engine::{ConnectionId, DocumentKey, Dot, PayloadHash, Quarantined};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::failure::Stop;
use super::rows::{self, author_bytes, optional, unsigned};
use super::sql;
use crate::numbers::{limit, saturated, signed};
use crate::quarantine::{PAYLOADS_KEPT, QuarantineEntry, QuarantineQuery, UNLOGGED_MAX, kept};

/// Keeps a payload out of its document.
pub(super) async fn keep(
    connection: &mut PgConnection,
    quarantined: &Quarantined,
) -> Result<(), Stop> {
    let mut transaction = connection.begin().await?;
    insert(&mut transaction, quarantined).await?;
    let document = &quarantined.document;
    sqlx::query(sql::DROP_OLDEST_QUARANTINED)
        .bind(document.workspace())
        .bind(document.name())
        .bind(limit(UNLOGGED_MAX))
        .execute(&mut *transaction)
        .await?;
    sqlx::query(sql::DROP_OLD_PAYLOADS)
        .bind(signed(PAYLOADS_KEPT))
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

async fn insert(
    connection: &mut PgConnection,
    quarantined: &Quarantined,
) -> Result<(), sqlx::Error> {
    let Quarantined {
        document,
        dot,
        hash,
        ..
    } = quarantined;
    let through = quarantined.connection;
    sqlx::query(sql::QUARANTINE)
        .bind(document.workspace())
        .bind(document.name())
        .bind(&hash.0[..])
        .bind(&*kept(&quarantined.payload))
        .bind(signed(quarantined.payload.len() as u64))
        .bind(author_bytes(quarantined.author.as_ref()))
        .bind(through.map(|connection| signed(connection.0)))
        .bind(dot.map(|dot| i64::from(dot.replica.0)))
        .bind(dot.map(|dot| signed(dot.counter)))
        .bind(quarantined.reason.as_bytes())
        .bind(signed(quarantined.wall_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a payload into its document again.
pub(super) async fn forget(
    connection: &mut PgConnection,
    document: &DocumentKey,
    hash: PayloadHash,
) -> Result<bool, Stop> {
    let gone = sqlx::query(sql::FORGET_QUARANTINED)
        .bind(document.workspace())
        .bind(document.name())
        .bind(&hash.0[..])
        .execute(connection)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// The entries of a document or of all, the newest first, without their payloads.
pub(super) async fn list(
    connection: &mut PgConnection,
    query: &QuarantineQuery,
) -> Result<Vec<QuarantineEntry>, Stop> {
    let before = query.before.map_or(i64::MAX, saturated);
    let rows = match &query.document {
        Some(document) => sqlx::query(sql::QUARANTINED_OF_DOCUMENT)
            .bind(before)
            .bind(limit(query.limit))
            .bind(document.workspace())
            .bind(document.name()),
        None => sqlx::query(sql::QUARANTINED)
            .bind(before)
            .bind(limit(query.limit)),
    };
    let rows = rows.fetch_all(connection).await?;
    let entries = rows.iter().filter_map(|row| {
        let entry = entry(row);
        if entry.is_none() {
            tracing::error!("row of the quarantine can not be read");
        }
        entry
    });
    Ok(entries.collect())
}

/// One entry with its payload.
pub(super) async fn get(
    connection: &mut PgConnection,
    document: &DocumentKey,
    hash: PayloadHash,
) -> Result<Option<QuarantineEntry>, Stop> {
    let row = sqlx::query(sql::QUARANTINED_ONE)
        .bind(document.workspace())
        .bind(document.name())
        .bind(&hash.0[..])
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().and_then(entry))
}

/// Reads a row whose columns are as [`sql::QUARANTINED_ONE`] has them.
fn entry(row: &PgRow) -> Option<QuarantineEntry> {
    let lane: Option<i64> = row.try_get(8).ok()?;
    let hash: Vec<u8> = row.try_get(3).ok()?;
    let dot = match lane.zip(optional(row, 9)?) {
        Some((lane, counter)) => Some(Dot::new(rows::replica(lane)?, counter)),
        None => None,
    };
    Some(QuarantineEntry {
        number: unsigned(row, 0)?,
        payload_bytes: unsigned(row, 5)?,
        quarantined: Quarantined {
            document: DocumentKey::new(row.try_get(1).ok()?, row.try_get(2).ok()?).ok()?,
            hash: PayloadHash(hash.try_into().ok()?),
            payload: rows::bytes(row, 4).unwrap_or_default(),
            author: rows::author(row, 6)?,
            connection: optional(row, 7)?.map(ConnectionId),
            dot,
            reason: rows::text(row, 10)?.to_owned(),
            wall_ms: unsigned(row, 11)?,
        },
    })
}
