//! The register of nodes: who is here, and how much each has at hand. It is kept on the bus; the leases in the store tell the
//! same more slowly.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use engine::{Input, ReplicaId};
use storage::{BusError, Lease, NodeEntry, NodeLoad, Store, StoreError};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::Cluster;
use crate::hub::{Hub, WeakHub};
use crate::telemetry::metrics;

/// Enters this node again and again, until it goes.
pub(super) async fn keep(cluster: Arc<Cluster>, hub: WeakHub) {
    let Some(bus) = cluster.bus() else {
        return;
    };
    let mut beaten = Instant::now();
    while let Some(hub) = hub.upgrade() {
        bus.beat(cluster.entry(load(&hub)));
        if beaten.elapsed() > HELD_UP {
            hub.tell_all(|| Input::PresenceAsked);
        }
        beaten = Instant::now();
        metrics::bus(cluster.hears(), bus.figures());
        drop(hub);
        tokio::select! {
            () = tokio::time::sleep(BEAT_INTERVAL) => {}
            () = cluster.leaving.cancelled() => return,
        }
    }
}

/// What a node has at hand.
pub fn load(hub: &Hub) -> NodeLoad {
    NodeLoad {
        connections: hub.world().connections_open() as u64,
        documents: hub.documents_open() as u64,
    }
}

/// Waits a moment for the bus to have heard that this node goes. If it has not, it will notice by itself.
pub(super) async fn farewell(left: impl Future<Output = Result<(), BusError>>) {
    if !matches!(timeout(FAREWELL_MAX, left).await, Ok(Ok(()))) {
        warn!("the other nodes were not told that this one goes");
    }
}

/// The nodes that hold a replica id: of each name the one that came last.
pub(super) async fn of_leases(store: &dyn Store) -> Result<Vec<NodeEntry>, StoreError> {
    let leases = store.leases(Duration::ZERO).await?;
    let held = leases.into_iter().filter(|lease| lease.is_held);
    let mut nodes: BTreeMap<String, Vec<ReplicaId>> = BTreeMap::new();
    for (name, replica) in held.filter_map(named) {
        nodes.entry(name).or_default().push(replica);
    }
    Ok(nodes.into_iter().filter_map(entry).collect())
}

fn named(lease: Lease) -> Option<(String, ReplicaId)> {
    Some((lease.holder?.node, lease.replica))
}

fn entry((name, mut replicas): (String, Vec<ReplicaId>)) -> Option<NodeEntry> {
    Some(NodeEntry {
        name,
        replica: replicas.pop()?,
        earlier: replicas,
        address: None,
        weight: 1,
        load: NodeLoad::default(),
        is_draining: false,
        version: String::new(),
    })
}

/// An entry is forgotten after two seconds without a beat (`storage::BEAT_LASTS`).
const BEAT_INTERVAL: Duration = Duration::from_millis(500);

/// A node that was held up for longer than this may have been given up by the others. It says again who is with it.
const HELD_UP: Duration = Duration::from_millis(1_500);

const FAREWELL_MAX: Duration = Duration::from_secs(1);
