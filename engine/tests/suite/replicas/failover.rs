//! A store that has lost the last of what it had said is stored: the nodes that have the document open give it back.

use engine::{CloseReason, Dot, Input, Limits, Order, Phase, ReplicaId, StoredChange};

use super::{change, pair, typed};
use crate::world::{Editor, Fault, Nodes};

/// The texts are typed on the first node and heard by the second.
fn written(nodes: &mut Nodes, texts: &[&str]) {
    for text in texts {
        typed(nodes, 0, text);
        nodes.run();
    }
}

/// The driver of a node looks how far the lanes are, twice: what it sees the first time may be old.
fn look(nodes: &mut Nodes, node: usize) {
    (0..2).for_each(|_| nodes.compare(node));
    nodes.run();
}

fn changes(nodes: &mut Nodes) -> Vec<engine::Change> {
    let stored = nodes.store().changes.iter();
    stored.map(|stored| stored.change.clone()).collect()
}

#[test]
fn what_the_store_has_lost_is_given_back_as_it_was() {
    for node in [0, 1] {
        let mut nodes = pair();
        written(&mut nodes, &["a", "b", "c"]);
        let before = changes(&mut nodes);
        nodes.store().lose(2);
        look(&mut nodes, node);
        assert_eq!(changes(&mut nodes), before, "by node {node}");
        assert_eq!(nodes.at(0).clients[0].acked().len(), 3);
        assert!(nodes.at(node).lost.is_empty());
        nodes.heal();
        nodes.check_same();
    }
}

#[test]
fn it_is_given_back_before_anything_new() {
    let mut nodes = pair();
    written(&mut nodes, &["a", "b"]);
    nodes.store().lose(1);
    typed(&mut nodes, 0, "c");
    let counters = changes(&mut nodes)
        .into_iter()
        .map(|change| change.dot.counter);
    assert_eq!(counters.collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(nodes.at(0).document.phase(), Phase::Open);
    assert!(nodes.at(0).document.is_durable());
    assert_eq!(nodes.at(0).clients[0].acked().len(), 3);
    nodes.heal();
    nodes.check_same();
}

#[test]
fn all_lanes_are_given_back_even_those_of_the_dead() {
    let mut nodes = pair();
    written(&mut nodes, &["a", "b"]);
    nodes.at(1).types(1, "c");
    nodes.run();
    let before = changes(&mut nodes);
    nodes.crash_unopened(0);
    nodes.store().lose(3);
    look(&mut nodes, 1);
    assert_eq!(changes(&mut nodes), before);
    nodes.at(0).open();
    nodes.heal();
    nodes.check_same();
}

#[test]
fn what_was_read_before_a_commit_is_no_loss() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    let heads = nodes.store().heads();
    written(&mut nodes, &["b"]);
    nodes.at(0).answers_heads = false;
    for _ in 0..2 {
        let heads = heads.clone();
        let asked = false;
        nodes.at(0).tell(Input::Heads { heads, asked });
    }
    nodes.at(0).types(0, "c");
    nodes.at(0).settle();
    assert!(nodes.at(0).asks_heads && nodes.at(0).appending.is_none());
    nodes.at(0).answer_heads();
    assert!(nodes.at(0).giving.is_none(), "the store has it all");
    assert!(nodes.at(0).appending.is_some());
}

#[test]
fn heads_that_stay_the_same_need_not_be_told_again() {
    let mut nodes = pair();
    written(&mut nodes, &["a", "b"]);
    let before = changes(&mut nodes);
    nodes.store().lose(1);
    nodes.compare(0);
    nodes.pass(1_999);
    assert_eq!(changes(&mut nodes).len(), 1, "they may be old");
    nodes.pass(1);
    nodes.run();
    assert_eq!(changes(&mut nodes), before);
}

#[test]
fn heads_that_are_a_round_old_are_not_even_asked_about() {
    let mut nodes = pair();
    nodes.at(0).answers_heads = false;
    for text in ["a", "b", "c"] {
        let heads = nodes.store().heads();
        written(&mut nodes, &[text]);
        let asked = false;
        nodes.at(0).tell(Input::Heads { heads, asked });
        assert!(!nodes.at(0).asks_heads);
    }
}

#[test]
fn what_is_not_kept_any_more_is_given_back_as_content() {
    for kept_bytes_max in [0, 300] {
        let limits = Limits {
            kept_bytes_max,
            ..Limits::default()
        };
        let mut nodes = Nodes::with(2, 2, limits);
        nodes.at(0).join(0);
        nodes.at(1).join(1);
        nodes.run();
        written(&mut nodes, &["a", "b", "c"]);
        nodes.store().lose(3);
        look(&mut nodes, 0);
        let last = if kept_bytes_max == 0 { 3 } else { 2 };
        assert_eq!(nodes.at(0).lost, [(ReplicaId(1), 1..=last)]);
        assert_eq!(nodes.store().heads().get(ReplicaId(1)), 4, "one has it all");
        let replayed = nodes.store().replay();
        assert_eq!(replayed.text(Some("text")).unwrap(), "abc");
        typed(&mut nodes, 0, "d");
        nodes.heal();
        nodes.check_same();
        assert_eq!(nodes.text(1), "abcd");
    }
}

