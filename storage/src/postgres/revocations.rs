//! Revocations in the database.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::failure::Stop;
use super::rows::{self, author_bytes, optional, text, unsigned};
use super::sql;
use crate::numbers::signed;
use crate::revocation::{Revocation, RevocationEntry, Revoked};
use crate::store::StoreError;

/// Keeps a revocation, and forgets those that had ended by its time.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    revocation: &Revocation,
) -> Result<RevocationEntry, Stop> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql::FORGET_REVOCATIONS)
        .bind(signed(revocation.at_ms))
        .execute(&mut *transaction)
        .await?;
    let (what, workspace, name) = revocation.revoked.parts();
    let row = sqlx::query(sql::REVOKE)
        .bind(what)
        .bind(workspace.as_bytes())
        .bind(name.as_bytes())
        .bind(signed(revocation.at_ms))
        .bind(revocation.until_ms.map(signed))
        .bind(author_bytes(revocation.author.as_ref()))
        .bind(revocation.reason.as_bytes())
        .fetch_one(&mut *transaction)
        .await?;
    let entry = entry(&row).ok_or_else(unreadable)?;
    transaction.commit().await?;
    Ok(entry)
}

/// Lifts a revocation.
pub(super) async fn lift(connection: &mut PgConnection, number: u64) -> Result<bool, Stop> {
    let gone = sqlx::query(sql::LIFT_REVOCATION)
        .bind(signed(number))
        .execute(connection)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// All of them, the oldest first. One that can not be read is an error: passing over it would let somebody in.
pub(super) async fn list(connection: &mut PgConnection) -> Result<Vec<RevocationEntry>, Stop> {
    let rows = sqlx::query(sql::REVOCATIONS).fetch_all(connection).await?;
    let entries: Option<Vec<_>> = rows.iter().map(entry).collect();
    Ok(entries.ok_or_else(unreadable)?)
}

/// Reads a row whose columns are as [`sql::REVOCATIONS`] has them.
fn entry(row: &PgRow) -> Option<RevocationEntry> {
    Some(RevocationEntry {
        number: unsigned(row, 0)?,
        revocation: Revocation {
            revoked: Revoked::from_parts(row.try_get(1).ok()?, text(row, 2)?, text(row, 3)?)?,
            at_ms: unsigned(row, 4)?,
            until_ms: optional(row, 5)?,
            author: rows::author(row, 6)?,
            reason: text(row, 7)?.to_owned(),
        },
    })
}

fn unreadable() -> StoreError {
    StoreError::Unavailable("a row of the revocations can not be read".to_owned())
}
