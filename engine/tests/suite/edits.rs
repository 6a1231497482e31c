//! The way of an edit: shown to others at once, acknowledged when it is stored, never the other way round.

use bytes::Bytes;
use engine::{Change, CloseReason, Dot, Event, Intent, Kind, Limits, ReplicaId, VectorClock};

use crate::world::{ANSWER, Editor, FakeStore, Fault, TYPED, World, world, world_with};

/// All that the stored changes of the first replica say: the lane, and how many raw updates each change carries.
fn lane(store: &FakeStore) -> Vec<(u64, usize)> {
    let changes = store.changes.iter().map(|stored| &stored.change);
    changes
        .map(|change| {
            (
                change.dot.counter,
                change.updates().expect("payloads are well formed").len(),
            )
        })
        .collect()
}

fn stored(world: &World, at: usize) -> &Change {
    &world.store.changes[at].change
}

/// Clients that are connected and have read all that they were sent.
fn joined(clients: u64) -> World {
    let mut world = world(clients);
    (0..clients as usize).for_each(|who| world.join(who));
    world.quiesce();
    world
}

#[test]
fn two_clients_converge() {
    let mut world = joined(2);
    world.types(0, "hello");
    world.types(1, " world");
    world.quiesce();
    assert_eq!(world.clients[0].text(), world.clients[1].text());
    assert_eq!(
        world.document.content().text(None).unwrap(),
        world.clients[0].text()
    );
    assert_eq!(
        world.store.replay().state().unwrap(),
        world.document.content().state().unwrap()
    );
}

#[test]
fn what_was_written_offline_on_both_sides_comes_together() {
    let mut world = world(2);
    world.types(0, "one");
    world.types(1, "two");
    world.join(0);
    world.join(1);
    world.quiesce();
    assert_eq!(world.clients[0].text(), world.clients[1].text());
    assert_eq!(world.clients[0].text().len(), 6);
}

#[test]
fn an_edit_is_shown_at_once_and_acknowledged_when_stored() {
    let mut world = joined(2);
    let update = world.types(0, "hello");
    world.run();
    assert_eq!(world.clients[1].text(), "hello");
    assert_eq!(world.clients[1].changes(), std::slice::from_ref(&update));
    assert!(world.clients[0].acked().is_empty());
    assert!(!world.document.is_durable());
    world.commit();
    world.run();
    assert_eq!(world.clients[0].acked(), std::slice::from_ref(&update));
    assert!(
        world.clients[0].changes().is_empty(),
        "an author is shown its own edit as an acknowledgement only"
    );
    assert_eq!(
        stored(&world, 0).payload,
        update,
        "the raw bytes are stored"
    );
    assert!(world.document.is_durable());
}

#[test]
fn edits_of_one_batch_leave_together_but_nobody_gets_its_own() {
    let mut world = joined(4);
    let of_ada = [world.types(0, "a"), world.types(0, "b")];
    let of_ben = world.types(1, "c");
    let more_of_ada = world.types(0, "d");
    world.run();
    assert_eq!(world.clients[2].changes().len(), 1, "one merged update");
    assert_eq!(
        world.clients[0].changes(),
        std::slice::from_ref(&of_ben),
        "a lone one as it came"
    );
    assert_eq!(world.clients[1].changes().len(), 1);
    let texts: Vec<_> = world.clients.iter().map(|client| client.text()).collect();
    assert!(
        texts.iter().all(|text| *text == texts[0]) && texts[0].len() == 4,
        "{texts:?}"
    );
    world.commit();
    world.run();
    assert_eq!(
        lane(&world.store),
        [(1, 2), (2, 1), (3, 1)],
        "one change is of one author"
    );
    assert_eq!(
        world.clients[0].acked(),
        [of_ada[0].clone(), of_ada[1].clone(), more_of_ada]
    );
    assert_eq!(world.clients[1].acked(), [of_ben]);
}

