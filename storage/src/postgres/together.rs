//! Appends to several documents in one transaction: all or none.
//!
//! Whatever others may wait for is taken in the order in which the statement for many takes it: documents by their names, then
//! operations and news by the documents' numbers. So no two transactions wait for each other.

use std::collections::BTreeMap;

use engine::{Change, DocumentKey, Kind};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::careful::{Append, Judged};
use super::documents::Deed;
use super::failure::Stop;
use crate::news::NewsHabit;
use crate::store::AppendRefused;

/// Appends to different documents.
#[derive(Debug)]
pub(super) struct Together<'a> {
    /// In the order of their documents' names, with their indices.
    appends: Vec<(usize, Append<'a>)>,
}

impl<'a> Together<'a> {
    pub(super) fn new(appends: &'a [(DocumentKey, Kind, Vec<Change>)], deed: &'a Deed) -> Self {
        let appends = appends.iter().map(|(document, kind, changes)| Append {
            document,
            kind: *kind,
            changes,
            deed,
            creates: false,
        });
        let mut appends: Vec<_> = appends.enumerate().collect();
        appends.sort_unstable_by_key(|(_, append)| append.document);
        Self { appends }
    }

    /// Stores all of it, or nothing if one is refused.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        habit: Option<NewsHabit>,
    ) -> Result<Result<(), AppendRefused>, Stop> {
        let mut transaction = connection.begin().await?;
        let stored = match self.judge(&mut transaction).await {
            Ok(Ok(judged)) => store(&mut transaction, judged, habit).await.map(Ok),
            Ok(Err(refused)) => Ok(Err(refused)),
            Err(stop) => Err(stop),
        };
        match stored {
            Ok(Ok(())) => transaction.commit().await?,
            Ok(Err(_)) | Err(_) => transaction.rollback().await?,
        }
        stored
    }

    async fn judge(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Result<Vec<Judged<'_>>, AppendRefused>, Stop> {
        let (mut judged, mut refused) = (Vec::new(), BTreeMap::new());
        for (index, append) in &self.appends {
            match append.judge(connection).await {
                Ok(append) => judged.extend(append),
                Err(Stop::Refused(error)) => drop(refused.insert(*index, error)),
                Err(stop) => return Err(stop),
            }
        }
        let first = refused.pop_first();
        let first = first.map(|(index, error)| AppendRefused { index, error });
        Ok(first.map_or(Ok(judged), Err))
    }
}

async fn store(
    connection: &mut PgConnection,
    judged: Vec<Judged<'_>>,
    habit: Option<NewsHabit>,
) -> Result<(), Stop> {
    let mut found = Vec::with_capacity(judged.len());
    for mut append in judged {
        let document = append.found(connection).await?;
        found.push((document, append));
    }
    found.sort_unstable_by_key(|(document, _)| *document);
    for (document, append) in &found {
        append.store_operations(connection, *document).await?;
    }
    for (document, append) in &found {
        append.store_changes(connection, *document, habit).await?;
    }
    Ok(())
}
