//! Documents that open with what the store says they come to, and whose content is loaded when somebody needs it.

use engine::{Audience, CloseReason, ConnectionId, Effect, Event, Joining, Kind, Now};

use super::*;

/// A document on some nodes that all opened it without its content, and clients who have all of it and are not connected.
fn unread(nodes: usize, clients: u8) -> Cluster {
    let mut cluster = founded(nodes, clients, Limits::default());
    cluster.write(0, |pen| pen.type_at(0, "text"));
    cluster.quiesce();
    cluster.keep_gist();
    (0..nodes).for_each(|at| cluster.crash(at));
    assert!(all_unread(&cluster));
    cluster
}

fn all_unread(cluster: &Cluster) -> bool {
    let mut nodes = cluster.nodes.iter();
    nodes.all(|node| node.document.is_unread() && node.document.phase() == Phase::Open)
}

fn loads(cluster: &Cluster) -> Vec<usize> {
    cluster.nodes.iter().map(|node| node.loads).collect()
}

#[test]
fn who_has_all_is_answered_without_the_content() {
    let mut cluster = unread(2, 4);
    for who in 0..4 {
        cluster.join(who, who % 2);
    }
    cluster.quiesce();
    cluster.compare();
    cluster.pass(5_000);
    cluster.quiesce();
    assert_eq!((loads(&cluster), all_unread(&cluster)), (vec![0, 0], true));
    let signal = Bytes::from_static(b"here I am");
    cluster.say(0, Intent::Signal(signal));
    cluster.settle_all();
    assert!(all_unread(&cluster), "signals need no content");
}

#[test]
fn who_lacks_something_is_sent_it() {
    let mut cluster = unread(1, 3);
    cluster.join(0, 0);
    cluster.quiesce();
    cluster.clients[1].pen = Pen::new(9);
    cluster.join(1, 0);
    cluster.quiesce();
    assert_eq!(cluster.clients[1].pen.text(), "text");
    cluster.join(2, 0);
    cluster.quiesce();
    assert_eq!(loads(&cluster), [1], "it is loaded once");
}

#[test]
fn an_edit_is_taken_in_with_the_content() {
    let mut cluster = unread(2, 3);
    for who in 0..3 {
        cluster.join(who, who % 2);
    }
    cluster.quiesce();
    assert_eq!(loads(&cluster), [0, 0]);
    let acked = cluster.clients[0].acked;
    cluster.write(0, |pen| pen.type_at(0, "one "));
    cluster.write(0, |pen| pen.type_at(0, "two "));
    cluster.quiesce();
    assert_eq!(cluster.clients[0].acked, acked + 2);
    for client in &cluster.clients {
        assert_eq!(client.pen.text(), "two one text");
    }
    assert_eq!(loads(&cluster), [1, 1], "the other was told of it");
    assert_eq!(json(&cluster, 0), json(&cluster, 1));
}

#[test]
fn what_another_node_has_stored_is_shown_whether_it_was_heard_of_or_seen_in_the_store() {
    for is_heard in [true, false] {
        let mut cluster = unread(2, 2);
        cluster.join(0, 0);
        cluster.join(1, 1);
        cluster.quiesce();
        cluster.write(0, |pen| pen.type_at(0, "new "));
        cluster.commit(0, Fate::Stored);
        if !is_heard {
            cluster.nodes[1].bus.clear();
            cluster.compare();
        }
        cluster.quiesce();
        assert_eq!(cluster.clients[1].pen.text(), "new text", "{is_heard}");
        assert_eq!(loads(&cluster), [1, 1]);
    }
}

#[test]
fn what_waits_in_the_past_is_shown_with_it() {
    let mut cluster = unread(2, 2);
    cluster.join(0, 0);
    cluster.join(1, 1);
    cluster.quiesce();
    let lost = cluster.clients[0].pen.type_at(0, "lost ");
    cluster.write(0, |pen| pen.type_at(0, "early "));
    cluster.quiesce();
    assert_eq!(loads(&cluster), [1, 1]);
    cluster.push(0, lost);
    cluster.quiesce();
    assert_eq!(cluster.clients[1].pen.text(), "early lost text");
}

#[test]
fn a_gist_of_less_than_what_is_stored_is_not_opened_with() {
    let mut cluster = unread(2, 2);
    cluster.join(0, 0);
    cluster.write(0, |pen| pen.type_at(0, "new "));
    cluster.quiesce();
    cluster.crash(1);
    assert!(!cluster.nodes[1].document.is_unread());
    assert!(
        json(&cluster, 1)["text"]
            .as_str()
            .unwrap()
            .starts_with("new")
    );
}

