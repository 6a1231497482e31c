//! Looking into the past: pages of a timeline, parts of a lane, places. Each page is asked for with its size, since what a
//! server has begun to send can not be called back.

use std::ops::RangeInclusive;

use engine::{DocumentKey, Order, ReplicaId, StoredChange};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Stop;
use super::rows;
use super::sql;
use crate::damage::DamageLog;
use crate::numbers::{last_hlc, limit, saturated};
use crate::store::{Place, TimelinePage};

/// A page of a document's timeline. Damaged rows do not shorten it.
pub(super) async fn timeline(
    connection: &mut PgConnection,
    document: &DocumentKey,
    page: TimelinePage,
    damage: &DamageLog,
) -> Result<Vec<StoredChange>, Stop> {
    let (sql, mut from, wanted) = match page {
        TimelinePage::After(order, wanted) => (sql::TIMELINE_AFTER, saturated(order.0), wanted),
        TimelinePage::Before(order, wanted) => {
            let from = order.map_or(i64::MAX, |order| saturated(order.0));
            (sql::TIMELINE_BEFORE, from, wanted)
        }
    };
    let mut changes = Vec::new();
    while changes.len() < wanted {
        let asked = (wanted - changes.len()).min(CHUNK_CHANGES);
        let rows = sqlx::query(sql)
            .bind(document.workspace())
            .bind(document.name())
            .bind(from)
            .bind(limit(asked))
            .fetch_all(&mut *connection)
            .await?;
        take(&rows, document, damage, &mut changes);
        match rows.last() {
            Some(last) if rows.len() == asked => from = last.try_get(2)?,
            _ => break,
        }
    }
    Ok(changes)
}

/// A part of a lane.
pub(super) async fn lane(
    connection: &mut PgConnection,
    document: &DocumentKey,
    replica: ReplicaId,
    counters: &RangeInclusive<u64>,
    damage: &DamageLog,
) -> Result<Vec<StoredChange>, Stop> {
    let (mut from, to) = (saturated(*counters.start()), saturated(*counters.end()));
    let mut changes = Vec::new();
    while from <= to {
        let rows = sqlx::query(sql::LANE)
            .bind(document.workspace())
            .bind(document.name())
            .bind(i64::from(replica.0))
            .bind(from)
            .bind(to)
            .bind(limit(CHUNK_CHANGES))
            .fetch_all(&mut *connection)
            .await?;
        take(&rows, document, damage, &mut changes);
        match rows.last() {
            Some(last) if rows.len() == CHUNK_CHANGES => {
                from = last.try_get::<i64, _>(1)?.saturating_add(1);
            }
            _ => break,
        }
    }
    Ok(changes)
}

pub(super) fn take(
    rows: &[PgRow],
    document: &DocumentKey,
    damage: &DamageLog,
    changes: &mut Vec<StoredChange>,
) {
    for row in rows {
        match rows::change(row, 0, document) {
            Ok(change) => changes.push(change),
            Err(damaged) => damage.report(document, damaged),
        }
    }
}

/// The place of a change in the timeline.
pub(super) async fn find(
    connection: &mut PgConnection,
    document: &DocumentKey,
    place: Place,
) -> Result<Option<Order>, Stop> {
    let (sql, number, more) = match place {
        Place::Dot(dot) => {
            let counter = saturated(dot.counter);
            (sql::FIND_DOT, i64::from(dot.replica.0), Some(counter))
        }
        Place::Index(0) => return Ok(None),
        Place::Index(index) => (sql::FIND_INDEX, saturated(index - 1), None),
        Place::WallMs(wall_ms) => (sql::FIND_WALL, last_hlc(wall_ms), None),
    };
    let mut query = sqlx::query_scalar(sql)
        .bind(document.workspace())
        .bind(document.name())
        .bind(number);
    if let Some(more) = more {
        query = query.bind(more);
    }
    let order: Option<i64> = query.fetch_optional(connection).await?;
    Ok(order.map(|order| Order(order.cast_unsigned())))
}

/// Changes that are asked for at a time.
const CHUNK_CHANGES: usize = 2_000;