#[test]
fn a_change_carries_no_more_updates_than_it_may() {
    let limits = Limits {
        updates_per_change_max: 3,
        changes_per_append_max: 2,
        ..Limits::default()
    };
    let mut world = world_with(1, limits);
    world.join(0);
    world.quiesce();
    let typed: Vec<_> = (0..8).map(|n| world.types(0, &n.to_string())).collect();
    world.run();
    world.commit();
    world.run();
    assert_eq!(
        world.clients[0].acked(),
        typed[..6],
        "those that are stored"
    );
    world.quiesce();
    assert_eq!(lane(&world.store), [(1, 3), (2, 3), (3, 2)]);
    assert_eq!(
        world.store.tried.iter().map(Vec::len).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(world.clients[0].acked(), typed);
}

#[test]
fn an_edit_that_brings_nothing_new_is_acknowledged_but_not_stored() {
    let mut world = joined(2);
    let update = world.types(0, "hello");
    world.quiesce();
    world.push(1, update);
    world.settle();
    world.push(1, vec![0, 0].into());
    world.run();
    assert_eq!(world.clients[1].acked().len(), 2);
    assert_eq!(world.store.changes.len(), 1);
    assert!(world.clients[0].changes().is_empty());
    let acks = world.clients[1].heard.iter().rev().take(2);
    assert!(
        acks.into_iter()
            .all(|event| matches!(event, Event::Ack { news: false, .. }))
    );
}

/// A client that reconnects repeats what it does not know to be stored. The repetition must wait for the first's commit.
#[test]
fn the_repetition_of_an_unsaved_edit_waits_for_it() {
    let mut world = joined(2);
    let update = world.types(0, "hello");
    world.run();
    world.leave(0);
    world.join(0);
    world.push(1, update.clone());
    world.run();
    assert_eq!(
        world.clients[0]
            .acks()
            .iter()
            .filter(|tag| **tag == ANSWER)
            .count(),
        1,
        "that of the first joining"
    );
    assert!(world.clients[1].acked().is_empty());
    world.quiesce();
    assert_eq!(
        world.clients[0]
            .acks()
            .iter()
            .filter(|tag| **tag == ANSWER)
            .count(),
        2
    );
    assert_eq!(world.clients[1].acked(), [update]);
    assert_eq!(world.store.changes.len(), 1);
}

#[test]
fn a_joiner_is_not_told_that_unsaved_edits_are_there() {
    let mut world = joined(2);
    world.types(0, "saved");
    world.quiesce();
    let saved = world.clients[0].editor.have();
    world.types(0, " unsaved");
    world.run();
    world.connect(1, Kind::Yjs);
    world.settle();
    let queue = &world.clients[1].line.as_ref().unwrap().queue;
    assert!(
        matches!(&queue[1].0, Event::Have { have } if *have == saved),
        "{queue:?}"
    );
    world.quiesce();
    world.connect(1, Kind::Yjs);
    world.settle();
    let queue = &world.clients[1].line.as_ref().unwrap().queue;
    assert!(matches!(&queue[1].0, Event::Have { have } if *have == world.clients[0].editor.have()));
}

/// The joiner's own batch counts as unsaved too.
#[test]
fn a_joiner_is_not_told_of_edits_of_the_same_batch() {
    let mut world = joined(1);
    world.types(0, "x");
    world.clients.push(crate::world::Client::new(2));
    world.connect(1, Kind::Yjs);
    world.settle();
    let queue = &world.clients[1].line.as_ref().unwrap().queue;
    assert!(
        matches!(&queue[1].0, Event::Have { have } if have[..] == [0]),
        "{queue:?}"
    );
}

#[test]
fn while_the_store_is_down_edits_are_shown_and_wait() {
    let mut world = joined(2);
    world.store.fault = Fault::Before;
    let typed: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|text| {
            let update = world.types(0, text);
            world.run();
            world.commit();
            update
        })
        .collect();
    world.run();
    assert_eq!(world.clients[1].text(), "abc");
    assert!(world.clients[0].acked().is_empty());
    assert!(world.appending.is_none(), "the next attempt waits");
    world.pass(60_000);
    while world.commit() {
        world.pass(10_000);
        assert!(world.store.tried.len() < 100);
        if world.store.tried.len() == 8 {
            world.store.fault = Fault::None;
        }
    }
    world.quiesce();
    assert_eq!(world.clients[0].acked(), typed, "in order, once");
    assert_eq!(lane(&world.store), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn attempts_slow_down_while_the_store_fails() {
    let mut world = joined(1);
    world.store.fault = Fault::Before;
    world.types(0, "x");
    world.settle();
    let delays: Vec<_> = (0..7)
        .map(|_| {
            world.commit();
            let retried = |_: &u64| {
                world.pass(1);
                world.appending.is_some()
            };
            (1..=5_000).find(retried).expect("it is tried again")
        })
        .collect();
    assert_eq!(delays, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
}

#[test]
fn an_append_whose_outcome_is_unknown_is_repeated_as_it_was() {
    let mut world = joined(2);
    world.store.fault = Fault::After;
    let first = world.types(0, "first");
    world.settle();
    world.commit();
    assert_eq!(
        world.store.changes.len(),
        1,
        "it was stored, but nobody knows"
    );
    let second = world.types(1, "second");
    world.run();
    assert!(world.clients[0].acked().is_empty());
    world.store.fault = Fault::None;
    world.pass(1_000);
    world.quiesce();
    let dot = |counter| Dot::new(ReplicaId(1), counter);
    assert_eq!(world.store.tried, [vec![dot(1)], vec![dot(1), dot(2)]]);
    assert_eq!(world.clients[0].acked(), [first]);
    assert_eq!(world.clients[1].acked(), [second]);
    assert_eq!(lane(&world.store), [(1, 1), (2, 1)]);
}

#[test]
fn beyond_the_budget_the_author_is_closed_and_the_rest_is_kept() {
    let limits = Limits {
        unsaved_bytes_max: 4_000,
        ..Limits::default()
    };
    let mut world = world_with(2, limits);
    world.join(0);
    world.join(1);
    world.quiesce();
    world.store.fault = Fault::Before;
    let fits = world.types(0, &"x".repeat(1_000));
    world.run();
    world.commit();
    world.types(0, &"y".repeat(3_000));
    world.settle();
    assert_eq!(world.clients[0].closed, Some(CloseReason::StoreBehind));
    assert!(world.clients[1].line.is_some());
    world.store.fault = Fault::None;
    world.pass(1_000);
    world.quiesce();
    assert_eq!(stored(&world, 0).payload, fits);
    world.join(0);
    world.quiesce();
    assert_eq!(
        world.clients[1].text().len(),
        4_000,
        "it comes back with what was refused"
    );
}

#[test]
fn an_edit_beyond_the_budget_is_taken_where_nothing_else_waits() {
    let limits = Limits {
        unsaved_bytes_max: 4_000,
        ..Limits::default()
    };
    let mut world = world_with(1, limits);
    world.join(0);
    world.quiesce();
    for round in 1..=2 {
        world.types(0, &"x".repeat(5_000));
        world.quiesce();
        assert_eq!(world.store.changes.len(), round, "and nobody is closed");
    }
    assert_eq!(world.document.unsaved_bytes(), 0);
}

/// Whatever is held back while the store is down is within the budget: a batch not yet recorded, and edits without news.
#[test]
fn the_budget_counts_all_that_waits() {
    let limits = Limits {
        unsaved_bytes_max: 100_000,
        ..Limits::default()
    };
    for batched in [true, false] {
        let mut world = world_with(1, limits);
        world.join(0);
        world.quiesce();
        world.store.fault = Fault::Before;
        world.types(0, "x");
        let refused = (0..10_000).find(|_| {
            world.push(0, vec![0, 0].into());
            if !batched {
                world.settle();
            }
            world.document.peers() == 0
        });
        world.settle();
        assert!(refused.is_some_and(|count| count > 100), "{batched}");
        assert_eq!(world.clients[0].closed, Some(CloseReason::StoreBehind));
    }
    let mut world = world_with(1, limits);
    world.join(0);
    for round in 0..50 {
        (0..20).for_each(|_| world.push(0, vec![0, 0].into()));
        world.types(0, "a word or two");
        world.quiesce();
        assert!(
            world.clients[0].line.is_some(),
            "what is stored takes no room, round {round}"
        );
    }
    assert_eq!(world.document.unsaved_bytes(), 0);
}

#[test]
fn a_bad_update_closes_only_its_sender_and_stores_nothing() {
    let mut world = joined(2);
    for bad in [&[9, 9, 9][..], &[0, 0, 0], &[]] {
        world.push(0, bad.to_vec().into());
        world.quiesce();
        assert_eq!(
            world.clients[0].closed,
            Some(CloseReason::BadUpdate),
            "{bad:?}"
        );
        assert!(world.clients[0].line.is_none() && world.clients[1].line.is_some());
        world.join(0);
        world.quiesce();
    }
    world.say(
        0,
        Intent::Pull {
            have: vec![7].into(),
        },
    );
    world.quiesce();
    assert_eq!(world.clients[0].closed, Some(CloseReason::BadFrame));
    assert!(world.store.changes.is_empty() && world.clients[1].changes().is_empty());
}

#[test]
fn edits_of_a_batch_survive_a_bad_one_of_the_same_client() {
    let mut world = joined(2);
    let good = world.types(0, "good");
    world.push(0, vec![9].into());
    world.types(1, "!");
    world.quiesce();
    assert_eq!(world.clients[0].closed, Some(CloseReason::BadUpdate));
    assert_eq!(stored(&world, 0).payload, good);
    assert_eq!(
        world.document.content().text(None).unwrap(),
        world.clients[1].text()
    );
}

#[test]
fn an_update_behind_a_hole_is_stored_shown_and_asked_for() {
    let mut world = joined(2);
    world.clients[0].editor.append("lost ");
    world.types(0, "late");
    world.settle();
    let queue = &world.clients[0].line.as_ref().unwrap().queue;
    assert!(
        queue
            .iter()
            .any(|(event, _)| matches!(event, Event::Have { .. })),
        "{queue:?}"
    );
    assert!(world.document.content().text(None).unwrap().is_empty());
    world.quiesce();
    assert_eq!(world.clients[1].text(), "lost late");
    assert_eq!(
        world.store.replay().state().unwrap(),
        world.document.content().state().unwrap()
    );
}

/// One client's hole must not have every other client asked for everything at each key.
#[test]
fn a_hole_is_asked_for_only_where_it_was_made() {
    let mut world = joined(2);
    let nobody = Editor::new(77);
    nobody.append("never sent");
    world.push(0, nobody.append("builds on it"));
    world.quiesce();
    let asked = |world: &World| {
        world.clients[1]
            .heard
            .iter()
            .filter(|event| matches!(event, Event::Have { .. }))
            .count()
    };
    let before = asked(&world);
    for text in ["a", "b", "c"] {
        world.types(1, text);
        world.quiesce();
    }
    assert_eq!(asked(&world), before);
    world.clients.push(crate::world::Client::new(3));
    world.join(2);
    world.quiesce();
    assert!(
        world.clients[2].editor.waits(),
        "who comes later is sent what waits as well"
    );
}

#[test]
fn a_change_says_what_its_author_had_seen() {
    let mut world = joined(2);
    world.types(0, "a");
    world.run();
    world.types(1, "b");
    world.settle();
    world.types(0, "c");
    world.quiesce();
    let context = |at: usize| stored(&world, at).context.clone();
    let up_to = |counter| VectorClock::from_iter([Dot::new(ReplicaId(1), counter)]);
    assert_eq!(context(0), VectorClock::default());
    assert_eq!(context(1), up_to(1), "ben had been shown ada's edit");
    assert_eq!(
        context(2),
        VectorClock::default(),
        "ada had not read ben's, nor word of her own"
    );
    world.crash();
    world.join(0);
    world.quiesce();
    world.types(0, "d");
    world.quiesce();
    assert_eq!(
        context_of_last(&world),
        up_to(3),
        "all of the past was sent to her"
    );
}

/// Its author saw something between two edits of one batch, and both are one change: that came after all of it.
#[test]
fn a_change_of_several_edits_says_what_was_seen_by_its_last() {
    let mut world = joined(2);
    world.types(0, "a");
    world.settle();
    world.types(1, "unseen ");
    world.read(1);
    world.types(1, "seen");
    world.quiesce();
    assert_eq!(world.store.changes.len(), 2, "ben's edits are one change");
    assert_eq!(context_of_last(&world).get(ReplicaId(1)), 1);
}

fn context_of_last(world: &World) -> VectorClock {
    world
        .store
        .changes
        .last()
        .expect("something is stored")
        .change
        .context
        .clone()
}

/// It goes on where it was before, and need not read first.
#[test]
fn who_comes_back_with_content_had_seen_what_is_here() {
    let mut world = joined(2);
    world.types(0, "a");
    world.quiesce();
    world.leave(1);
    world.join(1);
    world.types(1, "b");
    world.quiesce();
    assert_eq!(context_of_last(&world).get(ReplicaId(1)), 1);
}

/// Edits that are relayed before a client was sent what they build on say nothing about the rest.
#[test]
fn who_has_not_asked_yet_is_not_taken_to_have_seen_all() {
    let mut world = joined(3);
    world.types(0, "before ");
    world.quiesce();
    world.leave(2);
    let mut late = Editor::new(9);
    std::mem::swap(&mut world.clients[2].editor, &mut late);
    world.connect(2, Kind::Yjs);
    world.settle();
    world.types(0, "after");
    world.quiesce();
    world.types(2, "from nowhere");
    world.quiesce();
    assert_eq!(
        context_of_last(&world),
        VectorClock::default(),
        "nothing was sent to it that builds on the rest"
    );
    let have = world.clients[2].editor.have();
    world.say(2, Intent::Pull { have });
    world.quiesce();
    assert_eq!(world.clients[2].text(), world.clients[0].text());
    world.types(2, ".");
    world.quiesce();
    assert_eq!(context_of_last(&world).get(ReplicaId(1)), 3);
}

#[test]
fn marks_come_back_with_their_acknowledgements() {
    let mut world = joined(1);
    let payload = world.clients[0].editor.append("x");
    world.say(
        0,
        Intent::Push {
            payload,
            tag: ANSWER,
        },
    );
    world.types(0, "y");
    world.quiesce();
    assert_eq!(
        world.clients[0].acks(),
        [ANSWER, ANSWER, TYPED],
        "the first is that of joining"
    );
}

/// Who comes back sends all that is not known to be stored, edits by others included. These are not shown to their authors.
#[test]
fn what_others_repeat_is_not_shown_to_its_author() {
    let mut world = joined(3);
    world.types(0, "of ada ");
    world.run();
    world.leave(1);
    world.types(1, "of ben");
    let heard = world.clients[2].changes().len();
    world.join(1);
    world.run();
    assert!(world.clients[0].acked().is_empty());
    assert_eq!(world.clients[0].text(), world.clients[1].text());
    assert_eq!(world.clients[2].text(), world.clients[1].text());
    let shown = &world.clients[2].changes()[heard..];
    assert_eq!(shown.len(), 1);
    assert!(
        shown[0].len() < world.clients[1].editor.everything().len(),
        "only what was news"
    );
    world.quiesce();
    assert_eq!(
        world.store.replay().json(None).unwrap(),
        world.document.content().json(None).unwrap()
    );
}

/// A text within a character, which is none of the things that can hold one. Client 9 puts it at clock 0, or after a good
/// edit of its own; the character is that of client 1 at clock `at`.
fn contradiction(good: bool, at: u8) -> Bytes {
    let begin: &[u8] = if good {
        b"\x01\x02\x09\x00\x04\x01\x04text\x01a"
    } else {
        b"\x01\x01\x09\x00"
    };
    [begin, &[4, 0, 1, at, 1, b'x', 0]].concat().into()
}

#[test]
fn an_edit_that_contradicts_the_document_is_not_kept() {
    for good in [false, true] {
        let limits = Limits {
            snapshot_changes: 1,
            ..Limits::default()
        };
        let mut world = world_with(2, limits);
        world.join(0);
        world.join(1);
        world.store.fault = Fault::Before;
        world.types(0, "hello");
        world.run();
        let snapshots = world.store.snapshots.len();
        world.push(1, contradiction(good, 0));
        world.settle();
        assert_eq!(world.clients[1].closed, Some(CloseReason::BadUpdate));
        world.store.fault = Fault::None;
        world.pass(1_000);
        world.quiesce();
        assert!(world.clients[0].line.is_some() && world.quarantined.is_empty());
        assert_eq!(world.store.changes.len(), 1);
        let kept = &world.store.snapshots[snapshots..];
        assert!(
            kept.iter()
                .all(|snapshot| world.store.replay().matches(&snapshot.state).unwrap())
        );
        world.crash();
        assert_eq!(world.document.content().text(None).unwrap(), "hello");
    }
}

/// The contradiction shows only when what it builds on comes. Whoever brings that is not to blame, now or after a restart.
#[test]
fn a_contradiction_that_waited_harms_nobody() {
    let mut world = joined(1);
    world.push(0, contradiction(true, 0));
    world.quiesce();
    assert_eq!(world.document.content().waiting().len(), 1);
    for _ in 0..2 {
        world.types(0, "hello");
        world.quiesce();
        assert!(world.clients[0].line.is_some());
        assert!(world.document.content().waiting().is_empty());
        let text = world.document.content().text(None).unwrap();
        world.crash();
        assert_eq!(world.document.content().text(None).unwrap(), text);
        world.join(0);
        world.quiesce();
    }
}
