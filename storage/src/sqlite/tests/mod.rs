//! What only a store on disk promises: it outlives the process, notices damage, and stands a full disk. And that it
//! answers like the store in memory, whatever it is asked.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use engine::{Change, DocumentKey, Kind, ReplicaId};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::filing::Habit;
use super::open::WriteOptions;
use super::{FILE_NAME, SqliteStore};
use crate::contract::changes;
use crate::store::Store;

mod damage;
mod durable;
mod filed;
mod full;
mod lockstep;
mod plans;
mod recovery;

mod contract {
    crate::store_contract!(super::Fixture::open().await);
}

/// The same promises while each change is filed as soon as it has come.
mod contract_while_filing {
    crate::store_contract!(super::Fixture::filing(super::AT_ONCE).await);
}

/// A store in a folder of its own, which goes when the test ends.
struct Fixture {
    store: SqliteStore,
    folder: TempDir,
    /// The table in which changes stand once they were appended here.
    table: &'static str,
}

impl Fixture {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).await.unwrap();
        let table = "arrivals";
        Self {
            store,
            folder,
            table,
        }
    }

    /// A store that files by a habit of its own.
    async fn filing(habit: Habit) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_filing(folder.path(), habit).await;
        let table = "changes";
        Self {
            store,
            folder,
            table,
        }
    }

    /// A store whose changes stay where they arrive, and one that files them at once.
    async fn both() -> [Self; 2] {
        [Self::open().await, Self::filing(AT_ONCE).await]
    }

    /// The files as a server that is killed now would leave them.
    fn crashed(&self) -> TempDir {
        let crashed = tempfile::tempdir().unwrap();
        for name in [FILE_NAME, "quire.sqlite-wal"] {
            fs::copy(self.path().join(name), crashed.path().join(name)).unwrap();
        }
        crashed
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
        if self.table == "changes" {
            self.all_is_filed().await;
        }
        changes
    }

    async fn all_is_filed(&self) {
        while self.count("SELECT count(*) FROM arrivals").await > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Does something to the database behind the store's back.
    async fn meddle(&self, sql: &str) {
        meddle(self.path(), sql).await;
    }

    /// The same, `{table}` being where the changes stand.
    async fn meddle_in_table(&self, sql: &str) {
        self.meddle(&sql.replace("{table}", self.table)).await;
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

async fn open_filing(folder: &Path, habit: Habit) -> SqliteStore {
    let path = folder.join(FILE_NAME);
    let options = WriteOptions::new(&path).file_by(habit);
    SqliteStore::open_with(&path, options).await.unwrap()
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

/// Every change is filed after the commit that brought it, in steps as small as they get.
const AT_ONCE: Habit = Habit {
    changes: 1,
    step: 1,
};
