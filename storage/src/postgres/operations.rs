//! Operations: whether they have the places and names that they claim, and reading them.
//!
//! What decides is the first row that an append inserts: two nodes that append on one version insert the same key, and one of
//! them waits for the other and finds it taken. Behind a version that it was the first to take, nobody else can be.

use engine::{Change, DocumentKey, Dot, StoredChange};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::failure::Stop;
use super::history::take;
use super::rows;
use super::sql;
use crate::damage::DamageLog;
use crate::numbers::{limit, saturated, signed};
use crate::operation::{Following, Name, Placed};
use crate::store::StoreError;

/// An operation that is not stored yet: its index in the append, its place and name, and its dot.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewOperation {
    pub(super) index: usize,
    pub(super) placed: Placed,
    pub(super) dot: Dot,
}

/// The operations among some changes; none if they do not follow each other evenly, each with a name of its own, and are to be
/// looked at closely.
pub(super) fn even(changes: &[Change]) -> Option<Vec<NewOperation>> {
    let operations = new(changes.iter().enumerate()).ok()?;
    if let Some(first) = operations.first() {
        let mut following = Following::new(first.placed.version);
        for operation in &operations {
            following.take(&operation.placed, operation.index).ok()?;
        }
    }
    Some(operations)
}

/// The operations among changes that have these indices in their append.
pub(super) fn new<'a>(
    changes: impl IntoIterator<Item = (usize, &'a Change)>,
) -> Result<Vec<NewOperation>, StoreError> {
    let mut operations = Vec::new();
    for (index, change) in changes {
        let dot = change.dot;
        let placed = Placed::of(change)?;
        operations.extend(placed.map(|placed| NewOperation { index, placed, dot }));
    }
    Ok(operations)
}

/// Operations as columns.
#[derive(Debug, Default)]
pub(super) struct Columns {
    versions: Vec<i64>,
    sources: Vec<Vec<u8>>,
    numbers: Vec<i64>,
    replicas: Vec<i64>,
    counters: Vec<i64>,
}

impl Columns {
    pub(super) fn push(&mut self, operation: &NewOperation) {
        let NewOperation { placed, dot, .. } = operation;
        self.versions.push(signed(placed.version));
        self.sources.push(placed.name.source.to_vec());
        self.numbers.push(placed.name.number);
        self.replicas.push(i64::from(dot.replica.0));
        self.counters.push(signed(dot.counter));
    }

    pub(super) fn bind<'q>(self, query: super::columns::Query<'q>) -> super::columns::Query<'q> {
        query
            .bind(self.versions)
            .bind(self.sources)
            .bind(self.numbers)
            .bind(self.replicas)
            .bind(self.counters)
    }
}

/// Whether operations may be stored in a document. Where the same ones have been stored since somebody looked, it is to be
/// looked again.
pub(super) async fn check(
    connection: &mut PgConnection,
    document: Option<i64>,
    operations: &[NewOperation],
) -> Result<(), Stop> {
    if operations.is_empty() {
        return Ok(());
    }
    let last: Option<i64> = sqlx::query_scalar(sql::LAST_VERSION)
        .bind(document)
        .fetch_optional(&mut *connection)
        .await?;
    let mut following = Following::new(last.map_or(0, |last| last.cast_unsigned() + 1));
    for operation in operations {
        if let Err(refused) = following.take(&operation.placed, operation.index) {
            let version = operation.placed.version;
            return Err(stop(connection, document, operation, version, refused).await?);
        }
    }
    let (sources, numbers): (Vec<_>, Vec<_>) = operations
        .iter()
        .map(|it| (it.placed.name.source.to_vec(), it.placed.name.number))
        .unzip();
    let known: Option<(i64, i64)> = sqlx::query_as(sql::KNOWN_NAME)
        .bind(document)
        .bind(sources)
        .bind(numbers)
        .fetch_optional(&mut *connection)
        .await?;
    let Some((place, version)) = known else {
        return Ok(());
    };
    let at = usize::try_from(place - 1).unwrap_or(usize::MAX);
    let Some(operation) = operations.get(at) else {
        return Ok(());
    };
    let (index, version) = (operation.index, version.cast_unsigned());
    let refused = StoreError::NameKnown { index, version };
    Err(stop(connection, document, operation, version, refused).await?)
}

/// Why an operation may not be stored: what is on a version already may be this very one by now.
async fn stop(
    connection: &mut PgConnection,
    document: Option<i64>,
    operation: &NewOperation,
    version: u64,
    refused: StoreError,
) -> Result<Stop, sqlx::Error> {
    let row = sqlx::query(sql::DOT_OF_VERSION)
        .bind(document)
        .bind(signed(version))
        .fetch_optional(connection)
        .await?;
    let stored = row.and_then(|row| rows::dot(&row, 0));
    Ok(match stored == Some(operation.dot) {
        true => Stop::Overtaken,
        false => refused.into(),
    })
}

/// Inserts operations that follow those of a document; false if another transaction was faster.
pub(super) async fn insert(
    connection: &mut PgConnection,
    document: i64,
    operations: &[NewOperation],
) -> Result<bool, sqlx::Error> {
    if operations.is_empty() {
        return Ok(true);
    }
    let mut columns = Columns::default();
    operations
        .iter()
        .for_each(|operation| columns.push(operation));
    let query = columns.bind(sqlx::query(sql::INSERT_OPERATIONS).bind(document));
    let inserted = query.execute(connection).await?;
    Ok(inserted.rows_affected() == operations.len() as u64)
}

/// The operations from one version up to another.
pub(super) async fn read(
    connection: &mut PgConnection,
    document: &DocumentKey,
    from: u64,
    to: Option<u64>,
    damage: &DamageLog,
) -> Result<Vec<StoredChange>, Stop> {
    let (mut from, to) = (saturated(from), to.map_or(i64::MAX, saturated));
    let mut changes = Vec::new();
    while from < to {
        let rows = sqlx::query(sql::OPERATIONS)
            .bind(document.workspace())
            .bind(document.name())
            .bind(from)
            .bind(to)
            .bind(limit(CHUNK_OPERATIONS))
            .fetch_all(&mut *connection)
            .await?;
        take(&rows, document, damage, &mut changes);
        match rows.last() {
            Some(last) if rows.len() == CHUNK_OPERATIONS => {
                from = last.try_get::<i64, _>(10)?.saturating_add(1);
            }
            _ => break,
        }
    }
    Ok(changes)
}

/// The version of the operation of a name.
pub(super) async fn version_of(
    connection: &mut PgConnection,
    document: &DocumentKey,
    name: &Name,
) -> Result<Option<u64>, Stop> {
    let version: Option<i64> = sqlx::query_scalar(sql::VERSION_OF)
        .bind(document.workspace())
        .bind(document.name())
        .bind(&name.source[..])
        .bind(name.number)
        .fetch_optional(connection)
        .await?;
    Ok(version.map(i64::cast_unsigned))
}

/// Operations that are asked for at a time.
const CHUNK_OPERATIONS: usize = 2_000;
