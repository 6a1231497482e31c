//! Leases in the database: written with the writer's batches, read beside them.

use std::time::Duration;

use engine::ReplicaId;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::batch::{Batch, Stop};
use super::failure::store_error;
use super::rows::unsigned;
use super::sql;
use crate::lease::{Holder, Lease};
use crate::numbers::{millis, now_ms, saturated};
use crate::store::StoreError;

impl Batch<'_> {
    pub(super) async fn hold_replica(
        &mut self,
        replica: ReplicaId,
        holder: &Holder,
        lasts: Duration,
    ) -> Result<(), Stop> {
        let held = sqlx::query(sql::HOLD_REPLICA)
            .bind(replica.0)
            .bind(self.now_ms)
            .bind(&holder.node)
            .bind(&holder.incarnation.to_be_bytes()[..])
            .bind(self.until_ms(lasts))
            .execute(self.database().await?)
            .await?;
        match held.rows_affected() {
            0 => Err(StoreError::LeaseLost(replica).into()),
            _ => Ok(()),
        }
    }
}

/// Those that are held, or were within the time before now.
pub(super) async fn list(pool: &SqlitePool, within: Duration) -> Result<Vec<Lease>, StoreError> {
    let now_ms = saturated(now_ms());
    let rows = sqlx::query(sql::LEASES)
        .bind(now_ms.saturating_sub(saturated(millis(within))))
        .fetch_all(pool)
        .await
        .map_err(|e| store_error(&e))?;
    let leases: Option<Vec<_>> = rows.iter().map(|row| lease(row, now_ms)).collect();
    leases.ok_or_else(|| {
        StoreError::Unavailable("a row of the replica ids can not be read".to_owned())
    })
}

fn lease(row: &SqliteRow, now_ms: i64) -> Option<Lease> {
    let until_ms: Option<i64> = row.try_get(4).ok()?;
    Some(Lease {
        replica: ReplicaId(row.try_get(0).ok()?),
        holder: holder(row.try_get(1).ok()?, row.try_get(2).ok()?),
        started_ms: unsigned(row, 3)?,
        until_ms: until_ms.map(i64::cast_unsigned),
        is_held: until_ms.is_some_and(|until_ms| until_ms > now_ms),
    })
}

fn holder(node: Option<String>, incarnation: Option<&[u8]>) -> Option<Holder> {
    Some(Holder {
        node: node?,
        incarnation: u128::from_be_bytes(incarnation?.try_into().ok()?),
    })
}
