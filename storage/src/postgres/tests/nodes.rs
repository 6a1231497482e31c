//! Several nodes on one database.

use std::collections::BTreeSet;

use engine::{Dot, Kind};
use futures_util::future::{join_all, try_join_all};

use super::{Fixture, append, assert_whole, server};
use crate::contract::{change, changes, document};
use crate::news::NewsHabit;
use crate::postgres::PostgresStore;
use crate::store::{Store, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_write_one_document_each_in_its_own_lane() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let (one, two) = tokio::join!(north.new_replica(), south.new_replica());
    let (one, two) = (one.unwrap(), two.unwrap());
    let notes = document("notes");
    let write = async |store: &PostgresStore, replica| {
        for counter in 1..=40 {
            let appended = append(store, &notes, vec![change(&notes, replica, counter)]);
            appended.await.unwrap();
        }
    };
    tokio::join!(write(&north, one), write(&south, two));
    let both = [one, two].map(|replica| (1..=40).map(move |it| Dot::new(replica, it)));
    let all: Vec<_> = both.into_iter().flatten().collect();
    for store in [&*north, &south] {
        assert_whole(store, &notes, &all).await;
        let heads = store.heads(vec![notes.clone()]).await.unwrap();
        assert_eq!(heads, [all.iter().copied().collect()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_create_a_document_one_does() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let (one, two) = (north.new_replica().await, south.new_replica().await);
    let (one, two) = (one.unwrap(), two.unwrap());
    for number in 0..30 {
        let notes = document(&format!("notes {number}"));
        let create = async |store: &PostgresStore, replica| {
            let first = changes(&notes, replica, 1, 2);
            store.create_with(notes.clone(), Kind::Yjs, first).await
        };
        let (first, second) = tokio::join!(create(&north, one), create(&south, two));
        let winner = if first.is_ok() { one } else { two };
        let outcomes = [first, second];
        let is_won_once = outcomes.contains(&Ok(())) && outcomes.contains(&Err(StoreError::Exists));
        assert!(is_won_once, "{outcomes:?}");
        assert_whole(&south, &notes, &[Dot::new(winner, 1), Dot::new(winner, 2)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_two_nodes_create_a_document_once_and_are_both_stored() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let (one, two) = (north.new_replica().await, south.new_replica().await);
    let (one, two) = (one.unwrap(), two.unwrap());
    let documents: Vec<_> = (0..60).map(|it| document(&format!("notes {it}"))).collect();
    let write = |store, replica| {
        let appends = documents.iter();
        join_all(appends.map(move |it| append(store, it, changes(it, replica, 1, 1))))
    };
    let (first, second) = tokio::join!(write(&*north, one), write(&south, two));
    assert!(first.into_iter().chain(second).all(|it| it == Ok(())));
    for notes in &documents {
        assert_whole(&north, notes, &[Dot::new(one, 1), Dot::new(two, 1)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_appended_once_another_node_has_deleted() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let replica = north.new_replica().await.unwrap();
    for number in 0..10 {
        let notes = document(&format!("notes {number}"));
        let first = changes(&notes, replica, 1, 1);
        append(&north, &notes, first).await.unwrap();
        let write = async {
            let mut counter = 1;
            loop {
                let next = change(&notes, replica, counter + 1);
                match append(&north, &notes, vec![next]).await {
                    Ok(()) => counter += 1,
                    Err(error) => break (counter, error),
                }
            }
        };
        let delete = async {
            assert_eq!(south.delete(notes.clone()).await, Ok(true));
            south.heads(vec![notes.clone()]).await.unwrap()
        };
        let ((last, error), heads) = tokio::join!(write, delete);
        assert_eq!(error, StoreError::Deleted);
        assert_eq!(heads[0].get(replica), last);
        assert_eq!(south.delete(notes.clone()).await, Ok(false));
        assert!(north.load(notes).await.unwrap().deleted);
    }
}

/// For longer than the store waits for a lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_somebody_holds_holds_up_no_other() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let replica = north.new_replica().await.unwrap();
    let held = document("held");
    append(&north, &held, changes(&held, replica, 1, 1))
        .await
        .unwrap();
    let (server, database) = (north.server, north.database.clone());
    let holding = tokio::task::spawn_blocking(move || {
        let hold = "SELECT id FROM documents WHERE name = 'held' FOR UPDATE; SELECT pg_sleep(6)";
        server.query(&database, hold).unwrap();
    });
    let free = "SELECT id FROM documents WHERE name = 'held' FOR SHARE SKIP LOCKED";
    while !north.meddle(free).is_empty() {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..40).map(|it| document(&format!("other {it}"))).collect();
    let write = |document| {
        let first = changes(document, replica, 2 - u64::from(*document != held), 2);
        north.store.append(document.clone(), Kind::Yjs, first)
    };
    let (waiting, others) = tokio::join!(write(&held), join_all(others.iter().map(write)));
    assert!(others.iter().all(|it| *it == Ok(())), "{others:?}");
    holding.await.unwrap();
    if waiting != Ok(()) {
        append(&north, &held, changes(&held, replica, 2, 2))
            .await
            .unwrap();
    }
    assert_whole(&north, &held, &[Dot::new(replica, 1), Dot::new(replica, 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_never_stored_twice_whoever_repeats_it() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let replica = north.new_replica().await.unwrap();
    let notes = document("notes");
    for from in [1, 4, 7, 10] {
        let again = (0..6).map(|it| {
            let store = if it % 2 == 0 { &*north } else { &south };
            append(store, &notes, changes(&notes, replica, from, from + 2))
        });
        try_join_all(again).await.unwrap();
    }
    let all: Vec<_> = (1..=12).map(|it| Dot::new(replica, it)).collect();
    assert_whole(&south, &notes, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_differ_among_nodes_and_none_holds_that_of_another() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let ids = (0..40).map(|it| if it % 2 == 0 { &*north } else { &south });
    let ids = try_join_all(ids.map(Store::new_replica)).await.unwrap();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 40);
    let last = ids.iter().max().unwrap();
    north.meddle("SELECT setval('replica_ids', 1)");
    let next = south.new_replica().await.unwrap();
    assert!(
        next > *last,
        "the sequence was led back, and {next} handed out twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_made_once_however_many_nodes_start() {
    let Some(server) = server() else { return };
    let database = server.new_database(None).unwrap();
    let url = server.url(&database);
    let stores = try_join_all((0..8).map(|_| PostgresStore::connect(&url)));
    let stores = stores.await.unwrap();
    let ids = try_join_all(stores.iter().map(|store| store.new_replica()));
    assert_eq!(ids.await.unwrap().len(), 8);
    let identities = try_join_all(stores.iter().map(|store| store.identity()));
    let identities = identities.await.unwrap();
    assert!(identities[0].is_some() && identities.iter().all(|it| *it == identities[0]));
    let steps = server.query(
        &database,
        "SELECT count(*) FROM _sqlx_migrations WHERE success",
    );
    let files = std::fs::read_dir(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres"
    ));
    let files = files.unwrap().flatten();
    let files = files.filter(|it| it.path().extension() == Some("sql".as_ref()));
    assert_eq!(steps.unwrap(), files.count().to_string());
}

/// The one with the higher place was told of while the other was not committed yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_a_change_that_is_committed_late_is_told_too() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    north.keep_news(NewsHabit {
        created: true,
        changed: true,
        deleted: true,
        debounce_ms: 0,
        debounce_max_ms: 0,
    });
    let replica = north.new_replica().await.unwrap();
    let notes = document("notes");
    append(&north, &notes, changes(&notes, replica, 1, 1))
        .await
        .unwrap();
    north.meddle("UPDATE outbox SET through_ord = 1000");
    append(&north, &notes, changes(&notes, replica, 2, 2))
        .await
        .unwrap();
    let news = north.news(9).await.unwrap();
    let through = news[0].changed.as_ref().unwrap().through;
    assert_ne!(
        through,
        engine::Order(1_000),
        "what was told takes the second change with it"
    );
}
