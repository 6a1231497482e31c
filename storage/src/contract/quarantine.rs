//! The quarantine: kept, listed, told at loading, bounded, and forgotten on demand.

use bytes::Bytes;
use engine::{Author, ConnectionId, DocumentKey, Dot, Order, PayloadHash, Quarantined, ReplicaId};

use super::*;
use crate::quarantine::{
    PAYLOAD_KEPT_BYTES, PAYLOADS_KEPT, QuarantineEntry, QuarantineQuery, UNLOGGED_MAX,
};
use crate::store::{Standing, Store};

/// Every field comes back, the payload only where one entry is asked for; and the document that never was has the hash.
pub async fn a_quarantined_payload_is_kept_and_told_at_loading(store: &dyn Store) {
    let notes = document("notes");
    let full = Quarantined {
        author: Some(Author::new("ada")),
        connection: Some(ConnectionId(u64::MAX)),
        dot: Some(Dot::new(ReplicaId(7), 12)),
        ..quarantined(&notes, b"full")
    };
    let bare = quarantined(&notes, b"");
    for it in [&full, &bare] {
        store.quarantine(it.clone()).await.unwrap();
        let found = store.quarantined_payload(notes.clone(), it.hash).await;
        let found = found.unwrap().unwrap();
        assert_eq!(&found.quarantined, it);
        assert_eq!(found.payload_bytes, it.payload.len() as u64);
        assert_eq!(list(store, None, None, 1).await, [without_payload(&found)]);
    }
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(past.quarantined, [full.hash, bare.hash].into());
    assert_eq!((past.kind, past.deleted), (None, false));
    let past = crate::store::load_log(store, &notes, None).await.unwrap();
    assert_eq!(past.quarantined, [full.hash, bare.hash].into());
    let replica = store.new_replica().await.unwrap();
    append(store, &notes, changes(&notes, replica, 1, 2)).await;
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!((past.quarantined.len(), past.changes.len()), (2, 2));
    let past = store.load(document("other")).await.unwrap();
    assert!(past.quarantined.is_empty());
}

/// The first account stays; only a place in the log that was not known is added.
pub async fn quarantining_again_changes_nothing(store: &dyn Store) {
    let notes = document("notes");
    let first = quarantined(&notes, b"payload");
    store.quarantine(first.clone()).await.unwrap();
    let again = Quarantined {
        reason: "something else".to_owned(),
        wall_ms: 99,
        ..first.clone()
    };
    store.quarantine(again.clone()).await.unwrap();
    let found = list(store, Some(&notes), None, 9).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].quarantined.reason, first.reason);
    for counter in [3, 4] {
        let logged = Quarantined {
            dot: Some(Dot::new(ReplicaId(1), counter)),
            ..again.clone()
        };
        store.quarantine(logged).await.unwrap();
        let found = list(store, Some(&notes), None, 9).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].quarantined.dot, Some(Dot::new(ReplicaId(1), 3)));
        assert_eq!(found[0].quarantined.wall_ms, first.wall_ms);
    }
}

/// Pages go from the newest to the oldest without gaps; the same payload in two documents makes two entries.
pub async fn the_quarantine_is_listed_newest_first_of_one_document_or_all(store: &dyn Store) {
    let (notes, other) = (document("notes"), document("notes/b"));
    for payload in 0..5 {
        for document in [&notes, &other] {
            store
                .quarantine(quarantined(document, &[payload]))
                .await
                .unwrap();
        }
    }
    for (of, count) in [(None, 10), (Some(&notes), 5), (Some(&other), 5)] {
        let all = list(store, of, None, 99).await;
        assert_eq!(all.len(), count);
        assert!(all.is_sorted_by(|a, b| a.number > b.number));
        assert!(
            all.iter()
                .all(|it| of.is_none_or(|of| it.quarantined.document == *of))
        );
        let mut seen: Vec<QuarantineEntry> = Vec::new();
        loop {
            let before = seen.last().map(|it| it.number);
            let page = list(store, of, before, 3).await;
            seen.extend(page.iter().cloned());
            if page.len() < 3 {
                break;
            }
        }
        assert_eq!(seen, all);
    }
    assert!(
        list(store, Some(&document("never")), None, 9)
            .await
            .is_empty()
    );
    assert!(list(store, None, Some(0), 9).await.is_empty());
}

/// A long payload is cut, old ones are let go, and a document has so many entries and no more, unless they are in its log.
pub async fn what_the_quarantine_keeps_is_bounded(store: &dyn Store) {
    let notes = document("notes");
    let long = quarantined(&notes, &vec![7; PAYLOAD_KEPT_BYTES + 1]);
    let logged = Quarantined {
        dot: Some(Dot::new(ReplicaId(1), 1)),
        ..long
    };
    store.quarantine(logged.clone()).await.unwrap();
    let kept = store.quarantined_payload(notes.clone(), logged.hash).await;
    let kept = kept.unwrap().unwrap();
    assert_eq!(kept.quarantined.payload.len(), PAYLOAD_KEPT_BYTES);
    assert_eq!(kept.payload_bytes, PAYLOAD_KEPT_BYTES as u64 + 1);
    let count = PAYLOADS_KEPT.max(UNLOGGED_MAX as u64) + 3;
    for number in 0..count {
        let payload = number.to_le_bytes();
        store
            .quarantine(quarantined(&notes, &payload))
            .await
            .unwrap();
    }
    let kept = store.quarantined_payload(notes.clone(), logged.hash).await;
    let kept = kept.unwrap().expect("what is in the log stays");
    assert!(kept.quarantined.payload.is_empty());
    assert_eq!(kept.payload_bytes, PAYLOAD_KEPT_BYTES as u64 + 1);
    let all = list(store, Some(&notes), None, usize::MAX).await;
    assert_eq!(all.len(), UNLOGGED_MAX + 1);
    let newest = PayloadHash::of(&(count - 1).to_le_bytes());
    assert_eq!(all[0].quarantined.hash, newest);
}

