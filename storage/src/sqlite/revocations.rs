//! Revocations in the database: written with the writer's batches, read beside them.

use engine::Author;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::batch::{Batch, Stop};
use super::failure::store_error;
use super::rows::unsigned;
use super::sql;
use crate::numbers::signed;
use crate::revocation::{Revocation, RevocationEntry, Revoked};
use crate::store::StoreError;

impl Batch<'_> {
    pub(super) async fn revoke(
        &mut self,
        revocation: &Revocation,
    ) -> Result<RevocationEntry, Stop> {
        sqlx::query(sql::FORGET_REVOCATIONS)
            .bind(signed(revocation.at_ms))
            .execute(self.database().await?)
            .await?;
        let (what, workspace, name) = revocation.revoked.parts();
        let row = sqlx::query(sql::REVOKE)
            .bind(what)
            .bind(workspace)
            .bind(name)
            .bind(signed(revocation.at_ms))
            .bind(revocation.until_ms.map(signed))
            .bind(revocation.author.as_ref().map(Author::as_str))
            .bind(&revocation.reason)
            .fetch_one(self.database().await?)
            .await?;
        entry(&row).ok_or_else(|| unreadable().into())
    }

    pub(super) async fn lift_revocation(&mut self, number: u64) -> Result<bool, Stop> {
        let gone = sqlx::query(sql::LIFT_REVOCATION)
            .bind(signed(number))
            .execute(self.database().await?)
            .await?;
        Ok(gone.rows_affected() > 0)
    }
}

/// All of them, the oldest first. One that can not be read is an error: passing over it would let somebody in.
pub(super) async fn list(pool: &SqlitePool) -> Result<Vec<RevocationEntry>, StoreError> {
    let rows = sqlx::query(sql::REVOCATIONS)
        .fetch_all(pool)
        .await
        .map_err(|e| store_error(&e))?;
    let entries: Option<Vec<_>> = rows.iter().map(entry).collect();
    entries.ok_or_else(unreadable)
}

/// Reads a row whose columns are as [`sql::REVOCATIONS`] has them.
fn entry(row: &SqliteRow) -> Option<RevocationEntry> {
    let until_ms: Option<i64> = row.try_get(5).ok()?;
    let author: Option<&str> = row.try_get(6).ok()?;
    Some(RevocationEntry {
        number: unsigned(row, 0)?,
        revocation: Revocation {
            revoked: Revoked::from_parts(
                row.try_get(1).ok()?,
                row.try_get(2).ok()?,
                row.try_get(3).ok()?,
            )?,
            at_ms: unsigned(row, 4)?,
            until_ms: until_ms.map(i64::cast_unsigned),
            author: author.map(Author::new),
            reason: row.try_get(7).ok()?,
        },
    })
}

fn unreadable() -> StoreError {
    StoreError::Unavailable("a row of the revocations can not be read".to_owned())
}
