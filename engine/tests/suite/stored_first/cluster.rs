//! Automerge documents on a few nodes that share a store, and clients who write into them.
//!
//! Nothing happens by itself. At every effect it is checked that no client is told of a change that is not stored.

use std::collections::{BTreeSet, VecDeque};

use automerge::Automerge;
use bytes::Bytes;
use engine::{
    Audience, AutomergeContent, Change, CloseReason, ConnectionId, Content, Document, DocumentKey,
    Effect, Effects, Event, Gist, Input, Intent, Joining, Kind, Limits, Loaded, Now, Order,
    PayloadHash, PushTag, ReplicaId, Snapshot, StoredChange, VectorClock,
};

use crate::pen::Pen;

/// The store, the nodes and the clients.
pub(super) struct Cluster {
    pub(super) log: Vec<StoredChange>,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) gist: Option<Gist>,
    pub(super) quarantined: BTreeSet<PayloadHash>,
    /// The hashes of all changes that are stored.
    stored: BTreeSet<[u8; 32]>,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<Client>,
    limits: Limits,
    replicas: u32,
    connections: u64,
    now_ms: u64,
}

/// A node, with what is on its way to it or at the store for it.
pub(super) struct Node {
    pub(super) document: Document,
    pub(super) appending: Option<Vec<Change>>,
    pub(super) bus: VecDeque<Change>,
    /// How often the content was asked for after the document had opened.
    pub(super) loads: usize,
    effects: Effects,
}

/// A client and its line to a node.
pub(super) struct Client {
    pub(super) pen: Pen,
    pub(super) line: Option<Line>,
    pub(super) acked: usize,
    pub(super) closed: Option<CloseReason>,
}

pub(super) struct Line {
    pub(super) node: usize,
    connection: ConnectionId,
    pub(super) queue: VecDeque<(Event, Option<u64>)>,
    seen: Option<u64>,
}

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    /// Nothing is stored.
    Failed,
}

impl Cluster {
    pub(super) fn new(nodes: usize, clients: u8, limits: Limits) -> Self {
        let mut cluster = Self {
            log: Vec::new(),
            snapshot: None,
            gist: None,
            quarantined: BTreeSet::new(),
            stored: BTreeSet::new(),
            nodes: Vec::new(),
            clients: Vec::new(),
            limits: Limits {
                shared: nodes > 1,
                ..limits
            },
            replicas: 0,
            connections: 0,
            now_ms: 1_000,
        };
        let pens = (1..=clients).map(Pen::new);
        cluster.clients = pens.map(Client::new).collect();
        for at in 0..nodes {
            let node = cluster.fresh_node();
            cluster.nodes.push(node);
            cluster.open(at);
        }
        cluster
    }

    fn fresh_node(&mut self) -> Node {
        self.replicas += 1;
        let opened = Document::open(
            key(),
            Kind::Automerge,
            ReplicaId(self.replicas),
            self.limits,
            &mut Effects::new(),
        );
        Node {
            document: opened.unwrap(),
            appending: None,
            bus: VecDeque::new(),
            loads: 0,
            effects: Effects::new(),
        }
    }

    /// A node loses its memory and comes back as another replica; its clients lose their lines.
    pub(super) fn crash(&mut self, at: usize) {
        self.nodes[at] = self.fresh_node();
        for client in &mut self.clients {
            client.line.take_if(|line| line.node == at);
        }
        self.open(at);
    }

    /// Opens with the gist, if that is of all that is stored, as a store says.
    fn open(&mut self, at: usize) {
        let (heads, is_clean) = (self.heads(), self.quarantined.is_empty());
        let gist = self.gist.clone();
        match gist.filter(|gist| gist.clock == heads && is_clean) {
            Some(gist) => self.tell(at, Input::Opened(gist.into())),
            None => self.load(at),
        }
    }

    /// Keeps a gist of what is stored, as a node does that puts the document away.
    pub(super) fn keep_gist(&mut self) {
        let mut content = Content::new(Kind::Automerge).unwrap();
        for stored in &self.log {
            for payload in stored.change.updates().unwrap() {
                content.integrate(&payload).unwrap();
            }
        }
        if content.waiting().is_empty() {
            self.gist = Some(Gist {
                document: key(),
                kind: Kind::Automerge,
                clock: self.heads(),
                have: content.have(std::iter::empty()),
            });
        }
    }

    pub(super) fn load(&mut self, at: usize) {
        let loaded = self.loaded();
        self.tell(at, Input::Opened(loaded));
    }

    /// What the store has.
    pub(super) fn loaded(&self) -> Loaded {
        let covered = self.snapshot.as_ref();
        let changes = self.log.iter().filter(|stored| {
            covered.is_none_or(|snapshot| !snapshot.clock.contains(stored.change.dot))
        });
        Loaded {
            kind: Some(Kind::Automerge),
            snapshot: self.snapshot.clone(),
            changes: changes.cloned().collect(),
            heads: self.heads(),
            quarantined: self.quarantined.clone(),
            ..Loaded::default()
        }
    }

    fn load_log(&mut self, at: usize) {
        self.snapshot = None;
        self.load(at);
    }

