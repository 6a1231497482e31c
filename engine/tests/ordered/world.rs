//! A world of nodes, clients and faults, played from a seed.

mod walking;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine::ordered::{
    Action, OperationName, OrderedDocument, OrderedEffect, OrderedEffects, OrderedEvent,
    OrderedInput, OrderedLimits, Request, RosterWord, ShownPresence, State,
};
use engine::ot::{Operation, OtType, Snapshot, Work};
use engine::{Author, Bug, Change, ConnectionId, DocumentKey, Now, ReplicaId, Rights};

use crate::client::Client;
use crate::dice::Dice;
use crate::plan::Plan;
use crate::store::{Store, origin, record};
use crate::watcher::Watcher;

pub(crate) struct World {
    dice: Dice,
    ot_type: OtType,
    data: String,
    now: Now,
    store: Store,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    next_connection: u64,
    next_replica: u32,
    /// What each connection has shown last of where its client is.
    shown: BTreeMap<ConnectionId, ShownPresence>,
    /// Connections that have ended, which their nodes have not noticed.
    unnoticed: Vec<ConnectionId>,
    has_faults: bool,
    /// Whether the document is deleted and created again now and then.
    deletes: bool,
    /// Whether clients that were away have to begin anew before long.
    is_short: bool,
    bug: Option<Bug>,
    /// What a node had at each version.
    seen: BTreeMap<u64, State>,
}

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flaw {
    Node(Bug),
    /// The store takes an operation of a name that it has.
    StoreWithoutNames,
}

struct Node {
    document: OrderedDocument,
    /// What was asked of the store and is not answered.
    asked: VecDeque<OrderedEffect>,
    /// What the bus has for it.
    heard: Vec<Word>,
    connections: BTreeMap<ConnectionId, usize>,
    watcher: Option<Watcher>,
    /// Whether it is cut off: no word comes or goes.
    is_cut_off: bool,
}

/// What nodes tell each other.
#[derive(Clone, Debug)]
enum Word {
    Changes(Vec<Change>),
    Presence(RosterWord),
    PresenceAsked,
    WayAsked(ReplicaId),
}

impl World {
    pub(crate) fn new(seed: u64, ot_type: OtType) -> Self {
        let mut dice = Dice::new(seed);
        let numbers: Vec<u16> = (0..40).map(|_| dice.below(1 << 16) as u16).collect();
        let data = Plan::new(&numbers).document(ot_type).write();
        let mut world = Self {
            dice,
            ot_type,
            data,
            now: Now::default(),
            store: Store::default(),
            nodes: Vec::new(),
            clients: (0..4)
                .map(|at| Client::new(format!("client-{at}")))
                .collect(),
            next_connection: 1,
            next_replica: 1,
            shown: BTreeMap::new(),
            unnoticed: Vec::new(),
            has_faults: true,
            deletes: seed.is_multiple_of(3),
            is_short: seed % 5 == 4,
            bug: None,
            seen: BTreeMap::new(),
        };
        for client in &mut world.clients {
            client.skips_noops = seed.is_multiple_of(2);
        }
        world.open(1 + seed % 3);
        world
    }

    /// A world whose nodes are broken in a way, or whose store does not look at names.
    pub(crate) fn broken(seed: u64, ot_type: OtType, flaw: Flaw) -> Self {
        let mut world = Self::new(seed, ot_type);
        match flaw {
            Flaw::Node(bug) => world.bug = Some(bug),
            Flaw::StoreWithoutNames => world.store.looks_at_names = false,
        }
        let nodes = world.nodes.len() as u64;
        world.nodes.clear();
        world.open(nodes);
        world
    }

    fn open(&mut self, nodes: u64) {
        for _ in 0..nodes {
            let node = self.node();
            self.nodes.push(node);
        }
    }

    pub(crate) fn play(mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.settle();
        self.check();
        self.has_faults = true;
        for _ in 0..WALKING_STEPS {
            self.step_of_walking();
        }
        self.settle();
        self.check();
        self.check_past();
        self.call_rolls();
        self.check_presence();
    }

