//! Containment: what makes a content library fail harms its sender, and nobody else.
//!
//! The feature `sabotage` makes the library fail on marks that are typed like any text: `[[panic]]` and `[[contradict]]`
//! when an edit is taken in, `[[replay-panic]]` when it comes from the log, `[[read-panic]]` when the content is written out.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    Author, CloseReason, Event, Input, Intent, Kind, Limits, PayloadHash, Phase, history,
};

use crate::world::{Editor, FakeStore, Fault, World, unopened, world, world_with};

/// Clients that are connected and have talked.
fn joined(clients: u64) -> World {
    let mut world = world(clients);
    (0..clients as usize).for_each(|who| world.join(who));
    world.quiesce();
    world
}

fn text(world: &World) -> String {
    let content = world.document.content();
    content.text(None).expect("the content is whole")
}

/// All who are connected see what the document holds, which is what its log rebuilds.
fn check_agreement(world: &World) {
    assert_eq!(world.document.phase(), Phase::Open);
    assert!(world.document.is_durable());
    let text = text(world);
    for client in world.clients.iter().filter(|client| client.line.is_some()) {
        assert_eq!(client.text(), text);
    }
    let replayed = world.store.replay();
    assert_eq!(replayed.text(None).expect("the content is whole"), text);
}

fn poison(client: u64, mark: &str) -> Bytes {
    Editor::new(client).append(mark)
}

#[test]
fn only_the_sender_of_poison_is_closed() {
    for mark in ["[[panic]]", "[[contradict]]"] {
        let mut world = joined(3);
        world.types(0, "before ");
        world.quiesce();
        let bytes = poison(77, mark);
        world.push(1, bytes.clone());
        world.quiesce();
        assert_eq!(
            world.clients[1].closed,
            Some(CloseReason::BadUpdate),
            "{mark}"
        );
        assert!(world.clients[0].line.is_some() && world.clients[2].line.is_some());
        world.types(0, "after");
        world.quiesce();
        check_agreement(&world);
        assert_eq!(text(&world), "before after");
        let [quarantined] = &world.quarantined[..] else {
            panic!("one payload is quarantined: {:?}", world.quarantined);
        };
        assert_eq!(quarantined.hash, PayloadHash::of(&bytes));
        assert_eq!(quarantined.payload, bytes);
        assert_eq!(quarantined.author, Some(Author::new("author-2")));
        assert_eq!(quarantined.dot, None);
        assert!(!world.document.is_read_only());
    }
}

#[test]
fn edits_that_are_not_stored_survive_with_their_acknowledgements() {
    let mut world = joined(3);
    world.store.fault = Fault::Before;
    world.types(0, "not stored ");
    world.settle();
    world.types(2, "in the same batch ");
    world.push(1, poison(77, "[[panic]]"));
    world.types(0, "behind it");
    world.run();
    assert_eq!(world.clients[1].closed, Some(CloseReason::BadUpdate));
    assert!(world.clients[0].acked().is_empty() && world.clients[2].acked().is_empty());
    let everyone = world.clients[0].text();
    assert_eq!(
        everyone.len(),
        "not stored in the same batch behind it".len()
    );
    assert_eq!(text(&world), everyone);
    world.commit();
    world.store.fault = Fault::None;
    world.pass(1_000);
    world.quiesce();
    check_agreement(&world);
    assert_eq!(world.clients[0].acked().len(), 2, "each edit once");
    assert_eq!(world.clients[2].acked().len(), 1);
}

/// The append is at the store when the past is loaded, so it may be in it or not, and it is answered before or after.
#[test]
fn an_append_on_its_way_is_neither_lost_nor_doubled() {
    for (stored_first, answered_first) in [(false, false), (true, false), (true, true)] {
        let mut world = joined(2);
        world.types(0, "on its way");
        world.settle();
        assert!(world.appending.is_some());
        world.push(1, poison(77, "[[panic]]"));
        world.settle();
        assert_eq!(world.document.phase(), Phase::Rebuilding);
        let loaded = world.store.load();
        if stored_first {
            world.store.append(world.appending.as_ref().unwrap());
        }
        let loaded = if stored_first {
            world.store.load()
        } else {
            loaded
        };
        if answered_first {
            world.commit();
        }
        world.loading = false;
        world.tell(Input::Opened(loaded));
        world.quiesce();
        check_agreement(&world);
        assert_eq!(text(&world), "on its way");
        assert_eq!(world.clients[0].acked().len(), 1);
    }
}

