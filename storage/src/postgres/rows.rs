//! Rows to values and back. A row is trusted only when all its columns parse and its checksum fits; a [`Damage`] says
//! which one was not, as far as that can still be told.

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, ConnectionId, DocumentKey, Dot, Gist, Hlc, Kind, Order, ReplicaId,
    Snapshot, StoredChange, VectorClock,
};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::damage::Damage;
use crate::store::{Description, StoreError};

/// The checksum of a change's row: over the change, and whether it has an author, which is told apart here from having one
/// without a name. Its place is the database's to hand out, and is not known yet.
pub(super) fn change_checksum(change: &Change) -> i64 {
    let mut hasher = crc32fast::Hasher::new_with_initial(change.checksum());
    hasher.update(&[u8::from(change.author.is_some())]);
    i64::from(hasher.finalize())
}

/// Reads a change of `document` whose columns, as `sql` names them, begin at `first`.
pub(super) fn change(
    row: &PgRow,
    first: usize,
    document: &DocumentKey,
) -> Result<StoredChange, Damage> {
    let dot = dot(row, first);
    dot.and_then(|dot| whole_change(row, first, document, dot))
        .ok_or(Damage { dot })
}

/// Reads a dot from two columns.
pub(super) fn dot(row: &PgRow, first: usize) -> Option<Dot> {
    Some(Dot {
        replica: replica(row.try_get(first).ok()?)?,
        counter: unsigned(row, first + 1)?,
    })
}

fn whole_change(
    row: &PgRow,
    first: usize,
    document: &DocumentKey,
    dot: Dot,
) -> Option<StoredChange> {
    let kind: i16 = row.try_get(first + 7).ok()?;
    let change = Change {
        document: document.clone(),
        dot,
        context: VectorClock::from_bytes(row.try_get(first + 3).ok()?).ok()?,
        hlc: Hlc(unsigned(row, first + 4)?),
        author: author(row, first + 5)?,
        connection: ConnectionId(unsigned(row, first + 6)?),
        kind: ChangeKind::from_number(u8::try_from(kind).ok()?)?,
        payload: bytes(row, first + 8)?,
    };
    let order = Order(unsigned(row, first + 2)?);
    let checksum: i64 = row.try_get(first + 9).ok()?;
    (checksum == change_checksum(&change)).then_some(StoredChange { order, change })
}

/// Reads a snapshot whose columns are clock, state, checksum.
pub(super) fn snapshot(
    row: &PgRow,
    first: usize,
    document: &DocumentKey,
    kind: Kind,
) -> Option<Snapshot> {
    let snapshot = Snapshot {
        document: document.clone(),
        kind,
        clock: VectorClock::from_bytes(row.try_get(first).ok()?).ok()?,
        state: bytes(row, first + 1)?,
    };
    let checksum: i64 = row.try_get(first + 2).ok()?;
    (checksum == i64::from(snapshot.checksum())).then_some(snapshot)
}

/// Reads a gist whose columns, from `first` on, are clock, have, checksum.
pub(super) fn gist(row: &PgRow, first: usize, document: &DocumentKey, kind: Kind) -> Option<Gist> {
    let gist = Gist {
        document: document.clone(),
        kind,
        clock: VectorClock::from_bytes(row.try_get(first).ok()?).ok()?,
        have: bytes(row, first + 1)?,
    };
    let checksum: i64 = row.try_get(first + 2).ok()?;
    (checksum == i64::from(gist.checksum())).then_some(gist)
}

/// Reads a description without its clock, whose columns are id, workspace, name, kind, created_ms, deleted_ms and the
/// timestamp of the last change.
pub(super) fn description(row: &PgRow) -> Result<(i64, Description), StoreError> {
    let described = || {
        let description = Description {
            document: DocumentKey::new(row.try_get(1).ok()?, row.try_get(2).ok()?).ok()?,
            kind: kind(row, 3)?,
            created_ms: unsigned(row, 4)?,
            deleted_ms: optional(row, 5)?,
            changed_ms: optional(row, 6)?.map(|hlc| Hlc(hlc).wall_ms()),
            clock: VectorClock::default(),
        };
        Some((row.try_get(0).ok()?, description))
    };
    described().ok_or_else(damaged_document)
}

/// Reads a kind's word.
pub(super) fn kind(row: &PgRow, column: usize) -> Option<Kind> {
    row.try_get::<&str, _>(column).ok()?.parse().ok()
}

/// Why a row of `documents` can not be used: it is damaged, or names a kind that only a newer program knows.
pub(super) fn damaged_document() -> StoreError {
    StoreError::Unavailable("row of the document can not be read".to_owned())
}

/// A replica's id, which no row has that is not one.
pub(super) fn replica(number: i64) -> Option<ReplicaId> {
    u32::try_from(number).ok().map(ReplicaId)
}

/// The counterpart of [`signed`].
pub(super) fn unsigned(row: &PgRow, column: usize) -> Option<u64> {
    row.try_get::<i64, _>(column).ok().map(i64::cast_unsigned)
}

/// The same of a column that may be null.
pub(super) fn optional(row: &PgRow, column: usize) -> Option<Option<u64>> {
    let number: Option<i64> = row.try_get(column).ok()?;
    Some(number.map(i64::cast_unsigned))
}

pub(super) fn bytes(row: &PgRow, column: usize) -> Option<Bytes> {
    row.try_get::<Vec<u8>, _>(column).ok().map(Bytes::from)
}

/// Reads text that is kept as its bytes, since it may hold a NUL.
pub(super) fn text(row: &PgRow, column: usize) -> Option<&str> {
    std::str::from_utf8(row.try_get(column).ok()?).ok()
}

/// Reads who did something, if anybody is named.
pub(super) fn author(row: &PgRow, column: usize) -> Option<Option<Author>> {
    let author: Option<&[u8]> = row.try_get(column).ok()?;
    let Some(author) = author else {
        return Some(None);
    };
    Some(Some(Author::new(std::str::from_utf8(author).ok()?)))
}

/// The bytes of who did something.
pub(super) fn author_bytes(author: Option<&Author>) -> Option<&[u8]> {
    author.map(|author| author.as_str().as_bytes())
}
