//! Clients that come to a node which has yet to hear of what they have seen elsewhere: they wait, and then are told of it.

use engine::{
    Access, Capabilities, Capability, CloseReason, Event, Input, Intent, Kind, Limits, Phase,
};

use super::typed;
use crate::world::{Editor, Nodes};

/// Two nodes, of which the second has not heard what was typed on the first. Its store answers when it is told to. Clients 2
/// and 3 are connected nowhere.
fn deaf_with(limits: Limits) -> Nodes {
    let mut nodes = Nodes::with(2, 4, limits);
    nodes.at(0).join(0);
    nodes.at(1).join(1);
    nodes.run();
    nodes.at(1).answers_heads = false;
    typed(&mut nodes, 0, "written ");
    nodes.lose_all();
    nodes
}

fn deaf() -> Nodes {
    deaf_with(Limits::default())
}

/// Whether a client of the second node was told anything, once it has read all.
fn is_told(nodes: &mut Nodes, who: usize) -> bool {
    nodes.at(1).run();
    !nodes.at(1).clients[who].heard.is_empty()
}

/// What a client of the second node was answered first.
fn first_answer(nodes: &mut Nodes, who: usize) -> Option<String> {
    nodes.at(1).run();
    let mut heard = nodes.at(1).clients[who].heard.iter();
    let first = heard.find_map(|event| match event {
        Event::Missing { payload } => Some(payload.clone()),
        _ => None,
    })?;
    let reader = Editor::new(70);
    reader.apply(&first);
    Some(reader.text())
}

fn answer_all(nodes: &mut Nodes) {
    while nodes.at(1).answer_heads() {}
    nodes.collect();
    nodes.pass(100);
    nodes.answer_pull();
}

fn access(may: &[Capability]) -> Access {
    Access {
        may: may.iter().copied().collect::<Capabilities>(),
        editors_max: None,
    }
}

#[test]
fn a_client_is_let_in_once_all_that_was_stored_when_it_came_is_here() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    assert!(!is_told(&mut nodes, 2), "it is not known what it has seen");
    nodes.at(1).answer_heads();
    nodes.collect();
    assert!(!is_told(&mut nodes, 2), "that is not here");
    nodes.pass(100);
    nodes.answer_pull();
    assert_eq!(first_answer(&mut nodes, 2).as_deref(), Some("written "));
}

#[test]
fn who_is_let_in_by_what_comes_has_seen_that() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).answer_heads();
    nodes.collect();
    nodes.pass(100);
    nodes.answer_pull();
    nodes.at(1).read_answer(2);
    nodes.at(1).types(2, "answered");
    nodes.at(1).quiesce();
    let change = &nodes.store().changes[1].change;
    assert_eq!(change.context.get(engine::ReplicaId(1)), 1);
}

#[test]
fn a_client_is_let_in_with_the_answer_if_all_is_here() {
    let mut nodes = deaf();
    nodes.compare(1);
    nodes.pass(100);
    nodes.answer_pull();
    nodes.at(1).join(2);
    assert!(!is_told(&mut nodes, 2), "nobody knows that yet");
    nodes.at(1).answer_heads();
    assert_eq!(first_answer(&mut nodes, 2).as_deref(), Some("written "));
}

#[test]
fn what_the_store_was_not_asked_lets_nobody_in() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).tell(Input::Heads {
        heads: engine::VectorClock::default(),
        asked: false,
    });
    assert!(!is_told(&mut nodes, 2), "it may have been read before");
    answer_all(&mut nodes);
    assert!(is_told(&mut nodes, 2));
}

#[test]
fn who_comes_during_a_question_needs_another() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    let heads = nodes.store().heads();
    typed(&mut nodes, 0, "later ");
    nodes.lose_all();
    nodes.at(1).join(3);
    nodes.at(1).asks_heads = false;
    let asked = true;
    nodes.at(1).tell(Input::Heads { heads, asked });
    assert!(nodes.at(1).asks_heads, "the other came after that");
    nodes.pass(100);
    let (_, replica, counters) = nodes.pulls.pop_front().expect("a change is missing");
    assert_eq!((replica.0, counters), (1, 1..=1));
    let first = vec![nodes.store().changes[0].clone()];
    nodes.at(1).tell(Input::Pulled(first));
    assert_eq!(first_answer(&mut nodes, 2).as_deref(), Some("written "));
    assert_eq!(first_answer(&mut nodes, 3), None);
    answer_all(&mut nodes);
    let text = first_answer(&mut nodes, 3);
    assert_eq!(text.as_deref(), Some("written later "));
}

