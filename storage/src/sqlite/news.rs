//! What is to be told of documents: gathered while a batch is carried out, and written before its commit.
//!
//! Only where an application wants to know. Each document of a batch costs one statement more then, and a batch that would
//! have been a statement that commits by itself becomes a transaction; elsewhere no statement is executed for it.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Author, Change, DocumentKey, Order};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::batch::{Batch, Stop};
use super::failure::store_error;
use super::rows::{kind, unsigned};
use super::sql;
use crate::news::{Changed, News, NewsHabit, Told};
use crate::numbers::{limit, now_ms, signed};
use crate::store::StoreError;

/// What a batch makes true of documents, by their numbers.
pub(super) struct NewNews {
    habit: NewsHabit,
    documents: BTreeMap<i64, OfDocument>,
}

#[derive(Default)]
struct OfDocument {
    created: bool,
    changed: Option<(Order, Option<Author>)>,
    deleted: bool,
}

impl NewNews {
    pub(super) fn new(habit: NewsHabit) -> Self {
        Self {
            habit,
            documents: BTreeMap::new(),
        }
    }
}

impl Batch<'_> {
    /// Whether somebody wants to know of each change.
    pub(super) fn wants_changes(&self) -> bool {
        self.news.as_ref().is_some_and(|news| news.habit.changed)
    }

    pub(super) fn note_created(&mut self, document: i64) {
        if let Some(news) = self.news.as_mut().filter(|news| news.habit.created) {
            news.documents.entry(document).or_default().created = true;
        }
    }

    pub(super) fn note_changed(&mut self, document: i64, change: &Change, order: u64) {
        if let Some(news) = self.news.as_mut().filter(|news| news.habit.changed) {
            let changed = (Order(order), change.author.clone());
            news.documents.entry(document).or_default().changed = Some(changed);
        }
    }

    pub(super) fn note_deleted(&mut self, document: i64) {
        if let Some(news) = self.news.as_mut().filter(|news| news.habit.deleted) {
            news.documents.entry(document).or_default().deleted = true;
        }
    }

    /// Writes down what is to be told.
    pub(super) async fn insert_news(&mut self) -> Result<(), sqlx::Error> {
        let Some(news) = self.news.take() else {
            return Ok(());
        };
        for (document, of) in &news.documents {
            self.add_news(*document, of, news.habit).await?;
        }
        Ok(())
    }

    async fn add_news(
        &mut self,
        document: i64,
        of: &OfDocument,
        habit: NewsHabit,
    ) -> Result<(), sqlx::Error> {
        let now_ms = self.now_ms;
        let changed = of.changed.as_ref();
        let author = changed.and_then(|(_, author)| author.as_ref());
        sqlx::query(sql::ADD_NEWS)
            .bind(document)
            .bind(of.created.then_some(now_ms))
            .bind(changed.map(|(through, _)| signed(through.0)))
            .bind(changed.map(|_| now_ms))
            .bind(author.map(Author::as_str))
            .bind(of.deleted.then_some(now_ms))
            .bind(now_ms)
            .bind(signed(habit.debounce_ms))
            .bind(signed(habit.debounce_max_ms))
            .execute(self.database().await?)
            .await?;
        Ok(())
    }

    pub(super) async fn told(&mut self, document: &DocumentKey, told: Told) -> Result<(), Stop> {
        let debounce_ms = self.news.as_ref().map_or(0, |news| news.habit.debounce_ms);
        let now_ms = self.now_ms;
        sqlx::query(sql::TOLD)
            .bind(document.workspace())
            .bind(document.name())
            .bind(told == Told::Created)
            .bind(told.through().map(|through| signed(through.0)))
            .bind(told == Told::Deleted)
            .bind(now_ms)
            .bind(signed(debounce_ms))
            .execute(self.database().await?)
            .await?;
        sqlx::query(sql::DROP_TOLD)
            .bind(document.workspace())
            .bind(document.name())
            .execute(self.database().await?)
            .await?;
        Ok(())
    }

    pub(super) async fn put_off(
        &mut self,
        document: &DocumentKey,
        delay: Duration,
    ) -> Result<(), Stop> {
        sqlx::query(sql::PUT_OFF)
            .bind(document.workspace())
            .bind(document.name())
            .bind(self.until_ms(delay))
            .execute(self.database().await?)
            .await?;
        Ok(())
    }
}

/// What is to be told next, the first due first.
pub(super) async fn list(pool: &SqlitePool, most: usize) -> Result<Vec<News>, StoreError> {
    let rows = sqlx::query(sql::NEWS)
        .bind(limit(most))
        .fetch_all(pool)
        .await
        .map_err(|e| store_error(&e))?;
    let now_ms = now_ms();
    let news = rows.iter().filter_map(|row| {
        let news = read(row, now_ms);
        if news.is_none() {
            tracing::error!("row of the outbox can not be read");
        }
        news
    });
    Ok(news.collect())
}

/// Reads a row whose columns are as [`sql::NEWS`] has them.
fn read(row: &SqliteRow, now_ms: u64) -> Option<News> {
    let time = |column| {
        let ms: Option<i64> = row.try_get(column).ok()?;
        Some(ms.map(i64::cast_unsigned))
    };
    let author: Option<&str> = row.try_get(6).ok()?;
    let changed = match (time(4)?, time(5)?) {
        (Some(through), Some(at_ms)) => Some(Changed {
            through: Order(through),
            at_ms,
            author: author.map(Author::new),
        }),
        _ => None,
    };
    Some(News {
        document: DocumentKey::new(row.try_get(0).ok()?, row.try_get(1).ok()?).ok()?,
        kind: kind(row, 2)?,
        created_ms: time(3)?,
        changed,
        deleted_ms: time(7)?,
        due_in_ms: unsigned(row, 8)?.wrapping_sub(now_ms).cast_signed(),
        attempts: row.try_get(9).ok()?,
    })
}
