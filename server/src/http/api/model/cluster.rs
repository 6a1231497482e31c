//! Nodes that share a store, as they stand in JSON.

use std::collections::BTreeMap;

use engine::ReplicaId;
use serde::Serialize;
use storage::{Lease, NodeEntry};
use utoipa::ToSchema;

use crate::cluster::route::Candidate;
use crate::place::timestamp;

/// Where a document is best opened. Any node serves it; this one has it at hand, or will.
#[derive(Debug, Serialize, ToSchema)]
pub struct Route {
    /// The workspace of the document.
    pub workspace: String,
    /// Its name. Whether there is such a document makes no difference.
    pub document: String,
    /// The best node: the first of `order`.
    pub node: String,
    /// Its replica id.
    pub replica: u32,
    /// Where it is reached; null if nobody said so.
    pub address: Option<String>,
    /// Whether it is the node that answers.
    pub here: bool,
    /// All nodes that take clients, the best first. Those that are full stand behind the others.
    pub order: Vec<RouteNode>,
}

/// A node that a document may be opened at.
#[derive(Debug, Serialize, ToSchema)]
pub struct RouteNode {
    /// What it is called.
    pub node: String,
    /// Its replica id.
    pub replica: u32,
    /// Where it is reached; null if nobody said so.
    pub address: Option<String>,
    /// Whether it is the node that answers.
    pub here: bool,
    /// How much it takes compared with others.
    pub weight: u32,
    /// How many connections it has.
    pub connections: u64,
    /// Whether that is many more than its share, so that it is passed over.
    pub full: bool,
}

/// The replicas that share this store, and how far some documents are with each.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplicaPage {
    /// All replicas that live, and those that lived within the last hour, in the order of their ids.
    pub items: Vec<Replica>,
    /// The documents that were asked for.
    pub documents: Vec<Replicated>,
    /// What to give as `cursor` for the next documents of the workspace; null at the end.
    pub next_cursor: Option<String>,
}

/// A replica: one life of one server process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replica {
    /// Its id, which names its lanes for ever.
    pub replica: u32,
    /// What its node is called; null if it never said so.
    pub node: Option<String>,
    /// Whether it is the one that answers.
    pub here: bool,
    /// `held` if it lives as far as the store knows, else `ended`.
    #[schema(example = "held")]
    pub state: &'static str,
    /// Since when it has its id, by the store's clock.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Until when it has said that it lives; null if it never did.
    #[schema(format = DateTime)]
    pub lease_until: Option<String>,
    /// Whether it is in the register of nodes just now, which forgets it within seconds. What follows is from there.
    pub registered: bool,
    /// Where it is reached; null if nobody said so.
    pub address: Option<String>,
    /// How much it takes compared with others; null if not known.
    pub weight: Option<u32>,
    /// How many connections it has; null if not known.
    pub connections: Option<u64>,
    /// How many documents it has in memory; null if not known.
    pub documents: Option<u64>,
    /// Whether it lets its clients go and wants no new ones; null if not known.
    pub draining: Option<bool>,
    /// The version of the program; null if not known.
    pub version: Option<String>,
}

/// How far a document is with each replica that lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replicated {
    /// The workspace that holds it.
    pub workspace: String,
    /// Its name.
    pub name: String,
    /// What is stored: the latest change of each replica.
    pub clock: BTreeMap<String, u64>,
    /// How many changes are stored.
    pub changes: u64,
    /// How far each replica is.
    pub replicas: Vec<Progress>,
}

/// How far a document is with a replica.
#[derive(Debug, Serialize, ToSchema)]
pub struct Progress {
    /// The replica.
    pub replica: u32,
    /// What its node is called; null if not known.
    pub node: Option<String>,
    /// Whether it has the document open; null if it did not answer. Who has not opened it reads the store when it does, and
    /// lacks nothing.
    pub open: Option<bool>,
    /// What it shows to its clients: the latest change of each replica; null if it has not opened it, or did not answer.
    pub clock: Option<BTreeMap<String, u64>>,
    /// How many changes are stored that it does not show; null as above.
    pub lag_changes: Option<u64>,
    /// How long ago the oldest of them was made, in milliseconds; null as above, or if that is not known.
    pub lag_ms: Option<u64>,
    /// How many changes it has that wait for what they build on; null as above.
    pub held: Option<u64>,
}

/// What a node was told.
#[derive(Debug, Serialize, ToSchema)]
pub struct Draining {
    /// What it is called.
    pub node: String,
    /// Whether it is the one that answers, and does so already. Another one does as soon as it hears of it.
    pub here: bool,
    /// Whether it is to drain; else it takes clients.
    pub draining: bool,
}

impl Replica {
    /// A replica by its lease, and by its entry in the register if there is one.
    pub(crate) fn new(lease: Lease, entry: Option<&NodeEntry>, here: bool) -> Self {
        Self {
            replica: lease.replica.0,
            node: lease.holder.map(|holder| holder.node),
            here,
            state: if lease.is_held { "held" } else { "ended" },
            started_at: timestamp(lease.started_ms),
            lease_until: lease.until_ms.map(timestamp),
            registered: entry.is_some(),
            address: entry.and_then(|it| it.address.clone()),
            weight: entry.map(|it| it.weight),
            connections: entry.map(|it| it.load.connections),
            documents: entry.map(|it| it.load.documents),
            draining: entry.map(|it| it.is_draining),
            version: entry.map(|it| it.version.clone()),
        }
    }
}

impl RouteNode {
    /// A candidate as this replica tells it.
    pub(in crate::http) fn new(candidate: Candidate<'_>, here: ReplicaId) -> Self {
        let NodeEntry {
            name,
            replica,
            address,
            weight,
            load,
            ..
        } = candidate.node.clone();
        Self {
            here: replica == here,
            node: name,
            replica: replica.0,
            address,
            weight,
            connections: load.connections,
            full: candidate.is_full,
        }
    }
}
