//! The contract of [`Store`] as code: one check for each promise, run by every implementation alike.
//!
//! Each check takes an empty store. [`store_contract!`](crate::store_contract) turns them into tests, given an expression
//! that opens one. What only some stores can promise, such as outliving the process, is tested beside those.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, NAME_BYTES_MAX, Order,
    ReplicaId, Snapshot, StoredChange, VectorClock,
};
use futures_util::future::{join_all, try_join_all};

use crate::store::{
    Description, DocumentQuery, Place, Store, StoreError, TimelinePage, WorkspaceSummary,
};

/// Makes a test of each check. `$open` is an expression, evaluated in an async function, whose value derefs to a store
/// and keeps it alive.
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract! { $open;
            replica_ids_are_never_handed_out_twice
            what_was_appended_is_loaded
            every_field_of_a_change_comes_back
            repeating_a_change_does_nothing
            a_dot_names_one_change
            lanes_have_no_holes
            an_append_is_stored_whole_or_not_at_all
            a_refusal_leaves_its_neighbours_alone
            many_documents_are_appended_at_once
            order_extends_the_order_of_appends
            the_timeline_pages_forward_without_gaps
            the_timeline_pages_backward_without_gaps
            a_change_is_found_by_dot_index_and_time
            a_snapshot_stands_for_what_it_covers
            looking_back_takes_the_newest_snapshot_within
            old_snapshots_go_and_the_newest_two_stay
            a_snapshot_covers_only_what_is_stored
            a_lane_is_read_in_part
            a_deleted_document_stays_deleted
            a_kind_is_fixed
            creating_is_for_new_documents
            documents_are_listed_by_prefix_and_cursor
            workspaces_are_counted
            names_never_run_together
            awkward_names_are_just_names
            large_and_empty_payloads_come_back
            an_unknown_document_is_empty
            a_check_succeeds_and_a_closed_store_refuses
        }
    };
    ($open:expr; $($check:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let store = $open;
                $crate::contract::$check(&*store).await;
            }
        )+
    };
}

/// A document's name in workspace `w`.
pub fn document(name: &str) -> DocumentKey {
    DocumentKey::new("w", name).expect("a test's name is a good one")
}

/// A small change of a lane, unlike every other.
pub fn change(document: &DocumentKey, replica: ReplicaId, counter: u64) -> Change {
    Change {
        document: document.clone(),
        dot: Dot::new(replica, counter),
        context: [Dot::new(replica, counter - 1)].into_iter().collect(),
        hlc: Hlc::from_wall_ms(1_000 * counter),
        author: None,
        connection: ConnectionId(7),
        kind: ChangeKind::YjsUpdate,
        payload: Bytes::from(format!("{document} {replica}.{counter}")),
    }
}

/// Changes `from..=to` of a lane.
pub fn changes(document: &DocumentKey, replica: ReplicaId, from: u64, to: u64) -> Vec<Change> {
    (from..=to)
        .map(|counter| change(document, replica, counter))
        .collect()
}

/// A snapshot of a Yjs document; the store does not look into its state.
pub fn snapshot(document: &DocumentKey, covered: &[Dot], state: &'static str) -> Snapshot {
    Snapshot {
        document: document.clone(),
        kind: Kind::Yjs,
        clock: covered.iter().copied().collect(),
        state: Bytes::from_static(state.as_bytes()),
    }
}

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

/// Pages of every size, forward, make up the whole timeline.
pub async fn the_timeline_pages_forward_without_gaps(store: &dyn Store) {
    let (notes, all) = timeline_of_23(store).await;
    for limit in [1, 2, 7, 22, 23, 24, 100] {
        let (mut from, mut seen) = (Order(0), Vec::new());
        loop {
            let page = TimelinePage::After(from, limit);
            let page = store.timeline(notes.clone(), page).await.unwrap();
            assert!(page.len() <= limit);
            seen.extend_from_slice(&page);
            let Some(last) = page.last().filter(|_| page.len() == limit) else {
                break;
            };
            from = last.order;
        }
        assert_eq!(seen, all);
    }
    let beyond = TimelinePage::After(Order(u64::MAX), 5);
    assert_eq!(store.timeline(notes.clone(), beyond).await, Ok(vec![]));
    let nothing = TimelinePage::After(Order(0), 0);
    assert_eq!(store.timeline(notes, nothing).await, Ok(vec![]));
}

