//! Kept: the changes of all lanes that were stored lately, in case the store loses them.
//!
//! They are kept for a while and within a bound, in the order in which they came to be here, which no change does before
//! what it builds on. So of each lane the latest are here, as far back as they go.

use std::collections::{BTreeSet, VecDeque};

use crate::change::Change;
use crate::clock::VectorClock;
use crate::dot::{Dot, ReplicaId};
use crate::time::Now;

use super::limits::Limits;

/// The changes that were stored lately.
#[derive(Debug, Default)]
pub(super) struct Kept {
    changes: VecDeque<KeptChange>,
    bytes: usize,
}

#[derive(Debug)]
struct KeptChange {
    since_ms: u64,
    change: Change,
}

impl Kept {
    /// Keeps a change; the oldest go that are too many.
    pub(super) fn keep(&mut self, change: Change, limits: &Limits, now: Now) {
        self.bytes += weight(&change);
        self.changes.push_back(KeptChange {
            since_ms: now.monotonic_ms,
            change,
        });
        while self.bytes > limits.kept_bytes_max {
            self.forget_first();
        }
    }

    /// Forgets what was kept for long enough.
    pub(super) fn expire(&mut self, limits: &Limits, now: Now) {
        while self
            .due_ms(limits)
            .is_some_and(|due| due <= now.monotonic_ms)
        {
            self.forget_first();
        }
        if self.changes.is_empty() {
            self.changes = VecDeque::new();
        }
    }

    /// When the oldest was kept for long enough.
    pub(super) fn due_ms(&self, limits: &Limits) -> Option<u64> {
        let first = self.changes.front()?;
        Some(first.since_ms + limits.kept_ms)
    }

    /// What the changes take up, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last of the changes of a lane from `first` to `last` that is not kept; none if all of them are.
    pub(super) fn last_missing(&self, replica: ReplicaId, first: u64, last: u64) -> Option<u64> {
        let of_lane = self.changes.iter().map(|kept| kept.change.dot);
        let of_lane = of_lane.filter(|dot| dot.replica == replica);
        let kept: BTreeSet<_> = of_lane.map(|dot| dot.counter).collect();
        (first..=last).rev().find(|counter| !kept.contains(counter))
    }

    /// The changes that are not among those, in an order in which each comes after what it builds on.
    pub(super) fn beyond(&self, clock: &VectorClock) -> impl Iterator<Item = &Change> {
        let changes = self.changes.iter().map(|kept| &kept.change);
        changes.filter(|change| !clock.contains(change.dot))
    }

    /// Whether another change is kept under the name of this one.
    pub(super) fn contradicts(&self, change: &Change) -> bool {
        let mut changes = self.changes.iter().map(|kept| &kept.change);
        changes.any(|kept| kept.dot == change.dot && kept != change)
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.changes.pop_front() {
            self.bytes -= weight(&first.change);
        }
    }
}

fn weight(change: &Change) -> usize {
    change.payload.len() + CHANGE_OVERHEAD_BYTES
}

/// The names of the changes of a lane.
pub(super) fn lane(replica: ReplicaId, first: u64, last: u64) -> impl Iterator<Item = Dot> {
    (first..=last).map(move |counter| Dot::new(replica, counter))
}

/// What is kept of a change besides its payload.
const CHANGE_OVERHEAD_BYTES: usize = 256;