#[test]
fn nobody_waits_for_ever() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.pass(1_000);
    nodes.at(1).join(3);
    nodes.pass(999);
    assert!(!is_told(&mut nodes, 2));
    nodes.pass(1);
    assert_eq!(first_answer(&mut nodes, 2).as_deref(), Some(""));
    assert!(!is_told(&mut nodes, 3), "it has come later");
    nodes.pass(1_000);
    assert!(is_told(&mut nodes, 3));
}

#[test]
fn a_store_that_does_not_answer_keeps_nobody_out() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).asks_heads = false;
    nodes.at(1).tell(Input::HeadsFailed);
    assert!(is_told(&mut nodes, 2));
    assert!(!nodes.at(1).asks_heads);
    nodes.at(1).join(3);
    nodes.at(1).answer_heads();
    nodes.pass(100);
    assert!(!is_told(&mut nodes, 3));
    nodes.fail_pull();
    assert!(is_told(&mut nodes, 3));
}

#[test]
fn what_is_said_meanwhile_waits_in_order_and_holds_up_nobody() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).types(2, "one ");
    nodes.at(1).types(2, "two ");
    nodes.at(1).types(1, "here ");
    nodes.at(1).quiesce();
    assert_eq!(nodes.text(1), "here ");
    assert_eq!(nodes.at(1).clients[1].acked().len(), 1);
    answer_all(&mut nodes);
    nodes.at(1).quiesce();
    assert_eq!(nodes.at(1).clients[2].acked().len(), 2);
    nodes.heal();
    assert!(nodes.text(1).contains("one two "));
    nodes.check_same();
}

#[test]
fn who_waits_is_shown_nothing() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).types(1, "here ");
    nodes.at(1).show_presence(1);
    nodes.at(1).tell(Input::Signal("all".into()));
    nodes.at(1).quiesce();
    assert!(
        !is_told(&mut nodes, 2),
        "it has nothing that this builds on"
    );
    answer_all(&mut nodes);
    nodes.at(1).run();
    let heard = &nodes.at(1).clients[2].heard;
    assert!(matches!(heard[0], Event::Rights { .. }), "{heard:?}");
}

#[test]
fn who_leaves_while_it_waits_is_gone() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).types(2, "lost");
    nodes.at(1).leave(2);
    answer_all(&mut nodes);
    assert!(!is_told(&mut nodes, 2));
    assert_eq!(nodes.text(1), "written ");
    assert_eq!(nodes.at(1).document.peers(), 1);
}

#[test]
fn rights_that_change_while_a_client_waits_are_those_that_it_has() {
    let mut nodes = deaf();
    (2..4).for_each(|who| nodes.at(1).join(who));
    nodes.at(1).types(3, "not allowed");
    let grant = |nodes: &mut Nodes, who: usize, may: &[Capability]| {
        let connection = nodes.at(1).clients[who].connection();
        let access = access(may);
        nodes.at(1).tell(Input::Granted {
            connection,
            access,
            until_ms: None,
        });
    };
    grant(&mut nodes, 2, &[]);
    assert_eq!(nodes.at(1).clients[2].closed, Some(CloseReason::Forbidden));
    grant(&mut nodes, 3, &[Capability::Read]);
    answer_all(&mut nodes);
    assert_eq!(nodes.at(1).clients[3].closed, Some(CloseReason::Forbidden));
    assert_eq!(nodes.text(1), "written ");
}

#[test]
fn who_is_revoked_while_it_waits_is_closed_at_once() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    let connection = nodes.at(1).clients[2].connection();
    nodes.at(1).tell(Input::Revoked { connection });
    assert_eq!(nodes.at(1).clients[2].closed, Some(CloseReason::Revoked));
    answer_all(&mut nodes);
    assert_eq!(nodes.at(1).document.peers(), 1);
}