/// Pages of every size, backward, make up the whole timeline, newest first.
pub async fn the_timeline_pages_backward_without_gaps(store: &dyn Store) {
    let (notes, mut all) = timeline_of_23(store).await;
    all.reverse();
    for limit in [1, 2, 7, 22, 23, 24, 100] {
        let (mut from, mut seen) = (None, Vec::new());
        loop {
            let page = TimelinePage::Before(from, limit);
            let page = store.timeline(notes.clone(), page).await.unwrap();
            assert!(page.len() <= limit);
            seen.extend_from_slice(&page);
            let Some(last) = page.last().filter(|_| page.len() == limit) else {
                break;
            };
            from = Some(last.order);
        }
        assert_eq!(seen, all);
    }
    let beyond = TimelinePage::Before(Some(Order(u64::MAX)), 100);
    assert_eq!(store.timeline(notes.clone(), beyond).await, Ok(all));
    let nothing = TimelinePage::Before(Some(Order(0)), 5);
    assert_eq!(store.timeline(notes, nothing).await, Ok(vec![]));
}

/// Every change is found by its dot and its index; a time finds the last change not after it, wherever it stands.
pub async fn a_change_is_found_by_dot_index_and_time(store: &dyn Store) {
    let (notes, all) = timeline_of_23(store).await;
    let find = |place| store.find(notes.clone(), place);
    for (at, stored) in all.iter().enumerate() {
        let order = Ok(Some(stored.order));
        assert_eq!(find(Place::Dot(stored.change.dot)).await, order);
        assert_eq!(find(Place::Index(at as u64 + 1)).await, order);
    }
    let replica = all[0].change.dot.replica;
    for missing in [
        Place::Index(0),
        Place::Index(24),
        Place::Index(u64::MAX),
        Place::Dot(Dot::new(replica, 0)),
        Place::Dot(Dot::new(replica, 24)),
        Place::Dot(Dot::new(ReplicaId(u32::MAX), 1)),
        Place::Dot(Dot::new(replica, u64::MAX)),
        Place::WallMs(999),
    ] {
        assert_eq!(find(missing).await, Ok(None), "{missing:?}");
    }
    for wall_ms in (1_000..=24_000).step_by(500) {
        let last = all.iter().rfind(|it| it.change.hlc.wall_ms() <= wall_ms);
        let found = find(Place::WallMs(wall_ms)).await.unwrap();
        assert_eq!(found, last.map(|it| it.order), "{wall_ms}");
    }
    let last = Ok(Some(all[22].order));
    assert_eq!(find(Place::WallMs(u64::MAX)).await, last);
}

/// Loading gives the newest snapshot and exactly the changes that it does not cover.
pub async fn a_snapshot_stands_for_what_it_covers(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    append(store, &notes, changes(&notes, one, 1, 5)).await;
    append(store, &notes, changes(&notes, two, 1, 5)).await;
    let whole = store.load(notes.clone()).await.unwrap();
    let covered = [Dot::new(one, 2), Dot::new(two, 4)];
    let earlier = snapshot(&notes, &covered[..1], "earlier");
    let later = snapshot(&notes, &covered, "later");
    store.put_snapshot(earlier.clone()).await.unwrap();
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(past.snapshot, Some(earlier));
    store.put_snapshot(later.clone()).await.unwrap();
    let past = store.load(notes.clone()).await.unwrap();
    let mut uncovered = whole.changes.clone();
    uncovered.retain(|it| !later.clock.contains(it.change.dot));
    assert_eq!(past.changes, uncovered);
    assert_eq!(past.snapshot, Some(later));
    assert_eq!((past.heads, past.damaged), (whole.heads, 0));
}

