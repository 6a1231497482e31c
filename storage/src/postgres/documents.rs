//! Documents as such: created, deleted, described, listed.
//!
//! Creating and deleting carry a random number that is stored with them. A request that is tried again, because nobody knows
//! what became of the first attempt, finds its own number and knows that it was the one.

use engine::{DocumentKey, Kind, VectorClock};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::failure::Stop;
use super::heads::heads_of;
use super::news::{NewNews, add_news};
use super::rows;
use super::sql;
use crate::news::NewsHabit;
use crate::numbers::{limit, now_ms, random, signed};
use crate::store::{Description, DocumentQuery, StoreError, WorkspaceSummary};

/// A document that is in the store.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) kind: Kind,
    pub(super) deleted: bool,
    /// The request that created or deleted it.
    pub(super) request: Option<Vec<u8>>,
}

/// A request that creates or deletes a document, and when it was made.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) request: Vec<u8>,
    pub(super) now_ms: i64,
}

impl Deed {
    pub(super) fn new() -> Self {
        let half = || random().to_be_bytes();
        Self {
            request: [half(), half()].concat(),
            now_ms: signed(now_ms()),
        }
    }

    /// Whether an earlier attempt of this one did it.
    pub(super) fn did(&self, known: &Known) -> bool {
        known.request.as_ref() == Some(&self.request)
    }
}

impl Known {
    fn read(row: &PgRow) -> Result<Self, StoreError> {
        let read = || {
            Some(Self {
                id: row.try_get(0).ok()?,
                kind: rows::kind(row, 1)?,
                deleted: row.try_get(2).ok()?,
                request: row.try_get(3).ok()?,
            })
        };
        read().ok_or_else(rows::damaged_document)
    }

    /// Whether it may be written as `kind`.
    pub(super) fn writable(&self, kind: Kind) -> Result<(), StoreError> {
        match self {
            Self { deleted: true, .. } => Err(StoreError::Deleted),
            Self { kind: other, .. } if *other != kind => Err(StoreError::KindDiffers(*other)),
            _ => Ok(()),
        }
    }
}

/// What is known of a document, if there is or was one; `sql` says whether it is locked.
pub(super) async fn known(
    connection: &mut PgConnection,
    sql: &'static str,
    document: &DocumentKey,
) -> Result<Option<Known>, Stop> {
    let row = sqlx::query(sql)
        .bind(document.workspace())
        .bind(document.name())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(Known::read).transpose()?)
}

/// Creates a document that there is not yet, and gives its number; none if another transaction was faster.
pub(super) async fn insert(
    connection: &mut PgConnection,
    document: &DocumentKey,
    kind: Kind,
    deed: &Deed,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(sql::INSERT_DOCUMENT)
        .bind(document.workspace())
        .bind(document.name())
        .bind(kind.as_str())
        .bind(deed.now_ms)
        .bind(&deed.request)
        .fetch_optional(connection)
        .await
}

/// Creates a document without changes.
pub(super) async fn create(
    connection: &mut PgConnection,
    document: &DocumentKey,
    kind: Kind,
    deed: &Deed,
    habit: Option<NewsHabit>,
) -> Result<Description, Stop> {
    let mut transaction = connection.begin().await?;
    if let Some(id) = insert(&mut transaction, document, kind, deed).await? {
        let news = NewNews {
            created: true,
            ..NewNews::default()
        };
        add_news(&mut transaction, id, &news, habit, deed.now_ms).await?;
        transaction.commit().await?;
    } else {
        match known(&mut transaction, sql::KNOWN, document).await? {
            Some(known) if known.deleted => return Err(StoreError::Deleted.into()),
            Some(known) if !deed.did(&known) => return Err(StoreError::Exists.into()),
            Some(_) => {}
            None => return Err(Stop::Overtaken),
        }
    }
    Ok(Description {
        document: document.clone(),
        kind,
        created_ms: deed.now_ms.cast_unsigned(),
        changed_ms: None,
        deleted_ms: None,
        clock: VectorClock::default(),
    })
}

