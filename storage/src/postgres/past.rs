//! A document's past: the newest snapshot that is of use, and the changes after it in the order of the timeline.
//!
//! Two questions, however many lanes there are. The first tells the heads and the snapshot of one moment; the state of one
//! that whoever asks has already is left where it is. Changes are never
//! altered, so the second needs no transaction with it: what came in between is beyond those heads, and left out.

use engine::{DocumentKey, Kind, Order, PayloadHash, Snapshot, VectorClock};
use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Stop;
use super::rows;
use super::sql;
use crate::damage::DamageLog;
use crate::numbers::{saturated, signed};
use crate::store::Past;

/// Which past is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) document: &'a DocumentKey,
    /// Up to and including an order; all of it if none.
    pub(super) until: Option<Order>,
    /// A snapshot that whoever asks has already.
    pub(super) given: Option<&'a Snapshot>,
}

/// A document's past.
pub(super) async fn past(
    connection: &mut PgConnection,
    asked: Asked<'_>,
    damage: &DamageLog,
) -> Result<Past, Stop> {
    let Asked {
        document, until, ..
    } = asked;
    let row = asked.open(connection).await?;
    let mut past = Past {
        quarantined: quarantined(&row)?.collect(),
        ..Past::default()
    };
    let Some(id) = row.try_get::<Option<i64>, _>(1)? else {
        return Ok(past);
    };
    let kind = rows::kind(&row, 2).ok_or_else(rows::damaged_document)?;
    past.kind = Some(kind);
    past.deleted = row.try_get(3)?;
    let heads = heads(&row, 4)?;
    if past.deleted && until.is_none() {
        past.heads = heads;
        return Ok(past);
    }
    let gathering = Gathering {
        damage,
        document,
        kind,
        id,
        until,
        given: asked.given,
        heads,
    };
    gathering.fill(connection, row, &mut past).await?;
    Ok(past)
}

impl Asked<'_> {
    async fn open(&self, connection: &mut PgConnection) -> Result<PgRow, sqlx::Error> {
        sqlx::query(sql::OPEN)
            .bind(self.document.workspace())
            .bind(self.document.name())
            .bind(self.until.map_or(i64::MAX, |order| saturated(order.0)))
            .bind(self.until.is_some())
            .bind(self.given.map(|given| i64::from(given.checksum())))
            .bind(self.given.map(|given| given.clock.to_bytes()))
            .fetch_one(connection)
            .await
    }
}

/// One document's past being put together.
struct Gathering<'a> {
    damage: &'a DamageLog,
    document: &'a DocumentKey,
    kind: Kind,
    id: i64,
    until: Option<Order>,
    given: Option<&'a Snapshot>,
    heads: VectorClock,
}

