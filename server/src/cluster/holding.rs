//! Holding the replica id: the store is told again and again that this process lives.
//!
//! Ids are never handed out twice, so a lease that ran out harms nothing, and a store that is away is no reason to stop. But a
//! database that was put back to an earlier day hands them out again. Then two processes write one lane, and the one that
//! notices must write no more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use storage::StoreError;
use thiserror::Error;
use tokio::time::timeout;
use tracing::{error, warn};

use super::Cluster;

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
        let held = cluster.hold().await;
        cluster.hold_fails.store(held.is_err(), Ordering::Relaxed);
        match held {
            Ok(()) => {}
            Err(StoreError::LeaseLost(_)) => return cluster.lose(),
            Err(failure) => warn!("the store was not told that this node lives: {failure}"),
        }
    }
}

impl Cluster {
    /// Says once that this process lives.
    pub(super) async fn hold(&self) -> Result<(), StoreError> {
        self.hold_for(self.lease()).await
    }

    /// Gives the replica id up, so that the others need not wait until the lease is over.
    pub(super) async fn let_go(&self) {
        if self.is_lost() {
            return;
        }
        if let Err(failure) = self.hold_for(Duration::ZERO).await {
            warn!("the store was not told that this node goes: {failure}");
        }
    }

    /// From now on this process writes nothing.
    fn lose(&self) {
        error!(replica = %self.replica, "{LostReplica}");
        self.lost.cancel();
    }

    async fn hold_for(&self, lasts: Duration) -> Result<(), StoreError> {
        let held = self.store.hold(self.replica, self.holder(), lasts);
        let late = || StoreError::Unavailable("it does not answer".to_owned());
        timeout(self.lease() / 3, held)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}
