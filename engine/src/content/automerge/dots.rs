//! Which stored change each Automerge change came in, so that what it builds on can be told as a clock.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::graph::Mark;
use crate::clock::VectorClock;
use crate::content::ContentError;
use crate::dot::{Dot, ReplicaId};
use crate::number::{MalformedNumber, read_number, write_number};

type Lanes = BTreeMap<ReplicaId, Vec<(u32, u32)>>;
type Waiting = BTreeMap<Mark, (Dot, VectorClock)>;

/// The dots of the changes of a graph, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Dots {
    /// For each lane the counter and the place of each change, counters ascending.
    lanes: Lanes,
    /// Those of changes that wait for missing parts and have no place yet, with all that is known before them.
    waiting: Waiting,
}

impl Dots {
    /// The change at this place came with this dot.
    pub(super) fn note(&mut self, dot: Dot, place: u32) {
        // No lane of a document is so long: its changes would not fit.
        let Ok(counter) = u32::try_from(dot.counter) else {
            return;
        };
        let lane = self.lanes.entry(dot.replica).or_default();
        let at = lane.partition_point(|(before, _)| *before <= counter);
        lane.insert(at, (counter, place));
    }

    /// A change that waits came with this dot, and builds on so much.
    pub(super) fn note_waiting(&mut self, dot: Dot, context: &VectorClock, mark: Mark) {
        self.waiting.insert(mark, (dot, context.clone()));
    }

    /// The clock of a change that waits and of what is known before it.
    pub(super) fn clock_of_waiting(&self, mark: Mark) -> VectorClock {
        let Some((dot, context)) = self.waiting.get(&mark) else {
            return VectorClock::default();
        };
        let mut clock = context.clone();
        clock.observe(*dot);
        clock
    }

    /// A change waits no longer: it is at this place now, or nowhere.
    pub(super) fn waits_no_more(&mut self, mark: Mark, place: impl FnOnce() -> Option<u32>) {
        if let Some((dot, _)) = self.waiting.remove(&mark)
            && let Some(place) = place()
        {
            self.note(dot, place);
        }
    }

    /// The clock of all changes but those at these places, which are in order.
    pub(super) fn clock_without(&self, places: &[u32]) -> VectorClock {
        let lanes = self.lanes.iter();
        let last = lanes.filter_map(|(replica, lane)| {
            let mut lane = lane.iter().rev();
            let last = lane.find(|(_, place)| places.binary_search(place).is_err());
            last.map(|(counter, _)| Dot::new(*replica, (*counter).into()))
        });
        last.collect()
    }

    /// The bytes of them, for a saved document in which the changes are in another order: `position` says which each is.
    ///
    /// First how many lanes there are, and for each: the replica, how many runs there are, and of each run the step to its
    /// first counter, its first position and how many changes follow, of which each is one further in both. Then, of each
    /// change that waits: its mark, its dot, and its context after that's length.
    pub(super) fn to_bytes(&self, position: impl Fn(u32) -> u32) -> Bytes {
        let mut bytes = Vec::new();
        write_number(&mut bytes, self.lanes.len() as u64);
        for (replica, lane) in &self.lanes {
            let runs = runs(
                lane.iter()
                    .map(|(counter, place)| (*counter, position(*place))),
            );
            write_number(&mut bytes, replica.0.into());
            write_number(&mut bytes, runs.len() as u64);
            let mut before = 0;
            for Run {
                counter,
                position,
                more,
            } in runs
            {
                for number in [counter - before, position, more] {
                    write_number(&mut bytes, number.into());
                }
                before = counter + more;
            }
        }
        for ((first, second), (dot, context)) in &self.waiting {
            let context = context.to_bytes();
            let (second, replica) = ((*second).into(), dot.replica.0.into());
            for number in [*first, second, replica, dot.counter, context.len() as u64] {
                write_number(&mut bytes, number);
            }
            bytes.extend(context);
        }
        bytes.into()
    }

    /// Reads what [`Self::to_bytes`] wrote of so many changes.
    ///
    /// # Errors
    /// The bytes are something else.
    pub(super) fn read(mut bytes: &[u8], changes: usize) -> Result<Self, ContentError> {
        let bad = |error: MalformedNumber| ContentError::Undecodable(error.to_string());
        let lanes = read_lanes(&mut bytes, changes).map_err(bad)?;
        let waiting = read_waiting(bytes).map_err(bad)?;
        Ok(Self { lanes, waiting })
    }
}

/// Changes that follow each other in a lane and in a saved document.
struct Run {
    counter: u32,
    position: u32,
    more: u32,
}

fn runs(lane: impl Iterator<Item = (u32, u32)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (counter, position) in lane {
        match runs.last_mut() {
            Some(run)
                if (run.counter + run.more + 1, run.position + run.more + 1)
                    == (counter, position) =>
            {
                run.more += 1;
            }
            _ => runs.push(Run {
                counter,
                position,
                more: 0,
            }),
        }
    }
    runs
}

