//! Changes that build on something that has not arrived yet.
//!
//! The library would keep them in a queue of its own, without a bound, and look through all of it whenever something came
//! (8,000 changes that came from the last to the first took seconds). It is only ever shown changes in their order; the
//! others wait here, each under one of those that it lacks, and are looked at when that comes. What a change lacks may also be
//! anything by an actor that it names: the library would fail on it.

use std::collections::BTreeMap;

use automerge::{ActorId, ChangeHash};
use bytes::Bytes;

use super::arrival::Arrival;
use super::graph::{self, Mark, first_of};

/// What a change waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    /// A change that it builds on.
    Change(ChangeHash),
    /// Any change of an actor that it names.
    Actor(ActorId),
}

impl Lack {
    /// What a change lacks of what is there, if anything. What was found once is not looked for again: it stays.
    pub(super) fn of(
        change: &mut Arrival,
        has_change: impl Fn(&ChangeHash) -> bool,
        has_actor: impl Fn(&ActorId) -> bool,
    ) -> Option<Self> {
        while let Some(dep) = change.deps.get(change.met) {
            if !has_change(dep) {
                return Some(Self::Change(*dep));
            }
            change.met += 1;
        }
        while let Some(id) = change.others.get(change.met - change.deps.len()) {
            if !has_actor(id) {
                return Some(Self::Actor(id.clone()));
            }
            change.met += 1;
        }
        None
    }

    /// What others lack no more once a change is there.
    pub(super) fn ended_by(change: &Arrival) -> [Self; 2] {
        [Self::Change(change.hash), Self::Actor(change.actor.clone())]
    }
}

/// Changes that wait, each once.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: BTreeMap<ChangeHash, Arrival>,
    /// Who waits for something, among others perhaps.
    waiting_for: BTreeMap<Lack, Vec<ChangeHash>>,
    /// The chunks, in the order of their bytes, so that the same changes are the same state in whatever order they came.
    chunks: Vec<Bytes>,
    bytes: usize,
}

impl Orphans {
    pub(super) fn has(&self, hash: &ChangeHash) -> bool {
        self.waiting.contains_key(hash)
    }

    /// The change that waits whose hash begins with this.
    pub(super) fn get(&self, mark: &Mark) -> Option<&Arrival> {
        let mut beyond = self.waiting.range(first_of(mark)..);
        let (_, change) = beyond.next()?;
        (graph::mark(&change.hash) == *mark).then_some(change)
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What waits.
    pub(super) fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// What waits, in the order of the hashes.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Arrival> {
        self.waiting.values()
    }

    /// Keeps a change that lacks something, if it may.
    pub(super) fn insert(&mut self, change: Arrival, lacks: Lack) -> bool {
        let chunk = change.raw.to_bytes();
        if self.waiting.len() >= ORPHANS_MAX || self.bytes + chunk.len() > ORPHAN_BYTES_MAX {
            return false;
        }
        self.bytes += chunk.len();
        if let Err(at) = self.chunks.binary_search(&chunk) {
            self.chunks.insert(at, chunk);
        }
        self.wait(change, lacks);
        true
    }

    /// Keeps one on that still lacks something.
    pub(super) fn wait(&mut self, change: Arrival, lacks: Lack) {
        self.waiting_for.entry(lacks).or_default().push(change.hash);
        self.waiting.insert(change.hash, change);
    }

    /// Takes those that waited for something, of which some may lack others besides. They count as waiting until they are
    /// [let go](Self::let_go).
    pub(super) fn take(&mut self, came: &Lack) -> Vec<Arrival> {
        let who = self.waiting_for.remove(came).unwrap_or_default();
        who.iter()
            .filter_map(|hash| self.waiting.remove(hash))
            .collect()
    }

    /// Lets chunks go that were taken, all at once.
    pub(super) fn let_go(&mut self, mut taken: Vec<Bytes>) {
        if taken.is_empty() {
            return;
        }
        self.bytes -= taken.iter().map(Bytes::len).sum::<usize>();
        taken.sort_unstable();
        self.chunks
            .retain(|chunk| taken.binary_search(chunk).is_err());
    }
}

/// How many changes may wait in one document, and their bytes. A client that sends more is closed; when it comes back, it
/// sends what is missing.
const ORPHANS_MAX: usize = 10_000;
const ORPHAN_BYTES_MAX: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use automerge::transaction::Transactable;
    use automerge::{AutoCommit, ROOT};

    use super::super::arrival::arrivals;
    use super::*;

    const MANY: u32 = 500;

    fn hash(number: u64) -> ChangeHash {
        let mut hash = ChangeHash([0; 32]);
        hash.0[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    /// Changes of one author, each on the one before it.
    fn chain(changes: i64) -> Vec<Arrival> {
        let mut doc = AutoCommit::new();
        for number in 0..changes {
            doc.put(ROOT, number.to_string(), number).unwrap();
            doc.commit();
        }
        let chunks = doc.get_changes(&[]).into_iter();
        let payload = chunks.flat_map(|change| change.raw_bytes().to_vec());
        arrivals(&payload.collect()).unwrap()
    }

    #[test]
    fn what_came_from_the_last_to_the_first_is_looked_at_once_each() {
        let mut changes = chain(2_000);
        let mut orphans = Orphans::default();
        let first = changes.remove(0);
        for change in changes.iter().rev() {
            let lacks = Lack::Change(change.deps[0]);
            assert!(orphans.insert(change.clone(), lacks));
        }
        let (mut came, mut looked_at) = (vec![first.hash], 0);
        while let Some(hash) = came.pop() {
            let next = orphans.take(&Lack::Change(hash));
            looked_at += next.len();
            came.extend(next.iter().map(|change| change.hash));
        }
        assert_eq!(looked_at, changes.len());
        assert!(orphans.waiting.is_empty() && orphans.waiting_for.is_empty());
        orphans.let_go(changes.iter().map(|change| change.raw.to_bytes()).collect());
        assert_eq!((orphans.bytes(), orphans.chunks().len()), (0, 0));
    }

    #[test]
    fn what_lacks_much_is_not_looked_through_anew_for_each_that_comes() {
        let mut change = chain(1).remove(0);
        change.deps = (0..MANY).map(|number| hash(number.into())).collect();
        change.others = (0..MANY).map(|id| id.to_be_bytes().into()).collect();
        let looked_at = Cell::new(0);
        let is_among = |is_among: bool| {
            looked_at.set(looked_at.get() + 1);
            is_among
        };
        for come in 0..=MANY {
            let lacks = Lack::of(
                &mut change,
                |dep| is_among(*dep < hash(come.into())),
                |_| false,
            );
            let dep = (come < MANY).then(|| Lack::Change(hash(come.into())));
            assert!(lacks.is_some());
            assert!(dep.is_none_or(|dep| lacks == Some(dep)));
        }
        for come in 0..=MANY {
            let has_actor = |id: &ActorId| is_among(*id < ActorId::from(come.to_be_bytes()));
            let lacks = Lack::of(&mut change, |_| false, has_actor);
            assert_eq!(lacks.is_none(), come == MANY);
        }
        assert!(looked_at.get() <= 4 * MANY + 2, "{looked_at:?}");
    }

    #[test]
    fn only_so_many_may_wait() {
        let changes = chain(3);
        let mut orphans = Orphans::default();
        for number in 0..=ORPHANS_MAX as u64 {
            let mut change = changes[1].clone();
            change.hash = hash(number);
            let may_wait = orphans.insert(change, Lack::Change(changes[0].hash));
            assert_eq!(may_wait, number < ORPHANS_MAX as u64);
        }
    }
}
