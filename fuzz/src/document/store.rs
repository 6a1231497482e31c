//! A store that fails when told to, and refuses what a real one must never be asked.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use engine::{
    Change, Content, DocumentKey, Dot, Kind, Loaded, Order, PayloadHash, ReplicaId, Snapshot,
    StoredChange, VectorClock, history,
};

use crate::{findings, writer};

/// What happens to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is stored.
    None,
    /// It fails, and nothing is stored.
    Before,
    /// It is stored, but nobody learns of it.
    After,
}

/// The changes and the latest snapshot of one document.
pub(super) struct Store {
    changes: Vec<StoredChange>,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) quarantined: BTreeSet<PayloadHash>,
    /// Whether edits of several replicas may be stored in another order than they were taken in.
    pub(super) is_shared: bool,
    /// Whether that has made one contradict what is stored before it. No writer's do.
    pub(super) is_contradictory: bool,
    /// What the changes amount to, replayed one by one as they came.
    replayed: Content,
}

impl Store {
    pub(super) fn new(is_shared: bool) -> Self {
        Self {
            is_shared,
            is_contradictory: false,
            changes: Vec::new(),
            snapshot: None,
            quarantined: BTreeSet::new(),
            replayed: writer::empty(),
        }
    }

    /// Stores changes, but for those that it has from an earlier attempt.
    pub(super) fn append(&mut self, changes: &[Change]) {
        for change in changes {
            let known = self.changes.iter().map(|stored| &stored.change);
            match known.into_iter().find(|known| known.dot == change.dot) {
                Some(known) => assert_eq!(known, change, "a dot names one change for ever"),
                None => self.keep(change),
            }
        }
    }

    fn keep(&mut self, change: &Change) {
        let heads = self.heads();
        let head = heads.get(change.dot.replica);
        assert_eq!(head + 1, change.dot.counter, "lanes have no holes");
        assert!(
            heads.dominates(&change.context),
            "a change builds only on what is stored before it"
        );
        for update in change.updates().expect("payloads are well formed") {
            self.replay_on(&update);
        }
        self.changes.push(StoredChange {
            order: Order(self.changes.len() as u64 + 1),
            change: change.clone(),
        });
    }

    fn replay_on(&mut self, update: &[u8]) {
        if self.is_contradictory {
            return;
        }
        if let Err(error) = self.replayed.integrate(update) {
            findings::judge(&error);
            assert!(
                self.is_shared,
                "only what can be replayed is stored: {error}"
            );
            self.is_contradictory = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// The changes behind the first few.
    pub(super) fn changes_from(&self, first: usize) -> impl Iterator<Item = &Change> {
        self.changes[first..].iter().map(|stored| &stored.change)
    }

    /// Some changes of one lane.
    pub(super) fn lane(
        &self,
        replica: ReplicaId,
        counters: &RangeInclusive<u64>,
    ) -> Vec<StoredChange> {
        let asked = |dot: Dot| dot.replica == replica && counters.contains(&dot.counter);
        let changes = self.changes.iter();
        changes
            .filter(|stored| asked(stored.change.dot))
            .cloned()
            .collect()
    }

    pub(super) fn heads(&self) -> VectorClock {
        self.changes
            .iter()
            .map(|stored| stored.change.dot)
            .collect()
    }

    /// The document's past, from the latest snapshot or from zero.
    pub(super) fn load(&self, snapshot: Option<&Snapshot>) -> Loaded {
        let covered = |stored: &&StoredChange| {
            snapshot.is_some_and(|snapshot| snapshot.clock.contains(stored.change.dot))
        };
        let rest = self.changes.iter().filter(|stored| !covered(stored));
        Loaded {
            kind: (!self.changes.is_empty()).then_some(Kind::Yjs),
            snapshot: snapshot.cloned(),
            changes: rest.cloned().collect(),
            heads: self.heads(),
            quarantined: self.quarantined.clone(),
            ..Loaded::default()
        }
    }

    /// Whether all that an update says can be rebuilt from what is stored.
    pub(super) fn covers(&mut self, update: &[u8]) -> bool {
        let mut changes = self.changes.iter();
        let verbatim = changes.any(|stored| {
            let updates = stored.change.updates().unwrap_or_default();
            updates.iter().any(|stored| stored == update)
        });
        verbatim
            || self.is_contradictory
            || matches!(self.replayed.integrate(update), Ok(integrated) if !integrated.news)
    }

    /// The content as it is rebuilt from the log alone.
    pub(super) fn replay(&self) -> Content {
        let replayed = history::replay(Kind::Yjs, None, &self.changes, &BTreeSet::new())
            .expect("all that is stored can be replayed");
        assert_eq!(replayed.skipped, 0, "all that is stored can be replayed");
        replayed.content
    }
}

/// The document that the store is of.
pub(super) fn key() -> DocumentKey {
    DocumentKey::new("default", "fuzz").expect("the name is good")
}