impl Gathering<'_> {
    async fn fill(
        &self,
        connection: &mut PgConnection,
        opened: PgRow,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        self.find_snapshot(connection, opened, past).await?;
        let covered = past.snapshot.as_ref().map(|it| it.clock.clone());
        past.heads = covered.unwrap_or_default();
        let wanted = self.heads.count() - past.heads.count();
        if wanted == 0 {
            return Ok(());
        }
        let seen = self.read_changes(connection, past).await?;
        if self.until.is_none() && seen < wanted {
            tracing::error!(document = %self.document, missing = wanted - seen, "changes are missing");
            past.damaged += wanted - seen;
            past.heads.join(&self.heads);
        }
        Ok(())
    }

    /// The newest snapshot that is whole, is not quarantined and covers nothing that the log has lost. The first stands
    /// in the row that opened the document.
    async fn find_snapshot(
        &self,
        connection: &mut PgConnection,
        opened: PgRow,
        past: &mut Past,
    ) -> Result<(), sqlx::Error> {
        let (mut row, mut first) = (opened, 6);
        while let Some(through) = row.try_get::<Option<i64>, _>(first + 3)? {
            let is_given = row.try_get::<Option<&[u8]>, _>(first + 1)?.is_none();
            let found = match self.given.filter(|_| is_given) {
                Some(given) => Some(given.clone()),
                None => rows::snapshot(&row, first, self.document, self.kind),
            };
            let found = found.filter(|snapshot| self.heads.dominates(&snapshot.clock));
            let id: i64 = row.try_get(first + 4)?;
            match found {
                Some(snapshot) if !past.quarantines(&snapshot) => {
                    past.was_given = self.given == Some(&snapshot);
                    past.snapshot = Some(snapshot);
                    break;
                }
                Some(_) => {}
                None => {
                    past.damaged += 1;
                    self.damage.report_snapshot(self.document, id);
                }
            }
            let older = sqlx::query(sql::OLDER_SNAPSHOT).bind(self.id);
            let older = older.bind(through).bind(id);
            match older.fetch_optional(&mut *connection).await? {
                Some(older) => (row, first) = (older, 0),
                None => break,
            }
        }
        Ok(())
    }

    /// Reads the changes that the snapshot does not cover, and says how many there were, damaged ones included.
    async fn read_changes(
        &self,
        connection: &mut PgConnection,
        past: &mut Past,
    ) -> Result<u64, sqlx::Error> {
        let covered = past.heads.clone();
        let uncovered = self.heads.heads().filter(|head| !covered.contains(*head));
        let (lanes, firsts): (Vec<_>, Vec<_>) = uncovered
            .map(|head| {
                let first = covered.get(head.replica) + 1;
                (i64::from(head.replica.0), signed(first))
            })
            .unzip();
        let (mut from, mut seen) = (0, 0);
        loop {
            let mut rows = sqlx::query(sql::CHANGES)
                .bind(self.id)
                .bind(from)
                .bind(self.until.map_or(i64::MAX, |order| saturated(order.0)))
                .bind(&lanes)
                .bind(&firsts)
                .bind(CHUNK_CHANGES)
                .fetch(&mut *connection);
            let mut read = 0;
            while let Some(row) = rows.try_next().await? {
                read += 1;
                from = row.try_get::<i64, _>(2)? + 1;
                seen += self.take(&row, &covered, past);
            }
            if read < CHUNK_CHANGES {
                return Ok(seen);
            }
        }
    }

    /// Takes a change that is wanted: one, or none.
    fn take(&self, row: &PgRow, covered: &VectorClock, past: &mut Past) -> u64 {
        let dot = rows::dot(row, 0);
        if dot.is_some_and(|dot| covered.contains(dot) || !self.heads.contains(dot)) {
            return 0;
        }
        if let Some(dot) = dot {
            past.heads.observe(dot);
        }
        match rows::change(row, 0, self.document) {
            Ok(change) => past.changes.push(change),
            Err(damage) => {
                past.damaged += 1;
                self.damage.report(self.document, damage);
            }
        }
        1
    }
}

fn quarantined(row: &PgRow) -> Result<impl Iterator<Item = PayloadHash> + use<>, sqlx::Error> {
    let hashes: Option<Vec<Vec<u8>>> = row.try_get(0)?;
    let hashes = hashes.unwrap_or_default().into_iter();
    Ok(hashes
        .filter_map(|hash| hash.try_into().ok())
        .map(PayloadHash))
}

/// The latest change of each lane, by two columns of which the first is `first`: the replicas, and the counters.
pub(super) fn heads(row: &PgRow, first: usize) -> Result<VectorClock, sqlx::Error> {
    let lanes: Option<Vec<i64>> = row.try_get(first)?;
    let counters: Option<Vec<i64>> = row.try_get(first + 1)?;
    let heads = lanes.unwrap_or_default().into_iter();
    let heads = heads.zip(counters.unwrap_or_default());
    Ok(heads.filter_map(super::heads::head).collect())
}

/// Changes that are asked for at a time.
const CHUNK_CHANGES: i64 = 10_000;
