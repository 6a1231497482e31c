//! Presence across nodes: who is with one node is seen on the others, and a client that moves is neither missed nor shown
//! after it has gone.

use bytes::Bytes;
use engine::{
    ConnectionId, Input, Intent, Presence, PresenceEntry, PresenceId, PresenceLimits,
    PresenceNotice, ReplicaId,
};

use crate::presence::{at, entry};
use crate::world::{News, Nodes};

const HERE: ConnectionId = ConnectionId(1);
const THERE: ReplicaId = ReplicaId(8);
const ELSEWHERE: ReplicaId = ReplicaId(9);

/// Whom else a client sees.
fn sees(nodes: &mut Nodes, node: usize, who: usize) -> Vec<u64> {
    let client = &nodes.at(node).clients[who];
    client.sees.keys().map(|id| id.0).collect()
}

/// Two nodes, and a client on each.
fn pair() -> Nodes {
    let mut nodes = Nodes::new(2, 3);
    nodes.at(0).join(0);
    nodes.at(1).join(1);
    nodes.run();
    nodes
}

#[test]
fn clients_of_other_nodes_are_seen_until_they_leave() {
    let mut nodes = pair();
    assert_eq!(
        (sees(&mut nodes, 0, 0), sees(&mut nodes, 1, 1)),
        (vec![2], vec![1])
    );
    nodes.at(0).leave(0);
    nodes.run();
    assert_eq!(sees(&mut nodes, 1, 1), Vec::<u64>::new());
}

#[test]
fn a_newcomer_is_shown_who_is_with_other_nodes() {
    let mut nodes = pair();
    nodes.at(1).join(2);
    nodes.at(1).run();
    assert_eq!(sees(&mut nodes, 1, 2), [1, 2]);
}

#[test]
fn a_node_that_opens_the_document_asks_who_is_there() {
    let mut nodes = pair();
    nodes.crash(1);
    nodes.at(1).join(2);
    nodes.at(1).run();
    assert_eq!(sees(&mut nodes, 1, 2), Vec::<u64>::new());
    nodes.run();
    assert_eq!(sees(&mut nodes, 1, 2), [1]);
}

#[test]
fn the_clients_of_a_node_that_died_expire() {
    let mut nodes = pair();
    nodes.crash_unopened(0);
    for _ in 0..8 {
        nodes.at(1).pass(12_000);
        nodes.at(1).show_presence(1);
        nodes.at(1).run();
    }
    assert_eq!(sees(&mut nodes, 1, 1), Vec::<u64>::new());
}

#[test]
fn what_is_doubted_goes_unless_it_is_said_again() {
    let mut nodes = pair();
    nodes.at(1).tell(Input::OthersDoubted);
    nodes.run();
    nodes.at(1).pass(5_000);
    nodes.at(1).run();
    assert_eq!(sees(&mut nodes, 1, 1), [1], "the node lives and says so");
    nodes.crash_unopened(0);
    nodes.at(1).tell(Input::OthersDoubted);
    nodes.at(1).run();
    assert_eq!(sees(&mut nodes, 1, 1), [1], "nobody goes at once");
    nodes.at(1).pass(5_000);
    nodes.at(1).run();
    assert_eq!(sees(&mut nodes, 1, 1), Vec::<u64>::new());
}

/// It was only slow. What it says then is news, whichever of the two has been up for longer.
#[test]
fn a_node_that_was_wrongly_given_up_has_its_clients_back() {
    let mut presence = Presence::new(PresenceLimits::default());
    presence.hear(THERE, notice(1, entry(1, 1, Some("a"))), at(10_000_000));
    presence.doubt_others(at(10_000_001));
    let gone = presence.expire(at(10_005_000));
    assert_eq!(gone, [entry(1, 1, None)]);
    let repeated = presence.hear(THERE, notice(1, entry(1, 1, Some("a"))), at(10_005_001));
    assert_eq!(repeated, [], "it may have been on the way for long");
    let back = presence.hear(THERE, notice(2, entry(1, 1, Some("a"))), at(10_005_002));
    assert_eq!(back, [entry(1, 1, Some("a"))]);
}

#[test]
fn only_the_clients_of_the_node_that_is_gone_are_doubted() {
    let mut nodes = Nodes::new(3, 3);
    (0..3).for_each(|node| nodes.at(node).join(node));
    nodes.run();
    let gone = nodes.at(0).replica;
    nodes.crash_unopened(0);
    nodes.at(1).tell(Input::ReplicasGone([gone].into()));
    nodes.lose_all();
    nodes.at(1).pass(PresenceLimits::default().doubt_ms);
    nodes.at(1).run();
    assert_eq!(sees(&mut nodes, 1, 1), [3]);
}

