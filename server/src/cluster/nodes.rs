//! All nodes as this one knows them, where there are any others, and where there are none.

use storage::{NodeEntry, NodeLoad, StoreError};

use super::register;
use crate::hub::Hub;
use crate::world::World;

/// The nodes that are here, this one among them; the server alone if it shares its store with nobody.
///
/// # Errors
/// Neither the bus nor the store says who is here.
pub(crate) async fn here_and_others(hub: &Hub) -> Result<Vec<NodeEntry>, StoreError> {
    let (world, load) = (hub.world(), register::load(hub));
    match &world.cluster {
        Some(cluster) => cluster.nodes(load).await,
        None => Ok(vec![alone(&world, load)]),
    }
}

fn alone(world: &World, load: NodeLoad) -> NodeEntry {
    NodeEntry {
        name: ALONE.to_owned(),
        replica: world.replica(),
        earlier: Vec::new(),
        address: None,
        weight: 1,
        load,
        is_draining: false,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What a server is called that nobody has to tell from others.
const ALONE: &str = "local";
