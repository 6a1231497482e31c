//! Rows to values and back. A row is trusted only when all its columns parse and its checksum fits; a [`Damage`] says
//! which one was not, as far as that can still be told.

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, ConnectionId, DocumentKey, Dot, Gist, Hlc, Kind, Order, ReplicaId,
    Snapshot, StoredChange, VectorClock,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::damage::Damage;
use crate::store::{Description, StoreError};

/// The checksum of a change's row: over the change, its place, which the store hands out, and whether it has an author,
/// which is told apart here from having one without a name.
pub(super) fn change_checksum(change: &Change, order: Order) -> i64 {
    let mut hasher = crc32fast::Hasher::new_with_initial(change.checksum());
    hasher.update(&order.0.to_le_bytes());
    hasher.update(&[u8::from(change.author.is_some())]);
    i64::from(hasher.finalize())
}

/// Reads a change of `document` by its columns as `sql` names them.
pub(super) fn change(row: &SqliteRow, document: &DocumentKey) -> Result<StoredChange, Damage> {
    let dot = dot(row);
    dot.and_then(|dot| whole_change(row, document, dot))
        .ok_or(Damage { dot })
}

fn dot(row: &SqliteRow) -> Option<Dot> {
    Some(Dot {
        replica: ReplicaId(row.try_get(0).ok()?),
        counter: unsigned(row, 1)?,
    })
}

fn whole_change(row: &SqliteRow, document: &DocumentKey, dot: Dot) -> Option<StoredChange> {
    let order = Order(unsigned(row, 2)?);
    let change = Change {
        document: document.clone(),
        dot,
        context: VectorClock::from_bytes(row.try_get(3).ok()?).ok()?,
        hlc: Hlc(unsigned(row, 4)?),
        author: row.try_get::<Option<&str>, _>(5).ok()?.map(Author::new),
        connection: ConnectionId(unsigned(row, 6)?),
        kind: ChangeKind::from_number(row.try_get(7).ok()?)?,
        payload: bytes(row, 8)?,
    };
    let checksum: i64 = row.try_get(9).ok()?;
    (checksum == change_checksum(&change, order)).then_some(StoredChange { order, change })
}

/// Reads a snapshot whose columns are clock, state, checksum.
pub(super) fn snapshot(row: &SqliteRow, document: &DocumentKey, kind: Kind) -> Option<Snapshot> {
    let snapshot = Snapshot {
        document: document.clone(),
        kind,
        clock: VectorClock::from_bytes(row.try_get(0).ok()?).ok()?,
        state: bytes(row, 1)?,
    };
    let checksum: i64 = row.try_get(2).ok()?;
    (checksum == i64::from(snapshot.checksum())).then_some(snapshot)
}

/// Reads a gist whose columns are clock, have, checksum.
pub(super) fn gist(row: &SqliteRow, document: &DocumentKey, kind: Kind) -> Option<Gist> {
    let gist = Gist {
        document: document.clone(),
        kind,
        clock: VectorClock::from_bytes(row.try_get(0).ok()?).ok()?,
        have: bytes(row, 1)?,
    };
    let checksum: i64 = row.try_get(2).ok()?;
    (checksum == i64::from(gist.checksum())).then_some(gist)
}

/// Reads a description whose columns are workspace, name, kind, created_ms, deleted_ms, the timestamp of the last change
/// and the heads, as dots with commas between; then the document's number.
pub(super) fn description(row: &SqliteRow) -> Result<Description, StoreError> {
    let described = || {
        let heads: Option<&str> = row.try_get(6).ok()?;
        Some(Description {
            document: DocumentKey::new(row.try_get(0).ok()?, row.try_get(1).ok()?).ok()?,
            kind: kind(row, 2)?,
            created_ms: unsigned(row, 3)?,
            deleted_ms: optional(row, 4)?,
            changed_ms: optional(row, 5)?.map(|hlc| Hlc(hlc).wall_ms()),
            clock: heads.map_or_else(|| Some(VectorClock::default()), clock)?,
        })
    };
    described().ok_or_else(damaged_document)
}

/// Reads the number of the document that a description is of.
pub(super) fn document_id(row: &SqliteRow) -> Result<i64, StoreError> {
    row.try_get(7).map_err(|_| damaged_document())
}

/// Reads a kind's word.
pub(super) fn kind(row: &SqliteRow, column: usize) -> Option<Kind> {
    row.try_get::<&str, _>(column).ok()?.parse().ok()
}

/// Why a row of `documents` can not be used: it is damaged, or names a kind that only a newer program knows.
pub(super) fn damaged_document() -> StoreError {
    StoreError::Unavailable("row of the document can not be read".to_owned())
}

/// The counterpart of [`signed`].
pub(super) fn unsigned(row: &SqliteRow, column: usize) -> Option<u64> {
    row.try_get::<i64, _>(column).ok().map(i64::cast_unsigned)
}

fn optional(row: &SqliteRow, column: usize) -> Option<Option<u64>> {
    let number: Option<i64> = row.try_get(column).ok()?;
    Some(number.map(i64::cast_unsigned))
}

fn bytes(row: &SqliteRow, column: usize) -> Option<Bytes> {
    row.try_get::<Vec<u8>, _>(column).ok().map(Bytes::from)
}

fn clock(heads: &str) -> Option<VectorClock> {
    heads
        .split(',')
        .map(|head| head.parse::<Dot>().ok())
        .collect()
}
