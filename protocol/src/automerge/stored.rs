//! What a document has stored, as far as its client may be told: the heads.
//!
//! The document says them when it is asked. In between they follow from the changes that it tells of, each of which is stored by
//! then; where it cannot be told from these what the heads are, the document is asked again.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use engine::AutomergeChange;

use super::hash::ChangeHash;

/// The heads of what is stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    heads: BTreeSet<ChangeHash>,
    /// The last changes that were heard of, in the order in which they were stored, and whatever of these builds on one of them
    /// is among them.
    recent: Latest,
    /// The last ones that could not be placed. If they are told of again the heads may follow from them.
    unplaced: Latest,
    /// What those lack: what waits follows from it once it comes.
    awaited: HashSet<u64>,
    hasher: RandomState,
}

/// The last of some changes. Of each a short name is kept that nobody outside can tell.
#[derive(Debug, Default)]
struct Latest {
    names: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Stored {
    /// The document has said what its heads are.
    pub(super) fn replace(&mut self, heads: &[ChangeHash]) {
        self.heads = heads.iter().copied().collect();
        heads.iter().for_each(|head| self.note(*head));
    }

    /// The document tells of changes that are stored. False if it has to be asked what its heads are now.
    pub(super) fn take_in(&mut self, changes: &[AutomergeChange]) -> bool {
        let mut is_certain = true;
        for change in changes {
            let hash = ChangeHash(change.hash);
            if self.is_recent(&hash) {
                continue;
            }
            if self.unplaced.names.contains(&self.name_of(&hash)) {
                is_certain = false;
                continue;
            }
            is_certain &= !self.was_awaited(&hash);
            let mut deps = change.deps.iter().copied().map(ChangeHash);
            // One that begins a document is new where nothing is, and may be old elsewhere.
            let is_placed = match deps.len() {
                0 => self.heads.is_empty(),
                _ => deps.all(|dep| self.is_recent(&dep)),
            };
            if !is_placed {
                is_certain = false;
                self.unplaced.note(self.name_of(&hash));
                self.wait_for(change);
                continue;
            }
            for dep in &change.deps {
                self.heads.remove(&ChangeHash(*dep));
            }
            self.heads.insert(hash);
            self.note(hash);
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

    fn wait_for(&mut self, early: &AutomergeChange) {
        for dep in early.deps.iter().copied().map(ChangeHash) {
            if self.awaited.len() < AWAITED_MAX && !self.is_recent(&dep) {
                self.awaited.insert(self.name_of(&dep));
            }
        }
    }

    /// Whether others may follow from a change that has come. Where more is lacked than is remembered that is so of any.
    fn was_awaited(&mut self, hash: &ChangeHash) -> bool {
        let is_full = self.awaited.len() >= AWAITED_MAX;
        self.awaited.remove(&self.name_of(hash)) || is_full
    }

    fn is_recent(&self, hash: &ChangeHash) -> bool {
        self.recent.names.contains(&self.name_of(hash))
    }

    fn name_of(&self, hash: &ChangeHash) -> u64 {
        self.hasher.hash_one(hash)
    }

    fn note(&mut self, hash: ChangeHash) {
        self.recent.note(self.name_of(&hash));
    }
}

impl Latest {
    fn note(&mut self, name: u64) {
        if self.names.insert(name) {
            self.order.push_back(name);
        }
        if self.order.len() > LATEST_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

/// How many changes are remembered: as many as are made while somebody writes who has not heard of them.
const LATEST_MAX: usize = 512;
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
    fn what_could_not_be_placed_is_no_head_when_it_is_told_of_again() {
        let mut stored = Stored::default();
        assert!(!stored.take_in(&[change(4, &[3])]));
        assert!(!stored.take_in(&[change(2, &[1]), change(3, &[1]), change(1, &[])]));
        stored.replace(&[hash(2), hash(4)]);
        assert!(!stored.take_in(&[change(3, &[1]), change(4, &[3])]));
        assert_eq!(stored.heads(), [hash(2), hash(4)]);
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
        assert_eq!(stored.recent.order.len(), LATEST_MAX);
        assert_eq!(stored.recent.names.len(), LATEST_MAX);
    }
}
