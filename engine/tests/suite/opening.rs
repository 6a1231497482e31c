//! Opening: from the log, from a snapshot and the rest of the log, from what damage has left; always the same content.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{Content, Input, Kind, Limits, Phase, history};

use crate::world::{Editor, FakeStore, World, unopened, world_with};

/// A store with some history: two authors, deletions, an update that waits, several lanes, and snapshots on the way.
fn a_past() -> World {
    let limits = Limits {
        snapshot_changes: 10,
        ..Limits::default()
    };
    let mut world = world_with(2, limits);
    for round in 0..3 {
        world.join(0);
        world.join(1);
        world.quiesce();
        for n in 0..8 {
            world.types(0, &format!("word {round}.{n} "));
            world.types(1, "\u{1f600}");
            let erased = world.clients[1].editor.erase(n * 3, 2);
            world.push(1, erased);
            world.quiesce();
        }
        world.crash();
    }
    world.join(0);
    let nobody = Editor::new(77);
    nobody.append("never sent");
    world.push(0, nobody.append("waits"));
    world.quiesce();
    assert!(world.store.snapshots.len() > 2 && !world.document.content().waiting().is_empty());
    world
}

fn reopened(store: FakeStore) -> World {
    let mut world = unopened(2, Limits::default(), store);
    world.open();
    world
}

#[test]
fn the_log_alone_gives_the_same_content() {
    let mut past = a_past();
    let state = past.document.content().state().unwrap();
    past.store.snapshots.clear();
    let world = reopened(past.store);
    assert_eq!(world.document.content().state().unwrap(), state);
    assert!(world.skipped.is_empty());
    assert!(world.document.is_durable());
}

#[test]
fn every_snapshot_and_the_rest_of_the_log_give_the_same_content() {
    let mut past = a_past();
    let (state, clock) = (
        past.document.content().state().unwrap(),
        past.document.clock().clone(),
    );
    while !past.store.snapshots.is_empty() {
        let mut store = FakeStore::new();
        store.kind = past.store.kind;
        store.changes = past.store.changes.clone();
        store.snapshots = past.store.snapshots.clone();
        let world = reopened(store);
        assert_eq!(
            world.document.content().state().unwrap(),
            state,
            "{}",
            past.store.snapshots.len()
        );
        assert_eq!(world.document.clock(), &clock);
        past.store.snapshots.pop();
    }
}

#[test]
fn a_new_process_writes_a_lane_of_its_own() {
    let past = a_past();
    let lanes = past.store.heads().heads().len();
    let mut world = reopened(past.store);
    world.join(0);
    world.quiesce();
    world.types(0, "new");
    world.quiesce();
    assert_eq!(world.store.heads().heads().len(), lanes + 1);
    assert_eq!(world.store.changes.last().unwrap().change.dot.counter, 1);
}

/// The same process goes on where it was, even if what it wrote last can no longer be read.
#[test]
fn a_lane_is_continued_after_damaged_rows() {
    let past = a_past();
    let mut loaded = past.store.load();
    let replica = loaded.heads.heads().last().unwrap().replica;
    let mut effects = Vec::new();
    let mut document = engine::Document::open(
        crate::world::key(),
        Kind::Yjs,
        replica,
        Limits::default(),
        &mut effects,
    )
    .unwrap();
    let head = loaded.heads.get(replica);
    loaded
        .changes
        .retain(|stored| stored.change.dot.replica != replica);
    document.handle(Input::Opened(loaded), engine::Now::default(), &mut effects);
    assert_eq!(document.clock().get(replica), head);
}

#[test]
fn a_change_that_does_not_decode_is_left_out_and_reported() {
    let mut past = a_past();
    past.store.snapshots.clear();
    let damaged = past.store.changes.last_mut().unwrap();
    damaged.change.payload = Bytes::from_static(&[9, 9]);
    let dot = damaged.change.dot;
    let loaded = past.store.load();
    let world = reopened(past.store);
    assert_eq!(world.document.phase(), Phase::Open);
    assert_eq!(world.skipped, [dot]);
    let replayed = history::replay(Kind::Yjs, None, &loaded.changes, &BTreeSet::new()).unwrap();
    assert_eq!(replayed.skipped, 1);
    assert_eq!(
        replayed.content.state().unwrap(),
        world.document.content().state().unwrap()
    );
}

/// A snapshot is never trusted to be what the whole document is: one that does not restore is given up, not half used.
#[test]
fn a_snapshot_that_does_not_restore_gives_way_to_the_log() {
    let mut past = a_past();
    let text = past.store.replay().text(None).unwrap();
    let snapshot = past.store.snapshots.last_mut().unwrap();
    snapshot.state = snapshot.state.slice(..snapshot.state.len() - 1);
    assert!(snapshot.verify().is_err());
    let mut world = unopened(1, Limits::default(), past.store);
    world.open();
    assert_eq!(world.document.phase(), Phase::Open);
    assert_eq!(world.document.content().text(None).unwrap(), text);
}

#[test]
fn history_gives_the_content_at_any_change() {
    let past = a_past();
    let changes = &past.store.changes;
    let mut content = Content::new(Kind::Yjs).unwrap();
    for (at, stored) in changes.iter().enumerate() {
        for update in stored.change.updates().unwrap() {
            content.integrate(&update).unwrap();
        }
        let replayed = history::replay(Kind::Yjs, None, &changes[..=at], &BTreeSet::new()).unwrap();
        assert_eq!(
            replayed.content.text(None).unwrap(),
            content.text(None).unwrap()
        );
        let snapshots = past.store.snapshots.iter().rev();
        let until = changes[..=at]
            .iter()
            .map(|stored| stored.change.dot)
            .collect::<engine::VectorClock>();
        for snapshot in snapshots.filter(|snapshot| until.dominates(&snapshot.clock)) {
            let rest: Vec<_> = changes[..=at]
                .iter()
                .filter(|s| !snapshot.clock.contains(s.change.dot))
                .cloned()
                .collect();
            let replayed =
                history::replay(Kind::Yjs, Some(snapshot), &rest, &BTreeSet::new()).unwrap();
            assert_eq!(replayed.content.state().unwrap(), content.state().unwrap());
        }
    }
}
