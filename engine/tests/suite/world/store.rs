//! A store that fails when told to, and refuses what a real one must never be asked.

use std::collections::BTreeSet;

use engine::{
    Change, Content, Dot, Kind, Loaded, Order, PayloadHash, Snapshot, StoredChange, VectorClock,
};
use yrs::IdSet;

use super::editor::edits;

/// What happens to the next append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It fails, and nothing is stored.
    Before,
    /// It is stored, but nobody learns of it.
    After,
}

/// The changes and snapshots of one document.
pub(crate) struct FakeStore {
    pub(crate) fault: Fault,
    pub(crate) kind: Option<Kind>,
    pub(crate) changes: Vec<StoredChange>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) quarantined: BTreeSet<PayloadHash>,
    /// What the stored changes amount to, replayed one by one as they came.
    pub(crate) replayed: Content,
    /// What the stored changes insert.
    pub(crate) edits: IdSet,
    /// The appends that were tried, by their dots.
    pub(crate) tried: Vec<Vec<Dot>>,
    /// Whether it has lost something that it had.
    pub(crate) has_lost: bool,
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        Self {
            fault: Fault::None,
            kind: None,
            changes: Vec::new(),
            snapshots: Vec::new(),
            quarantined: BTreeSet::new(),
            replayed: Content::new(Kind::Yjs).expect("Yjs is served"),
            edits: IdSet::new(),
            tried: Vec::new(),
            has_lost: false,
        }
    }

    /// Stores changes, or not, as the fault says. Returns whether the document is to be told that they are stored.
    pub(crate) fn append(&mut self, changes: &[Change]) -> bool {
        self.tried
            .push(changes.iter().map(|change| change.dot).collect());
        if self.fault != Fault::Before {
            changes.iter().for_each(|change| self.keep(change));
        }
        self.fault == Fault::None
    }

    /// Loses the last of its changes, as a standby does that has not received them.
    pub(crate) fn lose(&mut self, changes: usize) {
        let kept = self.changes.len() - changes;
        let all = std::mem::take(&mut self.changes);
        let tried = std::mem::take(&mut self.tried);
        *self = Self {
            has_lost: true,
            tried,
            ..Self::new()
        };
        for stored in &all[..kept] {
            self.keep(&stored.change);
        }
    }

    /// Whether changes can be stored, as far as their names go: after a loss it may be that they can not.
    pub(crate) fn takes(&self, changes: &[Change]) -> bool {
        let mut heads = self.heads();
        !self.has_lost
            || changes.iter().all(|change| {
                let mut stored = self.changes.iter().map(|stored| &stored.change);
                if let Some(known) = stored.find(|stored| stored.dot == change.dot) {
                    return known == change;
                }
                let follows = heads.get(change.dot.replica) + 1 == change.dot.counter;
                heads.observe(change.dot);
                follows
            })
    }

    fn keep(&mut self, change: &Change) {
        if let Some(known) = self
            .changes
            .iter()
            .find(|stored| stored.change.dot == change.dot)
        {
            assert_eq!(&known.change, change, "a dot names one change for ever");
            return;
        }
        let heads = self.heads();
        assert_eq!(
            heads.get(change.dot.replica) + 1,
            change.dot.counter,
            "lanes have no holes"
        );
        assert!(
            self.has_lost || heads.dominates(&change.context),
            "a change builds only on what is stored before it"
        );
        self.kind = Some(Kind::Yjs);
        for update in change.updates().expect("payloads are well formed") {
            self.replayed
                .integrate(&update)
                .expect("only good updates are stored");
            self.edits.merge_with(edits(&update));
        }
        let order = Order(self.changes.len() as u64 * 2 + 1);
        self.changes.push(StoredChange {
            order,
            change: change.clone(),
        });
    }

    pub(crate) fn heads(&self) -> VectorClock {
        self.changes
            .iter()
            .map(|stored| stored.change.dot)
            .collect()
    }

    /// The whole past without snapshots.
    pub(crate) fn load_log(&self) -> Loaded {
        Loaded {
            kind: self.kind,
            changes: self.changes.clone(),
            heads: self.heads(),
            quarantined: self.quarantined.clone(),
            ..Loaded::default()
        }
    }

    pub(crate) fn load(&self) -> Loaded {
        let snapshot = self.snapshots.last().cloned();
        let covered = snapshot
            .as_ref()
            .map(|snapshot| snapshot.clock.clone())
            .unwrap_or_default();
        let rest = self
            .changes
            .iter()
            .filter(|stored| !covered.contains(stored.change.dot));
        Loaded {
            kind: self.kind,
            snapshot,
            changes: rest.cloned().collect(),
            heads: self.heads(),
            quarantined: self.quarantined.clone(),
            ..Loaded::default()
        }
    }

    /// Whether all that an update says can be rebuilt from what is stored.
    pub(crate) fn covers(&mut self, update: &[u8]) -> bool {
        let integrated = self.replayed.integrate(update);
        integrated.is_ok_and(|integrated| !integrated.news)
    }

    /// The content as it is rebuilt from the log alone.
    pub(crate) fn replay(&self) -> Content {
        let replayed = engine::history::replay(Kind::Yjs, None, &self.changes, &BTreeSet::new())
            .expect("Yjs is served");
        assert_eq!(replayed.skipped, 0, "all that is stored can be replayed");
        replayed.content
    }
}
