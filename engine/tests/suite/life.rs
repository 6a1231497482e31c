//! The life of a document: drained, deleted, refused, idle; its presence, and its snapshots.

use bytes::Bytes;
use engine::{
    CloseReason, Document, Event, Input, Intent, Kind, Limits, Phase, PresenceEntry, PresenceId,
    ReplicaId,
};

use crate::world::{Client, FakeStore, Fault, World, key, unopened, world, world_with};

fn joined(clients: u64, limits: Limits) -> World {
    let mut world = world_with(clients, limits);
    (0..clients as usize).for_each(|who| world.join(who));
    world.quiesce();
    world
}

fn closed(world: &World) -> Vec<Option<CloseReason>> {
    world.clients.iter().map(|client| client.closed).collect()
}

fn sees(world: &World, who: usize) -> Vec<u64> {
    world.clients[who].sees.keys().map(|id| id.0).collect()
}

fn types_often(world: &mut World, who: usize, times: usize) {
    for n in 0..times {
        world.types(who, &format!("{n} "));
        world.quiesce();
    }
}

#[test]
fn draining_stores_what_is_not_stored_then_lets_everyone_go() {
    let mut world = joined(2, Limits::default());
    world.types(0, "hello");
    world.settle();
    let late = world.types(1, "!");
    world.tell(Input::Drain);
    world.push(0, late);
    world.settle();
    assert_eq!(closed(&world), [None, None]);
    assert_eq!(world.retired, 0);
    world.quiesce();
    assert_eq!(closed(&world), [Some(CloseReason::Stopping); 2]);
    assert!(world.retired > 0);
    assert_eq!(
        world.clients[0].acked().len(),
        1,
        "what was stored is still acknowledged"
    );
    assert_eq!(world.store.changes.len(), 2);
}

#[test]
fn draining_outlasts_a_store_that_is_down() {
    let mut world = joined(1, Limits::default());
    world.store.fault = Fault::Before;
    world.types(0, "hello");
    world.settle();
    world.tell(Input::Drain);
    (0..5).for_each(|_| {
        world.commit();
        world.pass(3_000);
    });
    assert_eq!((world.retired, closed(&world)[0]), (0, None));
    world.store.fault = Fault::None;
    world.commit();
    assert_eq!(closed(&world), [Some(CloseReason::Stopping)]);
    assert!(world.retired > 0);
}

#[test]
fn who_comes_while_it_drains_is_told_why() {
    let mut world = world(2);
    world.join(0);
    world.types(0, "hello");
    world.settle();
    world.tell(Input::Drain);
    world.connect(1, Kind::Yjs);
    world.settle();
    assert_eq!(world.clients[1].closed, Some(CloseReason::Stopping));
}

#[test]
fn a_drain_before_the_past_has_come_stays_a_drain() {
    let mut world = unopened(1, Limits::default(), FakeStore::new());
    world.hand(Input::Drain);
    world.open();
    assert_eq!(world.document.phase(), Phase::Closed(CloseReason::Stopping));
    assert!(world.retired > 0);
    world.tell(Input::Opened(world.store.load()));
    assert_eq!(world.document.phase(), Phase::Closed(CloseReason::Stopping));
}

#[test]
fn deletion_closes_everyone_and_stores_nothing_more() {
    let mut world = joined(2, Limits::default());
    world.types(0, "hello");
    world.hand(Input::Deleted);
    world.settle();
    assert_eq!(closed(&world), [Some(CloseReason::Deleted); 2]);
    assert!(world.retired > 0);
    assert!(world.appending.is_none());
    world.join_refused(0, Kind::Yjs);
    assert_eq!(world.clients[0].closed, Some(CloseReason::Deleted));
}

/// The driver may find that someone is just coming. It tells them why, and the document asks to be put away again.
#[test]
fn an_append_that_the_store_will_never_take_ends_the_document_retryably() {
    let mut world = joined(2, Limits::default());
    world.types(0, "hello");
    world.settle();
    world.tell(Input::AppendRefused);
    assert_eq!(closed(&world), [Some(CloseReason::NotReady); 2]);
    assert!(world.clients[0].acked().is_empty());
    assert!(
        world.retired > 0,
        "unsaved edits come back with their clients"
    );
}

#[test]
fn a_closed_document_goes_on_asking_to_be_put_away() {
    let mut world = joined(1, Limits::default());
    world.tell(Input::Deleted);
    let asked = world.retired;
    world.join_refused(0, Kind::Yjs);
    assert!(world.retired > asked);
    let mut failed = unopened(1, Limits::default(), FakeStore::new());
    failed.tell(Input::OpenFailed);
    failed.join_refused(0, Kind::Yjs);
    assert_eq!(failed.clients[0].closed, Some(CloseReason::NotReady));
    assert!(failed.retired > 1);
}

#[test]
fn a_document_of_another_kind_is_refused() {
    let mut world = world(1);
    world.join_refused(0, Kind::Automerge);
    assert_eq!(world.clients[0].closed, Some(CloseReason::WrongKind));
    let mut store = FakeStore::new();
    store.kind = Some(Kind::Json0);
    let mut world = unopened(1, Limits::default(), store);
    world.open();
    world.join_refused(0, Kind::Yjs);
    assert_eq!(world.clients[0].closed, Some(CloseReason::WrongKind));
    let unserved = Document::open(
        key(),
        Kind::Json0,
        ReplicaId(1),
        Limits::default(),
        &mut Vec::new(),
    );
    assert!(unserved.is_err());
}

