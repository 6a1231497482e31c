//! Rolls: whatever word about presence gets lost between nodes, within five seconds everybody is shown who is here and nobody
//! else; and what that costs.

use engine::{Input, Presence, PresenceId, PresenceLimits, PresenceRoll, ReplicaId};

use crate::presence::{at, entry};
use crate::world::{News, Nodes};

/// Three nodes and a client on each.
fn three() -> Nodes {
    let mut nodes = Nodes::new(3, 4);
    (0..3).for_each(|node| nodes.at(node).join(node));
    nodes.run();
    nodes
}

/// Lets time pass and everything arrive.
fn flow(nodes: &mut Nodes, ms: u64) {
    for _ in 0..ms.div_ceil(STEP_MS) {
        nodes.pass(STEP_MS);
        nodes.run();
    }
}

/// Lets time pass and nothing arrive.
fn flow_in_vain(nodes: &mut Nodes, ms: u64) {
    for _ in 0..ms.div_ceil(STEP_MS) {
        nodes.pass(STEP_MS);
        nodes.quiesce();
        nodes.lose_all();
    }
}

/// Whom each of the three is shown besides itself, by the node it is at.
fn shown(nodes: &mut Nodes) -> Vec<Vec<u64>> {
    let mut shown = Vec::new();
    for node in 0..3 {
        let client = &nodes.at(node).clients[node];
        shown.push(client.sees.keys().map(|id| id.0).collect());
    }
    shown
}

#[test]
fn a_lost_goodbye_is_made_up_for() {
    let mut nodes = three();
    nodes.at(0).join(3);
    nodes.run();
    assert_eq!(shown(&mut nodes)[1], [1, 3, 4]);
    nodes.at(0).leave(3);
    nodes.lose_all();
    flow(&mut nodes, 1_000);
    assert_eq!(shown(&mut nodes), [vec![2, 3], vec![1, 3], vec![1, 2]]);
}

#[test]
fn somebody_whose_coming_was_not_heard_of_is_shown_all_the_same() {
    let mut nodes = three();
    nodes.at(0).join(3);
    nodes.quiesce();
    nodes.lose_all();
    flow(&mut nodes, 1_000);
    assert_eq!(
        shown(&mut nodes),
        [vec![2, 3, 4], vec![1, 3, 4], vec![1, 2, 4]]
    );
}

/// A cursor that stands still is shown where it stands.
#[test]
fn the_last_of_many_words_counts_even_if_it_is_lost() {
    let mut presence = Presence::new(PresenceLimits::default());
    let mut own = Presence::new(PresenceLimits::default());
    let says = |own: &mut Presence, version, state| {
        let here = engine::ConnectionId(1);
        own.update(
            here,
            0,
            vec![entry(1, version, Some(state))],
            at(version.into()),
        );
        own.take_notices()
    };
    let first = says(&mut own, 1, "here");
    presence.hear(THERE, first, at(1));
    says(&mut own, 2, "there");
    let roll = own.roll(false, at(1_000)).expect("it is short");
    let heard = presence.hear_roll(THERE, &roll, at(1_000));
    assert_eq!(
        (heard.news.len(), &heard.unheard[..]),
        (0, &[PresenceId(1)][..])
    );
    own.announce(&heard.unheard, at(1_001));
    let last = own.take_notices();
    assert_eq!(
        presence.hear(THERE, last, at(1_001)),
        [entry(1, 2, Some("there"))]
    );
    let roll = own.roll(false, at(2_000)).expect("it is short");
    assert_eq!(
        presence.hear_roll(THERE, &roll, at(2_000)),
        engine::RollHeard::default()
    );
}

#[test]
fn a_question_that_was_lost_is_asked_again() {
    let mut nodes = three();
    nodes.crash(1);
    nodes.at(1).join(3);
    nodes.quiesce();
    nodes.lose_all();
    flow(&mut nodes, 1_000);
    let sees = &nodes.at(1).clients[3].sees;
    assert_eq!(sees.keys().map(|id| id.0).collect::<Vec<_>>(), [1, 3]);
}

