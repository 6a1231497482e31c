//! What is looked up in the store again and again, because a word about it may have been lost: the heads of all documents that
//! are open here, and the revocations. While the bus is away that is how all of it is found, so it happens more often then;
//! and at once when the bus is back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{DocumentKey, Input, ReplicaId};
use storage::{BusState, StoreError};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::Cluster;
use crate::hub::{Hub, WeakHub};
use crate::mail::Mailbox;
use crate::telemetry::metrics;

/// Compares the heads of all open documents with the store's, until the node goes.
pub(super) async fn heads(cluster: Arc<Cluster>, hub: WeakHub) {
    loop {
        if !pause(&cluster, cluster.looks_every()).await {
            return;
        }
        let Some(hub) = hub.upgrade() else {
            return;
        };
        let compared = compare(&cluster, &hub).await;
        metrics::heads_round(compared.is_ok());
        let failed_before = cluster
            .heads_fail
            .swap(compared.is_err(), Ordering::Relaxed);
        match compared {
            Ok(()) => {}
            Err(failure) if failed_before => debug!("heads were not compared: {failure}"),
            Err(failure) => {
                warn!("what other nodes have stored is not known for now: {failure}");
            }
        }
    }
}

/// Sees to it that nobody is shown whose node is gone, or who left while the bus was away, until this node goes. Without a
/// bus nobody of another node is shown.
pub(super) async fn presence(cluster: Arc<Cluster>, hub: WeakHub) {
    let Some(bus) = cluster.bus() else {
        return;
    };
    let mut states = bus.states();
    let (mut known, mut has_missed) = (BTreeSet::new(), false);
    loop {
        let has_changed = tokio::select! {
            () = tokio::time::sleep(NODES_INTERVAL) => Ok(()),
            changed = states.changed() => changed.inspect(|()| has_missed = true),
            () = cluster.leaving.cancelled() => return,
        };
        // A bus that is gone for good says nothing more.
        let Some(hub) = hub.upgrade().filter(|_| has_changed.is_ok()) else {
            return;
        };
        if !cluster.hears() {
            continue;
        }
        if std::mem::take(&mut has_missed) {
            hub.tell_all(|| Input::PresenceAsked);
            hub.tell_all(|| Input::OthersDoubted);
        }
        if let Some(here) = cluster.replicas().await {
            tell_gone(&hub, &known, &here);
            known = here;
        }
    }
}

/// Tells all documents which replicas are there no more. They ask those, which may have been slow only.
fn tell_gone(hub: &Hub, known: &BTreeSet<ReplicaId>, here: &BTreeSet<ReplicaId>) {
    let gone: Arc<[_]> = known.difference(here).copied().collect();
    if !gone.is_empty() {
        hub.tell_all(|| Input::ReplicasGone(gone.clone()));
    }
}

/// Keeps what was taken away up to date, until the node goes.
pub(super) async fn revocations(cluster: Arc<Cluster>, hub: WeakHub) {
    loop {
        let interval = match cluster.hears() {
            true => REVOCATIONS,
            false => REVOCATIONS_WITHOUT_BUS,
        };
        tokio::select! {
            () = cluster.revocations.notified() => {}
            () = tokio::time::sleep(interval) => {}
            () = cluster.leaving.cancelled() => return,
        }
        let Some(hub) = hub.upgrade() else {
            return;
        };
        match hub.world().auth.reload_revocations().await {
            Ok(true) => hub.revoked().await,
            Ok(false) => {}
            Err(failure) => warn!("revocations of other nodes are not known: {failure}"),
        }
    }
}

/// Waits until it is time for a round: at once when the bus has come back or gone. False if the node goes.
pub(super) async fn pause(cluster: &Cluster, interval: Duration) -> bool {
    let mut states = cluster.bus().map(|bus| bus.states());
    let was_up = cluster.hears();
    let changes = async {
        match &mut states {
            Some(states) => states
                .wait_for(|state| (*state == BusState::Up) != was_up)
                .await
                .is_ok(),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = tokio::time::sleep(jittered(interval)) => true,
        // A bus that is gone for good says nothing more.
        true = changes => true,
        () = cluster.leaving.cancelled() => false,
    }
}

async fn compare(cluster: &Cluster, hub: &Hub) -> Result<(), StoreError> {
    let open = hub.open();
    for some in open.chunks(HEADS_AT_ONCE) {
        compare_some(cluster, some).await?;
    }
    Ok(())
}

async fn compare_some(
    cluster: &Cluster,
    open: &[(DocumentKey, Mailbox)],
) -> Result<(), StoreError> {
    let documents = open.iter().map(|(key, _)| key.clone()).collect();
    let late = || StoreError::Unavailable("it does not answer".to_owned());
    let heads = timeout(HEADS_MAX, cluster.store.heads(documents)).await;
    let heads = heads.unwrap_or_else(|_| Err(late()))?;
    for ((_, mailbox), heads) in open.iter().zip(heads) {
        mailbox.tell_heads(heads);
    }
    Ok(())
}

/// Up to a fifth less, so that nodes which were started together do not ask together.
fn jittered(interval: Duration) -> Duration {
    let mut random = [0; 1];
    // Without a random number it is not spread, which is no harm.
    let _ = aws_lc_rs::rand::fill(&mut random);
    interval - interval / 5 * u32::from(random[0]) / 255
}

/// How often it is looked which nodes are there. Whose row has ended (2 s after its last beat) is so seen to be gone half a
/// second later at most, and its clients are gone another second later (`PresenceLimits::doubt_ms`).
const NODES_INTERVAL: Duration = Duration::from_millis(500);
/// Documents whose heads are asked for in one question.
pub(super) const HEADS_AT_ONCE: usize = 1_000;
/// How long the store may take to answer.
const HEADS_MAX: Duration = Duration::from_secs(5);
/// How often heads are compared while they are all that tells of other nodes.
pub(super) const HEADS_WITHOUT_BUS: Duration = Duration::from_millis(500);
const REVOCATIONS: Duration = Duration::from_secs(10);
const REVOCATIONS_WITHOUT_BUS: Duration = Duration::from_millis(1_500);