/// Deletes a document, unless there is none or it was deleted before.
pub(super) async fn delete(
    connection: &mut PgConnection,
    document: &DocumentKey,
    deed: &Deed,
    habit: Option<NewsHabit>,
) -> Result<bool, Stop> {
    let mut transaction = connection.begin().await?;
    let deleted: Option<i64> = sqlx::query_scalar(sql::DELETE_DOCUMENT)
        .bind(document.workspace())
        .bind(document.name())
        .bind(deed.now_ms)
        .bind(&deed.request)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(id) = deleted else {
        let known = known(&mut transaction, sql::KNOWN, document).await?;
        return Ok(known.is_some_and(|known| known.deleted && deed.did(&known)));
    };
    let news = NewNews {
        deleted: true,
        ..NewNews::default()
    };
    add_news(&mut transaction, id, &news, habit, deed.now_ms).await?;
    transaction.commit().await?;
    Ok(true)
}

/// A document's description.
pub(super) async fn describe(
    connection: &mut PgConnection,
    document: &DocumentKey,
) -> Result<Option<Description>, Stop> {
    let row = sqlx::query(sql::DESCRIBE)
        .bind(document.workspace())
        .bind(document.name())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let described = vec![rows::description(&row)?];
    Ok(with_clocks(connection, described).await?.pop())
}

/// A page of a workspace's documents. One whose row can not be read is left out and logged.
pub(super) async fn list(
    connection: &mut PgConnection,
    query: &DocumentQuery,
) -> Result<Vec<Description>, Stop> {
    let (mut after, mut page) = (query.after.clone().unwrap_or_default(), Vec::new());
    let beyond = beyond(&query.prefix);
    while page.len() < query.limit {
        let asked = (query.limit - page.len()).min(CHUNK_DOCUMENTS);
        let rows = sqlx::query(sql::DOCUMENTS)
            .bind(&query.workspace)
            .bind(&query.prefix)
            .bind(&beyond)
            .bind(&after)
            .bind(limit(asked))
            .fetch_all(&mut *connection)
            .await?;
        let described = rows.iter().filter_map(|row| {
            let described = rows::description(row);
            if described.is_err() {
                tracing::error!(workspace = ?query.workspace, "row of a document can not be read");
            }
            described.ok()
        });
        page.extend(with_clocks(connection, described.collect()).await?);
        match rows.last() {
            Some(last) if rows.len() == asked => after = last.try_get(2)?,
            _ => break,
        }
    }
    Ok(page)
}

async fn with_clocks(
    connection: &mut PgConnection,
    described: Vec<(i64, Description)>,
) -> Result<Vec<Description>, sqlx::Error> {
    let ids: Vec<_> = described.iter().map(|(id, _)| *id).collect();
    let mut clocks = heads_of(connection, &ids).await?;
    let described = described.into_iter().map(|(id, description)| Description {
        clock: clocks.remove(&id).unwrap_or_default(),
        ..description
    });
    Ok(described.collect())
}

/// The workspaces that hold documents.
pub(super) async fn workspaces(
    connection: &mut PgConnection,
) -> Result<Vec<WorkspaceSummary>, Stop> {
    let counts: Vec<(String, i64)> = sqlx::query_as(sql::WORKSPACES)
        .fetch_all(connection)
        .await?;
    let summary = |(name, documents): (String, i64)| WorkspaceSummary {
        name,
        documents: documents.cast_unsigned(),
    };
    Ok(counts.into_iter().map(summary).collect())
}

/// The first name, by bytes, that is after all names with a prefix; none if there is no such name.
fn beyond(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let mut later = last..=char::MAX;
        later.next();
        if let Some(next) = later.next() {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Documents that are asked for at a time.
const CHUNK_DOCUMENTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn what_is_beyond_a_prefix_is_after_all_that_begins_with_it() {
        let cases = [
            ("", None),
            ("a", Some("b")),
            ("\u{10FFFF}", None),
            ("a\u{10FFFF}", Some("b")),
            ("a\u{D7FF}", Some("a\u{E000}")),
        ];
        for (prefix, wanted) in cases {
            let found = beyond(prefix);
            assert_eq!(found.as_deref(), wanted, "{prefix:?}");
            let last = format!("{prefix}\u{10FFFF}\u{10FFFF}");
            assert!(found.is_none_or(|found| found > last));
        }
    }
}
