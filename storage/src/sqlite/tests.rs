//! What only a store on disk promises: it outlives the process, notices damage, and stands a full disk.

use std::ops::Deref;

use tempfile::TempDir;

use super::SqliteStore;

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
}

impl Deref for Fixture {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

mod contract {
    crate::store_contract!(super::Fixture::open().await);
}
