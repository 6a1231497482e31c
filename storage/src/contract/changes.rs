//! Changes: appended whole, once, in lanes without holes, and given back as they were.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, ConnectionId, Dot, Hlc, Kind, Order, ReplicaId, VectorClock,
};
use futures_util::future::{join_all, try_join_all};

use super::*;
use crate::store::{Store, StoreError};

/// A replica id is unlike all that were handed out before, at once or one after another.
pub async fn replica_ids_are_never_handed_out_twice(store: &dyn Store) {
    let at_once = try_join_all((0..20).map(|_| store.new_replica()));
    let ids: BTreeSet<_> = at_once.await.unwrap().into_iter().collect();
    assert_eq!(ids.len(), 20);
    assert!(!ids.contains(&store.new_replica().await.unwrap()));
}

/// Appending creates the document, and loading gives its changes and heads.
pub async fn what_was_appended_is_loaded(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    append(store, &notes, changes(&notes, one, 1, 3)).await;
    append(store, &notes, changes(&notes, two, 1, 1)).await;
    append(store, &notes, changes(&notes, one, 4, 4)).await;
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!((past.kind, past.deleted), (Some(Kind::Yjs), false));
    assert_eq!(
        plain(&past.changes),
        [
            changes(&notes, one, 1, 3),
            changes(&notes, two, 1, 1),
            changes(&notes, one, 4, 4)
        ]
        .concat()
    );
    assert_eq!(past.heads, clock(&[(one, 4), (two, 1)]));
    assert_eq!((past.snapshot, past.damaged), (None, 0));
    let described = store.describe(notes).await.unwrap().unwrap();
    assert_eq!(described.clock, past.heads);
    assert_eq!(described.changed_ms, Some(4_000));
    assert_eq!(described.deleted_ms, None);
}

/// No field is lost or bent, at the ends of its range neither.
pub async fn every_field_of_a_change_comes_back(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    let mut all = changes(&notes, replica, 1, 4);
    all[0].author = Some(Author::new("ada 'quoted' ✎ \"\u{1F600}"));
    all[1].author = Some(Author::new(""));
    all[1].hlc = Hlc(u64::MAX);
    all[1].connection = ConnectionId(u64::MAX);
    all[2].context = [
        Dot::new(ReplicaId(u32::MAX), u64::MAX),
        Dot::new(ReplicaId(0), 5),
    ]
    .into_iter()
    .collect();
    all[2].kind = ChangeKind::YjsUpdates;
    all[3].hlc = Hlc(0);
    all[3].connection = ConnectionId(0);
    append(store, &notes, all.clone()).await;
    let past = store.load(notes).await.unwrap();
    assert_eq!(plain(&past.changes), all);
}

/// A commit whose outcome is unknown is repeated: that must be harmless, also mixed with what is new.
pub async fn repeating_a_change_does_nothing(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 3)).await;
    let before = store.load(notes.clone()).await.unwrap().changes;
    append(store, &notes, changes(&notes, replica, 2, 3)).await;
    append(store, &notes, changes(&notes, replica, 1, 1)).await;
    assert_eq!(store.load(notes.clone()).await.unwrap().changes, before);
    append(store, &notes, changes(&notes, replica, 2, 5)).await;
    let twice = [
        changes(&notes, replica, 6, 6),
        changes(&notes, replica, 6, 6),
    ];
    append(store, &notes, twice.concat()).await;
    let after = store.load(notes.clone()).await.unwrap().changes;
    assert_eq!(plain(&after), changes(&notes, replica, 1, 6));
    assert_eq!(after[..3], before[..]);
    let again = (0..8).map(|_| {
        let changes = changes(&notes, replica, 7, 9);
        store.append(notes.clone(), Kind::Yjs, changes)
    });
    try_join_all(again).await.unwrap();
    let after = store.load(notes.clone()).await.unwrap().changes;
    assert_eq!(plain(&after), changes(&notes, replica, 1, 9));
}

/// A different change with a dot that is taken is refused, in whichever field it differs.
pub async fn a_dot_names_one_change(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 2)).await;
    let alterations: [fn(&mut Change); 6] = [
        |it| it.payload = Bytes::from_static(b"other"),
        |it| it.author = Some(Author::new("eve")),
        |it| it.connection = ConnectionId(8),
        |it| it.hlc = Hlc(1),
        |it| it.kind = ChangeKind::YjsUpdates,
        |it| it.context = VectorClock::default(),
    ];
    for alter in alterations {
        let mut other = change(&notes, replica, 2);
        alter(&mut other);
        let refused = store.append(notes.clone(), Kind::Yjs, vec![other]).await;
        assert_eq!(refused, Err(StoreError::DotReused(Dot::new(replica, 2))));
    }
    let mut twin = change(&notes, replica, 3);
    twin.payload = Bytes::new();
    let twins = vec![change(&notes, replica, 3), twin];
    let refused = store.append(notes.clone(), Kind::Yjs, twins).await;
    assert_eq!(refused, Err(StoreError::DotReused(Dot::new(replica, 3))));
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(plain(&past.changes), changes(&notes, replica, 1, 2));
}

/// A lane begins at 1 and goes up by 1.
pub async fn lanes_have_no_holes(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    hole(store, changes(&notes, one, 2, 2), Dot::new(one, 2)).await;
    append(store, &notes, changes(&notes, one, 1, 2)).await;
    hole(store, changes(&notes, one, 4, 4), Dot::new(one, 4)).await;
    hole(store, changes(&notes, two, 3, 3), Dot::new(two, 3)).await;
    let backwards = changes(&notes, one, 3, 4).into_iter().rev().collect();
    hole(store, backwards, Dot::new(one, 4)).await;
    for counter in [0, u64::MAX] {
        let mut odd = change(&notes, one, 1);
        odd.dot.counter = counter;
        hole(store, vec![odd], Dot::new(one, counter)).await;
    }
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(plain(&past.changes), changes(&notes, one, 1, 2));
}

