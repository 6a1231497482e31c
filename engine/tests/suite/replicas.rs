//! One document on several nodes: what each tells the others, and what becomes of it when the bus loses, repeats and
//! reorders it.

mod containment;
mod failover;
mod joins;
mod presence;
mod random;
mod rolls;

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, CloseReason, ConnectionId, Dot, Hlc, Input, Limits, Phase,
    ReplicaId, VectorClock,
};

use crate::world::{News, Nodes, key};

/// Two nodes, and a client on each.
fn pair() -> Nodes {
    let mut nodes = Nodes::new(2, 2);
    nodes.at(0).join(0);
    nodes.at(1).join(1);
    nodes.run();
    nodes
}

/// A client types, and its node stores it.
fn typed(nodes: &mut Nodes, node: usize, text: &str) {
    nodes.at(node).types(node, text);
    nodes.at(node).quiesce();
    nodes.collect();
}

fn lane(replica: u32, counter: u64) -> VectorClock {
    [Dot::new(ReplicaId(replica), counter)]
        .into_iter()
        .collect()
}

/// A change as another replica might have made it.
fn change(replica: u32, counter: u64, context: VectorClock, payload: Bytes) -> Change {
    Change {
        document: key(),
        dot: Dot::new(ReplicaId(replica), counter),
        context,
        hlc: Hlc(1),
        author: Some(Author::new("ada")),
        connection: ConnectionId(1),
        kind: ChangeKind::YjsUpdate,
        payload,
    }
}

#[test]
fn an_edit_on_one_node_is_shown_on_the_other() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    assert_eq!(nodes.text(1), "", "nothing arrives by itself");
    nodes.deliver_all();
    nodes.at(1).run();
    assert_eq!(nodes.at(1).clients[1].text(), "a");
    assert_eq!(nodes.at(1).clients[1].acked(), Vec::<Bytes>::new());
    assert!(nodes.at(1).appending.is_none(), "it is stored already");
    nodes.run();
    assert_eq!(nodes.published, [[Dot::new(ReplicaId(1), 1)]]);
    nodes.check_same();
}

#[test]
fn changes_are_published_once_stored_in_the_order_of_their_lane() {
    let mut nodes = pair();
    for text in ["a", "b", "c"] {
        nodes.at(0).types(0, text);
        nodes.at(0).run();
    }
    nodes.collect();
    assert_eq!(nodes.published.len(), 0, "nothing is stored yet");
    nodes.at(0).quiesce();
    nodes.collect();
    let dots = |counters: &[u64]| -> Vec<_> {
        let dot = |counter: &u64| Dot::new(ReplicaId(1), *counter);
        counters.iter().map(dot).collect()
    };
    assert_eq!(nodes.published, [dots(&[1]), dots(&[2, 3])]);
}

#[test]
fn what_is_heard_again_changes_nothing() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    let parcel = nodes.bus[0].clone();
    nodes.deliver_all();
    let shown = nodes.at(1).clients[1].changes().len();
    nodes.deliver(parcel);
    nodes.at(1).run();
    assert_eq!(nodes.at(1).clients[1].changes().len(), shown + 1);
    assert_eq!(nodes.pulled, 0);
    nodes.check_same();
}

#[test]
fn several_changes_are_shown_as_one() {
    let mut nodes = pair();
    for text in ["a", "b", "c"] {
        typed(&mut nodes, 0, text);
    }
    let parcels: Vec<_> = nodes.bus.drain(..).collect();
    let before = nodes.at(1).clients[1].changes().len();
    for parcel in parcels {
        if let News::Changes(changes) = parcel.news {
            nodes.at(1).hand(Input::Heard { changes });
        }
    }
    nodes.at(1).run();
    assert_eq!(nodes.at(1).clients[1].changes().len(), before + 1);
    assert_eq!(nodes.at(1).clients[1].text(), "abc");
}

#[test]
fn what_arrives_in_another_order_waits_for_its_turn() {
    let mut nodes = pair();
    for text in ["a", "b", "c"] {
        typed(&mut nodes, 0, text);
    }
    let mut parcels: Vec<_> = nodes.bus.drain(..).collect();
    let first = parcels.remove(0);
    for parcel in parcels.into_iter().rev() {
        nodes.deliver(parcel);
    }
    assert_eq!(nodes.text(1), "");
    nodes.deliver(first);
    assert_eq!(nodes.text(1), "abc");
    nodes.pass(1_000);
    assert_eq!(nodes.pulled, 0, "it came before anyone had to ask");
    nodes.run();
    nodes.check_same();
}

