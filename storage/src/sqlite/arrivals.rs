//! What the writer remembers of the changes that are not filed under their documents yet: where each stands.
//!
//! `arrivals` has no index but the timeline, and so costs next to nothing to append to. The writer, which adds and removes
//! its rows, keeps in memory what an index would tell; it reads the table once, when it opens the database. A row that has
//! been filed and not been removed stays in here, which does no harm: it is the same change in both places.

use engine::{Dot, ReplicaId};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::cache::Pending;
use super::filing::Amount;
use super::operations::ArrivedOperations;
use super::sql;
use crate::operation::{Name, Placed};

/// Where the changes stand that are not filed yet, in the order of the timeline.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    places: Vec<Place>,
    bytes: u64,
    pub(super) operations: ArrivedOperations,
}

/// One change that is not filed yet.
#[derive(Clone, Copy, Debug)]
struct Place {
    order: i64,
    document: i64,
    counter: u64,
    replica: ReplicaId,
    /// What its payload takes, no more than can be counted here.
    bytes: u32,
}

impl Arrivals {
    /// Reads the table.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut arrivals = Self::default();
        let mut rows = sqlx::query(sql::ARRIVALS).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            // A replica that is none can be nobody's head, and is filed like all others.
            let replica = u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
            let (order, document) = (row.try_get(0)?, row.try_get(1)?);
            if let Some(placed) = placed(&row)? {
                arrivals.operations.note(document, &placed, order);
            }
            arrivals.push(Place {
                order,
                document,
                replica: ReplicaId(replica),
                counter: row.try_get::<i64, _>(3)?.cast_unsigned(),
                bytes: saturated(row.try_get::<i64, _>(4)?.cast_unsigned()),
            });
        }
        Ok(arrivals)
    }

    /// A change has been inserted, after all others.
    pub(super) fn note(&mut self, pending: &Pending, order: i64) {
        let change = &pending.change;
        if let Some(placed) = &pending.placed {
            self.operations.note(pending.document, placed, order);
        }
        self.push(Place {
            order,
            document: pending.document,
            counter: change.dot.counter,
            replica: change.dot.replica,
            bytes: saturated(change.payload.len() as u64),
        });
    }

    fn push(&mut self, place: Place) {
        self.bytes += u64::from(place.bytes);
        self.places.push(place);
    }

    /// Everything up to a place in the timeline has been removed.
    pub(super) fn forget(&mut self, through: i64) {
        let gone = self.places.partition_point(|place| place.order <= through);
        let gone = self.places.drain(..gone);
        self.bytes -= gone.map(|place| u64::from(place.bytes)).sum::<u64>();
        self.operations.forget(through);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many there are, and what their payloads take.
    pub(super) fn amount(&self) -> Amount {
        Amount {
            changes: self.places.len(),
            bytes: self.bytes,
        }
    }

    /// The highest counter of a lane; none if nothing of it is here.
    pub(super) fn head(&self, document: i64, replica: ReplicaId) -> Option<u64> {
        let mut places = self.places.iter().rev();
        let last = places.find(|it| it.document == document && it.replica == replica);
        last.map(|place| place.counter)
    }

    /// Where a change stands in the timeline, if it is here.
    pub(super) fn order(&self, document: i64, dot: Dot) -> Option<i64> {
        let is_it = |it: &&Place| {
            (it.document, it.replica, it.counter) == (document, dot.replica, dot.counter)
        };
        self.places
            .iter()
            .rev()
            .find(is_it)
            .map(|place| place.order)
    }

    /// The place in the timeline of the so-and-so-manieth, or of the last if there are fewer.
    pub(super) fn order_at(&self, index: usize) -> i64 {
        let place = self.places.get(index).or_else(|| self.places.last());
        place.map_or(0, |place| place.order)
    }

    /// The places in the timeline, those of one document together and in its order; with the bytes of each.
    pub(super) fn by_document(&self) -> Vec<(i64, u32)> {
        let mut places = self.places.clone();
        places.sort_unstable_by_key(|place| (place.document, place.order));
        places.iter().map(|it| (it.order, it.bytes)).collect()
    }
}

/// The place and name of an operation; none for another change.
fn placed(row: &SqliteRow) -> Result<Option<Placed>, sqlx::Error> {
    let version: Option<i64> = row.try_get(5)?;
    let source: Option<&[u8]> = row.try_get(6)?;
    let number: Option<i64> = row.try_get(7)?;
    let placed = |version: i64, source: &[u8], number| {
        let source = source.try_into().ok()?;
        let name = Name { source, number };
        let version = version.cast_unsigned();
        Some(Placed { version, name })
    };
    let columns = version.zip(source).zip(number);
    Ok(columns.and_then(|((version, source), number)| placed(version, source, number)))
}

fn saturated(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