/// A refused append stores none of its changes, and creates no document.
pub async fn an_append_is_stored_whole_or_not_at_all(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    let holed = [changes(&notes, one, 1, 2), changes(&notes, one, 4, 5)].concat();
    hole(store, holed, Dot::new(one, 4)).await;
    assert_eq!(store.describe(notes.clone()).await.unwrap(), None);
    append(store, &notes, changes(&notes, one, 1, 2)).await;
    let holed = [changes(&notes, two, 1, 2), changes(&notes, one, 4, 4)].concat();
    hole(store, holed, Dot::new(one, 4)).await;
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(plain(&past.changes), changes(&notes, one, 1, 2));
    assert_eq!(past.heads, clock(&[(one, 2)]));
}

/// Requests that share a commit do not share a refusal.
pub async fn a_refusal_leaves_its_neighbours_alone(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let appends = (0..40u64).map(|number| {
        let notes = document(&format!("notes {number}"));
        let from = 1 + number % 2;
        store.append(
            notes.clone(),
            Kind::Yjs,
            changes(&notes, replica, from, from + 2),
        )
    });
    let answers = join_all(appends).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let wanted = match number % 2 {
            0 => Ok(()),
            _ => Err(StoreError::HoleInLane(Dot::new(replica, 2))),
        };
        assert_eq!(answer, wanted);
        let notes = document(&format!("notes {number}"));
        let stored = store.load(notes).await.unwrap().changes.len();
        assert_eq!(stored, if number % 2 == 0 { 3 } else { 0 });
    }
}

/// Appends of many documents, several for each, are all stored, each document's in its own order.
pub async fn many_documents_are_appended_at_once(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let writers = (0..50).map(|number| async move {
        let notes = document(&format!("notes {number}"));
        for round in 0..6u64 {
            let from = 1 + round * 5;
            append(store, &notes, changes(&notes, replica, from, from + 4)).await;
        }
        notes
    });
    let mut orders = BTreeSet::new();
    for notes in join_all(writers).await {
        let past = store.load(notes.clone()).await.unwrap();
        assert_eq!(plain(&past.changes), changes(&notes, replica, 1, 30));
        orders.extend(past.changes.iter().map(|it| it.order));
    }
    assert_eq!(orders.len(), 50 * 30);
}

/// A change appended after another has returned stands after it, and within an append the order is the given one.
pub async fn order_extends_the_order_of_appends(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    for counter in 1..=20 {
        append(store, &notes, changes(&notes, one, counter, counter)).await;
        append(store, &notes, changes(&notes, two, counter, counter)).await;
    }
    let mixed = vec![
        change(&notes, two, 21),
        change(&notes, one, 21),
        change(&notes, two, 22),
    ];
    append(store, &notes, mixed.clone()).await;
    let changes = store.load(notes.clone()).await.unwrap().changes;
    assert!(changes.windows(2).all(|pair| pair[0].order < pair[1].order));
    assert!(changes[0].order > Order(0));
    let expected = (1..=20).flat_map(|it| [change(&notes, one, it), change(&notes, two, it)]);
    assert_eq!(plain(&changes), expected.chain(mixed).collect::<Vec<_>>());
}

/// Any range of a lane, also one that goes beyond it.
pub async fn a_lane_is_read_in_part(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    append(store, &notes, changes(&notes, one, 1, 9)).await;
    append(store, &notes, changes(&notes, two, 1, 2)).await;
    for (range, wanted) in [
        (1..=9, changes(&notes, one, 1, 9)),
        (3..=5, changes(&notes, one, 3, 5)),
        (8..=u64::MAX, changes(&notes, one, 8, 9)),
        (0..=1, changes(&notes, one, 1, 1)),
        (10..=20, vec![]),
    ] {
        let lane = store.lane(notes.clone(), one, range).await.unwrap();
        assert_eq!(plain(&lane), wanted);
    }
    let (from, to) = (5, 3);
    let reversed = store.lane(notes.clone(), one, from..=to).await.unwrap();
    assert_eq!(reversed, []);
    let foreign = store.lane(document("other"), one, 1..=9).await.unwrap();
    assert_eq!(foreign, []);
}

/// Payloads and states of a megabyte and of nothing.
pub async fn large_and_empty_payloads_come_back(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    let mut all = changes(&notes, replica, 1, 4);
    let large: Vec<u8> = (0..1u32 << 20).map(|at| (at ^ (at >> 8)) as u8).collect();
    all[0].payload = Bytes::from(large.clone());
    all[1].payload = Bytes::new();
    all[3].payload = Bytes::from(vec![0; 100_000]);
    append(store, &notes, all.clone()).await;
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(plain(&past.changes), all);
    let mut taken = snapshot(&notes, &[Dot::new(replica, 1)], "");
    store.put_snapshot(taken.clone()).await.unwrap();
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(past.snapshot, Some(taken.clone()));
    taken.state = Bytes::from(large);
    taken.clock.observe(Dot::new(replica, 2));
    store.put_snapshot(taken.clone()).await.unwrap();
    assert_eq!(store.load(notes).await.unwrap().snapshot, Some(taken));
}

async fn hole(store: &dyn Store, changes: Vec<Change>, at: Dot) {
    let document = changes[0].document.clone();
    let refused = store.append(document, Kind::Yjs, changes).await;
    assert_eq!(refused, Err(StoreError::HoleInLane(at)));
}
