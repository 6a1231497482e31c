//! A document of the store in memory: its changes in the order of the timeline, and by what else they are found.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Change, DocumentKey, Dot, Gist, Kind, Order, PayloadHash, ReplicaId, Snapshot, StoredChange,
    VectorClock,
};

use crate::operation::{Following, Name, Placed};
use crate::store::{Description, Past, Place, StoreError, TimelinePage};
use crate::thinning::superfluous;

#[derive(Debug)]
pub(super) struct Document {
    pub(super) kind: Kind,
    pub(super) created_ms: u64,
    pub(super) deleted_ms: Option<u64>,
    /// In the order of the timeline.
    changes: Vec<StoredChange>,
    /// Where the changes of each lane stand among them; a lane has no holes.
    lanes: BTreeMap<ReplicaId, Vec<usize>>,
    /// Where the operations stand, by their versions.
    operations: Vec<usize>,
    /// Their versions by their names.
    names: BTreeMap<Name, u64>,
    /// With the order through which each goes, ascending.
    snapshots: Vec<(Order, Snapshot)>,
    gist: Option<Gist>,
}

/// Changes that are not stored yet, and may be.
#[derive(Debug)]
pub(super) struct Fresh(Vec<(Change, Option<Placed>)>);

impl Document {
    pub(super) fn new(kind: Kind, created_ms: u64) -> Self {
        Self {
            kind,
            created_ms,
            deleted_ms: None,
            changes: Vec::new(),
            lanes: BTreeMap::new(),
            operations: Vec::new(),
            names: BTreeMap::new(),
            snapshots: Vec::new(),
            gist: None,
        }
    }

    /// What of some changes is not stored yet; an error if one does not fit.
    pub(super) fn fresh(&self, changes: Vec<Change>) -> Result<Fresh, StoreError> {
        let placed = Placed::of_all(&changes)?;
        let mut heads: BTreeMap<ReplicaId, u64> = BTreeMap::new();
        let mut operations = Vec::new();
        let mut fresh: Vec<(Change, Option<Placed>)> = Vec::new();
        for (index, (change, placed)) in changes.into_iter().zip(placed).enumerate() {
            let Dot { replica, counter } = change.dot;
            let twin = fresh.iter().map(|(fresh, _)| fresh);
            let twin = twin.into_iter().find(|twin| twin.dot == change.dot);
            match twin.or_else(|| self.by_dot(change.dot)) {
                Some(twin) if *twin == change => continue,
                Some(_) => return Err(StoreError::DotReused(change.dot)),
                None => {}
            }
            let head = heads.entry(replica).or_insert_with(|| self.head(replica));
            if counter != *head + 1 {
                return Err(StoreError::HoleInLane(change.dot));
            }
            *head = counter;
            operations.extend(placed.map(|placed| (index, placed)));
            fresh.push((change, placed));
        }
        self.check_operations(&operations)?;
        Ok(Fresh(fresh))
    }

    /// Whether operations, each with its index in the append, have the places and names that they claim.
    fn check_operations(&self, operations: &[(usize, Placed)]) -> Result<(), StoreError> {
        let mut following = Following::new(self.operations.len() as u64);
        for (index, placed) in operations {
            following.take(placed, *index)?;
        }
        for &(index, Placed { name, .. }) in operations {
            if let Some(&version) = self.names.get(&name) {
                return Err(StoreError::NameKnown { index, version });
            }
        }
        Ok(())
    }

    /// Stores changes, the first of them at an order.
    pub(super) fn append(&mut self, fresh: Fresh, first: u64) {
        for ((change, placed), order) in fresh.0.into_iter().zip(first..) {
            let at = self.changes.len();
            self.lanes.entry(change.dot.replica).or_default().push(at);
            if let Some(placed) = placed {
                self.operations.push(at);
                self.names.insert(placed.name, placed.version);
            }
            let order = Order(order);
            self.changes.push(StoredChange { order, change });
        }
    }

    fn head(&self, replica: ReplicaId) -> u64 {
        self.lanes.get(&replica).map_or(0, |lane| lane.len() as u64)
    }

    fn by_dot(&self, dot: Dot) -> Option<&Change> {
        let at = usize::try_from(dot.counter.checked_sub(1)?).ok()?;
        let at = self.lanes.get(&dot.replica)?.get(at)?;
        self.changes.get(*at).map(|stored| &stored.change)
    }

    pub(super) fn heads(&self) -> VectorClock {
        let heads = self.lanes.keys();
        heads
            .map(|replica| Dot::new(*replica, self.head(*replica)))
            .collect()
    }

    pub(super) fn changes(&self) -> &[StoredChange] {
        &self.changes
    }

