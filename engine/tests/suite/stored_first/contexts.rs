//! What is told of the order of changes, held against what they say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use engine::{AutomergeContent, Change, Dot, StoredChange};

type Hash = [u8; 32];

/// The changes of a log by their hashes: what each builds on, and the dots that it came with.
#[derive(Default)]
struct Family {
    deps: BTreeMap<Hash, Vec<Hash>>,
    dots: BTreeMap<Hash, BTreeSet<Dot>>,
}

/// Checks that each context ends in changes that its own builds on, and has what it builds on that had come to the same
/// node before it.
pub(super) fn check(log: &[StoredChange]) {
    let mut family = Family::default();
    for StoredChange { change, .. } in log {
        for (hash, deps) in parts(change) {
            family.deps.insert(hash, deps);
            family.dots.entry(hash).or_default().insert(change.dot);
        }
    }
    for StoredChange { change, .. } in log {
        family.check(change);
    }
}

impl Family {
    fn check(&self, change: &Change) {
        let had = self.family_of(change);
        let ends = had.iter().flat_map(|hash| self.dots.get(hash));
        let ends: BTreeSet<_> = ends.flatten().copied().collect();
        assert!(!change.context.contains(change.dot));
        for end in change.context.heads() {
            assert!(ends.contains(&end), "{change:?} does not build on {end:?}");
        }
        let news = parts(change).into_iter();
        // What came twice may have been known to the node, under another dot.
        for (_, deps) in news.filter(|(hash, _)| self.dots[hash].len() == 1) {
            for dots in deps.iter().filter_map(|dep| self.dots.get(dep)) {
                let mut seen = dots.iter().map(|dot| change.context.contains(*dot));
                assert!(
                    !dots.iter().any(|dot| came_before(*dot, change)) || seen.any(|seen| seen),
                    "{change:?} builds on one of {dots:?}"
                );
            }
        }
    }

    /// What is in a change, which may have been stored before, and all that it builds on.
    fn family_of(&self, change: &Change) -> BTreeSet<Hash> {
        let mut next: Vec<_> = parts(change).into_iter().map(|(hash, _)| hash).collect();
        let mut met: BTreeSet<_> = next.iter().copied().collect();
        while let Some(hash) = next.pop() {
            let deps = self.deps.get(&hash).into_iter().flatten();
            next.extend(deps.filter(|dep| met.insert(**dep)));
        }
        met
    }
}

fn came_before(dot: Dot, change: &Change) -> bool {
    dot.replica == change.dot.replica && dot.counter < change.dot.counter
}

fn parts(change: &Change) -> Vec<(Hash, Vec<Hash>)> {
    let payloads = change.updates().expect("it is stored");
    let parts = payloads.iter().flat_map(|payload| {
        let changes = AutomergeContent::changes_of(payload);
        changes.expect("only changes are stored")
    });
    parts.map(|part| (part.hash, part.deps)).collect()
}
