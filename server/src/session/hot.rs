//! Snapshots that nodes keep for each other on the bus, so that opening a document reads less from the store.
//!
//! What the bus has is only bytes that need not be fetched from somewhere else. Whether they are the document's newest
//! snapshot, which changes it covers, whether anything of it was set aside or deleted, is for the store to say, in the same
//! question that it is asked anyway; without the bus it is the same question, and the store's own copy.

use engine::{DocumentKey, Snapshot};
use storage::{Past, StoreError};

use crate::telemetry::metrics::{self, HotOutcome};
use crate::world::World;

/// Reads a document's past, as far as possible with a snapshot of the bus.
pub(super) async fn load(world: &World, key: &DocumentKey) -> Result<Past, StoreError> {
    let Some(given) = given(world, key).await else {
        return world.store.load(key.clone()).await;
    };
    let past = world.store.load_beyond(key.clone(), given).await?;
    metrics::hot_asked(match past.was_given {
        true => HotOutcome::Used,
        false => HotOutcome::PassedOver,
    });
    Ok(past)
}

/// Keeps a snapshot, which the store has, for the node that opens the document next.
pub(super) fn keep(world: &World, snapshot: Snapshot) {
    let bus = world.cluster.as_ref().and_then(|cluster| cluster.up());
    if let Some(bus) = bus {
        bus.keep_hot(snapshot);
    }
}

/// What the bus has. It is asked by those whose turn it is to open a document, so no more than so many states come at once.
async fn given(world: &World, key: &DocumentKey) -> Option<Snapshot> {
    let bus = world.cluster.as_ref()?.up()?;
    match bus.hot(key).await {
        Ok(Some(snapshot)) => return Some(snapshot),
        Ok(None) => metrics::hot_asked(HotOutcome::None),
        Err(_) => metrics::hot_asked(HotOutcome::Unanswered),
    }
    None
}