    /// The version of the operation of a name.
    pub(super) fn version_of(&self, name: Name) -> Option<u64> {
        self.names.get(&name).copied()
    }

    pub(super) fn operations(&self, from: u64, to: Option<u64>) -> Vec<StoredChange> {
        let place = |version: u64| usize::try_from(version).unwrap_or(usize::MAX);
        let end = self.operations.len().min(to.map_or(usize::MAX, place));
        let wanted = self.operations.get(place(from)..end).unwrap_or_default();
        wanted.iter().map(|at| self.changes[*at].clone()).collect()
    }

    pub(super) fn load(&self, quarantined: BTreeSet<PayloadHash>) -> Past {
        let past = self.past(Order(u64::MAX), quarantined);
        if past.deleted {
            return Past {
                snapshot: None,
                changes: Vec::new(),
                ..past
            };
        }
        past
    }

    pub(super) fn past(&self, until: Order, quarantined: BTreeSet<PayloadHash>) -> Past {
        let past = Past {
            quarantined,
            ..Past::default()
        };
        let newest = self
            .snapshots
            .iter()
            .rfind(|(through, it)| *through <= until && !past.quarantines(it));
        let snapshot = newest.map(|(_, snapshot)| snapshot.clone());
        let covered = |dot| {
            snapshot
                .as_ref()
                .is_some_and(|snapshot| snapshot.clock.contains(dot))
        };
        let within = self.changes.iter().filter(|it| it.order <= until);
        Past {
            kind: Some(self.kind),
            deleted: self.deleted_ms.is_some(),
            heads: within.clone().map(|it| it.change.dot).collect(),
            changes: within
                .filter(|it| !covered(it.change.dot))
                .cloned()
                .collect(),
            snapshot,
            ..past
        }
    }

    pub(super) fn put_snapshot(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        if !self.heads().dominates(&snapshot.clock) {
            return Err(StoreError::SnapshotAhead);
        }
        let through = self
            .changes
            .iter()
            .rfind(|it| snapshot.clock.contains(it.change.dot))
            .map_or(Order(0), |it| it.order);
        let at = self.snapshots.partition_point(|(it, _)| *it <= through);
        self.snapshots.insert(at, (through, snapshot));
        self.thin();
        Ok(())
    }

    /// Keeps a gist, if it is of what is stored.
    pub(super) fn keep_gist(&mut self, gist: Gist) -> bool {
        let is_true = self.is_of_all(&gist);
        if is_true {
            self.gist = Some(gist);
        }
        is_true
    }

    /// The gist that was kept, if it is of what is stored still.
    pub(super) fn gist(&self) -> Option<&Gist> {
        self.gist.as_ref().filter(|gist| self.is_of_all(gist))
    }

    fn is_of_all(&self, gist: &Gist) -> bool {
        self.deleted_ms.is_none() && self.kind == gist.kind && self.heads() == gist.clock
    }

    fn thin(&mut self) {
        let kept = self.snapshots.iter().enumerate();
        let kept: Vec<_> = kept.map(|(at, (_, it))| (at, it.clock.count())).collect();
        for at in superfluous(&kept).into_iter().rev() {
            self.snapshots.remove(at);
        }
    }

    pub(super) fn describe(&self, document: DocumentKey) -> Description {
        Description {
            document,
            kind: self.kind,
            created_ms: self.created_ms,
            changed_ms: self.changes.last().map(|it| it.change.hlc.wall_ms()),
            deleted_ms: self.deleted_ms,
            clock: self.heads(),
        }
    }

    pub(super) fn page(&self, page: TimelinePage) -> Vec<StoredChange> {
        let wanted = self.changes.iter().cloned();
        match page {
            TimelinePage::After(order, limit) => {
                wanted.filter(|it| it.order > order).take(limit).collect()
            }
            TimelinePage::Before(order, limit) => wanted
                .rev()
                .filter(|it| order.is_none_or(|order| it.order < order))
                .take(limit)
                .collect(),
        }
    }

    pub(super) fn find(&self, place: Place) -> Option<Order> {
        let found = match place {
            Place::Dot(dot) => self.changes.iter().find(|it| it.change.dot == dot),
            Place::Index(index) => {
                let at = usize::try_from(index.checked_sub(1)?).ok()?;
                self.changes.get(at)
            }
            Place::WallMs(wall_ms) => self
                .changes
                .iter()
                .rfind(|it| it.change.hlc.wall_ms() <= wall_ms),
        };
        found.map(|it| it.order)
    }
}

impl Fresh {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The last of them.
    pub(super) fn last(&self) -> Option<&Change> {
        self.0.last().map(|(change, _)| change)
    }
}
