//! One append by itself, looked at closely: one that the statement for many did not take, because it repeats something,
//! leaves a hole, is refused, or because another transaction came between. And the creation of a document with content,
//! which is to happen once.
//!
//! The document's row is locked first; what is read after that can not be changed by its deletion any more.

use std::collections::HashMap;

use engine::{Change, DocumentKey, Dot, Kind, ReplicaId};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::columns::Columns;
use super::documents::{Deed, Known, insert, known};
use super::failure::Stop;
use super::news::{NewNews, add_news};
use super::rows;
use super::sql;
use crate::news::NewsHabit;
use crate::numbers::signed;
use crate::store::StoreError;

/// What is to be appended to one document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Append<'a> {
    pub(super) document: &'a DocumentKey,
    pub(super) kind: Kind,
    pub(super) changes: &'a [Change],
    pub(super) deed: &'a Deed,
    /// Whether the document must not be there yet.
    pub(super) creates: bool,
}

impl Append<'_> {
    /// Stores all of it or nothing. What is refused gives its lock back at once.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        habit: Option<NewsHabit>,
    ) -> Result<(), Stop> {
        let mut transaction = connection.begin().await?;
        match self.append(&mut transaction, habit).await {
            Ok(()) => transaction.commit().await?,
            Err(stop) => {
                transaction.rollback().await?;
                return Err(stop);
            }
        }
        Ok(())
    }

    async fn append(
        &self,
        connection: &mut PgConnection,
        habit: Option<NewsHabit>,
    ) -> Result<(), Stop> {
        let known = known(connection, sql::LOCK_DOCUMENT, self.document).await?;
        match &known {
            Some(known) if self.creates => return Ok(self.judge(known)?),
            Some(known) => known.writable(self.kind)?,
            None => {}
        }
        let id = known.map(|known| known.id);
        let fresh = self.fresh(connection, id).await?;
        let stored = match id {
            Some(id) => id,
            None => insert(connection, self.document, self.kind, self.deed)
                .await?
                .ok_or(Stop::Overtaken)?,
        };
        let news = NewNews {
            created: id.is_none(),
            changed: store(connection, stored, &fresh).await?,
            deleted: false,
        };
        Ok(add_news(connection, stored, &news, habit, self.deed.now_ms).await?)
    }

    /// Creating a document that is there: done already by an earlier attempt of this request, or somebody was faster.
    fn judge(&self, known: &Known) -> Result<(), StoreError> {
        match known.deleted {
            true => Err(StoreError::Deleted),
            false if self.deed.did(known) => Ok(()),
            false => Err(StoreError::Exists),
        }
    }

    /// The changes that are not stored yet. Those that are must be the same.
    async fn fresh(
        &self,
        connection: &mut PgConnection,
        document: Option<i64>,
    ) -> Result<Vec<&Change>, Stop> {
        let mut fresh: Vec<&Change> = Vec::with_capacity(self.changes.len());
        let mut heads = HashMap::new();
        for change in self.changes {
            let Dot { replica, counter } = change.dot;
            let head = match heads.get(&replica) {
                Some(&head) => head,
                None => head(connection, document, replica).await?,
            };
            heads.insert(replica, head);
            if counter == head.saturating_add(1) {
                heads.insert(replica, counter);
                fresh.push(change);
            } else if counter == 0 || counter > head {
                return Err(StoreError::HoleInLane(change.dot).into());
            } else if let Some(twin) = fresh.iter().find(|it| it.dot == change.dot) {
                same(Some(twin), change)?;
            } else {
                let stored = stored(connection, document, change).await?;
                same(stored.as_ref(), change)?;
            }
        }
        Ok(fresh)
    }
}

/// A change with a dot that is taken must be the one that took it. A damaged row can not vouch for that.
pub(super) fn same(stored: Option<&Change>, change: &Change) -> Result<(), StoreError> {
    if stored == Some(change) {
        Ok(())
    } else {
        Err(StoreError::DotReused(change.dot))
    }
}

/// The highest counter of a lane; 0 if it is empty.
async fn head(
    connection: &mut PgConnection,
    document: Option<i64>,
    replica: ReplicaId,
) -> Result<u64, sqlx::Error> {
    let head: Option<i64> = sqlx::query_scalar(sql::HEAD)
        .bind(document)
        .bind(i64::from(replica.0))
        .fetch_optional(connection)
        .await?;
    Ok(head.unwrap_or(0).cast_unsigned())
}

async fn stored(
    connection: &mut PgConnection,
    document: Option<i64>,
    change: &Change,
) -> Result<Option<Change>, sqlx::Error> {
    let row = sqlx::query(sql::CHANGE)
        .bind(document)
        .bind(i64::from(change.dot.replica.0))
        .bind(signed(change.dot.counter))
        .fetch_optional(connection)
        .await?;
    let stored = row.and_then(|row| rows::change(&row, 0, &change.document).ok());
    Ok(stored.map(|stored| stored.change))
}

/// Inserts changes and gives what is to be told of the last of them.
async fn store(
    connection: &mut PgConnection,
    document: i64,
    changes: &[&Change],
) -> Result<Option<(i64, Option<engine::Author>)>, sqlx::Error> {
    let Some(last) = changes.last() else {
        return Ok(None);
    };
    let mut columns = Columns::default();
    changes.iter().for_each(|change| columns.push(change));
    let query = columns.bind(sqlx::query(sql::INSERT_CHANGES).bind(document));
    let rows = query.fetch_all(connection).await?;
    let mut through = 0;
    for row in rows {
        through = through.max(sqlx::Row::try_get(&row, 0)?);
    }
    Ok(Some((through, last.author.clone())))
}