#[test]
fn a_gap_is_pulled_once_it_has_had_time_to_close() {
    let mut nodes = pair();
    for text in ["a", "b", "c", "d"] {
        typed(&mut nodes, 0, text);
    }
    nodes.bus.drain(1..3);
    nodes.deliver_all();
    assert_eq!((nodes.text(1).as_str(), nodes.pulled), ("a", 0));
    let delay_ms = Limits::default().pull_delay_ms;
    nodes.pass(delay_ms - 1);
    assert_eq!(nodes.pulled, 0);
    nodes.pass(1);
    assert_eq!(nodes.pulls, [(1, ReplicaId(1), 2..=3)]);
    nodes.answer_pull();
    assert_eq!(nodes.text(1), "abcd");
    nodes.pass(10_000);
    assert_eq!(nodes.pulled, 1);
}

#[test]
fn a_lost_tail_is_told_of_by_the_heads() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    typed(&mut nodes, 0, "b");
    nodes.lose_all();
    nodes.pass(5_000);
    assert_eq!(nodes.pulled, 0, "nobody knows of it");
    nodes.compare(1);
    nodes.pass(100);
    assert_eq!(nodes.pulls, [(1, ReplicaId(1), 1..=2)]);
    nodes.answer_pull();
    nodes.run();
    assert_eq!(nodes.at(1).clients[1].text(), "ab");
    nodes.check_same();
}

#[test]
fn a_long_gap_is_pulled_in_parts() {
    let limits = Limits {
        changes_per_pull_max: 3,
        ..Limits::default()
    };
    let mut nodes = Nodes::with(2, 1, limits);
    nodes.at(0).join(0);
    (0..8).for_each(|_| typed(&mut nodes, 0, "x"));
    nodes.lose_all();
    nodes.compare(1);
    nodes.pass(100);
    let mut parts = Vec::new();
    while let Some((_, _, counters)) = nodes.pulls.front() {
        parts.push(counters.clone());
        nodes.answer_pull();
    }
    assert_eq!(parts, [1..=3, 4..=6, 7..=8]);
    assert_eq!(nodes.text(1), "xxxxxxxx");
}

#[test]
fn a_pull_that_fails_is_repeated_ever_more_slowly() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    nodes.lose_all();
    nodes.compare(1);
    for _ in 0..600 {
        nodes.pass(100);
        nodes.compare(1);
        if !nodes.pulls.is_empty() {
            nodes.fail_pull();
        }
    }
    let slowest = 60_000 / Limits::default().retry_max_ms as usize;
    assert!(
        (slowest..slowest + 10).contains(&nodes.pulled),
        "{}",
        nodes.pulled
    );
    nodes.pass(3_000);
    nodes.answer_pull();
    assert_eq!(nodes.text(1), "a");
}

#[test]
fn an_answer_waits_for_the_question_that_its_author_had_seen() {
    let mut nodes = Nodes::new(3, 3);
    (0..3).for_each(|node| nodes.at(node).join(node));
    nodes.run();
    typed(&mut nodes, 0, "question ");
    let for_third = nodes.bus.pop_back().expect("both others are told");
    nodes.deliver_all();
    nodes.at(1).run();
    typed(&mut nodes, 1, "answer");
    nodes.deliver_all();
    let clock = nodes.at(2).document.clock();
    assert!(clock.is_empty(), "an answer without its question");
    nodes.deliver(for_third);
    assert_eq!(nodes.text(2), "question answer");
    nodes.run();
    nodes.check_same();
}

#[test]
fn a_context_names_what_its_author_had_been_shown_and_nothing_else() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    nodes.deliver_all();
    nodes.at(1).types(1, "unseen ");
    nodes.at(1).quiesce();
    nodes.at(1).types(1, "seen");
    nodes.at(1).quiesce();
    let contexts: Vec<_> = nodes
        .store()
        .changes
        .iter()
        .map(|stored| stored.change.context.clone())
        .collect();
    let mut seen = lane(1, 1);
    seen.join(&lane(2, 1));
    assert_eq!(contexts[1..], [VectorClock::default(), seen]);
}

