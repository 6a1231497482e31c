//! Content that breaks on one of several nodes: the others go on, and what they do meanwhile is shown when it is whole again.

use engine::{Event, Input, Intent, Order, Phase, StoredChange, VectorClock};

use super::{change, pair, typed};
use crate::world::{Editor, Nodes};

fn is_connected(nodes: &mut Nodes, node: usize) -> bool {
    nodes.at(node).clients[node].line.is_some()
}

#[test]
fn a_change_of_another_node_that_breaks_the_content_is_kept_out() {
    for mark in ["[[panic]]", "[[contradict]]"] {
        let mut nodes = pair();
        typed(&mut nodes, 0, "before ");
        nodes.run();
        let poison = Editor::new(77).append(mark);
        let poison = change(9, 1, VectorClock::default(), poison);
        nodes.store().changes.push(StoredChange {
            order: Order(1_000),
            change: poison.clone(),
        });
        let changes = vec![poison.clone()];
        nodes.at(1).types(1, "unsaved ");
        nodes.at(1).tell(Input::Heard { changes });
        assert_eq!(nodes.at(1).document.phase(), Phase::Rebuilding, "{mark}");
        nodes.run();
        assert!(is_connected(&mut nodes, 1));
        let world = nodes.at(1);
        assert_eq!(world.document.phase(), Phase::Open);
        assert!(world.document.is_read_only(), "part of the log is kept out");
        assert!(world.document.clock().contains(poison.dot));
        let kept_out = world.quarantined.iter().map(|one| one.dot);
        assert_eq!(kept_out.collect::<Vec<_>>(), [Some(poison.dot)]);
        assert_eq!(world.clients[1].acked().len(), 1, "the unsaved edit");
        let text = nodes.text(1);
        assert_eq!(text.len(), "before unsaved ".len());
        assert_eq!(nodes.at(0).clients[0].text(), text);
    }
}

#[test]
fn what_others_store_while_the_content_is_rebuilt_is_shown() {
    for heard in [false, true] {
        let mut nodes = pair();
        typed(&mut nodes, 0, "before ");
        nodes.run();
        nodes.at(1).join(0);
        nodes.at(1).quiesce();
        nodes.at(1).push(0, Editor::new(77).append("[[panic]]"));
        nodes.at(1).settle();
        assert_eq!(nodes.at(1).document.phase(), Phase::Rebuilding);
        typed(&mut nodes, 0, "meanwhile");
        if heard {
            nodes.deliver_all();
        } else {
            nodes.lose_all();
        }
        nodes.run();
        assert!(is_connected(&mut nodes, 1));
        assert_eq!(nodes.at(1).clients[1].text(), "before meanwhile");
        nodes.heal();
        nodes.check_same();
    }
}

#[test]
fn what_is_signalled_while_the_content_is_rebuilt_is_heard_on_all_nodes() {
    let mut nodes = pair();
    nodes.at(1).join(0);
    nodes.run();
    nodes.at(1).push(0, Editor::new(77).append("[[panic]]"));
    nodes.at(1).settle();
    assert_eq!(nodes.at(1).document.phase(), Phase::Rebuilding);
    nodes.at(1).say(1, Intent::Signal("hello"[..].into()));
    nodes.run();
    assert_eq!(nodes.at(1).document.phase(), Phase::Open);
    let heard = &nodes.at(0).clients[0].heard;
    let heard = heard
        .iter()
        .filter(|event| matches!(event, Event::Signal(_)));
    assert_eq!(heard.count(), 1);
}