#[test]
fn what_clients_say_meanwhile_is_taken_in_its_order() {
    let mut world = joined(3);
    world.push(1, poison(77, "[[panic]]"));
    world.settle();
    assert_eq!(world.document.phase(), Phase::Rebuilding);
    world.types(0, "a");
    world.types(0, "b");
    world.leave(2);
    world.connect(2, Kind::Yjs);
    let have = world.clients[2].editor.have();
    world.say(2, Intent::Pull { have });
    world.types(2, "c");
    world.settle();
    assert_eq!(text(&world), "", "nothing is taken yet");
    world.quiesce();
    check_agreement(&world);
    assert_eq!(world.clients[0].acked().len(), 2);
    assert_eq!(world.clients[2].acked().len(), 1);
    assert_eq!(text(&world).len(), 3);
    assert_eq!(world.document.peers(), 2);
}

#[test]
fn poison_that_comes_again_is_refused_unseen() {
    let mut world = joined(3);
    let bytes = poison(77, "[[panic]]");
    for who in [1, 2] {
        world.push(who, bytes.clone());
        world.quiesce();
        assert_eq!(world.clients[who].closed, Some(CloseReason::BadUpdate));
    }
    assert_eq!(world.quarantined.len(), 1, "it was not tried again");
    world.crash();
    world.join(0);
    world.quiesce();
    world.push(0, bytes);
    world.settle();
    assert_eq!(world.clients[0].closed, Some(CloseReason::BadUpdate));
    assert_eq!(world.document.phase(), Phase::Open, "nor after a restart");
}

/// What breaks the content had waited for something, and so is in the log. Whoever wakes it is not to blame for more than
/// writing to a document that has become read-only.
#[test]
fn what_did_harm_elsewhere_is_refused_unseen() {
    let mut world = joined(3);
    let bytes = poison(77, "[[panic]]");
    world.tell(Input::KeptOut {
        payloads: [PayloadHash::of(&bytes)].into(),
        in_log: BTreeSet::new(),
    });
    world.push(1, bytes);
    world.quiesce();
    assert_eq!(world.clients[1].closed, Some(CloseReason::BadUpdate));
    assert!(world.quarantined.is_empty(), "it was not tried");
    world.types(0, "on");
    world.quiesce();
    check_agreement(&world);
}

#[test]
fn a_document_that_shows_what_is_kept_out_elsewhere_is_put_away() {
    let mut world = joined(2);
    let shown = world.types(0, "harmful elsewhere");
    world.quiesce();
    let in_log = BTreeSet::from([PayloadHash::of(&shown)]);
    let told = |in_log: &BTreeSet<_>| Input::KeptOut {
        payloads: BTreeSet::new(),
        in_log: in_log.clone(),
    };
    world.tell(told(&in_log));
    world.quiesce();
    let closed = world.clients.iter().map(|client| client.closed);
    assert!(closed.eq([Some(CloseReason::NotReady); 2]));
    world.store.quarantined = in_log.clone();
    world.crash();
    world.quiesce();
    assert_eq!(text(&world), "");
    world.tell(told(&in_log));
    world.settle();
    assert_eq!(world.document.phase(), Phase::Open, "it is known by now");
}

#[test]
fn poison_that_waited_is_found_and_not_what_woke_it() {
    let mut world = joined(3);
    let stranger = Editor::new(77);
    let (first, poison) = (stranger.append("first"), stranger.append("[[panic]]"));
    world.push(1, poison.clone());
    world.quiesce();
    assert_eq!(world.document.content().waiting().len(), 1);
    world.push(2, first);
    world.quiesce();
    let closed: Vec<_> = world.clients.iter().map(|client| client.closed).collect();
    assert_eq!(closed, [None, None, Some(CloseReason::ReadOnly)]);
    assert_eq!(world.quarantined.len(), 1);
    assert_eq!(world.quarantined[0].hash, PayloadHash::of(&poison));
    assert_eq!(world.skipped, [world.store.changes[0].change.dot]);
    assert_eq!(world.store.changes.len(), 1);
    assert!(world.document.is_read_only());
}

/// One of the edits of a batch makes the next reading fail: only who sent that is closed, and all readers are answered.
#[test]
fn of_a_batch_only_the_edit_that_breaks_a_reading_is_blamed() {
    let mut world = joined(4);
    world.types(0, "good ");
    world.push(1, poison(77, "[[read-panic]]"));
    world.types(2, "as good ");
    let heard = world.clients[3].heard.len();
    world.say(
        3,
        Intent::Pull {
            have: Bytes::from_static(&[0]),
        },
    );
    world.quiesce();
    assert_eq!(world.clients[1].closed, Some(CloseReason::BadUpdate));
    for who in [0, 2, 3] {
        assert!(world.clients[who].line.is_some(), "{who}");
    }
    let heard = &world.clients[3].heard[heard..];
    assert!(
        heard
            .iter()
            .any(|event| matches!(event, Event::Missing { .. }))
    );
    assert_eq!(world.quarantined.len(), 1);
    check_agreement(&world);
    assert_eq!(text(&world).len(), "good as good ".len());
}