/// Somebody was shown an edit before it was stored, and goes on elsewhere. It is there by the time that they could bring it.
#[test]
fn what_somebody_brings_that_is_here_already_is_what_they_had_seen() {
    let mut nodes = Nodes::new(2, 3);
    nodes.at(0).join(0);
    nodes.run();
    let seen = nodes.at(0).types(0, "seen ");
    nodes.at(0).settle();
    nodes.at(1).clients[2].editor.apply(&seen);
    nodes.at(1).join(2);
    nodes.at(0).quiesce();
    nodes.collect();
    nodes.deliver_all();
    nodes.at(1).read_answer(2);
    nodes.at(1).types(2, "before this");
    nodes.at(1).quiesce();
    let change = &nodes.store().changes[1].change;
    assert_eq!(change.dot.replica, ReplicaId(2));
    assert_eq!(change.context.get(ReplicaId(1)), 1);
    nodes.run();
    nodes.check_same();
}

#[test]
fn an_edit_that_came_by_two_nodes_is_stored_by_both_and_there_once() {
    let mut nodes = pair();
    let typed = nodes.at(0).types(0, "once");
    nodes.at(0).settle();
    nodes.at(1).clients[1].editor.apply(&typed);
    nodes.at(1).push(1, typed);
    nodes.run();
    assert_eq!(nodes.at(0).clients[0].acked().len(), 1);
    assert_eq!(nodes.store().changes.len(), 2, "both were asked to keep it");
    assert_eq!(nodes.text(0), "once");
    nodes.check_same();
}

#[test]
fn an_edit_that_another_node_has_stored_is_acknowledged_and_not_stored_again() {
    let mut nodes = pair();
    let typed = nodes.at(0).types(0, "once");
    nodes.run();
    let before = nodes.at(1).clients[1].acked().len();
    nodes.at(1).push(1, typed);
    nodes.at(1).settle();
    nodes.at(1).run();
    assert_eq!(nodes.at(1).clients[1].acked().len(), before + 1);
    assert!(nodes.at(1).appending.is_none());
}

/// The edits of a client, of which the first is only known elsewhere.
#[test]
fn what_an_unsaved_edit_waited_for_does_not_make_it_saved() {
    let mut nodes = pair();
    let editor = crate::world::Editor::new(77);
    let (first, second) = (editor.append("a"), editor.append("b"));
    nodes.at(1).push(1, second);
    nodes.at(1).settle();
    nodes.at(0).push(0, first);
    nodes.at(0).quiesce();
    nodes.deliver_all();
    assert_eq!(nodes.text(1), "ab");
    nodes.at(1).connect(0, engine::Kind::Yjs);
    nodes.at(1).settle();
    let have = nodes.at(1).clients[0]
        .line
        .as_ref()
        .map(|line| line.queue[1].0.clone());
    let Some(engine::Event::Have { have }) = have else {
        panic!("a newcomer is asked for what is missing");
    };
    let asked = editor.missing_from(&have);
    assert!(asked.len() > 2, "what is not stored is not claimed");
    nodes.run();
    nodes.check_same();
}

#[test]
fn a_reader_that_fell_behind_catches_up_with_all_lanes() {
    let mut nodes = pair();
    typed(&mut nodes, 1, "a");
    nodes.run();
    nodes.at(1).lag(1);
    typed(&mut nodes, 0, "b");
    nodes.deliver_all();
    nodes.at(1).drained(1);
    nodes.run();
    assert_eq!(nodes.at(1).clients[1].text(), nodes.text(0));
    nodes.check_same();
}

/// What a reader has been shown is noted now and then, to catch it up from there: never before all of it was shown.
#[test]
fn a_reader_that_missed_the_end_of_a_batch_catches_up() {
    let mut nodes = Nodes::new(2, 3);
    nodes.at(0).join(0);
    nodes.at(1).join(1);
    nodes.at(1).join(2);
    nodes.run();
    typed(&mut nodes, 0, "far ");
    for _ in 0..511 {
        nodes.at(1).types(2, "x");
        nodes.at(1).settle();
    }
    nodes.at(1).run();
    nodes.at(1).types(2, "near");
    let Some(News::Changes(changes)) = nodes.bus.pop_front().map(|parcel| parcel.news) else {
        panic!("the other node is told");
    };
    nodes.at(1).tell(Input::Heard { changes });
    let queue = &mut nodes.at(1).clients[1]
        .line
        .as_mut()
        .expect("it is connected")
        .queue;
    assert_eq!(
        queue.len(),
        2,
        "what came from here and what came from there"
    );
    queue.pop_back();
    nodes.at(1).read(1);
    nodes.at(1).lag(1);
    nodes.at(1).drained(1);
    nodes.at(1).quiesce();
    assert_eq!(nodes.at(1).clients[1].text(), nodes.text(1));
}

