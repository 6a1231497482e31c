//! Snapshots that somebody brings along: the right one is taken, and of all others loading makes what it makes without.

use engine::{DocumentKey, Dot, Kind, ReplicaId, Snapshot};

use super::*;
use crate::store::{Past, Store};

/// The newest that is stored, and no other that there is or might be: an older one, one of other content, one of another
/// document, one that knows more or less.
pub async fn a_snapshot_that_is_given_is_taken_if_it_is_the_right_one(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let (notes, other) = (document("notes"), document("other"));
    for own in [&notes, &other] {
        append(store, own, changes(own, one, 1, 6)).await;
        append(store, own, changes(own, two, 1, 3)).await;
    }
    let covered = [Dot::new(one, 4), Dot::new(two, 3)];
    let (older, newest) = (
        snapshot(&notes, &covered[..1], "older"),
        snapshot(&notes, &covered, "newest"),
    );
    beyond(store, &newest, false).await;
    store.put_snapshot(older.clone()).await.unwrap();
    beyond(store, &older, true).await;
    store.put_snapshot(newest.clone()).await.unwrap();
    let past = beyond(store, &newest, true).await;
    assert_eq!((past.snapshot.as_ref(), past.damaged), (Some(&newest), 0));
    assert_eq!(plain(&past.changes), changes(&notes, one, 5, 6));
    for wrong in [
        older,
        snapshot(&notes, &covered, "forged"),
        snapshot(&notes, &covered, ""),
        snapshot(&notes, &[], "newest"),
        snapshot(&notes, &[Dot::new(one, 6), covered[1]], "newest"),
        snapshot(&notes, &[Dot::new(one, 9), covered[1]], "newest"),
        snapshot(&notes, &[Dot::new(ReplicaId(99), 1)], "newest"),
        Snapshot {
            kind: Kind::Text,
            ..newest.clone()
        },
    ] {
        beyond(store, &wrong, false).await;
    }
    let misplaced = snapshot(&notes, &covered, "newest");
    let past = load_beyond(store, &other, &misplaced).await;
    assert_eq!((past.snapshot, past.was_given), (None, false));
    assert_eq!(past.changes.len(), 9);
}

/// What was set aside after it was given, what belongs to a document that was deleted, and what was never stored.
pub async fn a_snapshot_that_is_given_is_passed_over_if_the_store_knows_better(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 6)).await;
    let [older, newest] = [(2, "older"), (5, "newest")]
        .map(|(counter, state)| snapshot(&notes, &[Dot::new(replica, counter)], state));
    for snapshot in [&older, &newest] {
        store.put_snapshot(snapshot.clone()).await.unwrap();
    }
    let bad = quarantined(&notes, &newest.state);
    store.quarantine(bad.clone()).await.unwrap();
    let past = beyond(store, &newest, false).await;
    assert_eq!(past.snapshot.as_ref(), Some(&older));
    assert_eq!(past.quarantined, [bad.hash].into());
    beyond(store, &older, true).await;
    store.delete(notes.clone()).await.unwrap();
    for snapshot in [&older, &newest] {
        let past = beyond(store, snapshot, false).await;
        assert_eq!((past.deleted, past.changes.len()), (true, 0));
    }
    let unknown = snapshot(&document("unknown"), &[Dot::new(replica, 1)], "state");
    assert_eq!(beyond(store, &unknown, false).await.kind, None);
}

/// That the past is the same whether the snapshot is given or not, and whether it was taken.
async fn beyond(store: &dyn Store, given: &Snapshot, is_taken: bool) -> Past {
    let document = &given.document;
    let plain = store.load(document.clone()).await.unwrap();
    let past = load_beyond(store, document, given).await;
    assert_eq!(past.was_given, is_taken, "{given:?}");
    let whole = |past: &Past| {
        let read = (past.kind, past.deleted, past.damaged, past.heads.clone());
        let content = (past.snapshot.clone(), past.changes.clone());
        (read, content, past.quarantined.clone())
    };
    assert_eq!(whole(&past), whole(&plain), "{given:?}");
    past
}

async fn load_beyond(store: &dyn Store, document: &DocumentKey, given: &Snapshot) -> Past {
    let past = store.load_beyond(document.clone(), given.clone()).await;
    past.unwrap()
}
