//! What only a store on disk promises: it outlives the process, notices damage, and stands a full disk. And that it
//! answers like the store in memory, whatever it is asked.

use std::ops::Deref;
use std::path::Path;

use engine::{Change, DocumentKey, Kind, ReplicaId};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::{FILE_NAME, SqliteStore};
use crate::contract::changes;
use crate::store::Store;

mod damage;
mod durable;
mod full;
mod lockstep;
mod plans;

mod contract {
    crate::store_contract!(super::Fixture::open().await);
}

/// A store in a folder of its own, which goes when the test ends.
struct Fixture {
    store: SqliteStore,
    folder: TempDir,
}

impl Fixture {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).await.unwrap();
        Self { store, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Appends changes to a Yjs document, as one replica.
    async fn append(&self, document: &DocumentKey, from: u64, to: u64) -> Vec<Change> {
        let changes = changes(document, REPLICA, from, to);
        self.store
            .append(document.clone(), Kind::Yjs, changes.clone())
            .await
            .unwrap();
        changes
    }

    /// Does something to the database behind the store's back.
    async fn meddle(&self, sql: &str) {
        meddle(self.path(), sql).await;
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let mut connection = raw(self.path()).await;
        let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
        count.unwrap()
    }
}

impl Deref for Fixture {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE_NAME))
        .connect()
        .await
        .unwrap()
}

async fn meddle(folder: &Path, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut raw(folder).await)
        .await
        .unwrap();
}

const REPLICA: ReplicaId = ReplicaId(1);
