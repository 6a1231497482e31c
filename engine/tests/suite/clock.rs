//! Vector clocks against two independent oracles: the plain set of all changes seen, and the `crdts` crate's clock.

use std::collections::BTreeSet;

use crdts::{CmRDT, CvRDT, VClock};
use engine::{ClockOrder, Dot, MalformedClock, ReplicaId, VectorClock};
use proptest::collection::vec;
use proptest::prelude::*;

/// All changes seen, one by one.
type Seen = BTreeSet<(u32, u64)>;

fn seen(dots: &[(u32, u64)]) -> Seen {
    dots.iter()
        .flat_map(|&(replica, counter)| (1..=counter).map(move |earlier| (replica, earlier)))
        .collect()
}

fn clock(dots: &[(u32, u64)]) -> VectorClock {
    dots.iter()
        .map(|&(replica, counter)| Dot::new(ReplicaId(replica), counter))
        .collect()
}

fn reference(dots: &[(u32, u64)]) -> VClock<u32> {
    let mut clock = VClock::new();
    for &(replica, counter) in dots.iter().filter(|(_, counter)| *counter > 0) {
        clock.apply(crdts::Dot::new(replica, counter));
    }
    clock
}

fn order(a: &Seen, b: &Seen) -> ClockOrder {
    match (a.is_superset(b), b.is_superset(a)) {
        (true, true) => ClockOrder::Equal,
        (true, false) => ClockOrder::After,
        (false, true) => ClockOrder::Before,
        (false, false) => ClockOrder::Concurrent,
    }
}

fn joined(a: &VectorClock, b: &VectorClock) -> VectorClock {
    let mut joined = a.clone();
    joined.join(b);
    joined
}

/// Few replicas and small counters, so that clocks often meet.
fn dots() -> impl Strategy<Value = Vec<(u32, u64)>> {
    vec((0..5u32, 0..6u64), 0..7)
}

/// Clocks as large as they come.
fn any_clock() -> impl Strategy<Value = VectorClock> {
    vec((any::<u32>(), any::<u64>()), 0..12).prop_map(|dots| clock(&dots))
}

/// LEB128, with as many padding bytes as asked for.
fn number(mut value: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    for _ in 0..padding {
        *bytes.last_mut().expect("a number has a byte") |= 0x80;
        bytes.push(0);
    }
    bytes
}

proptest! {
    #[test]
    fn compares_as_sets_of_changes_include_each_other(a in dots(), b in dots()) {
        let expected = order(&seen(&a), &seen(&b));
        prop_assert_eq!(clock(&a).compare(&clock(&b)), expected);
        prop_assert_eq!(clock(&a).dominates(&clock(&b)), seen(&a).is_superset(&seen(&b)));
        prop_assert_eq!(clock(&a) == clock(&b), expected == ClockOrder::Equal);
    }

    #[test]
    fn agrees_with_the_crdts_crate(a in dots(), b in dots()) {
        let (mut one, other) = (reference(&a), reference(&b));
        prop_assert_eq!(clock(&a).partial_cmp(&clock(&b)), one.partial_cmp(&other));
        one.merge(other);
        let heads: Vec<_> = joined(&clock(&a), &clock(&b))
            .heads()
            .map(|dot| (dot.replica.0, dot.counter))
            .collect();
        prop_assert_eq!(heads, one.dots.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn contains_and_counts_what_was_seen(a in dots(), replica in 0..6u32, counter in 1..8u64) {
        let dot = Dot::new(ReplicaId(replica), counter);
        prop_assert_eq!(clock(&a).contains(dot), seen(&a).contains(&(replica, counter)));
        prop_assert_eq!(clock(&a).count(), seen(&a).len() as u64);
        prop_assert_eq!(clock(&a).is_empty(), seen(&a).is_empty());
    }

    #[test]
    fn order_is_partial(a in dots(), b in dots(), c in dots()) {
        let (a, b, c) = (clock(&a), clock(&b), clock(&c));
        prop_assert!(a <= a);
        prop_assert!(!(a <= b && b <= a) || a == b);
        prop_assert!(!(a <= b && b <= c) || a <= c);
    }

    #[test]
    fn join_is_the_least_upper_bound(a in dots(), b in dots(), c in dots()) {
        let (a, b, c) = (clock(&a), clock(&b), clock(&c));
        let both = joined(&a, &b);
        prop_assert!(a <= both && b <= both);
        prop_assert!(!(a <= c && b <= c) || both <= c);
        prop_assert_eq!(&both, &joined(&b, &a));
        prop_assert_eq!(joined(&both, &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a);
    }

    #[test]
    fn bytes_are_canonical(clock in any_clock()) {
        prop_assert_eq!(VectorClock::from_bytes(&clock.to_bytes()), Ok(clock));
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(bytes in vec(0..8u8, 0..12)) {
        if let Ok(clock) = VectorClock::from_bytes(&bytes) {
            prop_assert_eq!(clock.to_bytes(), bytes);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..64)) {
        if let Ok(clock) = VectorClock::from_bytes(&bytes) {
            prop_assert_eq!(clock.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_padded_number_is_refused(clock in any_clock(), counter in 1..=u64::MAX, padding in 1..4usize) {
        let mut bytes = number(0, padding);
        bytes.extend(number(counter, 0));
        prop_assert!(VectorClock::from_bytes(&bytes).is_err());
        let mut bytes = number(0, 0);
        bytes.extend(number(counter, padding));
        prop_assert!(VectorClock::from_bytes(&bytes).is_err());
        let mut bytes = clock.to_bytes();
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
            bytes.push(0);
            prop_assert!(VectorClock::from_bytes(&bytes).is_err());
        }
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    let refused = [
        ("zero counter", vec![1, 0], MalformedClock::NotCanonical),
        (
            "the same replica twice",
            vec![1, 5, 0, 6],
            MalformedClock::NotCanonical,
        ),
        ("no counter", vec![1], MalformedClock::BadNumber),
        (
            "an unfinished number",
            vec![1, 0x80],
            MalformedClock::BadNumber,
        ),
        (
            "a replica beyond 32 bits",
            [number(1 << 32, 0), vec![1]].concat(),
            MalformedClock::BadNumber,
        ),
        (
            "a step beyond 32 bits",
            [number(u64::from(u32::MAX), 0), vec![1, 1, 1]].concat(),
            MalformedClock::BadNumber,
        ),
        (
            "a counter beyond 64 bits",
            [vec![1], vec![0xff; 9], vec![2]].concat(),
            MalformedClock::BadNumber,
        ),
    ];
    for (what, bytes, error) in refused {
        assert_eq!(VectorClock::from_bytes(&bytes), Err(error), "{what}");
    }
    let largest = clock(&[(0, u64::MAX), (u32::MAX, u64::MAX)]);
    assert_eq!(
        VectorClock::from_bytes(&largest.to_bytes()),
        Ok(largest.clone())
    );
    assert_eq!(largest.count(), u64::MAX, "counts saturate");
}