/// Looking back to any order gives a snapshot of that time or before, and the changes up to that order.
pub async fn looking_back_takes_the_newest_snapshot_within(store: &dyn Store) {
    let (notes, all) = timeline_of_23(store).await;
    let replica = all[0].change.dot.replica;
    let taken = [
        snapshot(&notes, &[Dot::new(replica, 5)], "five"),
        snapshot(&notes, &[Dot::new(replica, 11)], "eleven"),
    ];
    for snapshot in &taken {
        store.put_snapshot(snapshot.clone()).await.unwrap();
    }
    for (at, stored) in all.iter().enumerate() {
        let past = store.load_until(notes.clone(), stored.order).await.unwrap();
        let through = |it: &&Snapshot| it.clock.heads().all(|head| head_at(&all, head) <= at);
        let wanted = taken.iter().rfind(through);
        assert_eq!(past.snapshot.as_ref(), wanted);
        let covered = wanted.map_or_else(VectorClock::default, |it| it.clock.clone());
        let mut changes = all[..=at].to_vec();
        changes.retain(|it| !covered.contains(it.change.dot));
        assert_eq!(past.changes, changes);
        let heads: VectorClock = all[..=at].iter().map(|it| it.change.dot).collect();
        assert_eq!(past.heads, heads);
    }
    let nothing = store.load_until(notes, Order(0)).await.unwrap();
    assert_eq!(
        (nothing.kind, nothing.heads.is_empty()),
        (Some(Kind::Yjs), true)
    );
}

/// Once a third snapshot is kept, the first goes, unless it is a long way from its neighbours.
pub async fn old_snapshots_go_and_the_newest_two_stay(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 9)).await;
    let all = store.load(notes.clone()).await.unwrap().changes;
    let taken = [3, 6, 9].map(|counter| snapshot(&notes, &[Dot::new(replica, counter)], "state"));
    for snapshot in &taken {
        store.put_snapshot(snapshot.clone()).await.unwrap();
    }
    for (at, wanted) in [(4, None), (7, Some(&taken[1])), (8, Some(&taken[2]))] {
        let past = store.load_until(notes.clone(), all[at].order).await;
        assert_eq!(past.unwrap().snapshot.as_ref(), wanted);
    }
}

