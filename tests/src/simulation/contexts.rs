//! What is told of the order of Automerge changes, held against what they say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use engine::{AutomergeContent, Change, Dot, StoredChange};
use protocol::automerge::ChangeHash;

use super::checks::{Check, Found};
use super::pieces::{Ancestry, Pieces};

/// The changes of a log by their hashes: what each builds on, and the dots that it came with.
#[derive(Default)]
struct Family {
    ancestry: Ancestry,
    dots: BTreeMap<ChangeHash, BTreeSet<Dot>>,
}

/// Checks that each context ends in changes that its own builds on, and has what it builds on that had come to the same
/// node before it.
pub(super) fn check(log: &[StoredChange]) -> Found<()> {
    let mut family = Family::default();
    for StoredChange { change, .. } in log {
        for payload in change.updates().unwrap_or_default() {
            family.ancestry.note(&payload);
        }
        for (hash, _) in parts(change) {
            family.dots.entry(hash).or_default().insert(change.dot);
        }
    }
    log.iter()
        .try_for_each(|stored| family.check(&stored.change))
}

impl Family {
    fn check(&self, change: &Change) -> Found<()> {
        let (dot, context) = (change.dot, &change.context);
        let parts = parts(change);
        let own: Pieces = parts.iter().map(|(hash, _)| *hash).collect();
        let had = self.ancestry.lineage(&own);
        let ends = had.changes().flat_map(|hash| self.dots.get(hash));
        let ends: BTreeSet<_> = ends.flatten().copied().collect();
        let mut foreign = context.heads().filter(|end| !ends.contains(end));
        let foreign = foreign.next();
        let good = foreign.is_none() && !context.contains(dot);
        Check::Contexts.that(good, || {
            format!("{dot} does not build on {foreign:?} of its context {context:?}")
        })?;
        // What came twice may have been known to the node, under another dot.
        let news = parts.iter().filter(|(hash, _)| self.dots[hash].len() == 1);
        for dots in news.flat_map(|(_, deps)| deps.iter().filter_map(|dep| self.dots.get(dep))) {
            let came_before = dots.iter().any(|other| is_before(*other, dot));
            let is_seen = dots.iter().any(|other| context.contains(*other));
            Check::Contexts.that(is_seen || !came_before, || {
                format!("{dot} builds on one of {dots:?}, which is not in its context {context:?}")
            })?;
        }
        Ok(())
    }
}

fn is_before(dot: Dot, other: Dot) -> bool {
    dot.replica == other.replica && dot.counter < other.counter
}

/// The changes that came with one, and what each builds on.
fn parts(change: &Change) -> Vec<(ChangeHash, Vec<ChangeHash>)> {
    let payloads = change.updates().unwrap_or_default();
    let parts = payloads.iter().flat_map(AutomergeContent::changes_of);
    let parts = parts.flatten().map(|part| {
        let deps = part.deps.into_iter().map(ChangeHash);
        (ChangeHash(part.hash), deps.collect())
    });
    parts.collect()
}