#[test]
fn rights_that_end_while_a_client_waits_have_ended() {
    let mut nodes = deaf();
    let until_ms = nodes.at(1).now_ms + 50;
    nodes.at(1).connect_as(2, |connection| {
        let mut joining = engine::Joining::freely(connection, Kind::Yjs, None);
        joining.rights.until_ms = Some(until_ms);
        joining
    });
    nodes.at(1).settle();
    answer_all(&mut nodes);
    assert_eq!(nodes.at(1).clients[2].closed, Some(CloseReason::Expired));
}

#[test]
fn who_would_not_be_let_in_need_not_wait_for_it() {
    let mut nodes = deaf();
    nodes.at(1).join_refused(2, Kind::Automerge);
    assert_eq!(nodes.at(1).clients[2].closed, Some(CloseReason::WrongKind));
    assert!(!nodes.at(1).asks_heads);
}

#[test]
fn a_document_that_ends_closes_who_waits() {
    for (input, reason) in [
        (Input::Drain, CloseReason::Stopping),
        (Input::Deleted, CloseReason::Deleted),
    ] {
        let mut nodes = deaf();
        nodes.at(1).join(2);
        nodes.at(1).types(1, "unsaved");
        nodes.at(1).settle();
        nodes.at(1).tell(input);
        assert_eq!(nodes.at(1).clients[2].closed, Some(reason));
        nodes.at(1).answer_heads();
        nodes.at(1).quiesce();
        let phase = nodes.at(1).document.phase();
        assert_eq!(phase, Phase::Closed(reason));
    }
}

#[test]
fn what_waits_is_bounded() {
    let limits = Limits {
        unsaved_bytes_max: 10_000,
        ..Limits::default()
    };
    let mut nodes = deaf_with(limits);
    nodes.at(1).join(2);
    let before = nodes.at(1).document.weight();
    (0..20).for_each(|_| drop(nodes.at(1).types(2, "word ")));
    nodes.at(1).settle();
    let weight = nodes.at(1).document.weight();
    assert!(weight > before + 5_000, "it weighs what it takes up");
    assert!(!is_told(&mut nodes, 2));
    (0..20).for_each(|_| nodes.at(1).show_presence(2));
    nodes.at(1).settle();
    assert!(is_told(&mut nodes, 2), "it is let in with what is here");
}

#[test]
fn a_document_is_not_put_away_while_somebody_waits() {
    let limits = Limits {
        idle_ms: 500,
        ..Limits::default()
    };
    let mut nodes = deaf_with(limits);
    nodes.at(1).join(2);
    nodes.at(1).leave(1);
    nodes.pass(1_000);
    assert_eq!(nodes.at(1).retired, 0);
    nodes.at(1).leave(2);
    nodes.pass(500);
    assert_eq!(nodes.at(1).retired, 1);
}

#[test]
fn content_that_breaks_keeps_who_waits() {
    let mut nodes = deaf();
    nodes.at(1).join(2);
    nodes.at(1).types(2, "mine");
    nodes.at(1).push(1, Editor::new(77).append("[[panic]]"));
    nodes.at(1).settle();
    assert_eq!(nodes.at(1).document.phase(), Phase::Rebuilding);
    nodes.at(1).types(2, " too");
    nodes.at(1).answer_heads();
    nodes.pass(5_000);
    assert!(!is_told(&mut nodes, 2) || nodes.at(1).document.phase() == Phase::Open);
    nodes.at(1).quiesce();
    nodes.heal();
    let text = nodes.text(1);
    assert!(
        text.contains("written ") && text.contains("mine too"),
        "{text}"
    );
    assert_eq!(nodes.at(1).clients[2].acked().len(), 2);
}

#[test]
fn a_client_asks_again_and_is_answered_when_it_is_in() {
    let mut nodes = deaf();
    nodes.at(1).connect(2, Kind::Yjs);
    let have = nodes.at(1).clients[2].editor.have();
    nodes.at(1).say(2, Intent::Pull { have });
    nodes.at(1).say(2, Intent::QueryPresence);
    nodes.at(1).settle();
    answer_all(&mut nodes);
    assert_eq!(first_answer(&mut nodes, 2).as_deref(), Some("written "));
    let seen = nodes.at(1).clients[2].sees.len();
    assert_eq!(seen, 2, "the clients that were here and there");
}