#[test]
fn what_is_heard_while_the_past_is_loaded_is_kept() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    nodes.run();
    nodes.crash_unopened(1);
    let loaded = nodes.store().load();
    typed(&mut nodes, 0, "b");
    nodes.deliver_all();
    assert_eq!(nodes.text(1), "");
    nodes.at(1).tell(Input::Opened(loaded));
    assert_eq!(nodes.text(1), "ab");
    nodes.run();
    assert_eq!(nodes.pulled, 0);
    nodes.check_same();
}

#[test]
fn a_snapshot_covers_every_lane() {
    let limits = Limits {
        snapshot_changes: 4,
        ..Limits::default()
    };
    let mut nodes = Nodes::with(2, 2, limits);
    nodes.at(0).join(0);
    nodes.at(1).join(1);
    for _ in 0..5 {
        typed(&mut nodes, 0, "a");
        typed(&mut nodes, 1, "b");
        nodes.run();
    }
    let snapshot = nodes
        .store()
        .snapshots
        .last()
        .cloned()
        .expect("one was due");
    assert!(snapshot.clock.heads().len() == 2);
    nodes.crash(1);
    assert_eq!(nodes.text(1), nodes.text(0));
    nodes.check_same();
}

#[test]
fn too_many_early_changes_are_dropped_and_pulled_later() {
    let limits = Limits {
        held_changes_max: 2,
        ..Limits::default()
    };
    let mut nodes = Nodes::with(2, 1, limits);
    nodes.at(0).join(0);
    nodes.run();
    for text in ["a", "b", "c", "d", "e"] {
        typed(&mut nodes, 0, text);
    }
    nodes.bus.pop_front();
    nodes.deliver_all();
    nodes.pass(100);
    assert_eq!(nodes.pulls, [(1, ReplicaId(1), 1..=1)], "two are held");
    nodes.answer_pull();
    assert_eq!(nodes.text(1), "abc");
    nodes.pass(100);
    assert_eq!(
        nodes.pulls,
        [(1, ReplicaId(1), 4..=5)],
        "the others were let go"
    );
    nodes.answer_pull();
    assert_eq!(nodes.text(1), "abcde");
}

#[test]
fn changes_that_are_held_are_bounded_in_bytes_too() {
    let limits = Limits {
        held_bytes_max: 1_000,
        ..Limits::default()
    };
    let mut nodes = Nodes::with(2, 1, limits);
    nodes.at(0).join(0);
    nodes.run();
    (0..3).for_each(|_| typed(&mut nodes, 0, &"x".repeat(500)));
    nodes.bus.pop_front();
    nodes.deliver_all();
    nodes.pass(100);
    nodes.answer_pull();
    assert_eq!(nodes.text(1).len(), 1_000, "one of two could be held");
    nodes.heal();
    nodes.check_same();
}

/// However little may be held, lanes that wait for each other come through: they take turns.
#[test]
fn lanes_that_build_on_each_other_are_pulled_in_turns() {
    let limits = Limits {
        held_changes_max: 0,
        changes_per_pull_max: 2,
        ..Limits::default()
    };
    let mut nodes = Nodes::with(3, 3, limits);
    nodes.at(0).join(0);
    nodes.at(1).join(1);
    for _ in 0..4 {
        for node in [0, 1] {
            typed(&mut nodes, node, "x");
            nodes.bus.retain(|parcel| parcel.to != 2);
            nodes.deliver_all();
            nodes.at(1 - node).run();
        }
    }
    nodes.heal();
    assert_eq!(nodes.text(2), "xxxxxxxx");
    nodes.check_same();
}

#[test]
fn a_change_that_the_store_cannot_give_is_given_up_and_reported() {
    let mut nodes = pair();
    for text in ["a", "b"] {
        typed(&mut nodes, 0, text);
    }
    nodes.lose_all();
    let damaged = nodes.store().changes.remove(0);
    nodes.compare(1);
    for _ in 0..10 {
        nodes.pass(2_000);
        nodes.answer_pull();
    }
    assert_eq!(nodes.at(1).skipped, [damaged.change.dot]);
    assert_eq!(nodes.at(1).document.clock().get(ReplicaId(1)), 2);
    assert!(nodes.pulled < 8, "{}", nodes.pulled);
}

