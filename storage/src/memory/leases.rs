//! Leases in memory: by replica id.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ReplicaId;

use crate::lease::{Holder, Lease};
use crate::numbers::millis;
use crate::store::StoreError;

/// All replica ids that were handed out.
#[derive(Debug, Default)]
pub(super) struct Leases(BTreeMap<ReplicaId, Lease>);

impl Leases {
    /// Hands out an id.
    pub(super) fn take(&mut self, now_ms: u64) -> ReplicaId {
        let last = self.0.last_key_value().map_or(0, |(last, _)| last.0);
        let replica = ReplicaId(last + 1);
        self.0.insert(replica, lease(replica, now_ms));
        replica
    }

    pub(super) fn hold(
        &mut self,
        replica: ReplicaId,
        holder: Holder,
        now_ms: u64,
        lasts: Duration,
    ) -> Result<(), StoreError> {
        let found = self.0.entry(replica);
        let found = found.or_insert_with(|| lease(replica, now_ms));
        if found
            .holder
            .as_ref()
            .is_some_and(|it| it.incarnation != holder.incarnation)
        {
            return Err(StoreError::LeaseLost(replica));
        }
        found.holder = Some(holder);
        found.until_ms = Some(now_ms.saturating_add(millis(lasts)));
        Ok(())
    }

    /// Those that are held, or were within the time before now.
    pub(super) fn list(&self, now_ms: u64, within: Duration) -> Vec<Lease> {
        let since_ms = now_ms.saturating_sub(millis(within));
        let recent = self
            .0
            .values()
            .filter(|it| it.until_ms.is_some_and(|until| until > since_ms));
        let seen = recent.map(|it| Lease {
            is_held: it.until_ms.is_some_and(|until_ms| until_ms > now_ms),
            ..it.clone()
        });
        seen.collect()
    }
}

fn lease(replica: ReplicaId, started_ms: u64) -> Lease {
    Lease {
        replica,
        holder: None,
        started_ms,
        until_ms: None,
        is_held: false,
    }
}
