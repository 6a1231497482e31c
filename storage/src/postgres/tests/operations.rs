//! Operations of several nodes in one document: one of them is next, and the other is told at once.

use engine::{Change, Dot, Kind};
use futures_util::future::{join_all, try_join_all};

use super::Fixture;
use crate::contract::{document, operation, operations};
use crate::store::{Store, StoreError};

/// Both ask for the same version at the same moment, in many documents; whoever loses is told how many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_on_one_version_one_is_overtaken() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let nodes = [&*north, &south];
    let replicas = try_join_all(nodes.map(Store::new_replica)).await.unwrap();
    let documents: Vec<_> = (0..30)
        .map(|it| document(&format!("ordered {it}")))
        .collect();
    let mut counters = vec![[1; 2]; documents.len()];
    for version in 0..6 {
        let before = nodes.map(|node| node.commits().statements);
        let appends = documents
            .iter()
            .zip(&counters)
            .flat_map(|(document, counters)| {
                [0, 1].map(|node| {
                    let dot = Dot::new(replicas[node], counters[node]);
                    let change = operation(dot, version, ["a", "b"][node], version);
                    let change = Change {
                        document: document.clone(),
                        ..change
                    };
                    nodes[node].append(document.clone(), Kind::Json0, vec![change])
                })
            });
        let answers = join_all(appends).await;
        for (pair, counters) in answers.chunks(2).zip(&mut counters) {
            let overtaken = Err(StoreError::Overtaken(version + 1));
            let winner = pair.iter().position(|it| *it == Ok(())).unwrap();
            assert_eq!(pair[1 - winner], overtaken);
            counters[winner] += 1;
        }
        if version > 0 {
            let asked = nodes.iter().zip(before);
            let asked = asked.map(|(node, before)| node.commits().statements - before);
            let asked: Vec<_> = asked.collect();
            // Of each document a commit and a look at what was faster at most, and fewer where a commit held several.
            assert!(asked.iter().all(|it| *it <= 60), "{asked:?}");
        }
    }
    for ordered in &documents {
        let read = south.operations(ordered.clone(), 0, None).await.unwrap();
        let loaded = north.load(ordered.clone()).await.unwrap().changes;
        assert_eq!((read.len(), &read), (6, &loaded));
    }
}

/// A client sent its operation to one node, lost it, and sends it to another: stored once, whoever is faster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_comes_to_two_nodes_is_stored_once() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let nodes = [&*north, &south];
    let replicas = try_join_all(nodes.map(Store::new_replica)).await.unwrap();
    let ordered = document("ordered");
    let mut counters = [1; 2];
    for version in 0..20 {
        let send = |node: usize, version, number| {
            let dot = Dot::new(replicas[node], counters[node]);
            let change = operation(dot, version, "a", number);
            nodes[node].append(ordered.clone(), Kind::Json0, vec![change])
        };
        let answers = join_all([send(0, version, version), send(1, version, version)]).await;
        let winner = answers.iter().position(|it| *it == Ok(())).unwrap();
        let overtaken = StoreError::Overtaken(version + 1);
        assert_eq!(answers[1 - winner], Err(overtaken));
        let again = send(1 - winner, version + 1, version).await;
        assert_eq!(again, Err(StoreError::NameKnown { index: 0, version }));
        counters[winner] += 1;
    }
    let read = north.operations(ordered, 0, None).await.unwrap();
    assert_eq!(read.len(), 20);
}

/// Batches and what belongs together, on the same documents in any order: nobody waits for another for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_append_to_several_documents_do_not_hold_each_other_up() {
    let Some(north) = Fixture::open().await else {
        return;
    };
    let south = north.another().await;
    let documents = ["c", "a", "b", "e", "d"].map(document);
    let writers = (0..8).map(async |writer: usize| {
        let node = [&*north, &south][writer % 2];
        let replica = node.new_replica().await.unwrap();
        let mut refused = 0;
        for round in 0..15 {
            let mut appends = Vec::new();
            for ordered in &documents {
                let read = node.operations(ordered.clone(), 0, None).await.unwrap();
                let lane = read.iter().filter(|it| it.change.dot.replica == replica);
                let dot = Dot::new(replica, lane.count() as u64 + 1);
                let source = format!("{writer}.{round}");
                let next = Change {
                    document: ordered.clone(),
                    ..operation(dot, read.len() as u64, &source, 0)
                };
                appends.push((ordered.clone(), Kind::Json0, vec![next]));
            }
            appends.rotate_left(writer % documents.len());
            if writer < 4 {
                let answer = node.append_all(appends).await.unwrap();
                refused += u32::from(answer.is_err());
            } else {
                let alone = appends
                    .into_iter()
                    .map(|(it, kind, next)| node.append(it, kind, next));
                for answer in join_all(alone).await {
                    let is_overtaken = matches!(answer, Err(StoreError::Overtaken(_)));
                    assert!(is_overtaken || answer.is_ok(), "{answer:?}");
                }
            }
        }
        refused
    });
    let refused: u32 = join_all(writers).await.into_iter().sum();
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(north.meddle(deadlocks), "0", "{refused} were refused");
    for ordered in documents {
        let read = north.operations(ordered.clone(), 0, None).await.unwrap();
        let loaded = south.load(ordered).await.unwrap();
        assert_eq!((read.len(), loaded.damaged), (loaded.changes.len(), 0));
    }
}

/// Thousands are read in parts, and come whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_operations_are_read_in_order() {
    let Some(store) = Fixture::open().await else {
        return;
    };
    let replica = store.new_replica().await.unwrap();
    let all = operations(Dot::new(replica, 1), 0, 5_000, "a");
    for some in all.chunks(1_024) {
        let append = store.append(document("ordered"), Kind::Json0, some.to_vec());
        append.await.unwrap();
    }
    let plain = async |from, to| {
        let read = store.operations(document("ordered"), from, to).await;
        let read = read.unwrap().into_iter().map(|it| it.change);
        read.collect::<Vec<_>>()
    };
    assert_eq!(plain(0, None).await, all);
    assert_eq!(plain(1_500, Some(4_500)).await, all[1_500..4_500]);
}
