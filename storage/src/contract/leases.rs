//! Leases: held, renewed, lost to nobody, and taken in again by a store that forgot them.

use std::time::Duration;

use engine::ReplicaId;

use super::*;
use crate::lease::Holder;
use crate::store::{Store, StoreError};

/// What a store is called does not change with what is in it.
pub async fn a_store_is_called_the_same_whenever_it_is_asked(store: &dyn Store) {
    let before = store.identity().await.unwrap();
    store.new_replica().await.unwrap();
    let notes = document("notes");
    store.create(notes, Kind::Yjs).await.unwrap();
    assert_eq!(store.identity().await.unwrap(), before);
}

/// Whoever holds an id holds it again and again, and is listed.
pub async fn a_replica_id_is_held_and_listed(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let silent = store.new_replica().await.unwrap();
    for _ in 0..2 {
        store.hold(one, holder("north", 1), LONG).await.unwrap();
    }
    store.hold(two, holder("south", 2), LONG).await.unwrap();
    let leases = store.leases(LONG).await.unwrap();
    let held: Vec<_> = leases
        .iter()
        .map(|it| (it.replica, it.holder.clone()))
        .collect();
    assert_eq!(
        held,
        [
            (one, Some(holder("north", 1))),
            (two, Some(holder("south", 2)))
        ]
    );
    assert!(
        leases
            .iter()
            .all(|it| it.is_held && it.until_ms > Some(it.started_ms))
    );
    assert!(leases.iter().all(|it| it.replica != silent));
}

/// A lease that is not renewed ends, is listed for a while yet, and is then left out; its holder may hold it again.
pub async fn a_lease_ends_unless_it_is_renewed(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    store
        .hold(replica, holder("north", 1), Duration::ZERO)
        .await
        .unwrap();
    let [ended] = &store.leases(LONG).await.unwrap()[..] else {
        panic!("the lease is listed although it has ended");
    };
    assert!(!ended.is_held, "{ended:?}");
    assert_eq!(store.leases(Duration::ZERO).await.unwrap(), []);
    store.hold(replica, holder("north", 1), LONG).await.unwrap();
    assert!(store.leases(LONG).await.unwrap()[0].is_held);
}

/// Not even when the first has ended its lease: it may only have been asleep.
pub async fn nobody_holds_the_id_of_another(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    store
        .hold(replica, holder("north", 1), Duration::ZERO)
        .await
        .unwrap();
    let stolen = store.hold(replica, holder("north", 2), LONG).await;
    assert_eq!(stolen, Err(StoreError::LeaseLost(replica)));
    assert_eq!(
        store.leases(LONG).await.unwrap()[0].holder,
        Some(holder("north", 1))
    );
}

/// As after the database was put back to a day before the process started.
pub async fn an_id_that_was_forgotten_is_taken_in_again(store: &dyn Store) {
    let (_, last) = two_replicas(store).await;
    let forgotten = ReplicaId(last.0 + 1);
    store
        .hold(forgotten, holder("north", 1), LONG)
        .await
        .unwrap();
    let next = store.new_replica().await.unwrap();
    assert!(
        next > forgotten,
        "{next} was handed out although {forgotten} is held"
    );
}

/// The heads of several documents, in the order in which they were asked for.
pub async fn heads_are_given_for_many_documents(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let [a, b, gone, unknown] = ["a", "b", "gone", "unknown"].map(document);
    append(store, &a, changes(&a, one, 1, 3)).await;
    append(store, &a, changes(&a, two, 1, 1)).await;
    append(store, &b, changes(&b, two, 1, 2)).await;
    append(store, &gone, changes(&gone, one, 1, 1)).await;
    assert_eq!(store.delete(gone.clone()).await, Ok(true));
    let asked = vec![unknown, b, gone, a.clone(), a];
    let heads = store.heads(asked).await.unwrap();
    let of_a = clock(&[(one, 3), (two, 1)]);
    assert_eq!(
        heads,
        [
            clock(&[]),
            clock(&[(two, 2)]),
            clock(&[(one, 1)]),
            of_a.clone(),
            of_a
        ]
    );
    assert_eq!(store.heads(Vec::new()).await, Ok(Vec::new()));
}

fn holder(node: &str, incarnation: u128) -> Holder {
    Holder {
        node: node.to_owned(),
        incarnation: (incarnation << 64) | 7,
    }
}

const LONG: Duration = Duration::from_secs(600);
