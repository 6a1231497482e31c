//! Draining: a node that takes no new clients and lets go of those that it has, while it goes on.
//!
//! It is not ready, so load balancers send nobody; it says so in the register, so no document is best opened there; and its
//! clients are told to come back, one after the other. When nobody is left it can be stopped without anybody noticing. It
//! is remembered by the process alone: one that is started again takes clients.

use std::sync::Arc;

use storage::{BusState, Topic, Word};
use tracing::info;

use super::{Cluster, register};
use crate::cluster::letting_go::let_go;
use crate::hub::Hub;

impl Cluster {
    /// Has this node drain, or take clients again.
    pub(crate) fn drain(self: &Arc<Self>, hub: &Hub, begins: bool) {
        let began = self.is_draining();
        self.say_draining(hub, begins);
        if begins && !began {
            let (cluster, hub) = (self.clone(), hub.clone());
            tokio::spawn(async move { cluster.let_clients_go(&hub).await });
        }
    }

    /// Tells the others at once whether this node wants no new clients.
    pub(crate) fn say_draining(&self, hub: &Hub, is_draining: bool) {
        self.set_draining(is_draining);
        if let Some(bus) = self.bus() {
            bus.beat(self.entry(register::load(hub)));
        }
    }

    /// Tells another node to drain, or to take clients again. False if nobody can be told just now.
    pub(crate) fn tell_drain(&self, node: &str, begins: bool) -> bool {
        let Some(bus) = self.bus().filter(|bus| bus.state() == BusState::Up) else {
            return false;
        };
        let node = node.to_owned();
        bus.say(&Topic::Cluster, Word::Drain { node, begins });
        true
    }

    async fn let_clients_go(&self, hub: &Hub) {
        info!("draining: clients are let go, and come back to other nodes");
        let gone = let_go(hub, self.spread, || self.is_draining()).await;
        info!(connections = gone, "drained");
    }
}