    fn heads(&self) -> VectorClock {
        self.log.iter().map(|stored| stored.change.dot).collect()
    }

    pub(super) fn tell(&mut self, at: usize, input: Input) {
        let now = self.now();
        let node = &mut self.nodes[at];
        node.document.handle(input, now, &mut node.effects);
        self.settle(at);
    }

    pub(super) fn settle(&mut self, at: usize) {
        let now = self.now();
        let node = &mut self.nodes[at];
        while node.document.next_replay().is_some() {
            node.document.replay(now, &mut node.effects);
        }
        node.document.settle(now, &mut node.effects);
        for effect in std::mem::take(&mut self.nodes[at].effects) {
            self.perform(at, effect);
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ms: self.now_ms,
            wall_ms: self.now_ms,
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        (0..self.nodes.len()).for_each(|at| self.tell(at, Input::Tick));
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Send { to, event, shows } => self.send(at, &to, &event, shows),
            Effect::Close { connection, reason } => {
                let mut clients = self.clients.iter_mut();
                let client = clients.find(|client| client.is_at(at, connection));
                let client = client.expect("only clients are closed");
                (client.line, client.closed) = (None, Some(reason));
            }
            Effect::Append(changes) => self.nodes[at].appending = Some(changes),
            Effect::StoreSnapshot(snapshot) => {
                snapshot.verify().expect("a snapshot proves itself");
                assert!(
                    self.heads().dominates(&snapshot.clock),
                    "it covers only what is stored"
                );
                self.snapshot = Some(snapshot);
                self.tell(at, Input::SnapshotStored);
            }
            Effect::Publish(changes) => self.publish(at, &changes),
            Effect::Pull { replica, counters } => {
                let of_lane = self.log.iter().filter(|stored| {
                    let dot = stored.change.dot;
                    dot.replica == replica && counters.contains(&dot.counter)
                });
                let pulled = of_lane.cloned().collect();
                self.tell(at, Input::Pulled(pulled));
            }
            Effect::AskHeads => {
                let heads = self.heads();
                self.tell(at, Input::Heads { heads, asked: true });
            }
            Effect::LoadGist => self.open(at),
            Effect::Load => {
                self.nodes[at].loads += 1;
                self.load(at);
            }
            Effect::StoreGist(gist) => {
                let told = hashes_of_heads(&gist.have);
                assert!(told.iter().all(|head| self.stored.contains(head)));
                if gist.clock == self.heads() {
                    self.gist = Some(gist);
                }
            }
            Effect::LoadLog => self.load_log(at),
            Effect::Quarantine(found) => {
                self.quarantined.insert(found.hash);
            }
            _ => {}
        }
    }

