//! The store that all nodes share: what it keeps, what is asked of it, and what it refuses.
//!
//! It keeps the promises of `storage::Store` and nothing more: appends are all or none, a lane has no holes, a dot names one
//! change. A request waits until the plan says what becomes of it, so answers come late, in any order, or say that
//! something failed which did not. Requests of nodes that have died may still be carried out: that is what happens to a
//! statement that was under way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use engine::{
    Change, Content, Dot, Gist, Kind, Loaded, Order, PayloadHash, ReplicaId, Snapshot,
    StoredChange, VectorClock,
};

use super::checks::{Check, Found};
use super::pieces::{Ancestry, Pieces};

/// All that is durable.
#[derive(Debug)]
pub(super) struct Store {
    documents: Vec<Lasting>,
    requests: Vec<Request>,
    replicas: u32,
}

/// What is kept of one document.
#[derive(Debug)]
pub(super) struct Lasting {
    kind: Kind,
    pub(super) changes: Vec<StoredChange>,
    /// How many there were after each commit.
    commits: Vec<usize>,
    pub(super) deleted: bool,
    pub(super) quarantined: BTreeSet<PayloadHash>,
    snapshots: Vec<Snapshot>,
    gist: Option<Gist>,
    /// Whether a standby without all of the changes has taken over.
    pub(super) has_lost: bool,
    heads: VectorClock,
    /// What the changes amount to, taken in one by one as they came.
    content: Content,
    /// What the changes insert.
    pub(super) inserted: Pieces,
}

/// A question of a session to the store.
#[derive(Debug)]
pub(super) struct Request {
    /// The session that is to have the answer.
    pub(super) session: u64,
    pub(super) document: usize,
    pub(super) ask: Ask,
}

/// What a session asks for.
#[derive(Debug)]
pub(super) enum Ask {
    /// The past; whether what it comes to will do.
    Load {
        gist: bool,
    },
    Append(Vec<Change>),
    GiveBack(Vec<Change>),
    Keep(Box<Snapshot>),
    /// How far each lane is; whether the session asked itself, or its node does so for all.
    Heads {
        asked: bool,
    },
    Lane(ReplicaId, RangeInclusive<u64>),
}

/// What the store did with an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    Stored,
    Deleted,
    /// A change does not follow the last of its lane.
    Hole,
    /// A name is taken.
    Reused,
}

impl Store {
    pub(super) fn new(kind: Kind, documents: usize) -> Self {
        Self {
            documents: (0..documents).map(|_| Lasting::new(kind)).collect(),
            requests: Vec::new(),
            replicas: 0,
        }
    }

    /// A replica id that nobody had before.
    pub(super) fn new_replica(&mut self) -> ReplicaId {
        self.replicas += 1;
        ReplicaId(self.replicas)
    }

    pub(super) fn ask(&mut self, request: Request) {
        self.requests.push(request);
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Takes one of the requests that wait.
    pub(super) fn take(&mut self, pick: usize) -> Option<Request> {
        let at = pick.checked_rem(self.requests.len())?;
        Some(self.requests.remove(at))
    }

    /// Whether a session still waits for an answer of the kind that `is` knows.
    pub(super) fn owes(&self, session: u64, is: impl Fn(&Ask) -> bool) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|request| request.session == session && is(&request.ask))
    }

    /// What becomes of the requests of sessions that have ended: an append lands or is lost, all else is moot.
    pub(super) fn orphan(&mut self, sessions: &[u64], lands: bool) -> Vec<Request> {
        let orphans = self
            .requests
            .extract_if(.., |request| sessions.contains(&request.session));
        let appends: Vec<_> = orphans
            .filter(|request| lands && matches!(request.ask, Ask::Append(_)))
            .collect();
        appends
    }

    pub(super) fn document(&self, document: usize) -> &Lasting {
        &self.documents[document]
    }

    pub(super) fn document_mut(&mut self, document: usize) -> &mut Lasting {
        &mut self.documents[document]
    }
}