    /// No more faults, until all is where it belongs.
    fn settle(&mut self) {
        self.has_faults = false;
        for connection in std::mem::take(&mut self.unnoticed) {
            self.notice(connection);
        }
        for node in 0..self.nodes.len() {
            self.reunite(node);
            if self.nodes[node].watcher.is_none() {
                self.watch(node);
            }
        }
        for client in 0..self.clients.len() {
            // The others stay where they are, with what they have shown.
            if !self.clients[client].is_subscribed() {
                self.connect(client);
            }
        }
        for round in 0.. {
            assert!(round < 1_000, "it comes to rest");
            self.deliver_all();
            self.now.monotonic_ms += 500;
            for node in 0..self.nodes.len() {
                self.tell(node, OrderedInput::Heads(self.store.heads()));
            }
            if self.is_at_rest() {
                break;
            }
        }
    }

    fn step(&mut self) {
        let (client, node) = self.choose();
        let several = self.dice.below(6);
        match self.dice.below(100) {
            0..25 => self.edit(client),
            25..45 => (0..=several).for_each(|_| self.send_one(client)),
            45..65 => (0..=several).for_each(|_| self.receive_one(client)),
            65..82 => (0..=several).for_each(|_| self.store_one(node)),
            82..88 => self.hear_one(node),
            88..94 if self.clients[client].connection.is_none() => self.connect(client),
            88..91 => self.hear_one(node),
            91..94 if self.is_short => self.cut(client),
            91..94 => self.connect(client),
            94..96 => self.tell(node, OrderedInput::Heads(self.store.heads())),
            96 => self.tell(node, OrderedInput::Tick),
            97 => self.show(client),
            98 => self.cut(client),
            _ => self.restart(node),
        }
    }

    /// Somebody and a node, a moment later.
    fn choose(&mut self) -> (usize, usize) {
        self.now.monotonic_ms += self.dice.below(40);
        let client = self.dice.below(self.clients.len() as u64);
        let node = self.dice.below(self.nodes.len() as u64);
        (client as usize, node as usize)
    }

    fn node(&mut self) -> Node {
        let (tail, catch_up_max) = if self.is_short { (1, 1) } else { (7, 10_000) };
        let limits = OrderedLimits {
            tail_operations_max: 1 + self.dice.below(tail * 3) as usize,
            operations_per_append_max: 1 + self.dice.below(4) as usize,
            catch_up_max,
            idle_ms: u64::MAX / 2,
            is_shared: true,
            ..OrderedLimits::default()
        };
        let replica = ReplicaId(self.next_replica);
        self.next_replica += 1;
        let (mut document, effects) =
            OrderedDocument::open(key(), replica, Arc::new(limits), self.now);
        if let Some(bug) = self.bug {
            document.sabotage(bug);
        }
        Node {
            document,
            asked: effects.into(),
            heard: Vec::new(),
            connections: BTreeMap::new(),
            watcher: None,
            is_cut_off: false,
        }
    }

    fn edit(&mut self, client: usize) {
        let numbers: Vec<u16> = (0..24).map(|_| self.dice.below(1 << 16) as u16).collect();
        let (ot_type, data) = (self.ot_type, self.data.clone());
        let deletes = self.deletes && self.dice.one_in(30);
        let repeats = self.dice.one_in(20);
        let client = &mut self.clients[client];
        if repeats {
            client.repeat();
        }
        match &client.content {
            Some(_) if deletes => client.delete(),
            Some(content) => {
                let operation = Plan::new(&numbers).operation(content);
                client.edit(operation);
            }
            None if client.source == "client-0" || self.dice.one_in(4) => {
                client.create(ot_type, &data);
            }
            None => {}
        }
    }