fn read_lanes(bytes: &mut &[u8], changes: usize) -> Result<Lanes, MalformedNumber> {
    let mut lanes = Lanes::new();
    let mut left = changes as u64;
    for _ in 0..read_number(bytes)? {
        let replica = ReplicaId(read_small(bytes)?);
        let mut lane = Vec::new();
        let mut before = 0_u32;
        for _ in 0..read_number(bytes)? {
            let [step, position, more] = [(); 3].map(|()| read_small(bytes));
            let (step, position, more) = (step?, position?, more?);
            let end = u64::from(position) + u64::from(more);
            let counter = before.checked_add(step).filter(|_| end < changes as u64);
            let counter = counter.ok_or(MalformedNumber::CutShort)?;
            before = counter.checked_add(more).ok_or(MalformedNumber::CutShort)?;
            // Nothing is made room for that is not there: each change is in one lane at most.
            left = left
                .checked_sub(u64::from(more) + 1)
                .ok_or(MalformedNumber::CutShort)?;
            lane.extend((0..=more).map(|at| (counter + at, position + at)));
        }
        lanes.insert(replica, lane);
    }
    Ok(lanes)
}

fn read_waiting(mut bytes: &[u8]) -> Result<Waiting, MalformedNumber> {
    let mut waiting = Waiting::new();
    while !bytes.is_empty() {
        let mark = (read_number(&mut bytes)?, read_small(&mut bytes)?);
        let replica = ReplicaId(read_small(&mut bytes)?);
        let dot = Dot::new(replica, read_number(&mut bytes)?);
        let length = usize::try_from(read_number(&mut bytes)?).ok();
        let parts = length.and_then(|length| bytes.split_at_checked(length));
        let (context, rest) = parts.ok_or(MalformedNumber::CutShort)?;
        let context = VectorClock::from_bytes(context).map_err(|_| MalformedNumber::CutShort)?;
        waiting.insert(mark, (dot, context));
        bytes = rest;
    }
    Ok(waiting)
}

fn read_small(bytes: &mut &[u8]) -> Result<u32, MalformedNumber> {
    u32::try_from(read_number(bytes)?).map_err(|_| MalformedNumber::CutShort)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(of: &[(u32, u64, u32)]) -> Dots {
        let mut dots = Dots::default();
        for (replica, counter, place) in of {
            dots.note(Dot::new(ReplicaId(*replica), *counter), *place);
        }
        dots
    }

    fn clock(of: &[(u32, u64)]) -> VectorClock {
        let dots = of.iter();
        dots.map(|(replica, counter)| Dot::new(ReplicaId(*replica), *counter))
            .collect()
    }

    #[test]
    fn a_clock_has_the_last_of_each_lane_that_is_not_left_out() {
        let dots = dots(&[
            (1, 1, 0),
            (1, 2, 1),
            (2, 1, 2),
            (1, 3, 3),
            (1, 3, 4),
            (2, 2, 5),
        ]);
        assert_eq!(dots.clock_without(&[]), clock(&[(1, 3), (2, 2)]));
        assert_eq!(dots.clock_without(&[3]), clock(&[(1, 3), (2, 2)]));
        assert_eq!(dots.clock_without(&[3, 4, 5]), clock(&[(1, 2), (2, 1)]));
        assert_eq!(dots.clock_without(&[2, 5]), clock(&[(1, 3)]));
    }

    #[test]
    fn what_waits_counts_once_it_has_a_place() {
        let mut dots = dots(&[(1, 1, 0)]);
        let context = clock(&[(1, 1)]);
        dots.note_waiting(Dot::new(ReplicaId(2), 7), &context, (9, 9));
        dots.note_waiting(Dot::new(ReplicaId(2), 8), &context, (8, 8));
        assert_eq!(dots.clock_without(&[]), clock(&[(1, 1)]));
        assert_eq!(dots.clock_of_waiting((9, 9)), clock(&[(1, 1), (2, 7)]));
        dots.waits_no_more((9, 9), || Some(1));
        dots.waits_no_more((8, 8), || None);
        assert_eq!(dots.clock_without(&[]), clock(&[(1, 1), (2, 7)]));
    }

    #[test]
    fn they_are_kept_with_a_saved_document_in_its_own_order() {
        let before = dots(&[(1, 1, 0), (1, 2, 1), (2, 5, 2), (1, 3, 3), (1, 3, 4)]);
        let position = |place| 4 - place;
        let bytes = before.to_bytes(position);
        let after = Dots::read(&bytes, 5).unwrap();
        for left_out in [&[][..], &[0], &[0, 1], &[2], &[0, 1, 2, 3]] {
            let mut places: Vec<_> = left_out.iter().map(|at| 4 - at).collect();
            places.sort_unstable();
            assert_eq!(after.clock_without(left_out), before.clock_without(&places));
        }
        for cut in 0..bytes.len() {
            assert!(Dots::read(&bytes[..cut], 5).is_err(), "cut at {cut}");
        }
        assert!(Dots::read(&bytes, 4).is_err(), "there are fewer changes");
    }

    #[test]
    fn those_of_what_waits_are_kept_too() {
        let mut before = Dots::default();
        for (counter, mark) in [(7, (9, 9)), (8, (u64::MAX, u32::MAX))] {
            let context = clock(&[(1, counter), (3, 1)]);
            before.note_waiting(Dot::new(ReplicaId(2), counter), &context, mark);
        }
        let bytes = before.to_bytes(|place| place);
        let after = Dots::read(&bytes, 0).unwrap();
        assert_eq!(after.waiting, before.waiting);
        for cut in 0..bytes.len() {
            // What is whole by chance is a part of it.
            if let Ok(part) = Dots::read(&bytes[..cut], 0) {
                assert!(part.waiting.len() < before.waiting.len());
            }
        }
    }
}
