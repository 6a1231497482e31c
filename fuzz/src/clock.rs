//! The vector clock: as it stands in the store, and as other nodes send it.

use std::collections::BTreeMap;

use engine::{ClockOrder, Dot, ReplicaId, VectorClock};

use crate::script::Script;

/// Reads two clocks: what decodes is canonical, and the two relate as two maps of the same entries do.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let (ours, theirs) = (decode(script.chunk()), decode(script.chunk()));
    let (a, b) = (model(&ours), model(&theirs));
    let (over, under) = (covers(&a, &b), covers(&b, &a));
    assert_eq!(ours.dominates(&theirs), over);
    assert_eq!(ours.compare(&theirs), order(over, under));
    let mut joined = ours.clone();
    joined.join(&theirs);
    assert!(joined.dominates(&ours) && joined.dominates(&theirs));
    let mut both = a;
    for (replica, counter) in b {
        let entry = both.entry(replica).or_default();
        *entry = counter.max(*entry);
    }
    assert_eq!(model(&joined), both);
    canonical(&joined);
}

fn decode(bytes: &[u8]) -> VectorClock {
    let clock = VectorClock::from_bytes(bytes).unwrap_or_default();
    if !clock.is_empty() {
        assert_eq!(clock.to_bytes(), bytes, "equal clocks have equal bytes");
    }
    canonical(&clock);
    clock
}

fn canonical(clock: &VectorClock) {
    assert_eq!(
        VectorClock::from_bytes(&clock.to_bytes()).as_ref(),
        Ok(clock)
    );
    assert_eq!(&clock.heads().collect::<VectorClock>(), clock);
    assert!(clock.heads().all(|head| clock.contains(head)));
    assert!(clock.count() >= clock.heads().len() as u64);
}

fn model(clock: &VectorClock) -> BTreeMap<ReplicaId, u64> {
    clock
        .heads()
        .map(|Dot { replica, counter }| (replica, counter))
        .collect()
}

fn covers(over: &BTreeMap<ReplicaId, u64>, under: &BTreeMap<ReplicaId, u64>) -> bool {
    under
        .iter()
        .all(|(replica, counter)| over.get(replica).is_some_and(|over| over >= counter))
}

fn order(over: bool, under: bool) -> ClockOrder {
    match (over, under) {
        (true, true) => ClockOrder::Equal,
        (true, false) => ClockOrder::After,
        (false, true) => ClockOrder::Before,
        (false, false) => ClockOrder::Concurrent,
    }
}
