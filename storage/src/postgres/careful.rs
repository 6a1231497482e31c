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
use super::operations::{self, NewOperation};
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

/// An append that may be carried out.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    append: &'a Append<'a>,
    /// The document's number, if there is one.
    id: Option<i64>,
    is_new: bool,
    fresh: Vec<&'a Change>,
    operations: Vec<NewOperation>,
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
        let Some(mut judged) = self.judge(connection).await? else {
            return Ok(());
        };
        let document = judged.found(connection).await?;
        judged.store_operations(connection, document).await?;
        judged.store_changes(connection, document, habit).await
    }

    /// Whether it may be carried out; none if an earlier attempt of this request did. The document is locked from now on.
    pub(super) async fn judge(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Option<Judged<'_>>, Stop> {
        let known = known(connection, sql::LOCK_DOCUMENT, self.document).await?;
        match &known {
            Some(known) if self.creates => {
                self.did_create(known)?;
                return Ok(None);
            }
            Some(known) => known.writable(self.kind)?,
            None => {}
        }
        let id = known.map(|known| known.id);
        let fresh = self.fresh(connection, id).await?;
        let operations = operations::new(fresh.iter().copied())?;
        operations::check(connection, id, &operations).await?;
        Ok(Some(Judged {
            append: self,
            id,
            is_new: id.is_none(),
            fresh: fresh.into_iter().map(|(_, change)| change).collect(),
            operations,
        }))
    }

    /// Creating a document that is there: done already by an earlier attempt of this request, or somebody was faster.
    fn did_create(&self, known: &Known) -> Result<(), StoreError> {
        match known.deleted {
            true => Err(StoreError::Deleted),
            false if self.deed.did(known) => Ok(()),
            false => Err(StoreError::Exists),
        }
    }

    /// The changes that are not stored yet, with their indices in the append. Those that are must be the same. However many
    /// there are, it takes two trips: a document that gives back what was lost repeats a thousand.
    async fn fresh(
        &self,
        connection: &mut PgConnection,
        document: Option<i64>,
    ) -> Result<Vec<(usize, &Change)>, Stop> {
        let heads = self.heads(connection, document).await?;
        let is_old = |change: &&Change| change.dot.counter <= heads[&change.dot.replica];
        let stored = stored(connection, document, self.changes.iter().filter(is_old)).await?;
        let mut fresh: Vec<(usize, &Change)> = Vec::with_capacity(self.changes.len());
        let mut ends = heads.clone();
        for (index, change) in self.changes.iter().enumerate() {
            let Dot { replica, counter } = change.dot;
            let end = ends.get(&replica).copied().unwrap_or(0);
            if counter == end.saturating_add(1) {
                ends.insert(replica, counter);
                fresh.push((index, change));
            } else if counter == 0 || counter > end {
                return Err(StoreError::HoleInLane(change.dot).into());
            } else if is_old(&change) {
                same(stored.get(&change.dot), change)?;
            } else {
                let twin = fresh.iter().find(|(_, it)| it.dot == change.dot);
                same(twin.map(|(_, it)| *it), change)?;
            }
        }
        Ok(fresh)
    }

    /// The highest counter of each lane that it goes on with; 0 if that is empty.
    async fn heads(
        &self,
        connection: &mut PgConnection,
        document: Option<i64>,
    ) -> Result<HashMap<ReplicaId, u64>, sqlx::Error> {
        let lanes = self.changes.iter().map(|change| change.dot.replica);
        let mut heads: HashMap<_, _> = lanes.map(|replica| (replica, 0)).collect();
        let lanes: Vec<_> = heads.keys().map(|replica| i64::from(replica.0)).collect();
        let query = sqlx::query(sql::HEADS_OF_LANES).bind(document).bind(lanes);
        for row in query.fetch_all(connection).await? {
            if let Some(Dot { replica, counter }) = rows::dot(&row, 0) {
                heads.insert(replica, counter);
            }
        }
        Ok(heads)
    }
}

impl Judged<'_> {
    /// The document's number; it is created if there is none.
    pub(super) async fn found(&mut self, connection: &mut PgConnection) -> Result<i64, Stop> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let Append {
            document,
            kind,
            deed,
            ..
        } = self.append;
        let id = insert(connection, document, *kind, deed).await?;
        self.id = id;
        id.ok_or(Stop::Overtaken)
    }

    pub(super) async fn store_operations(
        &self,
        connection: &mut PgConnection,
        document: i64,
    ) -> Result<(), Stop> {
        match operations::insert(connection, document, &self.operations).await? {
            true => Ok(()),
            false => Err(Stop::Overtaken),
        }
    }

    /// Stores the changes, and what is to be told of them.
    pub(super) async fn store_changes(
        &self,
        connection: &mut PgConnection,
        document: i64,
        habit: Option<NewsHabit>,
    ) -> Result<(), Stop> {
        let news = NewNews {
            created: self.is_new,
            changed: store(connection, document, &self.fresh).await?,
            deleted: false,
        };
        let now_ms = self.append.deed.now_ms;
        Ok(add_news(connection, document, &news, habit, now_ms).await?)
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

/// What is stored with the dots of some changes.
async fn stored(
    connection: &mut PgConnection,
    document: Option<i64>,
    changes: impl Iterator<Item = &Change>,
) -> Result<HashMap<Dot, Change>, sqlx::Error> {
    let (mut lanes, mut counters, mut key) = (Vec::new(), Vec::new(), None);
    for change in changes {
        lanes.push(i64::from(change.dot.replica.0));
        counters.push(signed(change.dot.counter));
        key = Some(&change.document);
    }
    let Some(key) = key else {
        return Ok(HashMap::new());
    };
    let query = sqlx::query(sql::CHANGES_OF_DOTS).bind(document);
    let rows = query
        .bind(lanes)
        .bind(counters)
        .fetch_all(connection)
        .await?;
    let stored = rows.iter().filter_map(|row| rows::change(row, 0, key).ok());
    Ok(stored.map(|it| (it.change.dot, it.change)).collect())
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