#[test]
fn what_is_kept_is_forgotten_after_a_while() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    let before = nodes.at(0).document.weight();
    nodes.pass(Limits::default().kept_ms);
    assert!(nodes.at(0).document.weight() + 256 < before);
    nodes.store().lose(1);
    look(&mut nodes, 0);
    assert_eq!(nodes.at(0).lost, [(ReplicaId(1), 1..=1)]);
    let replayed = nodes.store().replay();
    assert_eq!(replayed.text(Some("text")).unwrap(), "a");
}

#[test]
fn giving_back_is_repeated_until_the_store_has_it() {
    let mut nodes = pair();
    written(&mut nodes, &["a", "b"]);
    let before = changes(&mut nodes);
    nodes.store().lose(2);
    nodes.store().fault = Fault::Before;
    look(&mut nodes, 0);
    nodes.at(0).answers_heads = false;
    nodes.pass(100);
    nodes.at(0).asks_heads = false;
    nodes.at(0).tell(Input::HeadsFailed);
    nodes.at(0).answers_heads = true;
    nodes.store().fault = Fault::None;
    assert_eq!(changes(&mut nodes), []);
    nodes.pass(2_000);
    nodes.run();
    assert_eq!(changes(&mut nodes), before);
    nodes.heal();
    nodes.check_same();
}

#[test]
fn a_place_that_somebody_else_has_filled_is_left_to_them() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    nodes.store().lose(1);
    nodes.at(0).answers_heads = false;
    (0..2).for_each(|_| nodes.compare(0));
    nodes.at(0).answer_heads();
    let other = change(1, 1, engine::VectorClock::default(), vec![0, 0].into());
    nodes.store().changes.push(StoredChange {
        order: Order(1),
        change: other,
    });
    nodes.at(0).answers_heads = true;
    assert!(nodes.at(0).take_back());
    let closed = Phase::Closed(CloseReason::NotReady);
    assert_eq!(nodes.at(0).document.phase(), closed);
    assert_eq!(nodes.at(0).clients[0].closed, Some(CloseReason::NotReady));
}

#[test]
fn a_name_that_was_given_anew_is_noticed() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    let other = change(1, 1, engine::VectorClock::default(), vec![0, 0].into());
    let changes = vec![other];
    nodes.at(1).tell(Input::Heard { changes });
    let closed = Phase::Closed(CloseReason::NotReady);
    assert_eq!(nodes.at(1).document.phase(), closed);
}

#[test]
fn a_refusal_without_a_loss_ends_the_document() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    nodes.at(0).types(0, "b");
    nodes.at(0).settle();
    nodes.at(0).appending = None;
    nodes.at(0).tell(Input::AppendRefused);
    assert_eq!(
        nodes.at(0).document.phase(),
        Phase::Open,
        "it is tried again"
    );
    assert!(nodes.at(0).appending.take().is_some());
    nodes.at(0).tell(Input::AppendRefused);
    let closed = Phase::Closed(CloseReason::NotReady);
    assert_eq!(nodes.at(0).document.phase(), closed);
}

#[test]
fn what_nobody_has_is_not_waited_for() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    typed(&mut nodes, 0, "unheard");
    nodes.lose_all();
    nodes.compare(1);
    nodes.crash_unopened(0);
    nodes.store().lose(1);
    (0..2).for_each(|_| look(&mut nodes, 1));
    nodes.pulls.clear();
    nodes.at(1).tell(Input::Pulled(Vec::new()));
    nodes.pass(10_000);
    nodes.collect();
    assert!(nodes.pulls.is_empty(), "{:?}", nodes.pulls);
    assert!(nodes.at(1).skipped.is_empty());
    let here = nodes.at(1).document.clock();
    assert!(!here.contains(Dot::new(ReplicaId(1), 2)));
}

/// Its content breaks, and is built anew from a store that has lost the last of what was in it.
#[test]
fn what_the_store_has_lost_is_in_content_that_is_built_anew() {
    let mut nodes = pair();
    written(&mut nodes, &["a", "b", "c"]);
    nodes.at(1).types(1, "d");
    nodes.run();
    let before = changes(&mut nodes);
    nodes.store().lose(3);
    nodes.at(1).join(0);
    nodes.at(1).quiesce();
    nodes.at(1).push(0, Editor::new(77).append("[[panic]]"));
    nodes.at(1).settle();
    assert_eq!(nodes.at(1).document.phase(), Phase::Rebuilding);
    nodes.at(1).quiesce();
    assert_eq!(nodes.at(1).document.phase(), Phase::Open);
    assert_eq!(nodes.text(1), "abcd");
    look(&mut nodes, 1);
    assert_eq!(changes(&mut nodes), before);
    assert_eq!(nodes.text(1), "abcd");
    nodes.heal();
    nodes.check_same();
}

#[test]
fn a_document_does_not_end_before_it_has_given_back() {
    let mut nodes = pair();
    written(&mut nodes, &["a"]);
    nodes.store().lose(1);
    nodes.at(0).answers_heads = false;
    (0..2).for_each(|_| nodes.compare(0));
    nodes.at(0).tell(Input::Drain);
    assert_eq!(
        nodes.at(0).document.phase(),
        Phase::Draining(CloseReason::Stopping)
    );
    nodes.at(0).answers_heads = true;
    nodes.at(0).answer_heads();
    nodes.at(0).quiesce();
    assert_eq!(changes(&mut nodes).len(), 1);
    let closed = Phase::Closed(CloseReason::Stopping);
    assert_eq!(nodes.at(0).document.phase(), closed);
}
