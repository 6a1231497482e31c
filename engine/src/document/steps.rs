//! Steps: how far the document has been shown to a client, as one number.
//!
//! The document takes a step with each change that joins it, its own and other replicas' alike. An event says which step
//! it shows, a connection remembers the last one that it was written, and with each edit comes back how far its author
//! could see. [`Steps::clock_at`] turns that into the author's clock: exactly, for what it may still be asked about.
//! A replica that is alone steps as its own lane counts.

use std::collections::VecDeque;

use crate::clock::VectorClock;
use crate::dot::{Dot, ReplicaId};

/// The steps of a document.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: u64,
    /// Where other lanes moved, in order; between two moments only this replica's own lane did.
    moments: VecDeque<Moment>,
}

#[derive(Debug)]
struct Moment {
    step: u64,
    clock: VectorClock,
}

impl Steps {
    /// The latest step.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The document is open and has seen this.
    pub(super) fn begin(&mut self, replica: ReplicaId, clock: &VectorClock) {
        self.last = self.last.max(clock.get(replica));
        self.note(clock);
    }

    /// A change of this replica's own.
    pub(super) fn own(&mut self) {
        self.last += 1;
    }

    /// Changes of other replicas, after which the document has seen this.
    pub(super) fn others(&mut self, changes: u64, clock: &VectorClock) {
        self.last += changes;
        self.note(clock);
    }

    /// What a client had seen that was shown this step; nothing is known of one that is too far behind.
    pub(super) fn clock_at(&self, step: u64, replica: ReplicaId) -> VectorClock {
        let step = step.min(self.last);
        let after = self.moments.partition_point(|moment| moment.step <= step);
        let Some(moment) = after.checked_sub(1).map(|at| &self.moments[at]) else {
            return VectorClock::default();
        };
        let mut clock = moment.clock.clone();
        let own = clock.get(replica) + (step - moment.step);
        let next = self.moments.get(after);
        let own_max = next.map_or(own, |next| next.clock.get(replica));
        clock.observe(Dot::new(replica, own.min(own_max)));
        clock
    }

    fn note(&mut self, clock: &VectorClock) {
        if self.moments.len() == KEPT {
            self.moments.pop_front();
        }
        if self.moments.is_empty() {
            self.moments.reserve_exact(1);
        }
        self.moments.push_back(Moment {
            step: self.last,
            clock: clock.clone(),
        });
    }
}

/// Moments kept: a client that writes although it has not been shown so many batches is taken to have seen nothing.
const KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ReplicaId = ReplicaId(7);

    fn clock(own: u64, other: u64) -> VectorClock {
        let dots = [Dot::new(HERE, own), Dot::new(ReplicaId(1), other)];
        dots.into_iter().collect()
    }

    #[test]
    fn a_step_is_the_clock_of_who_was_shown_it() {
        let mut steps = Steps::default();
        steps.begin(HERE, &clock(5, 3));
        assert_eq!(steps.last(), 5, "it counts on from this replica's lane");
        steps.own();
        steps.own();
        steps.others(2, &clock(7, 5));
        steps.own();
        let seen = [5, 6, 7, 9, 10].map(|step| steps.clock_at(step, HERE));
        let clocks = [
            clock(5, 3),
            clock(6, 3),
            clock(7, 3),
            clock(7, 5),
            clock(8, 5),
        ];
        assert_eq!(seen, clocks);
        assert_eq!(steps.clock_at(4, HERE), VectorClock::default());
        assert_eq!(steps.clock_at(8, HERE), clock(7, 3), "between two steps");
        assert_eq!(steps.clock_at(u64::MAX, HERE), clock(8, 5));
    }

    #[test]
    fn moments_are_bounded_and_the_oldest_is_forgotten() {
        let mut steps = Steps::default();
        steps.begin(HERE, &clock(0, 1));
        for other in 2..=KEPT as u64 + 1 {
            steps.others(1, &clock(0, other));
        }
        assert_eq!(steps.clock_at(0, HERE), VectorClock::default());
        assert_eq!(steps.clock_at(1, HERE), clock(0, 2));
    }
}