/// Nobody is shown for longer than the outage and some seconds, and nobody is missed for good.
#[test]
fn after_an_outage_everybody_is_as_shown() {
    for outage_ms in [500, 3_000, 20_000] {
        let mut nodes = three();
        nodes.at(0).join(3);
        nodes.run();
        nodes.at(0).leave(3);
        nodes.at(2).leave(2);
        nodes.at(2).join(3);
        flow_in_vain(&mut nodes, outage_ms);
        (0..3).for_each(|node| nodes.at(node).tell(Input::OthersDoubted));
        nodes.run();
        flow(&mut nodes, 1_000);
        assert_eq!(
            shown(&mut nodes)[..2],
            [vec![2, 4], vec![1, 4]],
            "{outage_ms}"
        );
    }
}

/// Even if nobody notices that words got lost.
#[test]
fn a_short_outage_that_nobody_noticed_is_made_up_for() {
    for outage_ms in [250, 1_000, 2_000, 3_500] {
        let mut nodes = three();
        nodes.at(0).join(3);
        nodes.run();
        nodes.at(0).leave(3);
        flow_in_vain(&mut nodes, outage_ms);
        flow(&mut nodes, 5_000 - outage_ms);
        assert_eq!(shown(&mut nodes)[1], [1, 3], "{outage_ms}");
    }
}

#[test]
fn a_node_that_only_was_slow_is_asked_and_keeps_its_clients() {
    let mut nodes = three();
    let slow = nodes.at(0).replica;
    (1..3).for_each(|node| nodes.at(node).tell(Input::ReplicasGone([slow].into())));
    nodes.run();
    flow(&mut nodes, 2_000);
    assert_eq!(shown(&mut nodes)[1], [1, 3]);
    // Slower still: it wakes up after it was given up, and hears what was asked meanwhile.
    (1..3).for_each(|node| nodes.at(node).tell(Input::ReplicasGone([slow].into())));
    nodes.collect();
    for node in 1..3 {
        nodes.at(node).pass(2_000);
        nodes.at(node).run();
    }
    assert_eq!(shown(&mut nodes)[1], [3], "it was given up");
    nodes.run();
    assert_eq!(shown(&mut nodes), [vec![2, 3], vec![1, 3], vec![1, 2]]);
}

#[test]
fn an_old_roll_takes_nobody_away() {
    let mut presence = Presence::new(PresenceLimits::default());
    let mut own = Presence::new(PresenceLimits::default());
    let old = own.roll(false, at(0)).expect("it is short");
    own.update(
        engine::ConnectionId(1),
        0,
        vec![entry(1, 1, Some("a"))],
        at(1),
    );
    presence.hear(THERE, own.take_notices(), at(1));
    assert!(presence.hear_roll(THERE, &old, at(2)).news.is_empty());
    let nobody = PresenceRoll::of_nobody(at(3));
    let heard = presence.hear_roll(THERE, &nobody, at(4));
    assert_eq!(heard.news, [entry(1, 1, None)]);
    assert!(presence.is_empty());
}

/// How many words all nodes say in a while in which clients only renew what they show.
fn words_while_idle(nodes: &mut Nodes, seconds: u64) -> (usize, usize) {
    let (mut words, mut people) = (0, 0);
    for quarter in 0..seconds / 15 {
        for node in 0..2 {
            nodes.at(node).show_presence(node);
            nodes.at(node).settle();
        }
        for _ in 0..15_000 / STEP_MS {
            nodes.pass(STEP_MS);
            nodes.quiesce();
            nodes.collect();
            words += nodes.bus.len();
            people += nodes
                .bus
                .iter()
                .filter(|it| matches!(it.news, News::Roll(..)))
                .count();
            nodes.deliver_all();
        }
        assert!(quarter < 1_000);
    }
    (words, people)
}

/// Of a document with a client at each of two nodes: a renewal of each client, and a call of each node, every 15 s.
#[test]
fn rolls_cost_as_much_as_renewals_do_while_nothing_happens() {
    let mut nodes = Nodes::new(2, 2);
    (0..2).for_each(|node| nodes.at(node).join(node));
    nodes.run();
    words_while_idle(&mut nodes, 30);
    let (words, rolls) = words_while_idle(&mut nodes, 600);
    println!("in 600 s: {words} words, {rolls} of them rolls");
    assert!(rolls <= 2 * 600 / 15 + 2, "{rolls} rolls");
    assert!(words - rolls <= 2 * 600 / 15 + 2, "{words} words");
}

const THERE: ReplicaId = ReplicaId(8);
const STEP_MS: u64 = 250;
