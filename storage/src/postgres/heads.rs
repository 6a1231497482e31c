//! The heads of many documents in one question: the latest change of each lane, one step into the primary key for each. And
//! how they stand, by one step into each of two other indexes.
//! `docs/decisions/0007-heads-come-from-the-log.md` has figures.

use std::collections::HashMap;

use engine::{DocumentKey, Dot, VectorClock};
use sqlx::postgres::PgConnection;

use super::failure::Stop;
use super::rows::replica;
use super::sql;
use crate::store::Standing;

/// The heads of some documents, in their order.
pub(super) async fn heads(
    connection: &mut PgConnection,
    documents: &[DocumentKey],
) -> Result<Vec<VectorClock>, Stop> {
    let workspaces: Vec<_> = documents.iter().map(DocumentKey::workspace).collect();
    let names: Vec<_> = documents.iter().map(DocumentKey::name).collect();
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql::HEADS)
        .bind(workspaces)
        .bind(names)
        .fetch_all(connection)
        .await?;
    let mut clocks = vec![VectorClock::default(); documents.len()];
    for (number, lane, counter) in rows {
        let at = usize::try_from(number - 1).ok();
        if let Some(clock) = at.and_then(|at| clocks.get_mut(at)) {
            head((lane, counter))
                .into_iter()
                .for_each(|dot| clock.observe(dot));
        }
    }
    Ok(clocks)
}

/// How some documents stand, in their order.
pub(super) async fn standings(
    connection: &mut PgConnection,
    documents: &[DocumentKey],
) -> Result<Vec<Standing>, Stop> {
    let workspaces: Vec<_> = documents.iter().map(DocumentKey::workspace).collect();
    let names: Vec<_> = documents.iter().map(DocumentKey::name).collect();
    let rows: Vec<(bool, i64)> = sqlx::query_as(sql::STANDINGS)
        .bind(workspaces)
        .bind(names)
        .fetch_all(connection)
        .await?;
    let standing = |(is_deleted, quarantine): (bool, i64)| Standing {
        is_deleted,
        quarantine: quarantine.cast_unsigned(),
    };
    Ok(rows.into_iter().map(standing).collect())
}

/// The heads of documents by their numbers in the database.
pub(super) async fn heads_of(
    connection: &mut PgConnection,
    documents: &[i64],
) -> Result<HashMap<i64, VectorClock>, sqlx::Error> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql::HEADS_OF)
        .bind(documents)
        .fetch_all(connection)
        .await?;
    let mut clocks: HashMap<i64, VectorClock> = HashMap::new();
    for (document, lane, counter) in rows {
        let clock = clocks.entry(document).or_default();
        head((lane, counter))
            .into_iter()
            .for_each(|dot| clock.observe(dot));
    }
    Ok(clocks)
}

/// The dot of a lane and its last counter.
pub(super) fn head((lane, counter): (i64, i64)) -> Option<Dot> {
    Some(Dot::new(replica(lane)?, counter.cast_unsigned()))
}
