//! Replica ids and their leases, by the database's own clock, which is the same for all nodes.

use std::time::Duration;

use engine::ReplicaId;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::eras;
use super::failure::Stop;
use super::rows::{self, optional, unsigned};
use super::sql;
use crate::lease::{Holder, Lease};
use crate::store::StoreError;

/// Hands out an id that nobody has had, not even if the database has forgotten it.
pub(super) async fn new_replica(connection: &mut PgConnection) -> Result<ReplicaId, Stop> {
    let era = eras::of(connection).await?;
    let mut transaction = connection.begin().await?;
    if let Some(era) = era {
        turn(&mut transaction, &era).await?;
    }
    let replica = next(&mut transaction).await?;
    transaction.commit().await?;
    Ok(replica)
}

/// In a new era the sequence may be behind what it gave in the one before.
async fn turn(connection: &mut PgConnection, era: &str) -> Result<(), Stop> {
    let turned = sqlx::query_scalar(sql::TURN_ERA).bind(era);
    if turned.fetch_optional(&mut *connection).await? == Some(true) {
        let skipped = sqlx::query(sql::LEAVE_OUT_REPLICAS).bind(LEFT_OUT);
        skipped.execute(connection).await?;
    }
    Ok(())
}

/// The sequence may give one that is taken, after the database was put back to an earlier day; that one is
/// passed over.
async fn next(connection: &mut PgConnection) -> Result<ReplicaId, Stop> {
    loop {
        let id: Option<i64> = sqlx::query_scalar(sql::INSERT_REPLICA)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(id) = id {
            let used_up = || StoreError::Unavailable("all replica ids are used up".to_owned());
            return Ok(rows::replica(id).ok_or_else(used_up)?);
        }
    }
}

/// What the database is called.
pub(super) async fn identity(connection: &mut PgConnection) -> Result<Option<u128>, Stop> {
    let id: Vec<u8> = sqlx::query_scalar("SELECT id FROM identity")
        .fetch_one(connection)
        .await?;
    let unreadable =
        |_| StoreError::Unavailable("what the database is called can not be read".to_owned());
    let id = id.try_into().map_err(unreadable)?;
    Ok(Some(u128::from_be_bytes(id)))
}

/// Holds an id for a while.
pub(super) async fn hold(
    connection: &mut PgConnection,
    replica: ReplicaId,
    holder: &Holder,
    lasts: Duration,
) -> Result<(), Stop> {
    let mut transaction = connection.begin().await?;
    let held = sqlx::query(sql::HOLD_REPLICA)
        .bind(i64::from(replica.0))
        .bind(holder.node.as_bytes())
        .bind(&holder.incarnation.to_be_bytes()[..])
        .bind(millis(lasts))
        .execute(&mut *transaction)
        .await?;
    if held.rows_affected() == 0 {
        return Err(StoreError::LeaseLost(replica).into());
    }
    sqlx::query(sql::SKIP_REPLICAS)
        .bind(i64::from(replica.0))
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// Those that are held, or were within the time before now.
pub(super) async fn list(
    connection: &mut PgConnection,
    within: Duration,
) -> Result<Vec<Lease>, Stop> {
    let rows = sqlx::query(sql::LEASES)
        .bind(millis(within))
        .fetch_all(connection)
        .await?;
    let leases: Option<Vec<_>> = rows.iter().map(lease).collect();
    let unreadable = || StoreError::Unavailable("a row of the replica ids can not be read".into());
    Ok(leases.ok_or_else(unreadable)?)
}

fn lease(row: &PgRow) -> Option<Lease> {
    Some(Lease {
        replica: rows::replica(row.try_get(0).ok()?)?,
        holder: holder(row.try_get(1).ok()?, row.try_get(2).ok()?),
        started_ms: unsigned(row, 3)?,
        until_ms: optional(row, 4)?,
        is_held: row.try_get(5).ok()?,
    })
}

fn holder(node: Option<&[u8]>, incarnation: Option<&[u8]>) -> Option<Holder> {
    Some(Holder {
        node: String::from_utf8_lossy(node?).into_owned(),
        incarnation: u128::from_be_bytes(incarnation?.try_into().ok()?),
    })
}

/// How many ids are passed over in a new era: more than processes can have started in what was lost.
const LEFT_OUT: i64 = 1_024;

/// A century is as good as any longer time, and can be added to the clock.
pub(super) fn millis(duration: Duration) -> i64 {
    const CENTURY_MS: i64 = 100 * 366 * 24 * 60 * 60 * 1_000;
    i64::try_from(duration.as_millis()).map_or(CENTURY_MS, |millis| millis.min(CENTURY_MS))
}

/// Proves that a commit is possible.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Stop> {
    sqlx::query(sql::CHECK).execute(connection).await?;
    Ok(())
}
