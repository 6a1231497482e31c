//! The world in which a plan is played: nodes, clients, the lines between them, a store, a bus, and the time.
//!
//! Nothing happens by itself. Each [`Step`] moves one thing; what it leads to (a frame, a request, a message) waits for
//! steps of its own. Everything that leaves a node goes into one running hash, so that two runs can be compared.

use std::collections::BTreeMap;

use engine::{ConnectionId, ReplicaId};

use super::bus::Bus;
use super::checks::Found;
use super::client::Client;
use super::line::Line;
use super::node::{Fuse, Life, Node};
use super::pieces::{Ancestry, Pieces};
use super::plan::{Delivery, Plan, Setup, Step};
use super::store::Store;

/// All there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) now_ms: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<Client>,
    pub(super) lines: BTreeMap<ConnectionId, Line>,
    pub(super) store: Store,
    pub(super) bus: Bus,
    /// The replicas of nodes that were replaced.
    pub(super) gone: Vec<ReplicaId>,
    /// For each document, what its clients were told is stored.
    pub(super) acked: Vec<Pieces>,
    /// For each document, what the store has had and lost.
    pub(super) lost: Vec<Pieces>,
    /// What changes that anyone has sent build on.
    pub(super) ancestry: Ancestry,
    /// For each document, whether anyone has sent poison.
    pub(super) poisoned: Vec<bool>,
    next_connection: u64,
    next_session: u64,
    next_client: u64,
    pub(super) events: EventHash,
    /// What happened, in words, if anyone wants to read it.
    pub(super) told: Option<Vec<String>>,
}

/// A running hash of all that left the nodes, in order (FNV-1a).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventHash(pub(super) u64);

impl EventHash {
    pub(super) fn note(&mut self, kind: u8, number: u64, bytes: &[u8]) {
        let number = number.to_le_bytes();
        for byte in std::iter::once(&kind).chain(&number).chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl World {
    pub(super) fn new(plan: &Plan) -> Self {
        let setup = plan.setup.clone();
        let mut store = Store::new(setup.kind, setup.documents);
        let skew = |node: usize| setup.skews_ms.get(node).copied().unwrap_or(0);
        let nodes = (0..setup.nodes).map(|node| Node::new(store.new_replica(), skew(node)));
        let nodes = nodes.collect();
        let mut world = Self {
            now_ms: BEGINNING_MS,
            nodes,
            clients: Vec::new(),
            lines: BTreeMap::new(),
            store,
            bus: Bus::default(),
            gone: Vec::new(),
            acked: vec![Pieces::default(); setup.documents],
            lost: vec![Pieces::default(); setup.documents],
            ancestry: Ancestry::default(),
            poisoned: vec![false; setup.documents],
            next_connection: 0,
            next_session: 0,
            next_client: 0,
            events: EventHash(0xcbf2_9ce4_8422_2325),
            told: None,
            setup,
        };
        for client in 0..world.setup.clients {
            let document = client % world.setup.documents;
            let client = world.new_client(document);
            world.clients.push(client);
        }
        world
    }

    pub(super) fn new_client(&mut self, document: usize) -> Client {
        let number = self.new_number();
        Client::new(self.setup.kind, number, document, self.now_ms)
    }

    /// Somebody who only looks.
    pub(super) fn new_probe(&mut self, document: usize) -> Client {
        let number = self.new_number();
        Client::probe(self.setup.kind, number, document, self.now_ms)
    }

    fn new_number(&mut self) -> u64 {
        self.next_client += 1;
        self.next_client
    }

    pub(super) fn new_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    pub(super) fn new_session(&mut self) -> u64 {
        self.next_session += 1;
        self.next_session
    }

    /// Plays one step. What it speaks of may not be there; then nothing happens.
    pub(super) fn play(&mut self, step: &Step) -> Found<()> {
        match *step {
            Step::Join { client, node } => self.join(self.client(client), self.node(node)),
            Step::Roam { client, node } => self.roam(self.client(client), self.node(node)),
            Step::Cut { client, arrive } => self.cut(self.client(client), arrive),
            Step::Notice { node } => self.notice(self.node(node))?,
            Step::Reload { client, node } => self.reload(self.client(client), self.node(node)),
            Step::Edit { client, ref edit } => self.edit(self.client(client), edit),
            Step::Share { client, from } => self.share(self.client(client), self.client(from))?,
            Step::Grant { client, may_write } => self.grant(self.client(client), may_write),
            Step::Upload { client, frames } => {
                self.upload(self.client(client), frames)?;
            }
            Step::Download { client, frames } => {
                self.download(self.client(client), frames)?;
            }
            Step::Run { node, mails } => {
                self.run(self.node(node), mails)?;
            }
            Step::Store { pick, fate } => {
                self.serve(pick, fate)?;
            }
            Step::FailOver { document, changes } => {
                self.fail_over(document % self.setup.documents, changes)?;
            }
            Step::Bus { pick, fate } => self.deliver(pick, fate),
            Step::Poll { node } => self.poll(self.node(node)),
            Step::Pass { ms } => self.pass(ms)?,
            Step::Poison {
                document,
                node,
                poison,
            } => self.poison(document % self.setup.documents, self.node(node), poison)?,
            Step::Delete { document, node } => {
                self.delete(document % self.setup.documents, self.node(node));
            }
            Step::Calm { rounds } => self.calm(rounds)?,
            Step::Quiesce => self.quiesce()?,
            _ => self.play_life(step)?,
        }
        Ok(())
    }

    /// Plays a step in the life of a node.
    fn play_life(&mut self, step: &Step) -> Found<()> {
        match *step {
            Step::Crash { node, lands } => self.crash(self.node(node), lands)?,
            Step::CrashAfter {
                node,
                effects,
                lands,
            } => {
                let node = self.node(node);
                self.nodes[node].fuse = Some(Fuse { effects, lands });
            }
            Step::Start { node } => self.start(self.node(node)),
            Step::Drain { node } => self.drain(self.node(node)),
            Step::Pause { node } => {
                let node = self.node(node);
                self.nodes[node].is_paused = true;
            }
            Step::Resume { node } => {
                let node = self.node(node);
                self.nodes[node].is_paused = false;
            }
            Step::SetClock { node, skew_ms } => {
                let node = self.node(node);
                self.nodes[node].skew_ms = skew_ms;
            }
            _ => {}
        }
        Ok(())
    }

    fn client(&self, client: usize) -> usize {
        client % self.setup.clients
    }

    fn node(&self, node: usize) -> usize {
        node % self.setup.nodes
    }

    /// A dead node starts again as another replica.
    pub(super) fn start(&mut self, node: usize) {
        if self.nodes[node].life == Life::Down {
            let skew_ms = self.nodes[node].skew_ms;
            self.gone.push(self.nodes[node].replica);
            self.nodes[node] = Node::new(self.store.new_replica(), skew_ms);
        }
    }

    /// The bus deals with one message. A node that does not host the document has nobody to tell.
    fn deliver(&mut self, pick: usize, fate: Delivery) {
        let Some(message) = self.bus.take(pick, fate == Delivery::Again) else {
            return;
        };
        if fate != Delivery::Lost {
            self.hear(message);
        }
    }

    /// Writes down what happens, if anyone wants to read it.
    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(what());
        }
    }
}

/// A while after the processes began to count.
const BEGINNING_MS: u64 = 1_000_000;
