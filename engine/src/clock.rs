//! The vector clock: which changes of a document have been seen, as one counter for each lane.
//!
//! Lanes have no holes, so "counter 7 of replica 3 was seen" means that counters 1 to 7 were. That makes a small sorted
//! array enough: [`VectorClock::contains`] answers for any [`Dot`], and [`VectorClock::compare`] tells before, after,
//! equal and concurrent apart. The byte form is canonical: equal clocks have equal bytes, and nothing else decodes.

use std::cmp::Ordering;

use smallvec::SmallVec;
use thiserror::Error;

use crate::dot::{Dot, ReplicaId};
use crate::number::{MalformedNumber, read_number, write_number};

/// The changes seen so far: for each replica the highest counter, replicas ascending, no zero counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VectorClock {
    lanes: SmallVec<[(ReplicaId, u64); 2]>,
}

/// How two clocks, or the changes that they belong to, relate in causal order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOrder {
    /// The first has seen less than the second, and nothing that the second has not.
    Before,
    /// The first has seen all of the second, and more.
    After,
    /// Both have seen the same.
    Equal,
    /// Each has seen something that the other has not.
    Concurrent,
}

/// Bytes that are not the canonical form of any clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MalformedClock {
    /// The bytes end within a number, or a number does not fit its type.
    #[error("clock is cut short or has a number out of range")]
    BadNumber,
    /// Entries are out of order, repeated or zero, a number is padded, or bytes follow the last entry.
    #[error("clock is not in canonical form")]
    NotCanonical,
}

impl VectorClock {
    /// The highest counter seen of a replica; 0 if none.
    pub fn get(&self, replica: ReplicaId) -> u64 {
        self.find(replica).map_or(0, |at| self.lanes[at].1)
    }

    /// Takes note of a change, and with it of all earlier ones of its lane.
    pub fn observe(&mut self, dot: Dot) {
        if dot.counter == 0 {
            return;
        }
        match self.find(dot.replica) {
            Ok(at) => self.lanes[at].1 = self.lanes[at].1.max(dot.counter),
            Err(at) => self.lanes.insert(at, (dot.replica, dot.counter)),
        }
    }

    /// As if a change had not been seen, nor any later one of its lane.
    pub(crate) fn forget(&mut self, dot: Dot) {
        let Ok(at) = self.find(dot.replica) else {
            return;
        };
        let seen = &mut self.lanes[at].1;
        *seen = (*seen).min(dot.counter.saturating_sub(1));
        if *seen == 0 {
            self.lanes.remove(at);
        }
    }

    /// Takes note of all that another clock has seen.
    pub fn join(&mut self, other: &Self) {
        for dot in other.heads() {
            self.observe(dot);
        }
    }

    /// Whether the change was seen.
    pub fn contains(&self, dot: Dot) -> bool {
        dot.counter <= self.get(dot.replica)
    }

    /// Whether all that the other clock has seen was seen here too.
    pub fn dominates(&self, other: &Self) -> bool {
        other.heads().all(|dot| self.contains(dot))
    }

    /// How this clock relates to another.
    pub fn compare(&self, other: &Self) -> ClockOrder {
        match (self.dominates(other), other.dominates(self)) {
            (true, true) => ClockOrder::Equal,
            (true, false) => ClockOrder::After,
            (false, true) => ClockOrder::Before,
            (false, false) => ClockOrder::Concurrent,
        }
    }

    /// The latest change seen of each lane, replicas ascending.
    pub fn heads(&self) -> impl ExactSizeIterator<Item = Dot> + '_ {
        self.lanes
            .iter()
            .map(|&(replica, counter)| Dot { replica, counter })
    }

    /// How many changes were seen in all.
    pub fn count(&self) -> u64 {
        self.lanes
            .iter()
            .fold(0, |sum, lane| sum.saturating_add(lane.1))
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The canonical bytes: for each lane, ascending, the step from the previous replica id and the counter, both as
    /// LEB128 numbers. The empty clock is no bytes at all.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.lanes.len() * 4);
        let mut previous = 0;
        for dot in self.heads() {
            write_number(&mut bytes, u64::from(dot.replica.0 - previous));
            write_number(&mut bytes, dot.counter);
            previous = dot.replica.0;
        }
        bytes
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// Anything that [`Self::to_bytes`] would not have written is refused, so that equal clocks always have equal bytes.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, MalformedClock> {
        let mut clock = Self::default();
        let mut previous = 0u32;
        while !bytes.is_empty() {
            let step =
                u32::try_from(read_number(&mut bytes)?).map_err(|_| MalformedClock::BadNumber)?;
            let replica = previous
                .checked_add(step)
                .ok_or(MalformedClock::BadNumber)?;
            let counter = read_number(&mut bytes)?;
            if counter == 0 || (step == 0 && !clock.is_empty()) {
                return Err(MalformedClock::NotCanonical);
            }
            clock.lanes.push((ReplicaId(replica), counter));
            previous = replica;
        }
        Ok(clock)
    }

    fn find(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.lanes.binary_search_by_key(&replica, |lane| lane.0)
    }
}

impl From<MalformedNumber> for MalformedClock {
    fn from(malformed: MalformedNumber) -> Self {
        match malformed {
            MalformedNumber::CutShort => Self::BadNumber,
            MalformedNumber::Padded => Self::NotCanonical,
        }
    }
}

impl FromIterator<Dot> for VectorClock {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut clock = Self::default();
        dots.into_iter().for_each(|dot| clock.observe(dot));
        clock
    }
}

/// Causal order as a partial order: `None` stands for concurrent.
impl PartialOrd for VectorClock {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.compare(other) {
            ClockOrder::Before => Some(Ordering::Less),
            ClockOrder::After => Some(Ordering::Greater),
            ClockOrder::Equal => Some(Ordering::Equal),
            ClockOrder::Concurrent => None,
        }
    }
}