#[test]
fn the_clients_of_a_node_that_stops_are_gone_at_once() {
    let mut nodes = pair();
    nodes.at(0).tell(Input::Drain);
    nodes.run();
    assert_eq!(sees(&mut nodes, 1, 1), Vec::<u64>::new());
}

/// What the first node says of a client that has left it may come before or after what the second says of its coming.
#[test]
fn a_client_that_moves_is_seen_wherever_it_goes() {
    for left_first in [false, true] {
        for seen_first in [false, true] {
            let mut nodes = Nodes::new(3, 3);
            (0..3).for_each(|node| nodes.at(node).join(node));
            nodes.run();
            let connection = nodes.at(0).clients[0].connection();
            nodes.roam(0, 0, 1);
            if left_first {
                nodes.at(0).tell(Input::Left { connection });
                nodes.collect();
            }
            if seen_first {
                nodes.deliver_all();
            }
            nodes.at(1).join(0);
            nodes.collect();
            if !left_first {
                nodes.at(0).tell(Input::Left { connection });
            }
            nodes.run();
            let order = format!("left first: {left_first}, seen first: {seen_first}");
            assert_eq!(sees(&mut nodes, 1, 1), [1, 3], "{order}");
            assert_eq!(sees(&mut nodes, 2, 2), [1, 2], "{order}");
            nodes.at(1).leave(0);
            nodes.run();
            assert_eq!(sees(&mut nodes, 1, 1), [3], "{order}");
            assert_eq!(sees(&mut nodes, 2, 2), [2], "{order}");
        }
    }
}

/// y-websocket clients announce themselves on a new connection as they were, without counting on.
#[test]
fn a_client_that_moves_need_not_have_changed() {
    let mut nodes = Nodes::new(3, 3);
    nodes.at(2).join(2);
    nodes.at(0).join(0);
    nodes.run();
    let connection = nodes.at(0).clients[0].connection();
    nodes.roam(0, 0, 1);
    let client = &mut nodes.at(1).clients[0];
    client.presence_version -= 1;
    nodes.at(1).join(0);
    nodes.run();
    nodes.at(0).tell(Input::Left { connection });
    nodes.run();
    assert_eq!(sees(&mut nodes, 2, 2), [1]);
}

#[test]
fn a_client_that_moves_may_speak_after_it_was_said_to_be_gone() {
    let mut nodes = pair();
    let connection = nodes.at(0).clients[0].connection();
    nodes.roam(0, 0, 1);
    nodes.at(1).connect(0, engine::Kind::Yjs);
    nodes.at(1).settle();
    nodes.at(0).tell(Input::Left { connection });
    nodes.run();
    nodes.at(1).clients[0].presence_version -= 1;
    nodes.at(1).show_presence(0);
    nodes.run();
    assert_eq!(sees(&mut nodes, 1, 1), [1]);
}

#[test]
fn nobody_takes_a_client_of_another_node_away() {
    let mut nodes = pair();
    let spoof = |version, state: Option<&'static [u8]>| {
        Intent::ShowPresence(vec![PresenceEntry {
            id: PresenceId(1),
            version,
            state: state.map(Bytes::from_static),
        }])
    };
    nodes.at(1).connect(2, engine::Kind::Yjs);
    nodes.at(1).say(2, spoof(9, Some(b"\"spoof\"")));
    nodes.at(1).say(2, spoof(9, None));
    nodes.run();
    nodes.at(0).show_presence(0);
    nodes.run();
    assert_eq!(sees(&mut nodes, 1, 1), [1]);
    let entries = nodes.at(1).clients[1]
        .heard
        .iter()
        .filter_map(|event| match event {
            engine::Event::Presence(entries) => Some(entries.clone()),
            _ => None,
        });
    assert!(
        entries.flatten().all(|entry| entry.version < 9),
        "the spoof is shown to nobody"
    );
}

#[test]
fn a_node_says_each_thing_once() {
    let mut nodes = pair();
    nodes.at(0).show_presence(0);
    nodes.at(0).show_presence(0);
    nodes.at(0).settle();
    nodes.collect();
    let [parcel] = nodes.bus.make_contiguous() else {
        panic!("there is one other node, and one thing to say");
    };
    let News::Presence(_, notices) = &parcel.news else {
        panic!("presence is what is new");
    };
    assert_eq!(notices.len(), 1, "the last word on each client is enough");
}

