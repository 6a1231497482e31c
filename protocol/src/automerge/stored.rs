//! What a document has stored, as far as its client may be told: the heads.
//!
//! The document says them when it is asked. In between they follow from the changes that it tells of, each of which is stored by
//! then; where it cannot be told from these what the heads are, the document is asked again.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;

use engine::AutomergeChange;
use smallvec::SmallVec;

use super::hash::ChangeHash;

/// The heads of what is stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    heads: BTreeSet<ChangeHash>,
    recent: Recent,
    /// What those lack that could not be placed, by short names: what waits follows from it once it comes.
    awaited: HashSet<u64>,
}

/// The last changes that were heard of, together with all of the stored ones that build on one of them, as far as they were told
/// of. Of each a short name is kept that nobody outside can tell.
#[derive(Debug, Default)]
struct Recent {
    /// With whether it is one of the heads that the document said last, or builds on one: so much is stored after those.
    names: HashMap<u64, bool>,
    order: VecDeque<u64>,
}

impl Stored {
    /// The document has said what its heads are. What one builds on that was not told of may still be told.
    pub(super) fn replace(&mut self, heads: &[ChangeHash]) {
        self.heads = heads.iter().copied().collect();
        let names: Vec<_> = heads.iter().map(|head| self.name_of(head)).collect();
        if !names.iter().all(|name| self.recent.has(*name)) {
            self.recent.begin_anew();
        }
        names.iter().for_each(|name| self.recent.note(*name, true));
    }

    /// The document tells of changes that are stored. False if it has to be asked what its heads are now.
    pub(super) fn take_in(&mut self, changes: &[AutomergeChange]) -> bool {
        let mut is_certain = true;
        for change in changes {
            let hash = ChangeHash(change.hash);
            let name = self.name_of(&hash);
            if self.recent.has(name) {
                continue;
            }
            is_certain &= !self.was_awaited(name);
            let deps = change.deps.iter().copied().map(ChangeHash);
            let deps: SmallVec<[_; 4]> = deps.map(|dep| self.name_of(&dep)).collect();
            // One that begins a document is new where nothing is, and may be old elsewhere.
            let is_placed = match deps.is_empty() {
                true => self.heads.is_empty(),
                false => deps.iter().all(|dep| self.recent.has(*dep)),
            };
            if !is_placed {
                is_certain = false;
                self.wait_for(&deps);
                continue;
            }
            let is_new = deps.is_empty() || deps.iter().any(|dep| self.recent.is_after_heads(*dep));
            if is_new {
                for dep in &change.deps {
                    self.heads.remove(&ChangeHash(*dep));
                }
                self.heads.insert(hash);
            }
            is_certain &= is_new;
            self.recent.note(name, is_new);
        }
        is_certain
    }

    /// The heads, in order.
    pub(super) fn heads(&self) -> Vec<ChangeHash> {
        self.heads.iter().copied().collect()
    }

    /// Whether nothing is stored.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Whether all heads are among these.
    pub(super) fn are_among(&self, others: &[ChangeHash]) -> bool {
        // There may be tens of thousands on both sides.
        let others: HashSet<_> = others.iter().collect();
        self.heads.iter().all(|head| others.contains(head))
    }

    fn wait_for(&mut self, deps: &[u64]) {
        for dep in deps {
            if self.awaited.len() < AWAITED_MAX && !self.recent.has(*dep) {
                self.awaited.insert(*dep);
            }
        }
    }

    /// Whether others may follow from a change that has come. Where more is lacked than is remembered that is so of any.
    fn was_awaited(&mut self, name: u64) -> bool {
        let is_full = self.awaited.len() >= AWAITED_MAX;
        self.awaited.remove(&name) || is_full
    }

    fn name_of(&self, hash: &ChangeHash) -> u64 {
        self.recent.names.hasher().hash_one(hash)
    }
}

impl Recent {
    fn has(&self, name: u64) -> bool {
        self.names.contains_key(&name)
    }

    fn is_after_heads(&self, name: u64) -> bool {
        self.names.get(&name) == Some(&true)
    }

    /// The document has said heads of which nobody here knows what they build on.
    fn begin_anew(&mut self) {
        self.names
            .values_mut()
            .for_each(|is_after| *is_after = false);
    }