/// A snapshot of what is not stored, of another kind, or of a deleted document is refused.
pub async fn a_snapshot_covers_only_what_is_stored(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    let ahead = snapshot(&notes, &[Dot::new(one, 3)], "ahead");
    let unknown = store.put_snapshot(ahead.clone()).await;
    assert_eq!(unknown, Err(StoreError::SnapshotAhead));
    append(store, &notes, changes(&notes, one, 1, 2)).await;
    let refused = store.put_snapshot(ahead).await;
    assert_eq!(refused, Err(StoreError::SnapshotAhead));
    let ahead = snapshot(&notes, &[Dot::new(one, 2), Dot::new(two, 1)], "ahead");
    let refused = store.put_snapshot(ahead).await;
    assert_eq!(refused, Err(StoreError::SnapshotAhead));
    let mut other = snapshot(&notes, &[Dot::new(one, 2)], "other");
    other.kind = Kind::Text;
    let refused = store.put_snapshot(other).await;
    assert_eq!(refused, Err(StoreError::KindDiffers(Kind::Yjs)));
    assert_eq!(store.load(notes.clone()).await.unwrap().snapshot, None);
    store.delete(notes.clone()).await.unwrap();
    let late = snapshot(&notes, &[Dot::new(one, 2)], "late");
    assert_eq!(store.put_snapshot(late).await, Err(StoreError::Deleted));
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

/// Deleting leaves a tombstone: nothing is appended, created or listed any more, and the past can still be looked at.
pub async fn a_deleted_document_stays_deleted(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    assert_eq!(store.delete(notes.clone()).await, Ok(false));
    append(store, &notes, changes(&notes, replica, 1, 3)).await;
    assert_eq!(store.delete(notes.clone()).await, Ok(true));
    assert_eq!(store.delete(notes.clone()).await, Ok(false));
    for again in [
        changes(&notes, replica, 4, 4),
        changes(&notes, replica, 1, 1),
        vec![],
    ] {
        let refused = store.append(notes.clone(), Kind::Yjs, again).await;
        assert_eq!(refused, Err(StoreError::Deleted));
    }
    let refused = store.create(notes.clone(), Kind::Yjs).await;
    assert_eq!(refused, Err(StoreError::Deleted));
    assert_eq!(list(store, "", None, 10).await, [""; 0]);
    assert_eq!(store.workspaces().await, Ok(vec![]));
    let described = store.describe(notes.clone()).await.unwrap().unwrap();
    assert!(
        described
            .deleted_ms
            .is_some_and(|at| at >= described.created_ms)
    );
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!((past.kind, past.deleted), (Some(Kind::Yjs), true));
    assert_eq!(
        (past.changes.len(), past.heads),
        (0, clock(&[(replica, 3)]))
    );
    let past = store
        .load_until(notes.clone(), Order(u64::MAX))
        .await
        .unwrap();
    assert_eq!(plain(&past.changes), changes(&notes, replica, 1, 3));
    assert!(past.deleted);
}

/// What a document is made of does not change after its creation.
pub async fn a_kind_is_fixed(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let (notes, other) = (document("notes"), document("other"));
    store.create(notes.clone(), Kind::Text).await.unwrap();
    let first = changes(&notes, replica, 1, 1);
    let refused = store.append(notes.clone(), Kind::Yjs, first.clone()).await;
    assert_eq!(refused, Err(StoreError::KindDiffers(Kind::Text)));
    store
        .append(notes.clone(), Kind::Text, first)
        .await
        .unwrap();
    store
        .append(other.clone(), Kind::Json0, vec![])
        .await
        .unwrap();
    assert_eq!(store.load(other).await.unwrap().kind, Some(Kind::Json0));
}

/// A created document is empty, described at once, and can not be created again.
pub async fn creating_is_for_new_documents(store: &dyn Store) {
    let notes = document("notes");
    let created = store.create(notes.clone(), Kind::RichText).await.unwrap();
    let described = store.describe(notes.clone()).await.unwrap();
    assert_eq!(described, Some(created.clone()));
    assert!(created.created_ms > 1_500_000_000_000);
    let wanted = Description {
        document: notes.clone(),
        kind: Kind::RichText,
        created_ms: created.created_ms,
        changed_ms: None,
        deleted_ms: None,
        clock: VectorClock::default(),
    };
    assert_eq!(created, wanted);
    let again = store.create(notes.clone(), Kind::RichText).await;
    assert_eq!(again, Err(StoreError::Exists));
    let past = store.load(notes).await.unwrap();
    assert_eq!((past.kind, past.changes.len()), (Some(Kind::RichText), 0));
}

/// Listing goes by the bytes of the names, within a prefix, after a name, and says as much of each as describing does.
pub async fn documents_are_listed_by_prefix_and_cursor(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let mut names = vec![
        "a",
        "a%",
        "a%b",
        "a_b",
        "a/b",
        "ab",
        "A",
        "b",
        "\u{10FFFF}",
        "a\u{10FFFF}",
        "a\u{10FFFF}z",
        "ä",
        "*",
        "a*",
    ];
    for name in &names {
        let notes = document(name);
        append(store, &notes, changes(&notes, replica, 1, 1)).await;
    }
    let elsewhere = DocumentKey::new("w2", "a").unwrap();
    store.create(elsewhere, Kind::Yjs).await.unwrap();
    store.create(document("ax"), Kind::Yjs).await.unwrap();
    store.delete(document("ax")).await.unwrap();
    names.sort_unstable();
    for prefix in ["", "a", "a%", "a_", "a\u{10FFFF}", "b", "c", "%", "*"] {
        let mut wanted = names.clone();
        wanted.retain(|name| name.starts_with(prefix));
        assert_eq!(list(store, prefix, None, 100).await, wanted);
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = list(store, prefix, seen.last().cloned(), 2).await;
            seen.extend(page.iter().cloned());
            if page.len() < 2 {
                break;
            }
        }
        assert_eq!(seen, wanted);
    }
    assert_eq!(list(store, "a", Some("B".to_owned()), 1).await, ["a"]);
    assert_eq!(list(store, "a", Some("b".to_owned()), 1).await, [""; 0]);
    assert_eq!(list(store, "", None, 0).await, [""; 0]);
    let query = DocumentQuery {
        workspace: "w".to_owned(),
        limit: 100,
        ..DocumentQuery::default()
    };
    for listed in store.documents(query).await.unwrap() {
        let described = store.describe(listed.document.clone()).await.unwrap();
        assert_eq!(Some(listed), described);
    }
}

