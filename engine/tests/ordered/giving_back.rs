//! A store that fails over to a standby lacks the end of what it had acknowledged. Who has it gives it back.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::ordered::{
    Deed, OperationName, OrderedDocument, OrderedEffect, OrderedEffects, OrderedEvent,
    OrderedInput, OrderedLimits, Request, RequestTag,
};
use engine::ot::OtType;
use engine::{ConnectionId, Dot, Now, ReplicaId, Rights};

use crate::store::Store;
use crate::world::key;

const ADA: ConnectionId = ConnectionId(1);

/// One node, and what its client was told.
struct Node {
    document: OrderedDocument,
    asked: VecDeque<OrderedEffect>,
    acknowledged: Vec<u64>,
    /// Where those who asked began anew.
    resets: Vec<(u64, u64)>,
    is_closed: bool,
    has_lost: bool,
}

impl Node {
    fn open(replica: u32, store: &mut Store) -> Self {
        let limits = OrderedLimits {
            operations_per_append_max: 2,
            is_shared: true,
            ..OrderedLimits::default()
        };
        let replica = ReplicaId(replica);
        let (document, effects) =
            OrderedDocument::open(key(), replica, Arc::new(limits), Now::default());
        let mut node = Self {
            document,
            asked: effects.into(),
            acknowledged: Vec::new(),
            resets: Vec::new(),
            is_closed: false,
            has_lost: false,
        };
        node.settle(store);
        let (connection, rights) = (ADA, Rights::all(None));
        node.tell(OrderedInput::Joined { connection, rights });
        node
    }

    /// One that opens from a snapshot of all that is stored, and has nothing else at hand.
    fn open_from_snapshot(replica: u32, store: &mut Store) -> Self {
        let mut before = Self::open(replica, store);
        before.settle(store);
        let snapshot = before.document.state().clone();
        store.snapshot = Some(snapshot);
        let opened = Self::open(replica, store);
        store.snapshot = None;
        opened
    }

    fn tell(&mut self, input: OrderedInput) {
        let mut effects = OrderedEffects::new();
        self.document.handle(input, Now::default(), &mut effects);
        self.document.settle(Now::default(), &mut effects);
        for effect in effects {
            match effect {
                OrderedEffect::Send { event, .. } => match event {
                    OrderedEvent::Committed { version, .. } => self.acknowledged.push(version),
                    OrderedEvent::Reset { had, state, .. } => {
                        self.resets.push((had, state.version));
                    }
                    _ => {}
                },
                OrderedEffect::Close { .. } => self.is_closed = true,
                OrderedEffect::Lost => self.has_lost = true,
                OrderedEffect::Publish(_)
                | OrderedEffect::AskForWay
                | OrderedEffect::PublishPresence(_)
                | OrderedEffect::AskPresence
                | OrderedEffect::Retire => {}
                asked => self.asked.push_back(asked),
            }
        }
    }

    /// Has the store do all that it is asked.
    fn settle(&mut self, store: &mut Store) {
        let mut asks = 0;
        while let Some(asked) = self.asked.pop_front() {
            asks += 1;
            assert!(asks < 1_000, "it comes to rest");
            self.tell(match asked {
                OrderedEffect::Load => OrderedInput::Opened(store.past()),
                OrderedEffect::Append(changes) => store.append(&changes),
                OrderedEffect::Read { from, to } => OrderedInput::Read(store.between(from, to)),
                OrderedEffect::Seek(sought) => OrderedInput::Found(store.find(&sought)),
                OrderedEffect::GiveBack(changes) => store.take_back(&changes),
                other => panic!("{other:?} asks nothing of the store"),
            });
        }
    }

    fn submit(&mut self, number: u64, deed: Deed) {
        let request = Request::Submit {
            tag: RequestTag(number),
            name: OperationName {
                source: format!("ada at {:?}", self.document.state().version).into(),
                number,
            },
            made_on: Some(self.document.state().version),
            deed,
            skips_noop: false,
        };
        let connection = ADA;
        self.tell(OrderedInput::Asked {
            connection,
            request,
        });
    }