#[test]
fn an_idle_document_is_put_away_once_all_is_stored() {
    let mut world = joined(1, Limits::default());
    world.types(0, "hello");
    world.settle();
    world.leave(0);
    world.store.fault = Fault::Before;
    world.commit();
    for _ in 0..10 {
        world.pass(30_000);
        world.commit();
    }
    assert_eq!(world.retired, 0, "it has edits that are not stored");
    world.store.fault = Fault::None;
    world.pass(5_000);
    world.quiesce();
    world.pass(29_000);
    world.pass(2_000);
    assert!(world.retired > 0);
    assert!(world.snapshotting.is_none(), "it is not worth a snapshot");
}

#[test]
fn a_document_with_clients_is_not_put_away() {
    let mut world = joined(2, Limits::default());
    world.leave(0);
    world.pass(300_000);
    assert_eq!(world.retired, 0);
    world.leave(1);
    world.pass(20_000);
    world.join(0);
    world.pass(300_000);
    assert_eq!(world.retired, 0);
}

#[test]
fn a_document_that_changed_much_takes_a_snapshot_before_it_is_put_away() {
    let mut world = joined(1, Limits::default());
    types_often(&mut world, 0, 120);
    world.leave(0);
    world.pass(31_000);
    assert_eq!(world.retired, 0);
    assert!(world.snapshotting.is_some());
    world.pass(300_000);
    assert_eq!(world.retired, 0, "the snapshot is on its way");
    world.keep_snapshot();
    world.pass(31_000);
    assert!(world.retired > 0);
    assert_eq!(world.store.snapshots.len(), 1);
}

#[test]
fn a_snapshot_that_fails_does_not_keep_a_document_in_memory() {
    let mut world = joined(1, Limits::default());
    types_often(&mut world, 0, 120);
    world.leave(0);
    world.pass(31_000);
    assert!(world.snapshotting.take().is_some());
    world.tell(Input::SnapshotFailed);
    world.pass(61_000);
    assert!(world.retired > 0);
}

/// A snapshot taken of changes that are not stored is held back (the world checks it), and then taken at once.
#[test]
fn a_snapshot_is_handed_out_when_its_changes_are_stored() {
    let limits = Limits {
        snapshot_changes: 5,
        ..Limits::default()
    };
    let mut world = joined(1, limits);
    for _ in 0..7 {
        world.types(0, "x");
        world.settle();
    }
    assert!(world.snapshotting.is_none());
    world.commit();
    assert!(world.snapshotting.is_none());
    world.commit();
    let snapshot = world
        .snapshotting
        .clone()
        .expect("all of its changes are stored");
    assert_eq!(snapshot.clock.count(), 5);
    assert_eq!(snapshot.verify(), Ok(()));
}

#[test]
fn snapshots_are_taken_one_at_a_time() {
    let limits = Limits {
        snapshot_changes: 5,
        ..Limits::default()
    };
    let mut world = joined(1, limits);
    for _ in 0..30 {
        world.types(0, "word ");
        while world.commit() {}
        world.run();
    }
    assert!(world.snapshotting.is_some());
    world.keep_snapshot();
    assert!(
        world.snapshotting.is_some(),
        "enough has changed for another, and it is not held up by anything"
    );
    world.quiesce();
    assert_eq!(world.store.snapshots.last().unwrap().clock.count(), 30);
}

#[test]
fn presence_goes_at_once_with_its_connection() {
    let mut world = joined(3, Limits::default());
    assert_eq!(sees(&world, 0), [2, 3]);
    world.leave(2);
    world.run();
    assert_eq!(sees(&world, 0), [2]);
    world.push(1, vec![9].into());
    world.run();
    assert!(world.clients[1].line.is_none());
    assert!(sees(&world, 0).is_empty());
}

#[test]
fn presence_that_is_not_renewed_expires() {
    let mut world = joined(3, Limits::default());
    for _ in 0..12 {
        world.pass(10_000);
        world.show_presence(1);
        world.run();
    }
    assert_eq!(sees(&world, 0), [2]);
    assert!(
        world.clients[2].line.is_some(),
        "who shows nothing is still connected"
    );
}

#[test]
fn presence_is_shown_to_the_others_and_to_who_asks() {
    let mut world = joined(2, Limits::default());
    let states = |client: &Client| {
        let shown = client.heard.iter().filter_map(|event| match event {
            Event::Presence(entries) => Some(entries.clone()),
            _ => None,
        });
        shown
            .flatten()
            .map(|entry| (entry.id.0, entry.state))
            .collect::<Vec<_>>()
    };
    world
        .clients
        .iter_mut()
        .for_each(|client| client.heard.clear());
    let odd = PresenceEntry {
        id: PresenceId(1),
        version: 9,
        state: Some(Bytes::from_static(b"{not json")),
    };
    world.say(0, Intent::ShowPresence(vec![odd.clone()]));
    world.run();
    assert_eq!(states(&world.clients[0]), [], "not to who shows it");
    assert_eq!(states(&world.clients[1]), [(1, odd.state)], "and unparsed");
    world.say(0, Intent::QueryPresence);
    world.run();
    assert_eq!(states(&world.clients[0]).len(), 2);
}

#[test]
fn a_document_without_presence_or_edits_has_nothing_to_wake_for() {
    let mut world = world(1);
    world.connect(0, Kind::Yjs);
    world.settle();
    assert_eq!(world.document.next_deadline_ms(), None);
}
