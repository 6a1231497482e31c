//! Holding the replica ids: the store is told again and again that this process lives, and where it may have lost something
//! since, it is asked for a new id.
//!
//! Ids are never handed out twice, so a lease that ran out harms nothing, and a store that is away is no reason to stop. But a
//! database that was put back to an earlier day hands them out again. Then two processes write one lane, and the one that
//! notices must write no more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::ReplicaId;
use storage::StoreError;
use thiserror::Error;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::Cluster;
use super::replicas::OwnReplica;

/// Another process holds the replica id of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "another process holds the replica id of this one: the database was put back to an earlier day, or copied; \
     nothing more is stored, start this server again"
)]
pub struct LostReplica;

/// Says that this process lives, until it goes or may write no more.
pub(super) async fn keep(cluster: Arc<Cluster>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(cluster.lease() / 3) => {}
            () = cluster.leaving.cancelled() => return,
        }
        if !cluster.hold_all().await {
            return;
        }
        for replica in cluster.replicas.ended() {
            cluster.let_go_of(replica).await;
        }
    }
}

/// Takes a new replica id whenever the store may have lost something, until this process goes or may write no more.
pub(super) async fn renew(cluster: Arc<Cluster>) {
    loop {
        tokio::select! {
            () = cluster.replicas.wanted() => {}
            () = cluster.leaving.cancelled() => return,
            () = cluster.lost() => return,
        }
        if cluster.replicas.may_open(&cluster.replicas.current()) {
            continue;
        }
        match cluster.take_another().await {
            Ok(replica) => {
                info!(%replica, "the store may have lost something: documents are opened under a new replica id");
                // Those that it has forgotten are not to be given to others.
                cluster.hold_all().await;
            }
            Err(failure) => {
                warn!("no document can be opened, the store gave no new replica id: {failure}");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

impl Cluster {
    /// Says once that this process lives.
    pub(super) async fn hold(&self) -> Result<(), StoreError> {
        for replica in self.own() {
            self.hold_for(replica, self.lease()).await?;
        }
        Ok(())
    }

    /// Gives the replica ids up, so that the others need not wait until the leases are over.
    pub(super) async fn let_go(&self) {
        if self.is_lost() {
            return;
        }
        for replica in self.own() {
            self.let_go_of(replica).await;
        }
    }

    /// Says once that this process lives; false if it may write no more.
    async fn hold_all(&self) -> bool {
        let held = self.hold().await;
        self.hold_fails.store(held.is_err(), Ordering::Relaxed);
        match held {
            Ok(()) => {}
            Err(StoreError::LeaseLost(replica)) => {
                self.lose(replica);
                return false;
            }
            Err(failure) => warn!("the store was not told that this node lives: {failure}"),
        }
        true
    }

    async fn take_another(&self) -> Result<ReplicaId, StoreError> {
        let next = OwnReplica::take(&*self.store).await?;
        let id = next.id();
        self.hold_for(id, self.lease()).await?;
        self.replicas.change_to(next);
        Ok(id)
    }

    async fn let_go_of(&self, replica: ReplicaId) {
        if let Err(failure) = self.hold_for(replica, Duration::ZERO).await {
            warn!(%replica, "the store was not told that a replica id is used no more: {failure}");
        }
    }

    /// From now on this process writes nothing.
    fn lose(&self, replica: ReplicaId) {
        error!(%replica, "{LostReplica}");
        self.lost.cancel();
    }

    /// All ids of this process.
    pub(super) fn own(&self) -> Vec<ReplicaId> {
        let mut own = self.replicas.earlier();
        own.push(self.replica());
        own
    }

    async fn hold_for(&self, replica: ReplicaId, lasts: Duration) -> Result<(), StoreError> {
        let held = self.store.hold(replica, self.holder(), lasts);
        let late = || StoreError::Unavailable("it does not answer".to_owned());
        timeout(self.lease() / 3, held)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

/// How long after the store gave no new id it is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