/// Workspaces are listed in the order of their names, with their living documents; an empty one is none.
pub async fn workspaces_are_counted(store: &dyn Store) {
    for (workspace, name) in [("b", "1"), ("a", "1"), ("a", "2"), ("c", "1"), ("a/b", "1")] {
        let document = DocumentKey::new(workspace, name).unwrap();
        store.create(document, Kind::Yjs).await.unwrap();
    }
    let gone = DocumentKey::new("c", "1").unwrap();
    store.delete(gone).await.unwrap();
    let summary = |name: &str, documents| WorkspaceSummary {
        name: name.to_owned(),
        documents,
    };
    let wanted = vec![summary("a", 2), summary("a/b", 1), summary("b", 1)];
    assert_eq!(store.workspaces().await, Ok(wanted));
}

/// A workspace and a name, however they are divided, make different documents.
pub async fn names_never_run_together(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let pairs = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("ab", "c"),
        ("a", "bc"),
    ];
    let documents = pairs.map(|(workspace, name)| DocumentKey::new(workspace, name).unwrap());
    for document in &documents {
        append(store, document, changes(document, replica, 1, 1)).await;
    }
    for document in documents {
        let past = store.load(document.clone()).await.unwrap();
        assert_eq!(plain(&past.changes), changes(&document, replica, 1, 1));
    }
}

/// Slashes, quotes, wildcards, other scripts, the longest names: all are stored and told apart.
pub async fn awkward_names_are_just_names(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let long = "é".repeat(NAME_BYTES_MAX / 2);
    let names = [
        "'",
        "\"",
        "''",
        "`",
        "%",
        "_",
        "\\",
        "/",
        "..",
        "../..",
        "a/b/c",
        "; DROP TABLE changes",
        "é",
        "e\u{301}",
        "✎ 物語",
        "\u{1F600}",
        " ",
        "a ",
        " a",
        "NULL",
        "?1",
        &long,
    ];
    for name in names {
        let document = DocumentKey::new(name, name).unwrap();
        append(store, &document, changes(&document, replica, 1, 2)).await;
    }
    for name in names {
        let document = DocumentKey::new(name, name).unwrap();
        let past = store.load(document.clone()).await.unwrap();
        assert_eq!(plain(&past.changes), changes(&document, replica, 1, 2));
        assert!(store.delete(document.clone()).await.unwrap());
        assert!(store.load(document).await.unwrap().deleted);
    }
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

/// A document that never was has nothing, and asking does not create it.
pub async fn an_unknown_document_is_empty(store: &dyn Store) {
    let notes = document("notes");
    for past in [
        store.load(notes.clone()).await.unwrap(),
        store.load_until(notes.clone(), Order(9)).await.unwrap(),
    ] {
        assert_eq!(
            (past.kind, past.deleted, past.snapshot),
            (None, false, None)
        );
        assert!(past.changes.is_empty() && past.heads.is_empty());
    }
    assert_eq!(store.describe(notes.clone()).await, Ok(None));
    let page = TimelinePage::After(Order(0), 9);
    assert_eq!(store.timeline(notes.clone(), page).await, Ok(vec![]));
    assert_eq!(store.find(notes, Place::Index(1)).await, Ok(None));
    assert_eq!(store.workspaces().await, Ok(vec![]));
}

/// A store that works says so; a closed one has kept what it was asked before and does nothing more.
pub async fn a_check_succeeds_and_a_closed_store_refuses(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    store.check().await.unwrap();
    append(store, &notes, changes(&notes, replica, 1, 1)).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let late = store.append(notes.clone(), Kind::Yjs, changes(&notes, replica, 2, 2));
    assert!(matches!(late.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(
        store.check().await,
        Err(StoreError::Unavailable(_))
    ));
    let read = store.load(notes).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))));
}