    fn note(&mut self, name: u64, is_after_heads: bool) {
        match self.names.entry(name) {
            Entry::Occupied(mut known) => *known.get_mut() |= is_after_heads,
            Entry::Vacant(unknown) => {
                unknown.insert(is_after_heads);
                self.order.push_back(name);
            }
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

/// How many changes are remembered: as many as are made while somebody writes who has not heard of them.
const RECENT_MAX: usize = 512;
/// How much of what is lacked is remembered.
const AWAITED_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> ChangeHash {
        ChangeHash([number; 32])
    }

    fn change(number: u8, deps: &[u8]) -> AutomergeChange {
        AutomergeChange {
            hash: [number; 32],
            deps: deps.iter().map(|dep| [*dep; 32]).collect(),
            actor: Box::default(),
            seq: 1,
            chunk: bytes::Bytes::new(),
        }
    }

    #[test]
    fn heads_follow_from_the_changes_that_are_told_of() {
        let mut stored = Stored::default();
        assert!(stored.take_in(&[change(1, &[]), change(2, &[1])]));
        assert_eq!(stored.heads(), [hash(2)]);
        assert!(stored.take_in(&[change(3, &[1])]), "beside the other");
        assert_eq!(stored.heads(), [hash(2), hash(3)]);
        assert!(stored.take_in(&[change(4, &[2, 3]), change(2, &[1])]));
        assert_eq!(stored.heads(), [hash(4)]);
    }

    #[test]
    fn what_cannot_be_placed_is_no_head() {
        let mut stored = Stored::default();
        stored.replace(&[hash(5)]);
        assert!(!stored.take_in(&[change(7, &[6])]), "nobody knows 6");
        assert!(!stored.take_in(&[change(1, &[])]), "it may be an old one");
        assert_eq!(stored.heads(), [hash(5)]);
        assert!(stored.take_in(&[change(8, &[5])]));
        assert_eq!(stored.heads(), [hash(8)]);
    }

    #[test]
    fn what_follows_from_a_change_that_was_awaited_has_to_be_asked() {
        let mut stored = Stored::default();
        assert!(!stored.take_in(&[change(4, &[3]), change(3, &[2]), change(2, &[1])]));
        assert_eq!(stored.awaited.len(), 1, "the others are here");
        assert!(!stored.take_in(&[change(1, &[])]), "4 is a head now");
        stored.replace(&[hash(4)]);
        assert!(stored.take_in(&[change(5, &[4])]));
        assert_eq!(stored.heads(), [hash(5)]);
    }

    #[test]
    fn what_comes_before_heads_that_were_asked_for_is_no_head() {
        let mut stored = Stored::default();
        assert!(!stored.take_in(&[change(4, &[3])]));
        assert!(!stored.take_in(&[change(2, &[1]), change(3, &[1]), change(1, &[])]));
        stored.replace(&[hash(2), hash(4)]);
        assert!(
            !stored.take_in(&[change(3, &[1]), change(4, &[3])]),
            "it may be new"
        );
        assert_eq!(stored.heads(), [hash(2), hash(4)]);
        assert!(!stored.take_in(&[change(5, &[1])]), "so may this");
        stored.replace(&[hash(2), hash(4), hash(5)]);
        assert!(stored.take_in(&[change(6, &[5]), change(7, &[4, 1])]));
        assert_eq!(stored.heads(), [hash(2), hash(6), hash(7)]);
    }

    #[test]
    fn where_more_is_lacked_than_is_remembered_nothing_is_certain() {
        let mut stored = Stored::default();
        stored.replace(&[hash(0)]);
        for number in 1..=2 * AWAITED_MAX as u32 {
            let mut early = change(1, &[9]);
            early.hash[..4].copy_from_slice(&number.to_le_bytes());
            early.deps[0][..4].copy_from_slice(&number.to_be_bytes());
            assert!(!stored.take_in(&[early]));
        }
        assert_eq!(stored.awaited.len(), AWAITED_MAX);
        assert!(!stored.take_in(&[change(1, &[0])]));
        assert_eq!(stored.heads(), [hash(1)]);
    }

    #[test]
    fn no_more_is_remembered_than_may_be() {
        let mut stored = Stored::default();
        stored.replace(&[hash(0)]);
        for number in 1..=u8::MAX {
            assert!(stored.take_in(&[change(number, &[number - 1])]));
        }
        for number in 0..1_000_u32 {
            let mut bytes = [9; 32];
            bytes[..4].copy_from_slice(&number.to_le_bytes());
            stored.replace(&[ChangeHash(bytes)]);
        }
        assert_eq!(stored.recent.order.len(), RECENT_MAX);
        assert_eq!(stored.recent.names.len(), RECENT_MAX);
    }
}
