//! A server that ends, hangs and comes back.

use engine::Dot;
use futures_util::future::join_all;
use services::Postgres;

use super::{append, assert_whole, open, own_server};
use crate::contract::{change, changes, document};
use crate::postgres::PostgresStore;
use crate::store::{Store, StoreError};

/// A typist for each document, who goes on whatever happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_server_that_ends_in_the_midst() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let store = open(&server, &database).await;
    let replica = store.new_replica().await.unwrap();
    let documents: Vec<_> = (0..12).map(|it| document(&format!("notes {it}"))).collect();
    let typing = join_all(documents.iter().map(async |notes| {
        for counter in 1..=60 {
            let next = vec![change(notes, replica, counter)];
            append(&store, notes, next).await.unwrap();
        }
    }));
    let ends: [fn(&Postgres) -> _; 3] = [Postgres::crash, Postgres::stop, Postgres::crash];
    let ending = async {
        for end in ends {
            after_some_commits(&store).await;
            end(&server).unwrap();
            server.start_again().unwrap();
        }
    };
    tokio::join!(typing, ending);
    let all: Vec<_> = (1..=60).map(|it| Dot::new(replica, it)).collect();
    for notes in &documents {
        assert_whole(&store, notes, &all).await;
    }
}

async fn after_some_commits(store: &PostgresStore) {
    let before = store.commits().commits;
    while store.commits().commits < before + 5 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_keeps_nobody_waiting_for_ever() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let store = open(&server, &database).await;
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(&store, &notes, changes(&notes, replica, 1, 1))
        .await
        .unwrap();
    server.pause().unwrap();
    let (appended, loaded, checked, heads) = tokio::join!(
        store.append(
            notes.clone(),
            engine::Kind::Yjs,
            changes(&notes, replica, 2, 2)
        ),
        store.load(notes.clone()),
        store.check(),
        store.heads(vec![notes.clone()]),
    );
    server.go_on().unwrap();
    for answer in [appended, loaded.map(drop), checked, heads.map(drop)] {
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    append(&store, &notes, changes(&notes, replica, 2, 3))
        .await
        .unwrap();
    let all: Vec<_> = (1..=3).map(|it| Dot::new(replica, it)).collect();
    assert_whole(&store, &notes, &all).await;
}

/// Connections end under a node's feet, all of them at once, as when an operator or a failover ends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_ended_are_opened_again_without_a_word() {
    let Some((server, database)) = own_server(&[]) else {
        return;
    };
    let store = open(&server, &database).await;
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    for counter in 1..=5 {
        let next = vec![change(&notes, replica, counter)];
        let appended = store.append(notes.clone(), engine::Kind::Yjs, next).await;
        assert_eq!(appended, Ok(()));
        assert_eq!(
            store.load(notes.clone()).await.unwrap().changes.len() as u64,
            counter
        );
        let ended = server.query(
            "postgres",
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'quire'",
        );
        assert_ne!(ended.unwrap(), "0");
    }
}