/// One document with 23 changes of two replicas, whose clocks do not agree.
async fn timeline_of_23(store: &dyn Store) -> (DocumentKey, Vec<StoredChange>) {
    let (one, two) = two_replicas(store).await;
    let (notes, other) = (document("notes"), document("other"));
    let mut all = changes(&notes, one, 1, 11);
    let mut skewed = changes(&notes, two, 1, 12);
    for change in &mut skewed {
        change.hlc = Hlc::from_wall_ms(change.hlc.wall_ms() + 3_500);
    }
    all = interleave(all, skewed);
    for (at, change) in (1..).zip(&all) {
        append(store, &notes, vec![change.clone()]).await;
        append(store, &other, changes(&other, one, at, at)).await;
    }
    let stored = store.load(notes.clone()).await.unwrap().changes;
    assert_eq!(plain(&stored), all);
    (notes, stored)
}

fn interleave(one: Vec<Change>, two: Vec<Change>) -> Vec<Change> {
    let (mut one, mut all) = (one.into_iter(), Vec::new());
    for change in two {
        all.extend(one.next());
        all.push(change);
    }
    all.extend(one);
    all
}

async fn two_replicas(store: &dyn Store) -> (ReplicaId, ReplicaId) {
    let one = store.new_replica().await.unwrap();
    (one, store.new_replica().await.unwrap())
}

async fn append(store: &dyn Store, document: &DocumentKey, changes: Vec<Change>) {
    let appended = store.append(document.clone(), Kind::Yjs, changes).await;
    assert_eq!(appended, Ok(()), "{document}");
}

async fn hole(store: &dyn Store, changes: Vec<Change>, at: Dot) {
    let document = changes[0].document.clone();
    let refused = store.append(document, Kind::Yjs, changes).await;
    assert_eq!(refused, Err(StoreError::HoleInLane(at)));
}

async fn list(store: &dyn Store, prefix: &str, after: Option<String>, limit: usize) -> Vec<String> {
    let query = DocumentQuery {
        workspace: "w".to_owned(),
        prefix: prefix.to_owned(),
        after,
        limit,
    };
    let listed = store.documents(query).await.unwrap().into_iter();
    listed.map(|it| it.document.name().to_owned()).collect()
}

fn plain(changes: &[StoredChange]) -> Vec<Change> {
    changes.iter().map(|it| it.change.clone()).collect()
}

fn clock(heads: &[(ReplicaId, u64)]) -> VectorClock {
    let head = |&(replica, counter)| Dot::new(replica, counter);
    heads.iter().map(head).collect()
}

fn head_at(changes: &[StoredChange], dot: Dot) -> usize {
    let at = changes.iter().position(|it| it.change.dot == dot);
    at.expect("the change is stored")
}
