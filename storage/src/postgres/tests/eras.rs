//! Another server takes the database's place: that is noticed, and no replica id is handed out twice.

use std::time::Duration;

use super::{Fixture, open, own_server};
use crate::contract::{changes, document};
use crate::lease::Holder;
use crate::postgres::PostgresStore;
use crate::store::{Store, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_era_counts_before_anything_of_it_is_answered() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let store = open(&server, &database).await;
    let notes = document("notes");
    server.stop().unwrap();
    server.start_again().unwrap();
    store.load(notes.clone()).await.unwrap();
    assert_eq!(store.era(), Some(0), "the same server, started again");
    server.become_standby().unwrap();
    assert!(store.load(notes.clone()).await.is_err(), "it only reads");
    assert_eq!(store.era(), Some(0), "nothing was read in it");
    server.promote().unwrap();
    store.load(notes.clone()).await.unwrap();
    assert_eq!(store.era(), Some(1));
    store.heads(vec![notes]).await.unwrap();
    assert_eq!(store.era(), Some(1), "once for each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_whose_loss_nobody_noticed_is_not_handed_out_again() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let store = open(&server, &database).await;
    let first = store.new_replica().await.unwrap();
    let lost = store.new_replica().await.unwrap();
    let forget =
        format!("DELETE FROM replicas WHERE id > {first}; SELECT setval('replica_ids', {first})");
    server.query(&database, &forget).unwrap();
    server.become_standby().unwrap();
    server.promote().unwrap();
    let newcomer = open(&server, &database).await;
    let next = newcomer.new_replica().await.unwrap();
    assert!(next > lost, "{next} follows {lost}");
    let holder = Holder {
        node: "north".to_owned(),
        incarnation: 7,
    };
    let held = store.hold(lost, holder, Duration::from_secs(30)).await;
    assert_eq!(held, Ok(()), "whoever has it goes on holding it");
    let following = newcomer.new_replica().await.unwrap();
    assert_eq!(following.0, next.0 + 1, "once for each era");
    let ahead = changes(&document("notes"), lost, 2, 2);
    let appended = store.append(document("notes"), engine::Kind::Yjs, ahead);
    assert!(matches!(appended.await, Err(StoreError::HoleInLane(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_may_ask_for_the_era() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let (server, database) = (fixture.server, "of_a_plain_role");
    fixture.meddle("CREATE ROLE plain LOGIN");
    fixture.meddle(&format!(
        "CREATE DATABASE {database} OWNER plain TEMPLATE template0"
    ));
    let url = server.url(database).replace("quire@", "plain@");
    let store = PostgresStore::connect(&url).await.unwrap();
    store.new_replica().await.unwrap();
    assert_eq!(store.era(), Some(0));
}

/// As on a database that only speaks like Postgres.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_say_is_used_all_the_same() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let forbid = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC";
    server.query(&database, forbid).unwrap();
    server.query(&database, "CREATE ROLE plain LOGIN").unwrap();
    server
        .query(
            &database,
            &format!("ALTER DATABASE {database} OWNER TO plain"),
        )
        .unwrap();
    server
        .query(&database, "ALTER SCHEMA public OWNER TO plain")
        .unwrap();
    let url = server.url(&database).replace("quire@", "plain@");
    let store = PostgresStore::connect(&url).await.unwrap();
    let one = store.new_replica().await.unwrap();
    assert_eq!(store.era(), None);
    assert!(store.new_replica().await.unwrap() > one);
}
