//! Nodes that share a document over a store that is far away: all of them come to it, whoever is a little nearer.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ordered::{
    Deed, OperationName, OrderedDocument, OrderedEffect, OrderedEffects, OrderedEvent,
    OrderedInput, OrderedLimits, Request, RequestTag,
};
use engine::ot::OtType;
use engine::{ConnectionId, Now, ReplicaId, Rights};

use crate::store::Store;
use crate::world::key;

const ADA: ConnectionId = ConnectionId(1);

/// One way to the store, in milliseconds, for each node.
const AWAY_MS: [u64; 3] = [250, 251, 253];
/// The way from one node to another.
const BUS_MS: u64 = 2;
/// Nobody waits longer for an acknowledgement.
const WAIT_MAX_MS: u64 = 10_000;

/// What is under way, by when it is there.
enum Way {
    ToStore(usize, OrderedEffect),
    ToNode(usize, OrderedInput),
}

struct World {
    now: Now,
    store: Store,
    nodes: Vec<Node>,
    ways: BTreeMap<(u64, u64), Way>,
    sent: u64,
}

struct Node {
    document: OrderedDocument,
    submitted: u64,
    /// When its client was acknowledged something.
    acknowledged_ms: Vec<u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Now::default(),
            store: Store::default(),
            nodes: Vec::new(),
            ways: BTreeMap::new(),
            sent: 0,
        };
        for (at, replica) in (0..AWAY_MS.len()).zip(1..) {
            let limits = Arc::new(OrderedLimits {
                is_shared: true,
                ..OrderedLimits::default()
            });
            let (document, effects) =
                OrderedDocument::open(key(), ReplicaId(replica), limits, world.now);
            world.nodes.push(Node {
                document,
                submitted: 0,
                acknowledged_ms: Vec::new(),
            });
            world.perform(at, effects);
            let (connection, rights) = (ADA, Rights::all(None));
            world.tell(at, OrderedInput::Joined { connection, rights });
            let (tag, from) = (RequestTag(0), None);
            world.ask(at, Request::Subscribe { tag, from });
        }
        world
    }

    /// Everybody goes on typing: as soon as one letter is acknowledged, the next is there.
    fn run(&mut self, until_ms: u64) {
        self.submit(0);
        while self.now.monotonic_ms < until_ms {
            let due = self.nodes.iter().enumerate();
            let due = due.filter_map(|(at, node)| Some((node.document.next_deadline_ms()?, at)));
            let due = due.min();
            let way = self.ways.first_key_value().map(|((at_ms, _), _)| *at_ms);
            match due {
                Some((due_ms, at)) if way.is_none_or(|way_ms| due_ms < way_ms) => {
                    self.now.monotonic_ms = due_ms;
                    self.tell(at, OrderedInput::Tick);
                }
                _ => self.arrive(),
            }
        }
    }

    fn arrive(&mut self) {
        let ((at_ms, _), way) = self.ways.pop_first().expect("somebody is always under way");
        self.now.monotonic_ms = at_ms;
        match way {
            Way::ToNode(node, input) => self.tell(node, input),
            Way::ToStore(node, asked) => {
                let (answer, trips) = self.answer(asked);
                self.send(AWAY_MS[node] * trips, Way::ToNode(node, answer));
            }
        }
    }

    /// What the store says, and how often the way is gone until that is there.
    fn answer(&mut self, asked: OrderedEffect) -> (OrderedInput, u64) {
        match asked {
            OrderedEffect::Load => (OrderedInput::Opened(self.store.past()), 1),
            OrderedEffect::Read { from, to } => {
                (OrderedInput::Read(self.store.between(from, to)), 1)
            }
            OrderedEffect::Append(changes) => match self.store.append(&changes) {
                OrderedInput::Appended => (OrderedInput::Appended, 1),
                // It is asked whose the version is, and for the operations.
                overtaken => (overtaken, 5),
            },
            other => panic!("{other:?} is not asked here"),
        }
    }

    fn tell(&mut self, at: usize, input: OrderedInput) {
        let mut effects = OrderedEffects::new();
        let document = &mut self.nodes[at].document;
        document.handle(input, self.now, &mut effects);
        document.settle(self.now, &mut effects);
        self.perform(at, effects);
    }

    fn perform(&mut self, at: usize, effects: OrderedEffects) {
        for effect in effects {
            match effect {
                OrderedEffect::Send { event, .. } => self.take(at, &event),
                OrderedEffect::Publish(changes) => {
                    self.say(at, || OrderedInput::Heard(changes.clone()));
                }
                OrderedEffect::AskForWay => {
                    let by = self.nodes[at].document.replica();
                    self.say(at, || OrderedInput::WayAsked(by));
                }
                OrderedEffect::PublishPresence(_) | OrderedEffect::AskPresence => {}
                asked => self.send(AWAY_MS[at], Way::ToStore(at, asked)),
            }
        }
    }

    fn take(&mut self, at: usize, event: &OrderedEvent) {
        match event {
            OrderedEvent::Committed { .. } => {
                let node = &mut self.nodes[at];
                node.acknowledged_ms.push(self.now.monotonic_ms);
                self.submit(at);
            }
            // The document is there: the others begin as well.
            OrderedEvent::Operation(_) if self.nodes[at].submitted == 0 => self.submit(at),
            _ => {}
        }
    }

    fn submit(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.submitted += 1;
        let is_first = at == 0 && node.submitted == 1;
        let deed = match is_first {
            true => Deed::Create {
                ot_type: OtType::Text,
                data: None,
            },
            false => Deed::Edit(r#"["x"]"#.into()),
        };
        let request = Request::Submit {
            tag: RequestTag(node.submitted),
            name: OperationName {
                source: format!("{at}").into(),
                number: node.submitted,
            },
            made_on: Some(node.document.state().version),
            deed,
            skips_noop: false,
        };
        self.ask(at, request);
    }

    fn ask(&mut self, at: usize, request: Request) {
        let connection = ADA;
        let asked = OrderedInput::Asked {
            connection,
            request,
        };
        self.send(1, Way::ToNode(at, asked));
    }

    fn say(&mut self, from: usize, input: impl Fn() -> OrderedInput) {
        for at in (0..self.nodes.len()).filter(|at| *at != from) {
            self.send(BUS_MS, Way::ToNode(at, input()));
        }
    }

    fn send(&mut self, takes_ms: u64, way: Way) {
        self.sent += 1;
        self.ways
            .insert((self.now.monotonic_ms + takes_ms, self.sent), way);
    }
}

#[test]
fn whoever_is_nearest_to_the_store_lets_the_others_come_to_it() {
    let mut world = World::new();
    let end_ms = 120_000;
    world.run(end_ms);
    for (at, node) in world.nodes.iter().enumerate() {
        let times = node.acknowledged_ms.iter().copied();
        let times: Vec<_> = [0].into_iter().chain(times).chain([end_ms]).collect();
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        println!(
            "node {at}: {} times, at most {longest:?} ms apart",
            times.len()
        );
        assert!(
            longest.is_some_and(|longest| longest <= WAIT_MAX_MS),
            "node {at}"
        );
    }
}
