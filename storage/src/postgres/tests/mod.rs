//! The contract against a real Postgres, and what only a shared database promises: that nodes do not come between each
//! other, that what was acknowledged outlives a server that ends in any way, and that an unsafe one is refused.

use std::ops::Deref;

use engine::{Change, DocumentKey, Dot, Kind};
use services::Postgres;
use tokio::sync::OnceCell;

use super::PostgresStore;
use crate::store::{Store, StoreError};

mod cut;
mod damage;
mod eras;
mod faults;
mod nodes;
mod operations;
mod plans;
mod refusals;

mod contract {
    crate::store_contract!(match super::Fixture::open().await {
        Some(fixture) => fixture,
        None => return,
    });
}

/// A store in a database of its own, on the server that all tests share.
struct Fixture {
    store: PostgresStore,
    server: &'static Postgres,
    database: String,
}

impl Fixture {
    /// None where there is no Postgres and none is required.
    async fn open() -> Option<Self> {
        let server = server()?;
        let database = server.new_database(Some(template(server).await)).unwrap();
        Some(Self {
            store: open(server, &database).await,
            server,
            database,
        })
    }

    /// A second node of the same database.
    async fn another(&self) -> PostgresStore {
        open(self.server, &self.database).await
    }

    /// Does something to the database behind the store's back, and gives what it says.
    fn meddle(&self, sql: &str) -> String {
        self.server.query(&self.database, sql).unwrap()
    }
}

impl Deref for Fixture {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

fn server() -> Option<&'static Postgres> {
    is_installed().then(|| Postgres::shared().unwrap())
}

/// A server of the test's own, to be ended, with a database.
fn own_server(settings: &[&str]) -> Option<(Postgres, String)> {
    if !is_installed() {
        return None;
    }
    let server = Postgres::start(settings).unwrap();
    let database = server.new_database(None).unwrap();
    Some((server, database))
}

fn is_installed() -> bool {
    let is_installed = Postgres::is_installed();
    if !is_installed {
        services::require::missing("postgres", "`make setup` installs it").unwrap();
    }
    is_installed
}

async fn open(server: &Postgres, database: &str) -> PostgresStore {
    PostgresStore::connect(&server.url(database)).await.unwrap()
}

/// A database with the newest schema, to be copied.
async fn template(server: &Postgres) -> &'static str {
    static MADE: OnceCell<String> = OnceCell::const_new();
    let made = MADE.get_or_init(|| async {
        let database = server.new_database(None).unwrap();
        open(server, &database).await.close().await.unwrap();
        database
    });
    made.await
}

/// Appends as a session does: again and again while the store is away.
async fn append(
    store: &PostgresStore,
    document: &DocumentKey,
    changes: Vec<Change>,
) -> Result<(), StoreError> {
    loop {
        let appended = store.append(document.clone(), Kind::Yjs, changes.clone());
        match appended.await {
            Err(StoreError::Unavailable(_)) => {}
            decided => return decided,
        }
    }
}

/// That a document has these changes, each once, and that its lanes have no holes.
async fn assert_whole(store: &PostgresStore, document: &DocumentKey, wanted: &[Dot]) {
    let past = store.load(document.clone()).await.unwrap();
    let mut dots: Vec<_> = past.changes.iter().map(|it| it.change.dot).collect();
    dots.sort_unstable();
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    assert_eq!((dots, past.damaged), (wanted, 0), "{document}");
}