fn notice(turn: u64, entry: PresenceEntry) -> Vec<PresenceNotice> {
    vec![PresenceNotice {
        entry,
        is_self: true,
        turn,
    }]
}

#[test]
fn an_old_word_of_a_node_is_known_for_what_it_is() {
    let mut presence = Presence::new(PresenceLimits::default());
    let here = entry(1, 1, Some("a"));
    assert_eq!(
        presence.hear(THERE, notice(5, entry(1, 1, None)), at(0)),
        []
    );
    assert_eq!(
        presence.hear(THERE, notice(4, here.clone()), at(1)),
        [],
        "it has left since"
    );
    assert_eq!(
        presence.hear(THERE, notice(6, here.clone()), at(2)),
        std::slice::from_ref(&here)
    );
    assert_eq!(
        presence.hear(THERE, notice(5, entry(1, 1, None)), at(3)),
        [],
        "it came back"
    );
    assert_eq!(
        presence.hear(THERE, notice(6, here.clone()), at(4)),
        [],
        "this is known"
    );
    assert_eq!(presence.all(), [here]);
}

#[test]
fn only_what_is_new_keeps_an_entry_alive() {
    let mut presence = Presence::new(PresenceLimits::default());
    presence.hear(THERE, notice(1, entry(1, 1, Some("a"))), at(0));
    presence.hear(THERE, notice(2, entry(1, 2, Some("a"))), at(50_000));
    presence.hear(THERE, notice(2, entry(1, 2, Some("a"))), at(60_000));
    assert_eq!(presence.expire(at(139_999)), []);
    assert_eq!(presence.expire(at(140_000)), [entry(1, 2, None)]);
}

#[test]
fn an_heir_that_leaves_inherits_nothing() {
    let mut presence = Presence::new(PresenceLimits::default());
    presence.hear(THERE, notice(1, entry(1, 1, Some("a"))), at(0));
    presence.update(HERE, 0, vec![entry(1, 2, Some("b"))], at(1));
    assert_eq!(presence.close(HERE, at(2)), []);
    let last = presence.take_notices().pop().expect("the others are told");
    assert_eq!(last.entry, entry(1, 2, None));
    assert_eq!(
        presence.hear(THERE, notice(2, entry(1, 1, None)), at(3)),
        [entry(1, 1, None)]
    );
    assert!(presence.is_empty());
}

#[test]
fn an_heir_that_has_not_been_heard_of_for_long_inherits_nothing() {
    let mut presence = Presence::new(PresenceLimits::default());
    presence.hear(THERE, notice(1, entry(1, 1, Some("a"))), at(0));
    presence.update(HERE, 0, vec![entry(1, 1, Some("echo"))], at(1));
    presence.hear(THERE, notice(2, entry(1, 2, Some("a"))), at(20_000));
    let gone = presence.hear(THERE, notice(3, entry(1, 2, None)), at(40_000));
    assert_eq!(gone, [entry(1, 2, None)]);
    assert!(presence.is_empty());
}

#[test]
fn an_heir_takes_over_from_a_node_that_fell_silent() {
    let mut presence = Presence::new(PresenceLimits::default());
    presence.hear(THERE, notice(1, entry(1, 1, Some("a"))), at(0));
    presence.hear(ELSEWHERE, notice(1, entry(1, 1, Some("a"))), at(1_000));
    assert_eq!(
        presence.hear(ELSEWHERE, notice(2, entry(1, 2, Some("b"))), at(15_000)),
        []
    );
    let moved = entry(1, 3, Some("c"));
    assert_eq!(
        presence.hear(ELSEWHERE, notice(3, moved.clone()), at(31_000)),
        std::slice::from_ref(&moved)
    );
    assert_eq!(
        presence.hear(THERE, notice(9, entry(1, 9, None)), at(31_001)),
        []
    );
    assert_eq!(presence.all(), [moved]);
}

#[test]
fn one_node_can_not_fill_the_table() {
    let limits = PresenceLimits {
        entries_per_replica_max: 2,
        ..PresenceLimits::default()
    };
    let mut presence = Presence::new(limits);
    for id in 0..9 {
        presence.hear(THERE, notice(id + 1, entry(id, 1, Some("x"))), at(0));
    }
    assert_eq!(presence.len(), 2);
    presence.hear(THERE, notice(20, entry(0, 1, None)), at(1));
    presence.hear(THERE, notice(21, entry(30, 1, Some("x"))), at(1));
    assert_eq!(presence.len(), 2);
}
