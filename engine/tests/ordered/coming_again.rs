//! Operations that come again after so much that their authors have to begin anew: they are answered as they were before, and
//! before anything else is.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::ordered::{
    Action, Deed, Misplaced, OperationName, OrderedDocument, OrderedEffect, OrderedEffects,
    OrderedEvent, OrderedInput, OrderedLimits, Request, RequestTag,
};
use engine::ot::OtType;
use engine::{ConnectionId, Now, ReplicaId, Rights};

use crate::store::Store;
use crate::world::key;

pub(crate) const ADA: ConnectionId = ConnectionId(1);
pub(crate) const BOB: ConnectionId = ConnectionId(2);

/// A node on which nobody may be further behind than three operations.
pub(crate) struct Node {
    document: OrderedDocument,
    store: Store,
    pub(crate) asked: VecDeque<OrderedEffect>,
    /// What Ada was told.
    told: Vec<String>,
    now: Now,
}

impl Node {
    fn open() -> Self {
        Self::open_with(OrderedLimits {
            tail_operations_max: 1,
            catch_up_max: 3,
            ..OrderedLimits::default()
        })
    }

    pub(crate) fn open_with(limits: OrderedLimits) -> Self {
        let now = Now::default();
        let (document, effects) = OrderedDocument::open(key(), ReplicaId(1), Arc::new(limits), now);
        let mut node = Self {
            document,
            store: Store::default(),
            asked: effects.into(),
            told: Vec::new(),
            now,
        };
        for connection in [ADA, BOB] {
            let rights = Rights::all(None);
            node.tell(OrderedInput::Joined { connection, rights });
        }
        node.settle();
        node
    }

    pub(crate) fn tell(&mut self, input: OrderedInput) {
        self.tell_all([input]);
    }

    /// Tells several things that come at once.
    fn tell_all<const N: usize>(&mut self, inputs: [OrderedInput; N]) {
        let mut effects = OrderedEffects::new();
        for input in inputs {
            self.document.handle(input, self.now, &mut effects);
        }
        self.document.settle(self.now, &mut effects);
        for effect in effects {
            match effect {
                OrderedEffect::Send { to, event } if to == [ADA] => self.told.push(word(&event)),
                OrderedEffect::Send { .. }
                | OrderedEffect::Retire
                | OrderedEffect::AskPresence
                | OrderedEffect::Publish(_) => {}
                asked => self.asked.push_back(asked),
            }
        }
    }

    /// Has the store do all that it is asked.
    pub(crate) fn settle(&mut self) {
        while let Some(asked) = self.asked.pop_front() {
            let answer = match asked {
                OrderedEffect::Load => OrderedInput::Opened(self.store.past()),
                OrderedEffect::Append(changes) => self.store.append(&changes),
                OrderedEffect::Read { from, to } => {
                    OrderedInput::Read(self.store.between(from, to))
                }
                OrderedEffect::Seek(sought) => OrderedInput::Found(self.store.find(&sought)),
                other => panic!("{other:?} asks nothing of the store"),
            };
            self.tell(answer);
        }
    }

    pub(crate) fn submit(&mut self, who: ConnectionId, number: u64, made_on: u64, deed: Deed) {
        self.tell(submission(who, number, Some(made_on), deed));
        self.settle();
    }

    /// Lets time pass until something is due.
    pub(crate) fn wait(&mut self) {
        self.now.monotonic_ms = self.document.next_deadline_ms().unwrap();
        self.tell(OrderedInput::Tick);
    }

