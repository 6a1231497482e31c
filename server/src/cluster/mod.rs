//! This node among others that share its store: what it is called, whom it knows, and whether it may still write.
//!
//! A server with a store to itself has none of this. Where there is a [`Cluster`], its documents are shared
//! (`engine::Limits::shared`): what sessions tell the other nodes goes out over the bus, what those say comes in by
//! [`hearing`], [`rounds`] and [`standing`] look up in the store what got lost on the way. Nothing here is needed for what is stored to be
//! right; it only makes it quick. [`route`] says which node a document is best opened at, [`clocks`] how far documents are with
//! each, [`draining`] has clients go to others, and [`duty`] has one node do what only one is to do.

mod absence;

pub(crate) mod clocks;

mod draining;

mod duty;
pub(crate) use duty::{Duty, OnDuty};

mod hearing;

mod holding;
pub use holding::LostReplica;

pub(crate) mod letting_go;

mod nodes;
pub(crate) use nodes::here_and_others;
mod promises;
pub use promises::Weakened;

mod register;
pub use register::load;

pub(crate) mod replicas;
pub use replicas::Replicas;

pub mod route;

mod rounds;

mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::rand;
use engine::{DocumentKey, ReplicaId};
use storage::{Bus, BusState, Holder, NodeEntry, NodeLoad, Store, StoreError, Topic, Word};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::{ClusterConfig, Config};
use crate::hub::Hub;
use clocks::Questions;

/// What makes a server one of several nodes.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is called; unlike every other.
    pub name: String,
    /// Carries words between the nodes; without it they look into the store more often.
    pub bus: Option<Arc<dyn Bus>>,
}

/// One node of several.
#[derive(Debug)]
pub struct Cluster {
    node: Node,
    replicas: Arc<Replicas>,
    incarnation: u128,
    settings: ClusterConfig,
    store: Arc<dyn Store>,
    is_draining: AtomicBool,
    /// Another process holds the replica id.
    lost: CancellationToken,
    /// This node is going.
    leaving: CancellationToken,
    /// Whether the last round of heads failed.
    heads_fail: AtomicBool,
    /// Whether the store was not told of late that this process lives.
    hold_fails: AtomicBool,
    /// Somebody said that the revocations in the store have changed.
    revocations: Notify,
    /// What the others are asked, and what they answer.
    questions: Questions,
    /// Over how long clients are let go.
    spread: Duration,
}

impl Cluster {
    /// A node that is about to come in, and holds its replica id from now on.
    ///
    /// # Errors
    /// The store does not answer, or another process holds the id.
    pub(crate) async fn join(
        node: Node,
        replicas: Arc<Replicas>,
        config: &Config,
        store: Arc<dyn Store>,
    ) -> anyhow::Result<Self> {
        let mut incarnation = [0; 16];
        rand::fill(&mut incarnation)
            .map_err(|_| anyhow::anyhow!("the system gave no random numbers"))?;
        let cluster = Self {
            node,
            replicas,
            incarnation: u128::from_ne_bytes(incarnation),
            settings: config.cluster.clone(),
            store,
            is_draining: AtomicBool::new(false),
            lost: CancellationToken::new(),
            leaving: CancellationToken::new(),
            heads_fail: AtomicBool::new(false),
            hold_fails: AtomicBool::new(false),
            revocations: Notify::new(),
            questions: Questions::default(),
            spread: config.shutdown.spread(true),
        };
        cluster.hold().await?;
        Ok(cluster)
    }

    /// Begins to hear the others, to be seen by them, and to look up what they have stored.
    pub(crate) fn start(self: &Arc<Self>, hub: &Hub) {
        if let Some(bus) = &self.node.bus {
            bus.attach(hearing::ear(self, hub));
        }
        tokio::spawn(holding::keep(self.clone()));
        tokio::spawn(holding::renew(self.clone()));
        tokio::spawn(register::keep(self.clone(), hub.downgrade()));
        tokio::spawn(rounds::heads(self.clone(), hub.downgrade()));
        tokio::spawn(standing::watch(self.clone(), hub.downgrade()));
        tokio::spawn(rounds::presence(self.clone(), hub.downgrade()));
        tokio::spawn(rounds::revocations(self.clone(), hub.downgrade()));
    }

