//! Gists: what a document comes to, good for the changes that it is of and for no others.

use bytes::Bytes;
use engine::{DocumentKey, Gist, Kind, ReplicaId};

use super::*;
use crate::store::Store;

/// It is given as it came, until something is stored that it does not know; then the next one takes its place.
pub async fn a_gist_is_good_as_long_as_nothing_else_is_stored(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let (notes, other) = (document("notes"), document("other"));
    assert_eq!(kept(store, &notes).await, None, "there is no document");
    for own in [&notes, &other] {
        append(store, own, changes(own, one, 1, 6)).await;
        append(store, own, changes(own, two, 1, 3)).await;
    }
    assert_eq!(kept(store, &notes).await, None);
    let first = gist(&notes, &[(one, 6), (two, 3)], "first");
    assert!(keep(store, &first).await);
    assert_eq!(kept(store, &notes).await, Some(first));
    assert_eq!(kept(store, &other).await, None, "it is of one document");
    let anew = gist(&notes, &[(one, 6), (two, 3)], "anew");
    assert!(keep(store, &anew).await);
    assert_eq!(kept(store, &notes).await, Some(anew));
    append(store, &notes, changes(&notes, two, 4, 4)).await;
    assert_eq!(kept(store, &notes).await, None, "more is stored");
    let second = gist(&notes, &[(one, 6), (two, 4)], "second");
    assert!(keep(store, &second).await);
    append(store, &notes, changes(&notes, two, 2, 4)).await;
    assert_eq!(kept(store, &notes).await, Some(second), "nothing is new");
    let three = store.new_replica().await.unwrap();
    append(store, &notes, changes(&notes, three, 1, 1)).await;
    assert_eq!(
        kept(store, &notes).await,
        None,
        "another replica has written"
    );
}

/// One that knows less or more than what is stored is not kept, nor one of another kind, and takes no other's place.
pub async fn a_gist_is_kept_only_of_what_is_stored(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    let right = gist(&notes, &[(one, 6), (two, 3)], "right");
    assert!(!keep(store, &right).await, "there is no document");
    append(store, &notes, changes(&notes, one, 1, 6)).await;
    append(store, &notes, changes(&notes, two, 1, 3)).await;
    assert!(keep(store, &right).await);
    for wrong in [
        gist(&notes, &[(one, 5), (two, 3)], "wrong"),
        gist(&notes, &[(one, 6)], "wrong"),
        gist(&notes, &[(one, 6), (two, 4)], "wrong"),
        gist(&notes, &[(one, 6), (two, 3), (ReplicaId(99), 1)], "wrong"),
        gist(&notes, &[], "wrong"),
        Gist {
            kind: Kind::Text,
            ..gist(&notes, &[(one, 6), (two, 3)], "wrong")
        },
    ] {
        assert!(!keep(store, &wrong).await, "{wrong:?}");
        assert_eq!(kept(store, &notes).await.as_ref(), Some(&right));
    }
}

/// What something is kept out of shows less than is stored; what is deleted shows nothing.
pub async fn a_gist_says_nothing_of_what_is_deleted_or_quarantined(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let (notes, other) = (document("notes"), document("other"));
    for own in [&notes, &other] {
        append(store, own, changes(own, replica, 1, 2)).await;
        assert!(keep(store, &gist(own, &[(replica, 2)], "all")).await);
    }
    let payload = change(&notes, replica, 2).payload;
    let bad = quarantined(&notes, &payload);
    store.quarantine(bad.clone()).await.unwrap();
    assert_eq!(kept(store, &notes).await, None);
    let forgotten = store.forget_quarantined(notes.clone(), bad.hash).await;
    assert_eq!(forgotten, Ok(true));
    assert!(kept(store, &notes).await.is_some(), "it is let in again");
    store.delete(other.clone()).await.unwrap();
    assert_eq!(kept(store, &other).await, None);
    assert!(!keep(store, &gist(&other, &[(replica, 2)], "all")).await);
}

/// What a document has after some changes; the store does not look into it.
pub fn gist(document: &DocumentKey, heads: &[(ReplicaId, u64)], have: &'static str) -> Gist {
    Gist {
        document: document.clone(),
        kind: Kind::Yjs,
        clock: clock(heads),
        have: Bytes::from_static(have.as_bytes()),
    }
}

async fn keep(store: &dyn Store, gist: &Gist) -> bool {
    store.keep_gist(gist.clone()).await.unwrap()
}

async fn kept(store: &dyn Store, document: &DocumentKey) -> Option<Gist> {
    store.gist(document.clone()).await.unwrap()
}