/// A reading that fails whatever was edited last closes who asks. That is not repeated for ever.
#[test]
fn content_that_cannot_be_read_is_rebuilt_a_few_times_and_put_away() {
    let mut world = joined(2);
    world.push(0, poison(77, "[[read-panic]]"));
    world.quiesce();
    let mut asked = 0;
    while world.document.phase() == Phase::Open && asked < 100 {
        if world.clients[1].line.is_none() {
            world.connect(1, Kind::Yjs);
        }
        world.say(
            1,
            Intent::Pull {
                have: Bytes::from_static(&[0]),
            },
        );
        world.quiesce();
        assert_eq!(world.clients[1].closed, Some(CloseReason::NotReady));
        asked += 1;
    }
    assert!((2..20).contains(&asked), "{asked}");
    assert!(world.clients[0].closed.is_some() && world.retired > 0);
    assert_eq!(world.document.phase(), Phase::Closed(CloseReason::NotReady));
}

#[test]
fn a_document_that_breaks_again_and_again_becomes_read_only() {
    let mut world = joined(2);
    world.types(0, "kept");
    world.quiesce();
    let mut sent = 0;
    while !world.document.is_read_only() && sent < 100 {
        sent += 1;
        if world.clients[1].line.is_none() {
            world.join(1);
        }
        world.push(1, poison(100 + sent, "[[panic]]"));
        world.quiesce();
    }
    assert!((2..20).contains(&sent), "{sent}");
    assert_eq!(world.alarms.len(), 1);
    let quarantined = world.quarantined.len();
    world.join(1);
    world.push(1, poison(99, "[[panic]]"));
    world.quiesce();
    assert_eq!(world.clients[1].closed, Some(CloseReason::ReadOnly));
    assert_eq!(world.quarantined.len(), quarantined, "it was not tried");
    assert!(world.clients[0].line.is_some());
    check_agreement(&world);
    world.crash();
    assert!(
        !world.document.is_read_only(),
        "a restart lets it try again"
    );
}

/// A store whose log has poison in it, from before it was poison.
fn a_poisoned_log() -> FakeStore {
    let mut past = joined(2);
    past.types(0, "before ");
    past.quiesce();
    past.push(1, poison(77, "[[replay-panic]]"));
    past.quiesce();
    past.types(0, "after");
    past.quiesce();
    past.store
}

#[test]
fn a_poisoned_log_opens_read_only_and_only_once_with_a_fright() {
    let mut world = unopened(3, Limits::default(), a_poisoned_log());
    world.open();
    assert_eq!(world.document.phase(), Phase::Open);
    assert!(world.document.is_read_only());
    let dot = world.store.changes[1].change.dot;
    assert_eq!(
        (world.quarantined.len(), &world.skipped[..]),
        (1, &[dot][..])
    );
    assert_eq!(world.quarantined[0].dot, Some(dot));
    assert_eq!(world.alarms.len(), 1);
    world.crash();
    assert!(world.document.is_read_only() && world.document.phase() == Phase::Open);
    assert_eq!(world.quarantined.len(), 1, "it was not tried again");
    let log = &world.store.changes;
    let replayed = history::replay(Kind::Yjs, None, log, &world.store.quarantined).unwrap();
    assert_eq!(replayed.skipped, 1);
    assert_eq!(replayed.content.text(None).unwrap(), text(&world));
}

#[test]
fn a_read_only_document_is_read_and_not_written() {
    let mut world = unopened(3, Limits::default(), a_poisoned_log());
    world.open();
    (0..3).for_each(|who| world.join(who));
    world.quiesce();
    assert!(text(&world).starts_with("before"));
    for who in 0..3 {
        assert!(
            world.clients[who].line.is_some(),
            "nothing new, nothing refused"
        );
        assert_eq!(world.clients[who].text(), text(&world));
        assert_eq!(world.clients[who].sees.len(), 2, "the others");
    }
    world.types(0, "no");
    let erased = world.clients[1].editor.erase(0, 2);
    world.push(1, erased);
    world.quiesce();
    assert_eq!(world.clients[0].closed, Some(CloseReason::ReadOnly));
    assert_eq!(world.clients[1].closed, Some(CloseReason::ReadOnly));
    assert!(world.clients[2].line.is_some());
    assert_eq!(world.clients[2].text(), text(&world));
    assert_eq!(world.store.changes.len(), 3);
    world.pass(60_000);
    assert!(
        world.store.snapshots.is_empty(),
        "a snapshot would hide what is left out"
    );
}

