//! News in the database: written in the transaction that makes it true, read beside it.
//!
//! Transactions of several nodes may commit in another order than that of their places in the timeline. Where a change is
//! committed after one with a higher place, and that one may have been told of, the news takes a new place. When it is due
//! goes by the clock of the database, which is the same for all nodes.

use std::time::Duration;

use engine::{Author, DocumentKey, Order};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::failure::Stop;
use super::leases::millis;
use super::rows::{self, author_bytes, kind, optional};
use super::sql;
use crate::news::{Changed, News, NewsHabit, Told};
use crate::numbers::{limit, signed};

/// What a transaction makes true of a document.
#[derive(Debug, Default)]
pub(super) struct NewNews {
    pub(super) created: bool,
    /// The last change.
    pub(super) changed: Option<(i64, Option<Author>)>,
    pub(super) deleted: bool,
}

/// Writes down what is to be told of a document, if anybody wants to know.
pub(super) async fn add_news(
    connection: &mut PgConnection,
    document: i64,
    news: &NewNews,
    habit: Option<NewsHabit>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let Some(habit) = habit else { return Ok(()) };
    let created = news.created && habit.created;
    let changed = news.changed.as_ref().filter(|_| habit.changed);
    let deleted = news.deleted && habit.deleted;
    if !created && !deleted && changed.is_none() {
        return Ok(());
    }
    let author = changed.and_then(|(_, author)| author.as_ref());
    sqlx::query(sql::ADD_NEWS)
        .bind(document)
        .bind(created.then_some(now_ms))
        .bind(changed.map(|(through, _)| through))
        .bind(changed.map(|_| now_ms))
        .bind(author_bytes(author))
        .bind(deleted.then_some(now_ms))
        .bind(signed(habit.debounce_ms))
        .bind(signed(habit.debounce_max_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// What is to be told next, the first due first.
pub(super) async fn list(connection: &mut PgConnection, most: usize) -> Result<Vec<News>, Stop> {
    let rows = sqlx::query(sql::NEWS)
        .bind(limit(most))
        .fetch_all(connection)
        .await?;
    let news = rows.iter().filter_map(|row| {
        let news = read(row);
        if news.is_none() {
            tracing::error!("row of the outbox can not be read");
        }
        news
    });
    Ok(news.collect())
}

/// Takes out what was told.
pub(super) async fn told(
    connection: &mut PgConnection,
    document: &DocumentKey,
    told: Told,
    habit: Option<NewsHabit>,
) -> Result<(), Stop> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql::TOLD)
        .bind(document.workspace())
        .bind(document.name())
        .bind(told == Told::Created)
        .bind(told.through().map(|through| signed(through.0)))
        .bind(told == Told::Deleted)
        .bind(signed(habit.map_or(0, |habit| habit.debounce_ms)))
        .execute(&mut *transaction)
        .await?;
    sqlx::query(sql::DROP_TOLD)
        .bind(document.workspace())
        .bind(document.name())
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// Tells the news of a document later.
pub(super) async fn put_off(
    connection: &mut PgConnection,
    document: &DocumentKey,
    delay: Duration,
) -> Result<(), Stop> {
    sqlx::query(sql::PUT_OFF)
        .bind(document.workspace())
        .bind(document.name())
        .bind(millis(delay))
        .execute(connection)
        .await?;
    Ok(())
}

/// Reads a row whose columns are as [`sql::NEWS`] has them.
fn read(row: &PgRow) -> Option<News> {
    let changed = match (optional(row, 4)?, optional(row, 5)?) {
        (Some(through), Some(at_ms)) => Some(Changed {
            through: Order(through),
            at_ms,
            author: rows::author(row, 6)?,
        }),
        _ => None,
    };
    let attempts: i64 = row.try_get(9).ok()?;
    Some(News {
        document: DocumentKey::new(row.try_get(0).ok()?, row.try_get(1).ok()?).ok()?,
        kind: kind(row, 2)?,
        created_ms: optional(row, 3)?,
        changed,
        deleted_ms: optional(row, 7)?,
        due_in_ms: row.try_get(8).ok()?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
    })
}
