//! The past: timelines, places in them, and the snapshots that stand for parts of it.

use engine::{DocumentKey, Dot, Hlc, Kind, Order, ReplicaId, Snapshot, StoredChange, VectorClock};

use super::*;
use crate::store::{DocumentQuery, Place, Store, StoreError, TimelinePage};

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

/// As soon as an append has returned, every kind of reading knows its change, and knows it once.
pub async fn every_kind_of_reading_sees_a_change_at_once(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let (notes, other) = (document("notes"), document("other"));
    for counter in 1..=12 {
        for replica in [one, two] {
            append(store, &other, vec![change(&other, replica, counter)]).await;
            append(store, &notes, vec![change(&notes, replica, counter)]).await;
            let seen = everything_about(store, &notes, change(&notes, replica, counter)).await;
            let expected = (1..=counter).flat_map(|it| [(one, it), (two, it)]);
            let expected = expected.filter(|it| *it != (two, counter) || replica == two);
            let expected = expected.map(|(replica, it)| change(&notes, replica, it));
            assert_eq!(plain(&seen), expected.collect::<Vec<_>>());
        }
    }
}

/// All changes of a document, of which `last` is the last, after every other kind of reading has agreed.
async fn everything_about(
    store: &dyn Store,
    document: &DocumentKey,
    last: Change,
) -> Vec<StoredChange> {
    let past = store.load(document.clone()).await.unwrap();
    let all = past.changes;
    let end = all.last().unwrap().clone();
    assert_eq!((&end.change, past.damaged), (&last, 0));
    let until = store.load_until(document.clone(), end.order).await.unwrap();
    assert_eq!((&until.changes, &until.heads), (&all, &past.heads));
    let backwards = TimelinePage::Before(None, 100);
    let mut backwards = store.timeline(document.clone(), backwards).await.unwrap();
    backwards.reverse();
    let forwards = TimelinePage::After(Order(0), 100);
    let forwards = store.timeline(document.clone(), forwards).await.unwrap();
    assert_eq!((&backwards, &forwards), (&all, &all));
    let counters = 1..=last.dot.counter;
    let lane = store.lane(document.clone(), last.dot.replica, counters);
    let lane = lane.await.unwrap();
    assert_eq!(lane.len() as u64, last.dot.counter);
    for place in [
        Place::Dot(last.dot),
        Place::Index(all.len() as u64),
        Place::WallMs(last.hlc.wall_ms()),
    ] {
        let found = store.find(document.clone(), place).await.unwrap();
        assert_eq!(found, Some(end.order), "{place:?}");
    }
    let described = store.describe(document.clone()).await.unwrap().unwrap();
    assert_eq!(described.clock, past.heads);
    assert_eq!(described.changed_ms, Some(last.hlc.wall_ms()));
    let query = DocumentQuery {
        workspace: document.workspace().to_owned(),
        prefix: document.name().to_owned(),
        limit: 1,
        ..DocumentQuery::default()
    };
    assert_eq!(store.documents(query).await.unwrap(), [described]);
    all
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

fn head_at(changes: &[StoredChange], dot: Dot) -> usize {
    let at = changes.iter().position(|it| it.change.dot == dot);
    at.expect("the change is stored")
}