/// Setting a snapshot aside is quarantining its state.
pub async fn a_quarantined_snapshot_gives_way_to_the_one_before(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 9)).await;
    let [earlier, later] = [(3, "earlier"), (6, "later")]
        .map(|(counter, state)| snapshot(&notes, &[Dot::new(replica, counter)], state));
    store.put_snapshot(earlier.clone()).await.unwrap();
    store.put_snapshot(later.clone()).await.unwrap();
    for (bad, left, changes) in [(&later, Some(&earlier), 6), (&earlier, None, 9)] {
        store
            .quarantine(quarantined(&notes, &bad.state))
            .await
            .unwrap();
        let past = store.load(notes.clone()).await.unwrap();
        assert_eq!((past.snapshot.as_ref(), past.damaged), (left, 0));
        assert_eq!(past.changes.len(), changes);
        let past = store.load_until(notes.clone(), Order(u64::MAX)).await;
        assert_eq!(past.unwrap().snapshot.as_ref(), left);
    }
}

/// Deleting a document deletes nothing of its quarantine.
pub async fn the_quarantine_outlives_its_document(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 1)).await;
    let bad = quarantined(&notes, b"bad");
    store.quarantine(bad.clone()).await.unwrap();
    store.delete(notes.clone()).await.unwrap();
    assert_eq!(list(store, Some(&notes), None, 9).await.len(), 1);
    let past = store.load(notes).await.unwrap();
    assert_eq!((past.deleted, past.quarantined), (true, [bad.hash].into()));
}

/// Forgetting takes one payload of one document, once.
pub async fn what_is_forgotten_is_let_in_again(store: &dyn Store) {
    let (notes, other) = (document("notes"), document("other"));
    let bad = quarantined(&notes, b"bad");
    store.quarantine(bad.clone()).await.unwrap();
    store
        .quarantine(quarantined(&notes, b"worse"))
        .await
        .unwrap();
    store.quarantine(quarantined(&other, b"bad")).await.unwrap();
    for wanted in [true, false] {
        let forgotten = store.forget_quarantined(notes.clone(), bad.hash).await;
        assert_eq!(forgotten, Ok(wanted));
    }
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(past.quarantined, [PayloadHash::of(b"worse")].into());
    assert_eq!(list(store, None, None, 9).await.len(), 2);
    let gone = store.quarantined_payload(notes, bad.hash).await;
    assert_eq!(gone, Ok(None));
}

/// A deletion is told for good, and each time that something is kept out or forgotten the sums are others.
pub async fn how_documents_stand_is_told(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let [notes, gone, unknown] = ["notes", "gone", "unknown"].map(document);
    for document in [&notes, &gone] {
        append(store, document, changes(document, replica, 1, 2)).await;
    }
    assert_eq!(store.delete(gone.clone()).await, Ok(true));
    let of = async |document: &DocumentKey| {
        let asked = vec![unknown.clone(), document.clone(), gone.clone()];
        let standings = store.standings(asked).await.unwrap();
        let [first, asked, last] = standings[..] else {
            panic!("one for each document: {standings:?}");
        };
        assert_eq!(first, Standing::default());
        assert!(last.is_deleted && !asked.is_deleted);
        asked
    };
    let nothing = of(&notes).await;
    assert_eq!(nothing, Standing::default());
    let strange = quarantined(&notes, b"strange");
    store.quarantine(strange.clone()).await.unwrap();
    let kept = of(&notes).await;
    assert!(kept.quarantine > 0);
    let stored = Quarantined {
        dot: Some(Dot::new(replica, 1)),
        ..quarantined(&notes, b"stored")
    };
    store.quarantine(stored).await.unwrap();
    let both = of(&notes).await;
    assert!(both.quarantine > kept.quarantine);
    let forgotten = store.forget_quarantined(notes.clone(), strange.hash).await;
    assert_eq!(forgotten, Ok(true));
    let left = of(&notes).await;
    assert!((1..both.quarantine).contains(&left.quarantine));
    assert_eq!(store.standings(Vec::new()).await, Ok(Vec::new()));
}

/// A small account of a payload.
pub fn quarantined(document: &DocumentKey, payload: &[u8]) -> Quarantined {
    Quarantined {
        document: document.clone(),
        hash: PayloadHash::of(payload),
        payload: Bytes::copy_from_slice(payload),
        author: None,
        connection: None,
        dot: None,
        reason: "it panicked".to_owned(),
        wall_ms: 1_795_167_000_000,
    }
}

async fn list(
    store: &dyn Store,
    of: Option<&DocumentKey>,
    before: Option<u64>,
    limit: usize,
) -> Vec<QuarantineEntry> {
    let query = QuarantineQuery {
        document: of.cloned(),
        before,
        limit,
    };
    store.quarantined(query).await.unwrap()
}

fn without_payload(entry: &QuarantineEntry) -> QuarantineEntry {
    QuarantineEntry {
        quarantined: Quarantined {
            payload: Bytes::new(),
            ..entry.quarantined.clone()
        },
        ..entry.clone()
    }
}
