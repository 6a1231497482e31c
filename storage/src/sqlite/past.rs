//! A document's past: the newest snapshot that is of use, and the changes after it, those that are filed lane by lane and
//! then those that are not.

use engine::{DocumentKey, Dot, Order, ReplicaId, VectorClock};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::cache::Known;
use super::failure::store_error;
use super::quarantine;
use super::rows;
use super::sql;
use crate::damage::DamageLog;
use crate::numbers::saturated;
use crate::store::{Past, StoreError};

/// A document's past, all of it or up to and including an order; read in one transaction, so that heads, snapshot and
/// changes are of the same moment.
pub(super) async fn past(
    reading: &mut SqliteConnection,
    document: &DocumentKey,
    until: Option<Order>,
    damage: &DamageLog,
) -> Result<Past, StoreError> {
    let quarantined = quarantine::hashes(reading, document).await;
    let mut past = Past {
        quarantined: quarantined.map_err(|e| store_error(&e))?,
        ..Past::default()
    };
    let Some(known) = known(reading, document).await? else {
        return Ok(past);
    };
    past.kind = Some(known.kind);
    past.deleted = known.deleted;
    let gathering = Gathering {
        damage,
        document,
        known: &known,
        until: until.map_or(i64::MAX, |order| saturated(order.0)),
        only_heads: known.deleted && until.is_none(),
    };
    let filled = gathering.fill(reading, &mut past).await;
    filled.map_err(|e| store_error(&e))?;
    Ok(past)
}

/// One document's past being put together.
struct Gathering<'a> {
    damage: &'a DamageLog,
    document: &'a DocumentKey,
    known: &'a Known,
    until: i64,
    only_heads: bool,
}

impl Gathering<'_> {
    async fn fill(
        &self,
        reading: &mut SqliteConnection,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        let filed = filed_heads(reading, self.known.id).await?;
        let unfiled = sqlx::query(sql::UNFILED).bind(self.known.id);
        let unfiled = unfiled.fetch_all(&mut *reading).await?;
        let mut heads = filed.clone();
        for row in &unfiled {
            heads.observe(dot(row)?);
        }
        if self.only_heads {
            past.heads = heads;
            return Ok(());
        }
        self.find_snapshot(reading, &heads, past).await?;
        let covered = past.snapshot.as_ref().map(|it| it.clock.clone());
        let covered = covered.unwrap_or_default();
        past.heads = covered.clone();
        for head in filed.heads().filter(|head| !covered.contains(*head)) {
            self.read_lane(reading, head.replica, covered.get(head.replica), past)
                .await?;
        }
        for row in unfiled {
            if !covered.contains(dot(&row)?) {
                self.take(&row, past)?;
            }
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
            self.damage.report_snapshot(self.document, id);
        }
        Ok(())
    }

    /// The changes of a lane that are filed, after those that are covered.
    async fn read_lane(
        &self,
        reading: &mut SqliteConnection,
        replica: ReplicaId,
        covered: u64,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        let mut rows = sqlx::query(sql::FILED_LANE_AFTER)
            .bind(self.known.id)
            .bind(replica.0)
            .bind(saturated(covered))
            .fetch(reading);
        while let Some(row) = rows.try_next().await? {
            // Orders grow along a lane, so the first change beyond the last order wanted ends it.
            if !self.take(&row, past)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a change, if it is not beyond the last order wanted.
    fn take(&self, row: &SqliteRow, past: &mut Past) -> Result<bool, sqlx::Error> {
        if row.try_get::<i64, _>(2)? > self.until {
            return Ok(false);
        }
        past.heads.observe(dot(row)?);
        match rows::change(row, self.document) {
            Ok(change) => past.changes.push(change),
            Err(damage) => {
                past.damaged += 1;
                self.damage.report(self.document, damage);
            }
        }
        Ok(true)
    }
}

fn dot(row: &SqliteRow) -> Result<Dot, sqlx::Error> {
    let counter: i64 = row.try_get(1)?;
    Ok(Dot::new(
        ReplicaId(row.try_get(0)?),
        counter.cast_unsigned(),
    ))
}

/// What is known of a document, if there is or was one.
pub(super) async fn known(
    reading: &mut SqliteConnection,
    document: &DocumentKey,
) -> Result<Option<Known>, StoreError> {
    let row = sqlx::query(sql::KNOWN)
        .bind(document.workspace())
        .bind(document.name())
        .fetch_optional(reading)
        .await
        .map_err(|e| store_error(&e))?;
    row.map(|row| Known::read(&row, document)).transpose()
}

/// The latest change of each lane of a document that is filed.
pub(super) async fn filed_heads(
    reading: &mut SqliteConnection,
    document: i64,
) -> Result<VectorClock, sqlx::Error> {
    let heads: Vec<(u32, i64)> = sqlx::query_as(sql::FILED_HEADS)
        .bind(document)
        .fetch_all(reading)
        .await?;
    let head =
        |(replica, counter): (u32, i64)| Dot::new(ReplicaId(replica), counter.cast_unsigned());
    Ok(heads.into_iter().map(head).collect())
}
