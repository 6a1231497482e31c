//! Who reads slowly is sent what he has missed in steps. The store reads each operation once for him, however little he takes.

use engine::ordered::{Deed, OrderedEffect, OrderedInput, OrderedLimits, Request, RequestTag};
use engine::ot::OtType;

use crate::coming_again::{ADA, BOB, Node};

/// A document at version 12 of which the last operation is at hand.
fn written() -> Node {
    let mut node = Node::open_with(OrderedLimits {
        tail_operations_max: 1,
        catch_up_max: 10,
        catch_up_step: 4,
        ..OrderedLimits::default()
    });
    let (ot_type, data) = (OtType::Text, None);
    node.submit(BOB, 0, 0, Deed::Create { ot_type, data });
    node.type_letters(11);
    node
}

fn catch_up(node: &mut Node, from: u64) {
    let tag = RequestTag(5);
    node.tell(OrderedInput::Asked {
        connection: ADA,
        request: Request::CatchUp { tag, from },
    });
}

#[test]
fn who_catches_up_is_sent_a_few_at_once_and_told_whether_there_is_more() {
    let mut node = written();
    for (from, to, told) in [
        (
            3,
            7,
            "operation 3, operation 4, operation 5, operation 6, more",
        ),
        (
            7,
            11,
            "operation 7, operation 8, operation 9, operation 10, more",
        ),
    ] {
        catch_up(&mut node, from);
        let Some(OrderedEffect::Read {
            from: first,
            to: Some(behind),
        }) = node.asked.pop_front()
        else {
            panic!("it is not at hand");
        };
        assert_eq!((first, behind), (from, to));
        node.asked
            .push_front(OrderedEffect::Read { from, to: Some(to) });
        node.settle();
        assert_eq!(node.told(), told);
    }
    for (from, told) in [(11, "operation 11, done"), (12, "done")] {
        catch_up(&mut node, from);
        assert!(node.asked.is_empty());
        assert_eq!(node.told(), told);
    }
}

#[test]
fn who_cannot_catch_up_begins_anew() {
    let mut node = written();
    for (from, told) in [(1, "reset 1 to 12"), (20, "reset 20 to 12")] {
        catch_up(&mut node, from);
        node.settle();
        assert_eq!(node.told(), told);
    }
}

#[test]
fn a_store_that_does_not_give_it_is_asked_again_in_a_while() {
    for answer in [OrderedInput::ReadFailed, OrderedInput::Read(Vec::new())] {
        let mut node = written();
        catch_up(&mut node, 3);
        node.asked.clear();
        node.tell(answer);
        assert!(node.asked.is_empty() && node.told().is_empty());
        node.wait();
        node.settle();
        assert!(node.told().ends_with("operation 6, more"));
    }
}