    fn publish(&mut self, from: usize, changes: &[Change]) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            if at != from {
                node.bus.extend(changes.iter().cloned());
            }
        }
    }

    fn send(&mut self, at: usize, to: &Audience, event: &Event, shows: Option<u64>) {
        self.check_truth(event);
        for client in &mut self.clients {
            let Some(line) = client.line.as_mut().filter(|line| line.node == at) else {
                continue;
            };
            let is_meant = match to {
                Audience::One(one) => *one == line.connection,
                Audience::AllBut(few) => !few.contains(&line.connection),
                Audience::Among(few) => few.contains(&line.connection),
            };
            if is_meant {
                line.queue.push_back((event.clone(), shows));
            }
        }
    }

    /// Whoever is told of a change may take others to have it.
    fn check_truth(&self, event: &Event) {
        let told = match event {
            Event::Have { have } => hashes_of_heads(have),
            Event::Missing { payload } | Event::Change { payload } | Event::Ack { payload, .. } => {
                hashes(payload)
            }
            _ => Vec::new(),
        };
        let unstored = told.iter().find(|hash| !self.stored.contains(*hash));
        assert_eq!(unstored, None, "told before it is stored: {event:?}");
    }

    /// Lets the store answer a node.
    pub(super) fn commit(&mut self, at: usize, fate: Fate) {
        let Some(changes) = self.nodes[at].appending.take() else {
            return;
        };
        if fate != Fate::Failed {
            changes.iter().for_each(|change| self.store(change));
        }
        let through = changes.last().unwrap().dot.counter;
        self.tell(
            at,
            match fate {
                Fate::Stored => Input::Committed { through },
                Fate::Failed => Input::CommitFailed,
            },
        );
    }

    fn store(&mut self, change: &Change) {
        if self
            .log
            .iter()
            .any(|stored| stored.change.dot == change.dot)
        {
            return;
        }
        for payload in change.updates().unwrap() {
            self.stored.extend(hashes(&payload));
        }
        self.log.push(StoredChange {
            order: Order(self.log.len() as u64 + 1),
            change: change.clone(),
        });
    }

    /// Connects a client, which says what it has. The batch is not ended.
    pub(super) fn join(&mut self, who: usize, node: usize) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let client = &mut self.clients[who];
        client.line = Some(Line {
            node,
            connection,
            queue: VecDeque::new(),
            seen: None,
        });
        let have = client.pen.have();
        let asks = match have.is_empty() {
            true => Intent::PullKept,
            false => Intent::Pull { have },
        };
        let joining = Joining::freely(connection, Kind::Automerge, None);
        self.tell(node, Input::Joined(joining));
        self.say(who, asks);
        self.settle(node);
    }

    pub(super) fn leave(&mut self, who: usize) {
        if let Some(line) = self.clients[who].line.take() {
            let connection = line.connection;
            self.tell(line.node, Input::Left { connection });
        }
    }

    /// Hands a node what a client says, if it is connected. The batch is not ended.
    pub(super) fn say(&mut self, who: usize, intent: Intent) {
        let now = self.now();
        let Some(line) = &self.clients[who].line else {
            return;
        };
        let (connection, seen) = (line.connection, line.seen);
        let input = Input::Intent {
            connection,
            intent,
            seen,
        };
        let node = &mut self.nodes[line.node];
        node.document.handle(input, now, &mut node.effects);
    }

    pub(super) fn push(&mut self, who: usize, payload: Bytes) {
        let tag = PushTag(0);
        self.say(who, Intent::Push { payload, tag });
    }

    /// A client writes, and sends what it has written.
    pub(super) fn write(&mut self, who: usize, write: impl FnOnce(&mut Pen) -> Bytes) {
        let payload = write(&mut self.clients[who].pen);
        self.push(who, payload);
        self.settle_all();
    }

    pub(super) fn settle_all(&mut self) {
        (0..self.nodes.len()).for_each(|at| self.settle(at));
    }

    /// A client reads the first of what waits for it.
    pub(super) fn read(&mut self, who: usize) -> bool {
        let client = &mut self.clients[who];
        let Some((event, shows)) = client.line.as_mut().and_then(|line| line.queue.pop_front())
        else {
            return false;
        };
        if let Some(line) = &mut client.line {
            line.seen = line.seen.max(shows);
        }
        match event {
            Event::Have { have } => {
                let lacked = client.pen.beyond(&have);
                self.push(who, lacked);
            }
            Event::Missing { payload } | Event::Change { payload } => client.pen.apply(&payload),
            Event::Ack { .. } => client.acked += 1,
            _ => {}
        }
        true
    }

    /// Lets a node hear the first of what the bus has for it.
    pub(super) fn hear(&mut self, at: usize) -> bool {
        let Some(change) = self.nodes[at].bus.pop_front() else {
            return false;
        };
        let changes = vec![change];
        self.tell(at, Input::Heard { changes });
        true
    }

    /// Lets everything happen until nothing more does.
    pub(super) fn quiesce(&mut self) {
        loop {
            self.settle_all();
            let mut busy = false;
            for at in 0..self.nodes.len() {
                busy |= self.nodes[at].appending.is_some() || !self.nodes[at].bus.is_empty();
                self.commit(at, Fate::Stored);
                while self.hear(at) {}
            }
            for who in 0..self.clients.len() {
                while self.read(who) {
                    busy = true;
                }
            }
            if !busy {
                return;
            }
        }
    }

    /// Tells all nodes how far the store is, as they look it up now and then.
    pub(super) fn compare(&mut self) {
        for at in 0..self.nodes.len() {
            let (heads, asked) = (self.heads(), false);
            self.tell(at, Input::Heads { heads, asked });
        }
    }
}

impl Client {
    fn new(pen: Pen) -> Self {
        Self {
            pen,
            line: None,
            acked: 0,
            closed: None,
        }
    }

    fn is_at(&self, node: usize, connection: ConnectionId) -> bool {
        let line = self.line.as_ref();
        line.is_some_and(|line| line.node == node && line.connection == connection)
    }

    /// The first answer that it has not read.
    pub(super) fn unread_answer(&self) -> Option<&Bytes> {
        let mut queue = self.line.iter().flat_map(|line| &line.queue);
        queue.find_map(|(event, _)| match event {
            Event::Missing { payload } => Some(payload),
            _ => None,
        })
    }

    /// What it was told of others and has not read.
    pub(super) fn unread_changes(&self) -> usize {
        let queue = self.line.iter().flat_map(|line| &line.queue);
        let changes = queue.filter(|(event, _)| matches!(event, Event::Change { .. }));
        changes.count()
    }
}

fn key() -> DocumentKey {
    DocumentKey::new("default", "notes").unwrap()
}

fn hashes_of_heads(have: &[u8]) -> Vec<[u8; 32]> {
    let heads = have.chunks(32).map(|head| head.try_into().unwrap());
    heads.collect()
}

/// Whether a payload begins with a saved document.
pub(super) fn is_saved(payload: &[u8]) -> bool {
    payload.get(8) == Some(&0)
}

fn hashes(payload: &Bytes) -> Vec<[u8; 32]> {
    if is_saved(payload) {
        let doc = Automerge::load(payload).expect("a document and changes");
        let changes = doc.get_changes_meta(&[]).into_iter();
        return changes.map(|change| change.hash.0).collect();
    }
    let changes = AutomergeContent::changes_of(payload).expect("only changes are told");
    changes.into_iter().map(|change| change.hash).collect()
}