    /// Bob puts so many letters before the others.
    pub(crate) fn type_letters(&mut self, letters: u64) {
        for _ in 0..letters {
            let version = self.document.state().version;
            self.submit(BOB, version, version, edit(r#"["b"]"#));
        }
    }

    /// What Ada was told since she was asked last, in a few words.
    pub(crate) fn told(&mut self) -> String {
        std::mem::take(&mut self.told).join(", ")
    }
}

fn submission(
    connection: ConnectionId,
    number: u64,
    made_on: Option<u64>,
    deed: Deed,
) -> OrderedInput {
    let source = format!("{connection}").into();
    let request = Request::Submit {
        tag: RequestTag(number),
        name: OperationName { source, number },
        made_on,
        deed,
        skips_noop: true,
    };
    OrderedInput::Asked {
        connection,
        request,
    }
}

fn subscription(connection: ConnectionId, from: u64) -> OrderedInput {
    let (tag, from) = (RequestTag(99), Some(from));
    let request = Request::Subscribe { tag, from };
    OrderedInput::Asked {
        connection,
        request,
    }
}

fn edit(text: &str) -> Deed {
    Deed::Edit(text.into())
}

fn word(event: &OrderedEvent) -> String {
    match event {
        OrderedEvent::Operation(record) => match &record.action {
            Action::Edit { .. } => format!("operation {}", record.version),
            other => format!("{other:?}"),
        },
        OrderedEvent::Committed { version, .. } => format!("committed {version}"),
        OrderedEvent::More { .. } => "more".to_owned(),
        OrderedEvent::Done { .. } => "done".to_owned(),
        OrderedEvent::Refused { why, .. } => match why {
            Misplaced::Behind { .. } => "behind".to_owned(),
            why => format!("{why}"),
        },
        OrderedEvent::Document { state, .. } => format!("document at {}", state.version),
        OrderedEvent::Reset { had, state, .. } => format!("reset {had} to {}", state.version),
        other => format!("{other:?}"),
    }
}

/// A document `ab` at version 1 on which Ada and Bob have typed at once, and a long time after.
fn long_after() -> Node {
    let mut node = Node::open();
    let (ot_type, data) = (OtType::Text, Some(r#""ab""#.into()));
    node.submit(BOB, 0, 0, Deed::Create { ot_type, data });
    node.type_letters(2);
    node.submit(ADA, 7, 1, edit(r#"[1,"a"]"#));
    assert_eq!(node.told(), "operation 1, operation 2, committed 3");
    node.type_letters(20);
    node
}

#[test]
fn an_operation_is_acknowledged_with_its_version_however_late_it_comes_again() {
    let mut node = long_after();
    node.submit(ADA, 7, 1, edit(r#"[1,"a"]"#));
    assert_eq!(node.told(), "operation 1, operation 2, committed 3");
    // She had seen one of the two meanwhile, and has transformed hers over it.
    node.submit(ADA, 7, 2, edit(r#"[2,"a"]"#));
    assert_eq!(node.told(), "operation 2, committed 3");
    // Made on what there is now, as by somebody who names no version.
    let now = node.document.state().version;
    node.submit(ADA, 7, now, edit(r#"[1,"a"]"#));
    assert_eq!(node.told(), "committed 3");
    assert_eq!(node.store.log.len() as u64, now);
}

#[test]
fn what_is_not_the_same_or_never_came_is_refused_however_late() {
    let mut node = long_after();
    let taken = "another operation was committed under the same source and number";
    for other in [edit(r#"[1,"x"]"#), Deed::Delete] {
        node.submit(ADA, 7, 1, other);
        assert_eq!(node.told(), taken);
    }
    node.submit(ADA, 8, 1, edit(r#"[1,"a"]"#));
    assert_eq!(node.told(), "behind");
    assert_eq!(node.document.state().version, 24);
}

#[test]
fn what_has_no_place_any_more_is_known_by_its_name_as_well() {
    let mut node = Node::open();
    let creation = || {
        let (ot_type, data) = (OtType::Text, Some(r#""ab""#.into()));
        submission(ADA, 6, None, Deed::Create { ot_type, data })
    };
    node.tell(creation());
    node.settle();
    node.submit(ADA, 7, 1, edit(r#"[{"d":1}]"#));
    node.type_letters(10);
    let now = node.document.state().version;
    node.submit(BOB, 98, now, Deed::Delete);
    assert_eq!(node.told(), "committed 0, committed 1");
    node.submit(ADA, 7, now + 1, edit(r#"[{"d":1}]"#));
    assert_eq!(node.told(), "committed 1");
    let (ot_type, data) = (OtType::Json0, None);
    node.submit(BOB, 99, now + 1, Deed::Create { ot_type, data });
    node.submit(ADA, 7, now + 2, edit(r#"[{"d":1}]"#));
    assert_eq!(node.told(), "committed 1");
    node.tell(creation());
    node.settle();
    assert_eq!(node.told(), "committed 0");
    assert_eq!(node.store.log.len() as u64, now + 2);
}

#[test]
fn a_store_that_can_not_say_is_asked_again() {
    let mut node = long_after();
    node.tell(submission(ADA, 7, Some(1), edit(r#"[1,"a"]"#)));
    assert!(matches!(
        node.asked.pop_front(),
        Some(OrderedEffect::Seek(_))
    ));
    node.tell(OrderedInput::SeekFailed);
    assert!(node.asked.is_empty());
    node.wait();
    node.settle();
    assert_eq!(node.told(), "operation 1, operation 2, committed 3");
}

#[test]
fn nobody_begins_anew_before_his_operations_are_answered() {
    for (number, answer) in [
        (7, "operation 1, operation 2, committed 3, reset 4 to 24"),
        (8, "behind, reset 1 to 24"),
    ] {
        let mut node = long_after();
        let submission = submission(ADA, number, Some(1), edit(r#"[1,"a"]"#));
        node.tell_all([submission, subscription(ADA, 1)]);
        node.settle();
        assert_eq!(node.told(), answer);
    }
}

/// A client that was told of a deletion gives up what it has under way, reads the document and goes on. It takes a refusal for
/// one of what it has under way then.
#[test]
fn nobody_is_told_what_there_is_before_his_operations_are_answered() {
    let mut node = Node::open();
    let create = || Deed::Create {
        ot_type: OtType::Text,
        data: None,
    };
    node.submit(BOB, 0, 0, create());
    node.submit(BOB, 1, 1, Deed::Delete);
    node.tell(submission(BOB, 2, Some(2), create()));
    let tag = RequestTag(5);
    let question = OrderedInput::Asked {
        connection: ADA,
        request: Request::Fetch { tag, from: None },
    };
    node.tell_all([submission(ADA, 1, Some(1), edit(r#"["a"]"#)), question]);
    assert_eq!(node.told(), "");
    node.settle();
    assert_eq!(node.told(), "document was deleted, document at 3");
}

/// While another node is let go first Ada's operation waits, and with it her question about more than there is: the store is
/// asked for that once, and not again and again.
#[test]
fn the_store_is_asked_once_for_what_is_put_off() {
    let mut node = Node::open_with(OrderedLimits {
        is_shared: true,
        ..OrderedLimits::default()
    });
    node.tell(OrderedInput::WayAsked(ReplicaId(2)));
    node.tell_all([
        submission(ADA, 1, Some(0), Deed::Delete),
        subscription(ADA, 1),
    ]);
    let asked = node.asked.pop_front();
    assert!(matches!(
        asked,
        Some(OrderedEffect::Read { from: 0, to: None })
    ));
    node.tell(OrderedInput::Read(Vec::new()));
    assert!(node.asked.is_empty(), "{:?}", node.asked);
    node.wait();
    node.settle();
    assert_eq!(node.told(), "committed 0, done");
}

#[test]
fn who_does_nothing_is_told_so_once_what_was_done_before_is_stored() {
    let mut node = Node::open();
    let (ot_type, data) = (OtType::Text, Some(r#""ab""#.into()));
    node.submit(BOB, 0, 0, Deed::Create { ot_type, data });
    let deletion = || edit(r#"[{"d":1}]"#);
    node.tell_all([
        submission(BOB, 1, Some(1), deletion()),
        submission(ADA, 1, Some(1), deletion()),
        subscription(ADA, 1),
    ]);
    assert_eq!(node.told().find("nothing"), None, "nothing is stored yet");
    node.settle();
    assert_eq!(node.told(), "operation 1, changes nothing");
    node.submit(ADA, 1, 1, deletion());
    assert_eq!(node.told(), "changes nothing");
    node.submit(ADA, 2, 2, edit("[]"));
    assert_eq!(node.told(), "changes nothing");
    assert_eq!(node.store.log.len(), 2);
}
