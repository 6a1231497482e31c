//! Several nodes that have one document open, share a store, and hear each other over a bus that a test delivers by hand.
//!
//! Each node is a [`World`] of its own; the one store is handed to whichever is acting. What a node publishes becomes
//! [`Parcel`]s, one for each other node, and nothing arrives before it is delivered: so a test can lose, repeat and reorder
//! it. Pulls wait until they are answered.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use bytes::Bytes;
use engine::{
    Change, Content, Dot, Effect, Input, Kind, Limits, PresenceId, PresenceNotice, PresenceRoll,
    ReplicaId, StoredChange,
};

use super::{FakeStore, World, unopened_as};

pub(crate) struct Nodes {
    worlds: Vec<World>,
    /// Which of them has the store.
    acting: usize,
    /// What is under way, in the order of sending.
    pub(crate) bus: VecDeque<Parcel>,
    /// The pulls that wait for an answer: who asks for what.
    pub(crate) pulls: VecDeque<(usize, ReplicaId, RangeInclusive<u64>)>,
    /// How many pulls there were.
    pub(crate) pulled: usize,
    /// What was published, in order, each `Publish` by itself.
    pub(crate) published: Vec<Vec<Dot>>,
    replicas: u32,
}

/// Something on its way to a node.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) to: usize,
    pub(crate) news: News,
}

#[derive(Clone, Debug)]
pub(crate) enum News {
    Changes(Vec<Change>),
    Presence(ReplicaId, Vec<PresenceNotice>),
    Question,
    Roll(ReplicaId, PresenceRoll),
    WhoIs(ReplicaId, Vec<PresenceId>),
    Signal(Bytes),
}

impl Nodes {
    /// So many nodes with the document open, each with the same few clients, none of them connected.
    pub(crate) fn new(nodes: usize, clients: u64) -> Self {
        Self::with(nodes, clients, Limits::default())
    }

    pub(crate) fn with(nodes: usize, clients: u64, limits: Limits) -> Self {
        let limits = Limits {
            shared: true,
            ..limits
        };
        let replicas = nodes as u32;
        let world = |replica| unopened_as(ReplicaId(replica), clients, limits, FakeStore::new());
        let mut nodes = Self {
            worlds: (1..=replicas).map(world).collect(),
            acting: 0,
            bus: VecDeque::new(),
            pulls: VecDeque::new(),
            pulled: 0,
            published: Vec::new(),
            replicas,
        };
        (0..nodes.worlds.len()).for_each(|node| nodes.at(node).open());
        nodes.collect();
        nodes.bus.clear();
        nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.worlds.len()
    }

    /// A node, with the store.
    pub(crate) fn at(&mut self, node: usize) -> &mut World {
        if node != self.acting {
            let store = std::mem::replace(&mut self.worlds[self.acting].store, FakeStore::new());
            self.worlds[node].store = store;
            self.acting = node;
        }
        &mut self.worlds[node]
    }

    pub(crate) fn store(&mut self) -> &mut FakeStore {
        &mut self.worlds[self.acting].store
    }

    pub(crate) fn text(&self, node: usize) -> String {
        let content = self.worlds[node].document.content();
        content.text(Some("text")).expect("the content is whole")
    }

    /// Takes what the nodes have sent to the bus and the store.
    pub(crate) fn collect(&mut self) {
        for node in 0..self.len() {
            for effect in std::mem::take(&mut self.worlds[node].abroad) {
                self.send(node, effect);
            }
        }
    }

    fn send(&mut self, from: usize, effect: Effect) {
        let news = match effect {
            Effect::Publish(changes) => {
                let dots = changes.iter().map(|change| change.dot);
                self.published.push(dots.collect());
                News::Changes(changes)
            }
            Effect::PublishPresence(notices) => News::Presence(self.worlds[from].replica, notices),
            Effect::AskPresence => News::Question,
            Effect::PublishRoll(roll) => News::Roll(self.worlds[from].replica, roll),
            Effect::AskWhoIs { of, ids } => News::WhoIs(of, ids),
            Effect::PublishSignal(text) => News::Signal(text),
            Effect::Pull { replica, counters } => {
                let asks = self.pulls.iter().any(|(node, ..)| *node == from);
                assert!(!asks, "there is one pull at a time");
                self.pulled += 1;
                return self.pulls.push_back((from, replica, counters));
            }
            other => panic!("this is not for other nodes: {other:?}"),
        };
        let others = (0..self.len()).filter(|node| *node != from);
        let parcels = others.map(|to| Parcel {
            to,
            news: news.clone(),
        });
        self.bus.extend(parcels);
    }

    pub(crate) fn deliver(&mut self, parcel: Parcel) {
        let input = match parcel.news {
            News::Changes(changes) => Input::Heard { changes },
            News::Presence(from, notices) => Input::HeardPresence { from, notices },
            News::Question => Input::PresenceAsked,
            News::Roll(from, roll) => Input::HeardRoll { from, roll },
            News::WhoIs(of, ids) => Input::WhoIsAsked { of, ids },
            News::Signal(text) => Input::Signal(text),
        };
        self.at(parcel.to).tell(input);
        self.check_causes(parcel.to);
        self.collect();
    }

