//! Keeping snapshots: writing one, reading it back, and letting old ones go.

use engine::{DocumentKey, Snapshot};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::documents::known;
use super::failure::Stop;
use super::rows;
use super::sql;
use crate::numbers::{limit, signed};
use crate::store::StoreError;
use crate::thinning::superfluous;

/// Where a snapshot stands: its document, its place in the timeline, its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    document: i64,
    through: i64,
    id: i64,
}

/// Writes a snapshot, whose document is locked meanwhile against its deletion.
pub(super) async fn put(connection: &mut PgConnection, snapshot: &Snapshot) -> Result<Kept, Stop> {
    let mut transaction = connection.begin().await?;
    let known = known(&mut transaction, sql::LOCK_DOCUMENT, &snapshot.document).await?;
    let known = known.ok_or(StoreError::SnapshotAhead)?;
    known.writable(snapshot.kind)?;
    let through = through(&mut transaction, known.id, snapshot).await?;
    let id = sqlx::query_scalar(sql::INSERT_SNAPSHOT)
        .bind(known.id)
        .bind(through)
        .bind(signed(snapshot.clock.count()))
        .bind(snapshot.clock.to_bytes())
        .bind(&*snapshot.state)
        .bind(i64::from(snapshot.checksum()))
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let document = known.id;
    Ok(Kept {
        document,
        through,
        id,
    })
}

/// The highest place among the changes that it covers, all of which must be stored. Places grow along a lane, so its head
/// stands last.
async fn through(
    connection: &mut PgConnection,
    document: i64,
    snapshot: &Snapshot,
) -> Result<i64, Stop> {
    let heads = snapshot.clock.heads();
    let (lanes, counters): (Vec<_>, Vec<_>) = heads
        .map(|head| (i64::from(head.replica.0), signed(head.counter)))
        .unzip();
    let (stored, through): (i64, Option<i64>) = sqlx::query_as(sql::ORDERS)
        .bind(document)
        .bind(&lanes)
        .bind(&counters)
        .fetch_one(connection)
        .await?;
    if stored != limit(lanes.len()) {
        return Err(StoreError::SnapshotAhead.into());
    }
    Ok(through.unwrap_or(0))
}

/// Reads a snapshot back; none if the row is not whole.
pub(super) async fn read_back(
    connection: &mut PgConnection,
    kept: Kept,
    written: &Snapshot,
) -> Result<Option<Snapshot>, Stop> {
    let row = sqlx::query(sql::SNAPSHOT)
        .bind(kept.document)
        .bind(kept.through)
        .bind(kept.id)
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| rows::snapshot(&row, 0, &written.document, written.kind)))
}

/// Removes a snapshot that did not read back.
pub(super) async fn remove(connection: &mut PgConnection, kept: Kept) -> Result<(), Stop> {
    remove_all(connection, kept.document, &[kept.through], &[kept.id]).await
}

/// Removes the snapshots that newer ones make superfluous.
pub(super) async fn thin(
    connection: &mut PgConnection,
    document: &DocumentKey,
) -> Result<(), Stop> {
    let Some(known) = known(connection, sql::KNOWN, document).await? else {
        return Ok(());
    };
    let sizes: Vec<(i64, i64, i64)> = sqlx::query_as(sql::SNAPSHOT_SIZES)
        .bind(known.id)
        .fetch_all(&mut *connection)
        .await?;
    let sizes = sizes.into_iter();
    let sizes: Vec<_> = sizes
        .map(|(through, id, covered)| ((through, id), covered.cast_unsigned()))
        .collect();
    let (throughs, ids): (Vec<_>, Vec<_>) = superfluous(&sizes).into_iter().unzip();
    if ids.is_empty() {
        return Ok(());
    }
    remove_all(connection, known.id, &throughs, &ids).await
}

async fn remove_all(
    connection: &mut PgConnection,
    document: i64,
    throughs: &[i64],
    ids: &[i64],
) -> Result<(), Stop> {
    sqlx::query(sql::REMOVE_SNAPSHOTS)
        .bind(document)
        .bind(throughs)
        .bind(ids)
        .execute(connection)
        .await?;
    Ok(())
}