    /// What this node is called.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// The replica id under which it opens documents now.
    pub fn replica(&self) -> ReplicaId {
        self.replicas.current().id()
    }

    /// What carries words to the others, if there is anything.
    pub fn bus(&self) -> Option<&Arc<dyn Bus>> {
        self.node.bus.as_ref()
    }

    /// The same, if words get through just now.
    pub(crate) fn up(&self) -> Option<&Arc<dyn Bus>> {
        self.bus().filter(|_| self.hears())
    }

    /// Whether words get through just now; they never do without a bus.
    pub fn bus_state(&self) -> Option<BusState> {
        self.bus().map(|bus| bus.state())
    }

    /// Whether another process holds the replica id: then nothing may be written any more.
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Waits until another process holds the replica id.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Whether this node wants no new clients.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// This node wants no new clients, or wants them again; the others are told with the next beat.
    pub fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Relaxed);
    }

    /// This node as it enters itself in the register.
    pub fn entry(&self, load: NodeLoad) -> NodeEntry {
        NodeEntry {
            name: self.node.name.clone(),
            replica: self.replica(),
            earlier: self.replicas.earlier(),
            address: self.settings.address.clone(),
            weight: self.settings.weight,
            load,
            is_draining: self.is_draining(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The nodes that are here, this one among them, in the order of their names. While the bus is away that is known from
    /// the store, which is told of fewer things and less often: of the others nothing but their names and ids then.
    ///
    /// # Errors
    /// Neither of the two answers.
    pub async fn nodes(&self, load: NodeLoad) -> Result<Vec<NodeEntry>, StoreError> {
        let mut nodes = match self.registered().await {
            Some(nodes) => nodes,
            None => register::of_leases(&*self.store).await?,
        };
        nodes.retain(|node| node.name != self.node.name);
        nodes.push(self.entry(load));
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(nodes)
    }

    /// Tells the other nodes something of a document.
    pub(crate) fn say(&self, document: &DocumentKey, word: Word) {
        if let Some(bus) = self.bus() {
            bus.say(&Topic::Document(document.clone()), word);
        }
    }

    /// Tells the other nodes that what was taken away has changed.
    pub(crate) fn say_revoked(&self) {
        if let Some(bus) = self.bus() {
            bus.say(&Topic::Cluster, Word::Revoked);
        }
    }

    /// From now on words about a document come here.
    pub(crate) fn listen(&self, document: &DocumentKey) {
        if let Some(bus) = self.bus() {
            bus.listen(document);
        }
    }

    /// From now on words about a document need not come here.
    pub(crate) fn ignore(&self, document: &DocumentKey) {
        if let Some(bus) = self.bus() {
            bus.ignore(document);
        }
    }

    /// Takes this node out: it is seen by nobody any more, and its replica id is held no more.
    pub(crate) async fn leave(&self) {
        self.leaving.cancel();
        let Some(bus) = self.bus() else {
            return self.let_go().await;
        };
        let left = async {
            let left = bus.leave(self.name()).await;
            left.and(bus.close().await)
        };
        tokio::join!(self.let_go(), register::farewell(left));
    }

    /// Whether words get through now.
    fn hears(&self) -> bool {
        self.bus_state() == Some(BusState::Up)
    }

    async fn registered(&self) -> Option<Vec<NodeEntry>> {
        self.up()?.nodes().await.ok()
    }

    /// The replica ids of the nodes in the register; none while it cannot be read.
    async fn replicas(&self) -> Option<BTreeSet<ReplicaId>> {
        let nodes = self.registered().await?;
        let ids = nodes.iter().flat_map(NodeEntry::replicas);
        Some(ids.collect())
    }

    fn holder(&self) -> Holder {
        Holder {
            node: self.node.name.clone(),
            incarnation: self.incarnation,
        }
    }

    fn lease(&self) -> Duration {
        self.settings.lease
    }

    fn heads_interval(&self) -> Duration {
        self.settings.heads_interval
    }

    /// How often it is looked up what other nodes have stored.
    pub(crate) fn looks_every(&self) -> Duration {
        let interval = self.settings.heads_interval;
        match self.hears() {
            true => interval,
            false => interval.min(rounds::HEADS_WITHOUT_BUS),
        }
    }
}