    fn type_letters(&mut self, letters: u64, store: &mut Store) {
        for number in 0..letters {
            self.submit(number, Deed::Edit(r#"["x"]"#.into()));
            self.settle(store);
        }
    }

    fn subscribe(&mut self, from: u64) {
        let (connection, tag, from) = (ADA, RequestTag(0), Some(from));
        self.tell(OrderedInput::Asked {
            connection,
            request: Request::Subscribe { tag, from },
        });
    }

    fn create(&mut self, store: &mut Store) {
        let (ot_type, data) = (OtType::Text, None);
        self.submit(0, Deed::Create { ot_type, data });
        self.settle(store);
    }
}

/// A store with so many operations by a node that has them all.
fn written(letters: u64) -> (Node, Store) {
    let mut store = Store::default();
    let mut node = Node::open(1, &mut store);
    node.create(&mut store);
    node.type_letters(letters, &mut store);
    assert_eq!(store.log.len() as u64, letters + 1);
    (node, store)
}

#[test]
fn what_the_store_has_lost_comes_back_before_the_next_operation() {
    let (mut node, mut store) = written(7);
    let before = store.log.clone();
    store.log.truncate(3);
    node.type_letters(1, &mut store);
    assert!(node.has_lost && !node.is_closed);
    assert_eq!(store.log[..8], before[..], "all as it was");
    assert_eq!((store.log.len(), node.acknowledged.len()), (9, 9));
}

#[test]
fn heads_that_lack_the_same_twice_tell_that_it_is_lost() {
    let (mut node, mut store) = written(4);
    let early = store.heads();
    node.type_letters(1, &mut store);
    node.tell(OrderedInput::Heads(early));
    node.tell(OrderedInput::Heads(store.heads()));
    node.settle(&mut store);
    assert!(!node.has_lost, "they were only read too early");
    let before = store.log.clone();
    store.log.truncate(4);
    for _ in 0..2 {
        node.tell(OrderedInput::Heads(store.heads()));
        node.settle(&mut store);
    }
    assert!(node.has_lost);
    assert_eq!(store.log, before);
}

#[test]
fn where_the_store_has_something_else_by_now_clients_begin_anew() {
    let (mut node, mut store) = written(5);
    store.log.truncate(3);
    let mut other = Node::open(2, &mut store);
    other.type_letters(6, &mut store);
    let by_the_other = store.log.clone();
    node.type_letters(1, &mut store);
    assert!(node.is_closed);
    assert_eq!(store.log, by_the_other);
    assert_eq!(node.acknowledged.len(), 6, "the last was not acknowledged");
}

#[test]
fn what_is_stored_while_the_store_is_compared_is_no_loss() {
    let (mut node, mut store) = written(4);
    let early = store.heads();
    node.type_letters(1, &mut store);
    node.tell(OrderedInput::Heads(early.clone()));
    node.tell(OrderedInput::Heads(early));
    let Some(OrderedEffect::Read { from: 5, to: None }) = node.asked.pop_front() else {
        panic!("it looks what became of the last operation");
    };
    node.submit(9, Deed::Edit(r#"["x"]"#.into()));
    node.settle(&mut store);
    node.tell(OrderedInput::Read(store.between(5, None)));
    node.settle(&mut store);
    assert!(!node.has_lost && !node.is_closed);
    assert_eq!(node.acknowledged.len(), 7);
}

#[test]
fn what_was_heard_while_the_store_failed_is_not_written_over() {
    let (mut node, mut store) = written(3);
    let mut other = Node::open(2, &mut store);
    other.type_letters(1, &mut store);
    let stored = store.log.clone();
    node.submit(9, Deed::Edit(r#"["y"]"#.into()));
    node.tell(OrderedInput::Heard(vec![stored[4].clone()]));
    node.asked.clear();
    node.tell(OrderedInput::AppendFailed);
    assert_eq!(node.document.state().version, 5, "it is known to be stored");
    store.log.truncate(2);
    node.settle(&mut store);
    assert!(node.has_lost && !node.is_closed);
    assert_eq!(store.log[..5], stored[..], "all as it was");
    assert_eq!((store.log.len(), node.acknowledged.len()), (6, 5));
}

/// Whoever has nothing of what was lost can not give it back. It lets its clients go, who come back to what there is.
#[test]
fn what_is_lost_and_at_hand_nowhere_is_given_up() {
    for is_told_by_heads in [false, true] {
        let (_, mut store) = written(5);
        let mut node = Node::open_from_snapshot(2, &mut store);
        store.log.truncate(3);
        if is_told_by_heads {
            for _ in 0..2 {
                node.tell(OrderedInput::Heads(store.heads()));
                node.settle(&mut store);
            }
        } else {
            node.type_letters(1, &mut store);
        }
        assert!(node.has_lost && node.is_closed);
        assert_eq!((store.log.len(), node.acknowledged.len()), (3, 0));
        let mut again = Node::open(3, &mut store);
        again.type_letters(1, &mut store);
        assert_eq!(again.acknowledged, [3]);
    }
}

#[test]
fn who_has_only_a_snapshot_and_the_store_something_else_begins_anew() {
    let (_, mut store) = written(5);
    let mut node = Node::open_from_snapshot(2, &mut store);
    store.log.truncate(3);
    let mut other = Node::open(3, &mut store);
    other.type_letters(6, &mut store);
    let by_the_other = store.log.clone();
    node.submit(9, Deed::Edit(r#"["y"]"#.into()));
    node.settle(&mut store);
    assert!(node.is_closed && node.acknowledged.is_empty());
    assert_eq!(store.log, by_the_other);
}

#[test]
fn who_has_only_a_snapshot_takes_what_others_were_faster_with() {
    let (_, mut store) = written(5);
    let mut node = Node::open_from_snapshot(2, &mut store);
    let mut other = Node::open(3, &mut store);
    other.type_letters(1, &mut store);
    node.submit(9, Deed::Edit(r#"["y"]"#.into()));
    node.settle(&mut store);
    assert!(!node.has_lost && !node.is_closed);
    assert_eq!((store.log.len(), &*node.acknowledged), (8, &[7][..]));
}

#[test]
fn who_has_seen_what_is_nowhere_any_more_begins_anew() {
    let (_, mut store) = written(5);
    store.log.truncate(3);
    let mut node = Node::open(2, &mut store);
    node.subscribe(6);
    assert_eq!(node.resets, [], "another node may have more");
    node.settle(&mut store);
    assert_eq!(node.resets, [(6, 3)]);
}

#[test]
fn what_was_read_before_somebody_asked_says_nothing_of_what_he_has_seen() {
    let (mut node, mut store) = written(3);
    node.tell(OrderedInput::Heads(
        [Dot::new(ReplicaId(2), 1)].into_iter().collect(),
    ));
    let Some(OrderedEffect::Read { from: 4, to: None }) = node.asked.pop_front() else {
        panic!("it looks for what is newer");
    };
    let early = store.between(4, None);
    Node::open(2, &mut store).type_letters(1, &mut store);
    node.subscribe(5);
    node.tell(OrderedInput::Read(early));
    assert_eq!(node.resets, []);
    node.settle(&mut store);
    assert_eq!((&*node.resets, node.document.state().version), (&[][..], 5));
}
