//! Gists: what a document comes to in a few bytes, one row for each, good as long as nothing else is stored.

use engine::{DocumentKey, Gist, VectorClock};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::batch::{Batch, Stop};
use super::failure::store_error;
use super::latest::Latest;
use super::past::{filed_heads, known};
use super::quarantine;
use super::rows;
use super::sql;
use crate::store::StoreError;

impl Batch<'_> {
    /// Keeps a gist, if it is of the very changes that are stored.
    pub(super) async fn keep_gist(&mut self, gist: &Gist) -> Result<bool, Stop> {
        let Some(known) = self.known(&gist.document).await? else {
            return Ok(false);
        };
        let (document, is_fit) = (known.id, !known.deleted && known.kind == gist.kind);
        if !is_fit {
            return Ok(false);
        }
        self.insert_pending().await?;
        let database = self.database().await?;
        if heads(database, document).await? != gist.clock {
            return Ok(false);
        }
        sqlx::query(sql::KEEP_GIST)
            .bind(document)
            .bind(gist.clock.to_bytes())
            .bind(&*gist.have)
            .bind(gist.checksum())
            .execute(database)
            .await?;
        Ok(true)
    }
}

/// A document's gist, if it is of all that is stored; read in one transaction.
pub(super) async fn gist(
    reading: &mut SqliteConnection,
    document: &DocumentKey,
) -> Result<Option<Gist>, StoreError> {
    let Some(known) = known(reading, document).await? else {
        return Ok(None);
    };
    if known.deleted {
        return Ok(None);
    }
    let row = row(reading, document, known.id).await;
    let row = row.map_err(|e| store_error(&e))?;
    let gist = row.and_then(|row| rows::gist(&row, document, known.kind));
    let Some(gist) = gist else {
        return Ok(None);
    };
    let heads = heads(reading, known.id).await;
    let heads = heads.map_err(|e| store_error(&e))?;
    Ok((heads == gist.clock).then_some(gist))
}

/// The row that was kept, unless something of the document is quarantined.
async fn row(
    reading: &mut SqliteConnection,
    document: &DocumentKey,
    id: i64,
) -> Result<Option<SqliteRow>, sqlx::Error> {
    if !quarantine::hashes(reading, document).await?.is_empty() {
        return Ok(None);
    }
    let row = sqlx::query(sql::GIST).bind(id);
    row.fetch_optional(reading).await
}

/// The latest change of each lane, filed or not.
async fn heads(reading: &mut SqliteConnection, document: i64) -> Result<VectorClock, sqlx::Error> {
    let mut heads = filed_heads(reading, document).await?;
    let latest = Latest::of(reading, document).await?;
    latest.add_heads(document, &mut heads);
    Ok(heads)
}