    fn show(&mut self, client: usize) {
        if self.is_short {
            // Who is too far behind is not seen any more.
            return;
        }
        let index = self.dice.below(6);
        let value = match self.ot_type {
            OtType::Json0 => format!(r#"{{"p":[{index}]}}"#),
            _ => format!(r#"{{"index":{index},"length":{}}}"#, self.dice.below(3)),
        };
        self.clients[client].show(&value);
    }

    fn connect(&mut self, client: usize) {
        self.cut(client);
        let node = self.dice.below(self.nodes.len() as u64) as usize;
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let subscribes = !self.has_faults || !self.dice.one_in(4);
        self.clients[client].connect(connection, subscribes);
        self.nodes[node].connections.insert(connection, client);
        let rights = Rights::all(Some(Author::new("ada")));
        self.tell(node, OrderedInput::Joined { connection, rights });
    }

    fn cut(&mut self, client: usize) {
        let Some(connection) = self.clients[client].connection.take() else {
            return;
        };
        match self.has_faults && self.dice.one_in(3) {
            true => self.unnoticed.push(connection),
            false => self.notice(connection),
        }
    }

    fn restart(&mut self, node: usize) {
        let fresh = self.node();
        let before = std::mem::replace(&mut self.nodes[node], fresh);
        for (connection, client) in before.connections {
            self.unnoticed.retain(|it| *it != connection);
            self.shown.remove(&connection);
            let open = &mut self.clients[client].connection;
            open.take_if(|it| *it == connection);
        }
        // The others see that it is gone, or have to find out by themselves.
        if self.dice.one_in(2) {
            let gone: Arc<[_]> = [before.document.replica()].into();
            for other in 0..self.nodes.len() {
                self.tell(other, OrderedInput::ReplicasGone(gone.clone()));
            }
        }
        // What it had asked the store for may be done or not.
        for asked in before.asked {
            if let OrderedEffect::Append(changes) = asked
                && self.dice.one_in(2)
            {
                self.store.append(&changes);
            }
        }
    }

    fn node_of(&self, connection: ConnectionId) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes.position(|node| node.connections.contains_key(&connection))
    }

    fn send_one(&mut self, client: usize) {
        let Some(connection) = self.clients[client].connection else {
            return;
        };
        if let Some(request) = self.clients[client].outbox.pop_front()
            && let Some(node) = self.node_of(connection)
        {
            if let Request::ShowPresence { shown, .. } = &request {
                self.shown.insert(connection, shown.clone());
            }
            self.tell(
                node,
                OrderedInput::Asked {
                    connection,
                    request,
                },
            );
        }
    }

    fn receive_one(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if client.connection.is_some()
            && let Some(event) = client.inbox.pop_front()
        {
            client.take(event);
        }
    }

    fn store_one(&mut self, node: usize) {
        let Some(asked) = self.nodes[node].asked.pop_front() else {
            return;
        };
        let is_lost = self.has_faults && self.dice.one_in(8);
        let answer = match asked {
            OrderedEffect::Load => OrderedInput::Opened(self.store.past()),
            OrderedEffect::Append(_) if is_lost && self.dice.one_in(2) => {
                OrderedInput::AppendFailed
            }
            OrderedEffect::Append(changes) => match (self.store.append(&changes), is_lost) {
                (_, true) => OrderedInput::AppendFailed,
                (answer, false) => answer,
            },
            OrderedEffect::Read { .. } if is_lost => OrderedInput::ReadFailed,
            OrderedEffect::Read { from, to } => OrderedInput::Read(self.store.between(from, to)),
            OrderedEffect::Seek(_) if is_lost => OrderedInput::SeekFailed,
            OrderedEffect::Seek(sought) => OrderedInput::Found(self.store.find(&sought)),
            OrderedEffect::StoreSnapshot(_) => OrderedInput::SnapshotStored,
            other => panic!("{other:?} asks nothing of the store"),
        };
        self.tell(node, answer);
    }

    fn hear_one(&mut self, node: usize) {
        let heard = &mut self.nodes[node].heard;
        if heard.is_empty() {
            return;
        }
        let at = self.dice.below(heard.len() as u64) as usize;
        let word = match self.dice.one_in(6) {
            true => heard[at].clone(),
            false => heard.remove(at),
        };
        if !self.dice.one_in(6) || !self.has_faults {
            self.hear(node, word);
        }
    }

    fn hear(&mut self, node: usize, word: Word) {
        let input = match word {
            Word::Changes(changes) => OrderedInput::Heard(changes),
            Word::Presence(word) => OrderedInput::HeardPresence(word),
            Word::PresenceAsked => OrderedInput::PresenceAsked,
            Word::WayAsked(by) => OrderedInput::WayAsked(by),
        };
        self.tell(node, input);
    }

    /// Tells all other nodes that can be reached.
    fn say(&mut self, node: usize, word: &Word) {
        if self.nodes[node].is_cut_off {
            return;
        }
        for (at, other) in self.nodes.iter_mut().enumerate() {
            if at != node && !other.is_cut_off {
                other.heard.push(word.clone());
            }
        }
    }

    fn deliver_all(&mut self) {
        for client in 0..self.clients.len() {
            while !self.clients[client].outbox.is_empty() {
                self.send_one(client);
            }
        }
        for node in 0..self.nodes.len() {
            for asked in 0.. {
                assert!(asked < 1_000, "it stops asking the store");
                if self.nodes[node].asked.is_empty() {
                    break;
                }
                self.store_one(node);
            }
            for word in std::mem::take(&mut self.nodes[node].heard) {
                self.hear(node, word);
            }
        }
        for client in 0..self.clients.len() {
            while !self.clients[client].inbox.is_empty() {
                self.receive_one(client);
            }
        }
    }

    fn tell(&mut self, node: usize, input: OrderedInput) {
        let mut effects = OrderedEffects::new();
        let document = &mut self.nodes[node].document;
        document.handle(input, self.now, &mut effects);
        document.settle(self.now, &mut effects);
        let is_over = |effect: &_| matches!(effect, OrderedEffect::Retire);
        let due = document
            .next_deadline_ms()
            .filter(|_| !effects.iter().any(is_over));
        assert!(
            due.is_none_or(|due| due > self.now.monotonic_ms),
            "what is due is done, or it would be woken again and again"
        );
        let state = document.state();
        let seen = self.seen.entry(state.version);
        seen.or_insert_with(|| state.clone());
        for effect in effects {
            self.perform(node, effect);
        }
    }

    fn perform(&mut self, node: usize, effect: OrderedEffect) {
        self.check_stored(node, &effect);
        match effect {
            OrderedEffect::Send { to, event } => {
                for connection in to {
                    let watcher = self.nodes[node].watcher.as_mut();
                    if let Some(watcher) = watcher.filter(|it| it.connection == connection) {
                        watcher.take(&event);
                    }
                    if let Some(&client) = self.nodes[node].connections.get(&connection)
                        && self.clients[client].connection == Some(connection)
                    {
                        self.clients[client].inbox.push_back(event.clone());
                    }
                }
            }
            OrderedEffect::Publish(changes) => self.say(node, &Word::Changes(changes)),
            OrderedEffect::PublishPresence(word) => self.say(node, &Word::Presence(word)),
            OrderedEffect::AskPresence => self.say(node, &Word::PresenceAsked),
            OrderedEffect::AskForWay => {
                let by = self.nodes[node].document.replica();
                self.say(node, &Word::WayAsked(by));
            }
            OrderedEffect::Close { connection, .. } => {
                if let Some(client) = self.nodes[node].connections.remove(&connection) {
                    let open = &mut self.clients[client].connection;
                    open.take_if(|it| *it == connection);
                }
            }
            OrderedEffect::Unusable(broken) => panic!("the log is broken: {broken}"),
            OrderedEffect::Retire => panic!("nobody is idle for so long"),
            asked => self.nodes[node].asked.push_back(asked),
        }
    }

    fn is_at_rest(&self) -> bool {
        let quiet = |node: &Node| node.asked.is_empty() && node.heard.is_empty();
        let here = |node: &Node| node.document.state().version == self.store.log.len() as u64;
        let version = Some(self.store.log.len() as u64);
        let told = |client: &Client| client.is_done() && client.version == version;
        self.clients.iter().all(told) && self.nodes.iter().all(|node| quiet(node) && here(node))
    }

    /// What is said is stored.
    fn check_stored(&self, node: usize, effect: &OrderedEffect) {
        let log = &self.store.log;
        let is_there = |version: u64| log.get(version as usize).map(record);
        match effect {
            OrderedEffect::Send {
                event: OrderedEvent::Operation(shown),
                ..
            } => assert_eq!(is_there(shown.version).as_ref(), Some(&**shown), "shown"),
            OrderedEffect::Send {
                to,
                event: OrderedEvent::Committed { tag, version },
            } => {
                let client = self.nodes[node].connections.get(&to[0]);
                let name = client.map(|client| OperationName {
                    source: self.clients[*client].source.as_str().into(),
                    number: tag.0,
                });
                let stored = is_there(*version).map(|record| record.name);
                assert!(name.is_none() || stored == name, "acknowledged: {name:?}");
            }
            OrderedEffect::Publish(changes) => {
                let is_stored = changes.iter().all(|change| log.contains(change));
                assert!(is_stored, "published");
            }
            _ => {}
        }
    }

    fn check(&self) {
        let content = self.replay();
        for node in &self.nodes {
            assert_eq!(
                node.document.state().content,
                content,
                "a node differs from the log"
            );
        }
        for client in &self.clients {
            // Members of objects stand in the order in which they came, which is not the same everywhere.
            assert_eq!(
                (client.version, &client.content),
                (Some(self.store.log.len() as u64), &content),
                "{} differs",
                client.source
            );
            for name in &client.acknowledged {
                let times = self
                    .store
                    .log
                    .iter()
                    .filter(|change| origin(change).1 == *name);
                assert_eq!(times.count(), 1, "{name:?} was acknowledged");
            }
        }
        self.check_names();
        self.check_contexts();
    }

    /// The document at any version, gone on from any other on the way, is what the nodes had at that version.
    fn check_past(&self) {
        let mut state = State::default();
        for change in &self.store.log {
            if let Some(seen) = self.seen.get(&state.version) {
                assert_eq!(
                    state, *seen,
                    "version {} differs from the log",
                    state.version
                );
                let kept = State::from_bytes(&state.to_bytes(), state.clock.clone());
                assert_eq!(kept.as_ref(), Ok(seen), "what is kept of it differs");
                state = kept.expect("it was read");
            }
            state.follow(change).expect("it is the next one");
        }
        assert_eq!(state.content, self.replay());
        assert_eq!(state.clock, self.store.heads());
    }

    /// What is stored is there once, and was acknowledged or given up.
    fn check_names(&self) {
        let mut names = BTreeSet::new();
        for (_, name) in self.store.log.iter().map(origin) {
            let mut clients = self.clients.iter();
            let is_known = clients.any(|client| {
                client.acknowledged.contains(&name)
                    || (self.is_short && client.given_up.contains(&name))
            });
            assert!(is_known, "{name:?} is stored and was not acknowledged");
            assert!(names.insert(name), "stored twice");
        }
    }

    /// A change's context is exactly what lay before the version that it was made on.
    fn check_contexts(&self) {
        for change in &self.store.log {
            let record = record(change);
            let made_on = record.made_on.unwrap_or(record.version) as usize;
            let before = self.store.log[..made_on].iter().map(|change| change.dot);
            assert_eq!(change.context, before.collect(), "{}", change.dot);
        }
    }

    fn replay(&self) -> Option<Snapshot> {
        let mut content: Option<Snapshot> = None;
        for (version, change) in self.store.log.iter().enumerate() {
            let record = record(change);
            assert_eq!(record.version, version as u64, "versions have no gaps");
            match (&record.action, &mut content) {
                (Action::Edit { .. }, Some(content)) => {
                    let text = record.action.committed().unwrap_or_default();
                    let operation = Operation::read(self.ot_type, text).expect("sound");
                    let applied = content.apply(&operation, &mut Work::default());
                    applied.expect("it fits");
                }
                (Action::Create { ot_type, data }, None) => {
                    content = Snapshot::create(*ot_type, data.as_deref()).ok();
                }
                (Action::Delete, _) => content = None,
                (action, _) => panic!("{action:?} does not follow"),
            }
        }
        content
    }
}

pub(crate) fn key() -> DocumentKey {
    DocumentKey::new("simulated", "ordered").expect("a name")
}

const STEPS: u64 = 500;
const WALKING_STEPS: u64 = 200;