    /// A node has no change without all that its author had seen.
    fn check_causes(&mut self, node: usize) {
        let world = self.at(node);
        let clock = world.document.clock();
        let here = world.store.changes.iter().map(|stored| &stored.change);
        for change in here.filter(|change| clock.contains(change.dot)) {
            assert!(
                clock.dominates(&change.context),
                "{} is here without its causes",
                change.dot
            );
        }
    }

    /// Delivers all that is under way, in order.
    pub(crate) fn deliver_all(&mut self) {
        self.collect();
        while let Some(parcel) = self.bus.pop_front() {
            self.deliver(parcel);
        }
    }

    /// Loses all that is under way.
    pub(crate) fn lose_all(&mut self) {
        self.collect();
        self.bus.clear();
    }

    /// Lets the store answer the oldest pull.
    pub(crate) fn answer_pull(&mut self) -> bool {
        self.collect();
        let Some((node, replica, counters)) = self.pulls.pop_front() else {
            return false;
        };
        let asked = |stored: &&StoredChange| {
            let dot = stored.change.dot;
            dot.replica == replica && counters.contains(&dot.counter)
        };
        let changes = self.store().changes.iter().filter(asked).cloned().collect();
        self.at(node).tell(Input::Pulled(changes));
        self.collect();
        true
    }

    pub(crate) fn fail_pull(&mut self) {
        let (node, ..) = self.pulls.pop_front().expect("there is a pull");
        self.at(node).tell(Input::PullFailed);
        self.collect();
    }

    /// Lets a node compare its lanes with the store's.
    pub(crate) fn compare(&mut self, node: usize) {
        let heads = self.store().heads();
        let asked = false;
        self.at(node).tell(Input::Heads { heads, asked });
        self.collect();
    }

    /// Lets time pass everywhere.
    pub(crate) fn pass(&mut self, ms: u64) {
        (0..self.len()).for_each(|node| self.at(node).pass(ms));
        self.collect();
    }

    /// Lets every node read, store and settle by itself.
    pub(crate) fn quiesce(&mut self) {
        (0..self.len()).for_each(|node| self.at(node).quiesce());
        self.collect();
    }

    /// Lets a node's store answer and its clients read, and everything arrive, until all is quiet.
    pub(crate) fn run(&mut self) {
        self.quiesce();
        while !self.bus.is_empty() {
            self.deliver_all();
            self.quiesce();
        }
    }

    /// The same, with everything that repairs what was lost.
    pub(crate) fn heal(&mut self) {
        for _ in 0..200 {
            self.run();
            (0..self.len()).for_each(|node| self.compare(node));
            self.pass(2_000);
            let pulled = self.pulled;
            while self.answer_pull() && self.pulled < pulled + 100 {
                self.pass(2_000);
            }
            let heads = self.store().heads();
            let mut clocks = self.worlds.iter().map(|world| world.document.clock());
            if self.bus.is_empty() && clocks.all(|clock| *clock == heads) {
                return self.run();
            }
        }
        panic!("the nodes do not become one");
    }

    /// A process dies with all that it has, and another takes its place.
    pub(crate) fn crash(&mut self, node: usize) {
        self.crash_unopened(node);
        self.at(node).open();
        self.collect();
    }

    /// The same, but the past is yet to be loaded.
    pub(crate) fn crash_unopened(&mut self, node: usize) {
        self.collect();
        self.pulls.retain(|(asks, ..)| *asks != node);
        self.replicas += 1;
        let replica = ReplicaId(self.replicas);
        self.at(node).crash_as(replica);
    }

    /// A client comes to a node, with the document and the presence that it had elsewhere.
    pub(crate) fn roam(&mut self, who: usize, from: usize, to: usize) {
        let mut client = self.worlds[from].clients.remove(who);
        let stand_in = self.worlds[to].clients.remove(who);
        client.line = None;
        client.sees.clear();
        client.sent = yrs::IdSet::new();
        self.worlds[from].clients.insert(who, stand_in);
        self.worlds[to].clients.insert(who, client);
    }

    /// What must hold in the end: all nodes have the same content to the byte, and it is what the store's log gives.
    pub(crate) fn check_same(&mut self) {
        let replayed = canonical(&self.store().replay());
        for world in &self.worlds {
            assert!(world.document.is_durable(), "all is stored in the end");
            assert!(world.skipped.is_empty(), "all that is stored can be used");
            let content = canonical(world.document.content());
            assert_eq!(content, replayed, "replicas agree with the log");
        }
    }
}

/// Content as it is encoded once it was restored: the same for the same changes, in whatever order they came.
fn canonical(content: &Content) -> Bytes {
    let mut restored = Content::new(Kind::Yjs).expect("Yjs is served");
    let state = content.state().expect("the content is whole");
    restored.restore(&state).expect("a state can be restored");
    restored.state().expect("the content is whole")
}