#[test]
fn a_document_that_rests_leaves_its_gist_and_one_that_was_never_read_does_not_again() {
    let mut cluster = founded(1, 1, Limits::default());
    cluster.write(0, |pen| pen.type_at(0, "text"));
    cluster.quiesce();
    cluster.leave(0);
    cluster.pass(600_000);
    let gist = cluster.gist.take().expect("it was left");
    assert_eq!(gist.have, cluster.clients[0].pen.have());
    cluster.pass(600_000);
    assert_eq!(cluster.gist, None, "the store has it");
    cluster.gist = Some(gist);
    cluster.crash(0);
    assert!(cluster.nodes[0].document.is_unread());
    cluster.gist = None;
    cluster.pass(600_000);
    assert_eq!((cluster.gist.take(), loads(&cluster)), (None, vec![0]));
}

#[test]
fn a_document_that_is_closed_for_a_stop_leaves_its_gist() {
    let mut cluster = founded(1, 1, Limits::default());
    cluster.write(0, |pen| pen.type_at(0, "text"));
    cluster.tell(0, Input::Drain);
    assert_eq!(cluster.gist, None, "not all of it is stored");
    cluster.quiesce();
    let gist = cluster.gist.take().expect("it was left");
    assert_eq!(gist.have, cluster.clients[0].pen.have());
}

#[test]
fn one_that_never_had_its_content_leaves_none() {
    let mut cluster = unread(1, 2);
    cluster.gist = None;
    cluster.join(0, 0);
    cluster.tell(0, Input::Drain);
    assert_eq!(
        (cluster.gist, cluster.clients[0].closed),
        (None, Some(CloseReason::Stopping))
    );
}

/// What clients were told is nowhere any more, as far as this node can see: it is opened anew from what the store has.
#[test]
fn a_store_that_was_put_back_ends_it() {
    let mut cluster = unread(2, 2);
    cluster.join(0, 0);
    cluster.quiesce();
    cluster.log.pop();
    for _ in 0..5 {
        cluster.compare();
        cluster.pass(3_000);
    }
    assert_eq!(cluster.clients[0].closed, Some(CloseReason::NotReady));
    let mut cluster = unread(1, 2);
    cluster.join(0, 0);
    cluster.log.pop();
    cluster.write(0, |pen| pen.type_at(0, "more "));
    assert_eq!(cluster.clients[0].closed, Some(CloseReason::NotReady));
}

#[test]
fn what_is_said_while_the_content_is_loaded_waits_in_order() {
    let mut cluster = unread(1, 3);
    cluster.join(0, 0);
    cluster.quiesce();
    let mut effects = Vec::new();
    let document = &mut cluster.nodes[0].document;
    document.handle(Input::ContentWanted, NOW, &mut effects);
    assert!(matches!(effects[..], [Effect::Load]));
    assert_eq!(document.phase(), Phase::Rebuilding);
    for text in ["one ", "two "] {
        let payload = cluster.clients[0].pen.type_at(0, text);
        cluster.push(0, payload);
    }
    cluster.load(0);
    cluster.quiesce();
    let shown = json(&cluster, 0);
    assert_eq!(shown["text"], "two one text");
    assert!(cluster.nodes[0].document.is_durable());
}

/// To make content of a long history takes a second; whoever has nothing makes it of the same bytes.
#[test]
fn who_has_nothing_is_sent_what_is_kept_before_anything_is_made_of_it() {
    for since in 0..3 {
        let limits = Limits {
            snapshot_changes: 4,
            ..Limits::default()
        };
        let mut cluster = founded(1, 1, limits);
        for _ in 0..3 + since {
            cluster.write(0, |pen| pen.type_at(0, "a"));
            cluster.quiesce();
        }
        cluster.keep_gist();
        cluster.crash(0);
        assert!(all_unread(&cluster));
        let loaded = cluster.loaded();
        assert_eq!(
            (loaded.snapshot.is_some(), loaded.changes.len()),
            (true, since)
        );
        let document = &mut cluster.nodes[0].document;
        let connection = ConnectionId(9);
        let joining = Joining::freely(connection, Kind::Automerge, None);
        let asked = Input::Intent {
            connection,
            intent: Intent::PullKept,
            seen: None,
        };
        let mut effects = Vec::new();
        for input in [Input::Joined(joining), asked, Input::Opened(loaded)] {
            document.handle(input, NOW, &mut effects);
        }
        assert!(document.next_replay().is_some(), "nothing is made yet");
        let mut pen = Pen::new(9);
        let answers = answers_to(connection, &effects);
        answers.iter().for_each(|answer| pen.apply(answer));
        assert_eq!((answers.len(), pen.text().len()), (1, 3 + since));
        effects.clear();
        while document.next_replay().is_some() {
            document.replay(NOW, &mut effects);
        }
        document.settle(NOW, &mut effects);
        assert!(
            answers_to(connection, &effects).is_empty(),
            "it is answered once"
        );
        assert!(!document.is_unread() && document.phase() == Phase::Open);
    }
}

fn answers_to(connection: ConnectionId, effects: &[Effect]) -> Vec<Bytes> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Send {
            to: Audience::One(to),
            event: Event::Missing { payload },
            ..
        } if *to == connection => Some(payload.clone()),
        _ => None,
    });
    answers.collect()
}

const NOW: Now = Now {
    monotonic_ms: 1_000,
    wall_ms: 1_000,
};