impl Lasting {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            changes: Vec::new(),
            commits: Vec::new(),
            deleted: false,
            quarantined: BTreeSet::new(),
            snapshots: Vec::new(),
            gist: None,
            has_lost: false,
            heads: VectorClock::default(),
            content: Content::new(kind).expect("the kind is served"),
            inserted: Pieces::default(),
        }
    }

    /// Stores changes as every store does, and looks whether they are such as a store may be given.
    pub(super) fn append(&mut self, changes: &[Change]) -> Found<Appended> {
        if self.deleted {
            return Ok(Appended::Deleted);
        }
        if let Some(refused) = self.refuses(changes) {
            return Ok(refused);
        }
        for change in changes {
            self.keep(change)?;
        }
        self.commits.push(self.changes.len());
        Ok(Appended::Stored)
    }

    /// Why changes can not be stored. Before a loss nobody may ask for that.
    fn refuses(&self, changes: &[Change]) -> Option<Appended> {
        let mut heads = self.heads.clone();
        let mut refusals = changes.iter().filter_map(|change| {
            let known = self.change(change.dot);
            let follows = heads.get(change.dot.replica) + 1 == change.dot.counter;
            heads.observe(change.dot);
            match known {
                Some(known) => (known.change != *change).then_some(Appended::Reused),
                None => (!follows).then_some(Appended::Hole),
            }
        });
        refusals.next().filter(|_| self.has_lost)
    }

    /// Loses the last changes, and what was committed together with them; says what went with them.
    pub(super) fn lose(&mut self, changes: usize) -> Found<Pieces> {
        let before = self.inserted.clone();
        let mut stored = std::mem::take(&mut self.changes);
        let mut commits = std::mem::take(&mut self.commits);
        commits.retain(|left| left + changes <= stored.len());
        stored.truncate(commits.last().copied().unwrap_or(0));
        let (snapshots, kept_out) = (&mut self.snapshots, &mut self.quarantined);
        *self = Self {
            has_lost: true,
            commits,
            gist: self.gist.take(),
            snapshots: std::mem::take(snapshots),
            quarantined: std::mem::take(kept_out),
            ..Self::new(self.kind)
        };
        stored
            .iter()
            .try_for_each(|stored| self.keep(&stored.change))?;
        let heads = &self.heads;
        self.snapshots
            .retain(|snapshot| heads.dominates(&snapshot.clock));
        Ok(before.diff(&self.inserted))
    }

    fn keep(&mut self, change: &Change) -> Found<()> {
        if let Some(known) = self.change(change.dot) {
            let same = known.change == *change;
            return Check::Lanes.that(same, || format!("dot {} names two changes", change.dot));
        }
        let next = self.heads.get(change.dot.replica) + 1;
        Check::Lanes.that(next == change.dot.counter, || {
            format!("{} is stored where {next} is next in its lane", change.dot)
        })?;
        let caused = self.has_lost || self.heads.dominates(&change.context);
        Check::Lanes.that(caused, || {
            format!("{} builds on what is not stored", change.dot)
        })?;
        for update in change.updates().unwrap_or_default() {
            let taken = self.content.integrate(&update);
            Check::Alarms.that(taken.is_ok(), || {
                format!("{} does not integrate: {taken:?}", change.dot)
            })?;
            self.inserted.merge_with(Pieces::of(self.kind, &update));
        }
        self.heads.observe(change.dot);
        let order = Order(self.changes.len() as u64 * 2 + 1);
        self.changes.push(StoredChange {
            order,
            change: change.clone(),
        });
        Ok(())
    }

    fn change(&self, dot: Dot) -> Option<&StoredChange> {
        self.changes.iter().find(|stored| stored.change.dot == dot)
    }

    /// What the author of a change had seen, if the change is stored.
    pub(super) fn context(&self, dot: Dot) -> Option<&VectorClock> {
        self.change(dot).map(|stored| &stored.change.context)
    }

    /// Keeps a snapshot, once it has proved itself, as the server has it.
    pub(super) fn keep_snapshot(&mut self, snapshot: &Snapshot) -> bool {
        let good =
            !self.deleted && self.heads.dominates(&snapshot.clock) && snapshot.verify().is_ok();
        if good {
            self.snapshots.push(snapshot.clone());
        }
        good
    }

    pub(super) fn heads(&self) -> &VectorClock {
        &self.heads
    }

    pub(super) fn lane(
        &self,
        replica: ReplicaId,
        counters: &RangeInclusive<u64>,
    ) -> Vec<StoredChange> {
        let of_lane = self.changes.iter().filter(|stored| {
            stored.change.dot.replica == replica && counters.contains(&stored.change.dot.counter)
        });
        let by_counter: BTreeMap<_, _> = of_lane
            .map(|stored| (stored.change.dot.counter, stored.clone()))
            .collect();
        by_counter.into_values().collect()
    }

    /// Keeps what the changes come to, if that is still so.
    pub(super) fn keep_gist(&mut self, gist: Gist) {
        if !self.deleted && gist.clock == self.heads {
            self.gist = Some(gist);
        }
    }

    /// The past from the newest snapshot on; or only what it comes to, if that will do and is known.
    pub(super) fn load(&self, gist_will_do: bool) -> Loaded {
        let is_clean = !self.deleted && self.quarantined.is_empty();
        let gist = self.gist.as_ref().filter(|_| gist_will_do && is_clean);
        if let Some(gist) = gist.filter(|gist| gist.clock == self.heads) {
            return gist.clone().into();
        }
        let snapshot = self.snapshots.last().cloned();
        let covered = snapshot.as_ref().map(|snapshot| snapshot.clock.clone());
        let covered = covered.unwrap_or_default();
        let rest = self
            .changes
            .iter()
            .filter(|stored| !covered.contains(stored.change.dot));
        Loaded {
            changes: rest.cloned().collect(),
            snapshot,
            ..self.load_log()
        }
    }

    /// The whole past without snapshots.
    pub(super) fn load_log(&self) -> Loaded {
        Loaded {
            kind: (!self.changes.is_empty()).then_some(self.kind),
            deleted: self.deleted,
            changes: self.changes.clone(),
            heads: self.heads.clone(),
            quarantined: self.quarantined.clone(),
            ..Loaded::default()
        }
    }

    /// Whether all that a payload says can be rebuilt from what is stored.
    pub(super) fn covers(&mut self, payload: &[u8]) -> bool {
        if self.kind == Kind::Automerge {
            let said = Pieces::of(self.kind, payload);
            return said.diff(&self.inserted).is_empty();
        }
        let integrated = self.content.integrate(payload);
        integrated.is_ok_and(|integrated| !integrated.news)
    }

    /// Whether a claim of what is stored names nothing but what is, or was.
    pub(super) fn covers_have(&self, have: &[u8], lost: &Pieces, ancestry: &Ancestry) -> bool {
        let claimed = Pieces::had(self.kind, have, ancestry);
        claimed.is_some_and(|claimed| claimed.diff(&self.inserted).diff(lost).is_empty())
    }
}
