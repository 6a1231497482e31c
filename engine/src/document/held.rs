//! Changes of other replicas that came before what they build on.
//!
//! A change is ready when it is the next of its lane and all that its context names is here. Until then it is held, within
//! a bound; beyond the bound it is dropped, because the store has it and its lane's head tells of it again.

use std::collections::BTreeMap;

use crate::change::Change;
use crate::clock::VectorClock;
use crate::dot::{Dot, ReplicaId};

use super::limits::Limits;

/// Changes that are not ready, by their dots.
#[derive(Debug, Default)]
pub(super) struct Held {
    changes: BTreeMap<Dot, Change>,
    bytes: usize,
}

impl Held {
    /// Holds a change, unless there are too many.
    pub(super) fn insert(&mut self, change: Change, limits: &Limits) {
        let weight = weight(&change);
        let room = self.changes.len() < limits.held_changes_max
            && self.bytes + weight <= limits.held_bytes_max;
        if room && !self.changes.contains_key(&change.dot) {
            self.bytes += weight;
            self.changes.insert(change.dot, change);
        }
    }

    /// How many changes are held.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether a change is held.
    pub(super) fn contains(&self, dot: Dot) -> bool {
        self.changes.contains_key(&dot)
    }

    /// What each of them builds on.
    pub(super) fn contexts(&self) -> impl Iterator<Item = &VectorClock> {
        self.changes.values().map(|change| &change.context)
    }

    /// The first change that is held of a lane.
    pub(super) fn first_of(&self, replica: ReplicaId) -> Option<u64> {
        let lane = Dot::new(replica, 0)..=Dot::new(replica, u64::MAX);
        self.changes.range(lane).next().map(|(dot, _)| dot.counter)
    }

    /// Takes out a change that is ready, given what is here. Those that are here already are forgotten on the way.
    pub(super) fn take_ready(
        &mut self,
        clock: &VectorClock,
        is_ready: impl Fn(&Change) -> bool,
    ) -> Option<Change> {
        let mut from = Dot::new(ReplicaId(0), 0);
        while let Some((&dot, change)) = self.changes.range(from..).next() {
            if clock.contains(dot) {
                self.remove(dot);
            } else if is_ready(change) {
                return self.remove(dot);
            } else {
                from = Dot::new(ReplicaId(dot.replica.0.checked_add(1)?), 0);
            }
        }
        None
    }

    fn remove(&mut self, dot: Dot) -> Option<Change> {
        let change = self.changes.remove(&dot)?;
        self.bytes -= weight(&change);
        Some(change)
    }
}

fn weight(change: &Change) -> usize {
    change.payload.len() + CHANGE_OVERHEAD_BYTES
}

/// What is kept of a change besides its payload.
const CHANGE_OVERHEAD_BYTES: usize = 256;