#[test]
fn content_is_rebuilt_from_a_snapshot_as_well() {
    let limits = Limits {
        snapshot_changes: 3,
        snapshot_bytes: 1,
        ..Limits::default()
    };
    let mut world = world_with(2, limits);
    (0..2).for_each(|who| world.join(who));
    for n in 0..8 {
        world.types(0, &n.to_string());
        world.quiesce();
    }
    assert!(!world.store.snapshots.is_empty());
    world.push(1, poison(77, "[[panic]]"));
    world.quiesce();
    check_agreement(&world);
    assert_eq!(text(&world), "01234567");
}

#[test]
fn a_client_that_lags_catches_up_after_the_rebuilding() {
    let mut world = joined(3);
    world.lag(2);
    world.types(0, "missed");
    world.push(1, poison(77, "[[panic]]"));
    world.settle();
    world.drained(2);
    assert!(world.resumed.is_empty(), "there is nothing to resume with");
    world.quiesce();
    assert_eq!(world.resumed.len(), 1);
    check_agreement(&world);
    assert_eq!(world.clients[2].text(), "missed");
}

#[test]
fn a_store_that_is_away_is_asked_again() {
    let mut world = joined(2);
    world.types(0, "kept");
    world.push(1, poison(77, "[[panic]]"));
    world.settle();
    for _ in 0..3 {
        assert!(std::mem::take(&mut world.loading));
        world.tell(Input::OpenFailed);
        world.pass(2_000);
    }
    assert_eq!(world.document.phase(), Phase::Rebuilding);
    world.quiesce();
    check_agreement(&world);
    assert_eq!(text(&world), "kept");
}

#[test]
fn a_store_that_stays_away_ends_it_with_everything_stored() {
    let mut world = joined(2);
    world.types(0, "kept");
    world.push(1, poison(77, "[[panic]]"));
    world.settle();
    for _ in 0..100 {
        if std::mem::take(&mut world.loading) {
            world.tell(Input::OpenFailed);
        }
        world.pass(2_000);
    }
    world.commit();
    assert_eq!(world.clients[0].closed, Some(CloseReason::NotReady));
    assert_eq!(world.document.phase(), Phase::Closed(CloseReason::NotReady));
    assert_eq!(world.store.changes.len(), 1);
}

#[test]
fn a_stop_during_the_rebuilding_stores_everything_and_lets_all_go() {
    let mut world = joined(3);
    world.leave(2);
    world.types(0, "kept");
    world.push(1, poison(77, "[[panic]]"));
    world.settle();
    world.connect(2, Kind::Yjs);
    world.tell(Input::Drain);
    assert_eq!(world.clients[0].closed, None, "not before it is stored");
    world.commit();
    assert_eq!(world.clients[0].closed, Some(CloseReason::Stopping));
    assert_eq!(world.clients[2].closed, Some(CloseReason::Stopping));
    assert_eq!(world.store.changes.len(), 1);
    assert!(world.retired > 0);
}

#[test]
fn who_floods_during_the_rebuilding_is_closed_alone() {
    let limits = Limits {
        unsaved_bytes_max: 10_000,
        ..Limits::default()
    };
    let mut world = world_with(3, limits);
    (0..3).for_each(|who| world.join(who));
    world.quiesce();
    world.push(1, poison(77, "[[panic]]"));
    world.settle();
    world.types(0, "fits");
    for _ in 0..3 {
        world.types(2, &"x".repeat(8_000));
    }
    world.quiesce();
    assert_eq!(world.clients[2].closed, Some(CloseReason::StoreBehind));
    assert!(world.clients[0].line.is_some());
    assert_eq!(world.clients[0].acked().len(), 1);
    check_agreement(&world);
}

#[test]
fn a_snapshot_that_cannot_be_taken_harms_nobody_at_once() {
    let limits = Limits {
        snapshot_changes: 2,
        snapshot_bytes: 1,
        ..Limits::default()
    };
    let mut world = world_with(2, limits);
    (0..2).for_each(|who| world.join(who));
    world.push(1, poison(77, "[[read-panic]]"));
    world.settle();
    for n in 0..3 {
        world.types(0, &n.to_string());
        world.settle();
    }
    assert_eq!(world.document.phase(), Phase::Rebuilding);
    assert!(world.clients.iter().all(|client| client.line.is_some()));
    assert!(world.snapshotting.is_none());
}
