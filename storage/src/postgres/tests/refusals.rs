//! What a node refuses to start with.

use engine::Kind;

use super::{Fixture, open, own_server, server};
use crate::contract::{changes, document};
use crate::postgres::{ConnectError, PostgresStore};
use crate::store::{Store, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_flush_is_refused() {
    for setting in ["fsync", "full_page_writes"] {
        let Some((server, database)) = own_server(&[&format!("{setting}=off")]) else {
            return;
        };
        let refused = PostgresStore::connect(&server.url(&database)).await;
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains(&format!("{setting} is off; set it to on")),
            "{error}"
        );
    }
}

/// What a session may choose it chooses well, whatever the server would do by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_flushed_where_the_server_would_not() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let database = &fixture.database;
    fixture.meddle(&format!(
        "ALTER DATABASE {database} SET synchronous_commit = off"
    ));
    let store = fixture.another().await;
    store.check().await.unwrap();
    fixture.meddle(&format!(
        "ALTER DATABASE {database} SET synchronous_commit = remote_apply"
    ));
    fixture.another().await.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_may_only_be_read_is_refused() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let database = &fixture.database;
    fixture.meddle(&format!(
        "ALTER DATABASE {database} SET default_transaction_read_only = on"
    ));
    let refused = PostgresStore::connect(&fixture.server.url(database)).await;
    assert!(
        matches!(refused, Err(ConnectError::ReadOnly { .. })),
        "{refused:?}"
    );
}

/// A failover that led to the wrong server: a node that starts refuses it, and one that runs acknowledges nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let store = open(&server, &database).await;
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    server.become_standby().unwrap();
    let appended = store.append(notes.clone(), Kind::Yjs, changes(&notes, replica, 1, 1));
    assert!(matches!(appended.await, Err(StoreError::Unavailable(_))));
    let refused = PostgresStore::connect(&server.url(&database)).await;
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("is a standby; give the address of the primary"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_fine_until_it_takes_something_away() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    fixture.meddle(
        "ALTER TABLE documents ADD COLUMN later text;
         INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    );
    fixture.another().await.check().await.unwrap();
    fixture.meddle("UPDATE upkeep SET oldest_schema = 9999");
    let refused = PostgresStore::connect(&fixture.server.url(&fixture.database)).await;
    assert!(
        matches!(refused, Err(ConnectError::Newer { oldest: 9_999, .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_reached_is_named_without_its_password() {
    let Some(server) = server() else { return };
    let url = format!("postgres://ada:s3cret@127.0.0.1:{}/nowhere", server.port());
    let error = PostgresStore::connect(&url).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("127.0.0.1") && !said.contains("s3cret"),
        "{said}"
    );
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}
