//! The contract against a real Postgres, and what only a shared database promises: that nodes do not come between each
//! other, that what was acknowledged outlives a server that ends in any way, and that an unsafe one is refused.

use std::ops::Deref;

use services::Postgres;

use super::PostgresStore;

mod contract {
    crate::store_contract!(match super::Fixture::open().await {
        Some(fixture) => fixture,
        None => return,
    });
}

/// A store in a database of its own.
struct Fixture {
    store: PostgresStore,
}

impl Fixture {
    /// None where there is no Postgres and none is required.
    async fn open() -> Option<Self> {
        let server = server()?;
        let database = server.new_database(Some(template(server).await)).unwrap();
        let store = PostgresStore::connect(&server.url(&database)).await;
        let store = store.unwrap();
        Some(Self { store })
    }
}

impl Deref for Fixture {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

fn server() -> Option<&'static Postgres> {
    if Postgres::is_installed() {
        return Some(Postgres::shared().unwrap());
    }
    services::require::missing("postgres", "`make setup` installs it").unwrap();
    None
}

/// A database with the newest schema, to be copied.
async fn template(server: &Postgres) -> &'static str {
    static MADE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let made = MADE.get_or_init(|| async {
        let database = server.new_database(None).unwrap();
        let store = PostgresStore::connect(&server.url(&database)).await;
        crate::Store::close(&store.unwrap()).await.unwrap();
        database
    });
    made.await
}
