//! Pulls: which changes of other replicas are missing, and when the store is asked for them.
//!
//! What exists is known by hearsay (changes, their contexts) and from the store (lane heads). A lane whose next change is
//! neither here nor held has a gap. There is one pull at a time; lanes take turns, so that one which cannot go on holds
//! up no other; and a pull that brought nothing is repeated with a growing delay. What the store does not have after
//! several pulls is given up: as damaged if the store says that it exists, as hearsay if not.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::clock::VectorClock;
use crate::dot::{Dot, ReplicaId};
use crate::time::Now;

use super::held::Held;
use super::limits::Limits;

/// What is known to exist elsewhere, and the pull that is under way.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    /// All that was told of, by anyone.
    told: VectorClock,
    /// What of it the store has told of.
    stored: VectorClock,
    /// What the store was asked for in vain: hearsay, unless the store tells of it after all.
    given_up: VectorClock,
    asked: Option<Gap>,
    /// Whose lane was pulled last.
    last: Option<ReplicaId>,
    /// How often each lane's next change was asked for in vain.
    vain: BTreeMap<ReplicaId, u32>,
    due_ms: Option<u64>,
    delay_ms: u64,
}

/// Changes that are missing from a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) replica: ReplicaId,
    pub(super) counters: RangeInclusive<u64>,
}

impl Gap {
    /// The first change that is missing.
    pub(super) fn first(&self) -> Dot {
        Dot::new(self.replica, *self.counters.start())
    }
}

impl Pulls {
    /// Somebody has told of changes.
    pub(super) fn tell(&mut self, clock: &VectorClock) {
        self.told.join(clock);
    }

    /// The store has told of changes.
    pub(super) fn tell_stored(&mut self, clock: &VectorClock) {
        self.stored.join(clock);
        self.told.join(clock);
    }

    /// Whatever was told of beyond this is lost.
    pub(super) fn forget_beyond(&mut self, known: VectorClock) {
        self.told = known.clone();
        self.stored = known;
    }

    /// What the store has told of.
    pub(super) fn stored(&self) -> &VectorClock {
        &self.stored
    }

    /// The latest change of a lane that was told of.
    pub(super) fn told(&self, replica: ReplicaId) -> u64 {
        self.told.get(replica)
    }

    /// Whether all that was told of is among what was seen.
    pub(super) fn is_all_in(&self, clock: &VectorClock) -> bool {
        clock.dominates(&self.told)
    }

    /// Whether a change need not be waited for: it is here, or nobody can find it.
    pub(super) fn is_settled(&self, dot: Dot, clock: &VectorClock) -> bool {
        clock.contains(dot) || self.given_up.contains(dot) && !self.stored.contains(dot)
    }

    /// The next pull, if something is missing and it is time to ask for it.
    pub(super) fn next(
        &mut self,
        clock: &VectorClock,
        held: &Held,
        limits: &Limits,
        now: Now,
    ) -> Option<Gap> {
        if self.asked.is_some() {
            return None;
        }
        let Some(gap) = self.gap(clock, held, limits) else {
            self.due_ms = None;
            return None;
        };
        let due_ms = *self
            .due_ms
            .get_or_insert(now.monotonic_ms + limits.pull_delay_ms);
        if now.monotonic_ms < due_ms {
            return None;
        }
        self.due_ms = None;
        self.last = Some(gap.replica);
        self.asked.replace(gap.clone());
        Some(gap)
    }

    /// When to look again.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The pull under way has an answer.
    pub(super) fn answered(&mut self) -> Option<Gap> {
        self.asked.take()
    }

    /// The answer brought the lane on: what is missing still is asked for at once.
    pub(super) fn advanced(&mut self, replica: ReplicaId, now: Now) {
        self.vain.remove(&replica);
        self.delay_ms = 0;
        self.due_ms = Some(now.monotonic_ms);
    }

    /// The lane is where it was: another pull waits.
    pub(super) fn stalled(&mut self, limits: &Limits, now: Now) {
        self.delay_ms = (self.delay_ms * 2).clamp(limits.retry_min_ms, limits.retry_max_ms);
        self.due_ms = Some(now.monotonic_ms + self.delay_ms);
    }

    /// The answer lacked the very change that was asked for. Returns whether that was once too often; if so, the changes
    /// that the store said it has and could not give are the ones up to the counter returned.
    pub(super) fn asked_in_vain(&mut self, gap: &Gap, held: &Held) -> Option<u64> {
        let vain = self.vain.entry(gap.replica).or_default();
        *vain += 1;
        if *vain < VAIN_PULLS_MAX {
            return None;
        }
        self.vain.remove(&gap.replica);
        let head = self.stored.get(gap.replica);
        if head < gap.first().counter {
            self.given_up
                .observe(Dot::new(gap.replica, self.told(gap.replica)));
            return None;
        }
        let next = held.first_of(gap.replica).map_or(u64::MAX, |next| next - 1);
        Some(head.min(*gap.counters.end()).min(next))
    }

    /// What is missing from one lane, the lanes taking turns.
    fn gap(&self, clock: &VectorClock, held: &Held, limits: &Limits) -> Option<Gap> {
        let lanes = self.told.heads().map(|head| head.replica);
        let mut gaps = lanes.filter_map(|replica| self.gap_of(replica, clock, held, limits));
        let first = gaps.next()?;
        if Some(first.replica) > self.last {
            return Some(first);
        }
        gaps.find(|gap| Some(gap.replica) > self.last)
            .or(Some(first))
    }

    fn gap_of(
        &self,
        replica: ReplicaId,
        clock: &VectorClock,
        held: &Held,
        limits: &Limits,
    ) -> Option<Gap> {
        let first = clock.get(replica).checked_add(1)?;
        let told_by = if self.given_up.contains(Dot::new(replica, first)) {
            &self.stored
        } else {
            &self.told
        };
        let most = first.saturating_add(limits.changes_per_pull_max.saturating_sub(1));
        let before_held = held.first_of(replica).map_or(u64::MAX, |held| held - 1);
        let last = told_by.get(replica).min(most).min(before_held);
        (first <= last).then_some(Gap {
            replica,
            counters: first..=last,
        })
    }
}

/// Pulls that may come back without the change asked for before it is given up.
const VAIN_PULLS_MAX: u32 = 4;