#[test]
fn hearsay_of_what_was_never_stored_is_forgotten_until_the_store_confirms_it() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "a");
    nodes.lose_all();
    let real = nodes.store().changes.remove(0);
    let lost = change(9, 1, lane(1, 1), Bytes::from_static(&[0, 0]));
    nodes.at(1).tell(Input::Heard {
        changes: vec![lost],
    });
    for _ in 0..20 {
        nodes.pass(2_000);
        nodes.answer_pull();
    }
    assert!(nodes.pulled < 8, "{}", nodes.pulled);
    assert_eq!(
        nodes.at(1).document.clock().get(ReplicaId(9)),
        1,
        "nothing waits for it any more"
    );
    nodes.store().changes.push(real);
    nodes.compare(1);
    nodes.pass(2_000);
    nodes.answer_pull();
    assert_eq!(nodes.text(1), "a");
    assert!(nodes.at(1).skipped.is_empty());
}

#[test]
fn who_hears_of_its_own_lane_what_it_did_not_write_is_put_away() {
    let mut nodes = pair();
    let foreign = change(2, 1, VectorClock::default(), Bytes::from_static(&[0, 0]));
    nodes.at(1).tell(Input::Heard {
        changes: vec![foreign],
    });
    assert_eq!(
        nodes.at(1).document.phase(),
        Phase::Closed(CloseReason::NotReady)
    );
    assert_eq!(nodes.at(1).clients[1].closed, Some(CloseReason::NotReady));
    let mut nodes = pair();
    nodes.at(1).tell(Input::Heads {
        heads: lane(2, 7),
        asked: false,
    });
    assert_eq!(
        nodes.at(1).document.phase(),
        Phase::Closed(CloseReason::NotReady)
    );
}

#[test]
fn its_own_edits_that_are_on_their_way_are_no_surprise() {
    let mut nodes = pair();
    nodes.at(1).types(1, "a");
    nodes.at(1).settle();
    let changes = nodes.at(1).appending.clone().expect("it is at the store");
    nodes.at(1).store.append(&changes);
    nodes.compare(1);
    nodes.at(1).tell(Input::Heard { changes });
    assert_eq!(nodes.at(1).document.phase(), Phase::Open);
}

#[test]
fn what_is_of_another_document_or_no_edit_does_no_harm() {
    let mut nodes = pair();
    let mut stray = change(9, 1, VectorClock::default(), Bytes::from_static(&[0, 0]));
    stray.document = engine::DocumentKey::new("default", "other").expect("the name is good");
    let none = change(
        8,
        1,
        VectorClock::default(),
        Bytes::from_static(b"no update"),
    );
    let changes = vec![stray, none.clone()];
    nodes.at(1).tell(Input::Heard { changes });
    assert_eq!(nodes.at(1).document.clock(), &lane(8, 1));
    assert_eq!(nodes.at(1).skipped, [none.dot]);
    assert_eq!(nodes.at(1).document.phase(), Phase::Open);
}

#[test]
fn a_document_that_is_alone_listens_to_nobody() {
    let mut world = crate::world::world(1);
    let stray = change(9, 1, VectorClock::default(), Bytes::from_static(&[0, 0]));
    world.tell(Input::Heard {
        changes: vec![stray],
    });
    world.tell(Input::Heads {
        heads: lane(9, 4),
        asked: false,
    });
    world.tell(Input::PresenceAsked);
    world.join(0);
    world.pass(10_000);
    assert!(world.abroad.is_empty());
    assert!(world.document.clock().is_empty());
}

#[test]
fn a_client_that_moves_finds_what_it_wrote() {
    let mut nodes = pair();
    typed(&mut nodes, 0, "mine");
    nodes.lose_all();
    let connection = nodes.at(0).clients[0].connection();
    nodes.roam(0, 0, 1);
    nodes.at(1).join(0);
    nodes.at(0).tell(Input::Left { connection });
    nodes.at(1).run();
    assert_eq!(nodes.text(1), "", "its new node has yet to be told");
    nodes.pass(100);
    nodes.answer_pull();
    assert_eq!(nodes.text(1), "mine");
    nodes.heal();
    nodes.check_same();
}
