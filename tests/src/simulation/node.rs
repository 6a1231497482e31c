//! A node: one server process and the sessions that it hosts, as `server` drives them, but without tasks.

use std::collections::{BTreeMap, VecDeque};

use engine::{
    Bug, ConnectionId, Document, DocumentKey, Effects, Input, Intent, Kind, Limits, Now,
    PresenceLimits, ReplicaId, VectorClock,
};

use super::pieces::Pieces;
use super::plan::{Sabotage, Setup};

/// One server process, or the place where one will start again.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) replica: ReplicaId,
    /// The ids that it had before a failover.
    pub(super) earlier: Vec<ReplicaId>,
    pub(super) life: Life,
    pub(super) is_paused: bool,
    pub(super) skew_ms: i64,
    /// By the number of the document.
    pub(super) sessions: BTreeMap<usize, Session>,
    /// Set while the node is to die after so many more effects.
    pub(super) fuse: Option<Fuse>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Up,
    Stopping,
    Down,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Fuse {
    pub(super) effects: usize,
    pub(super) lands: bool,
}

/// The session of one hot document.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    /// As whom it writes.
    pub(super) replica: ReplicaId,
    pub(super) kind: Kind,
    pub(super) document: Document,
    pub(super) mailbox: VecDeque<Mail>,
    pub(super) answers: Vec<Input>,
    pub(super) effects: Effects,
    /// The edits that any of its clients has sent to it.
    pub(super) brought: Pieces,
    /// Edits that waited behind a hole. Who knows of them repeats them with all that it sends, and they are passed on.
    pub(super) unattributed: Pieces,
    /// The changes that it is known to have had the causes of.
    pub(super) caused: VectorClock,
    /// How often the store could not tell it how far the lanes are, or what is in them.
    pub(super) failures: u64,
    /// What it certainly has: what was stored when it opened, and what it has acknowledged.
    pub(super) must_have: Pieces,
}

/// What waits for a session.
#[derive(Debug)]
pub(super) enum Mail {
    Join(ConnectionId),
    Leave(ConnectionId),
    Intents(ConnectionId, Vec<Intent>, Option<u64>),
    Drained(ConnectionId, Option<u64>),
    Input(Input),
}

impl Node {
    pub(super) fn new(replica: ReplicaId, skew_ms: i64) -> Self {
        Self {
            replica,
            earlier: Vec::new(),
            life: Life::Up,
            is_paused: false,
            skew_ms,
            sessions: BTreeMap::new(),
            fuse: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.life != Life::Down && !self.is_paused
    }

    /// What the node takes the time to be.
    pub(super) fn now(&self, now_ms: u64) -> Now {
        Now {
            monotonic_ms: now_ms,
            wall_ms: (EPOCH_MS + now_ms).saturating_add_signed(self.skew_ms),
        }
    }
}

impl Session {
    pub(super) fn new(id: u64, document: usize, replica: ReplicaId, setup: &Setup) -> Self {
        let mut effects = Effects::new();
        let opened = Document::open(
            key(document),
            setup.kind,
            replica,
            limits(setup),
            &mut effects,
        );
        let mut opened = opened.expect("the kind is served");
        if let Some(bug) = setup.bug {
            opened.sabotage(bug.into());
        }
        Self {
            id,
            replica,
            kind: setup.kind,
            document: opened,
            mailbox: VecDeque::new(),
            answers: Vec::new(),
            effects,
            brought: Pieces::default(),
            unattributed: Pieces::default(),
            caused: VectorClock::default(),
            failures: 0,
            must_have: Pieces::default(),
        }
    }
}

pub(super) fn key(document: usize) -> DocumentKey {
    DocumentKey::new("default", &format!("notes-{document}")).expect("the name is good")
}

pub(super) fn limits(setup: &Setup) -> Limits {
    Limits {
        unsaved_bytes_max: setup.unsaved_bytes_max,
        updates_per_change_max: setup.updates_per_change_max,
        changes_per_append_max: setup.changes_per_append_max,
        snapshot_changes: setup.snapshot_changes,
        snapshot_bytes: 16 * 1024,
        idle_ms: setup.idle_ms,
        document_weight_max: setup.document_weight_max,
        presence: presence_limits(setup),
        shared: setup.nodes > 1,
        held_changes_max: setup.held_changes_max,
        changes_per_pull_max: setup.changes_per_pull_max,
        kept_bytes_max: setup.kept_bytes_max,
        ..Limits::default()
    }
}

/// Rooms are small here, and are to wait as large ones do.
fn presence_limits(setup: &Setup) -> PresenceLimits {
    PresenceLimits {
        at_once_max: 0,
        wait_us_per_client: 1_000_000,
        wait_max_ms: setup.presence_wait_max_ms,
        ..PresenceLimits::default()
    }
}

impl From<Sabotage> for Bug {
    fn from(sabotage: Sabotage) -> Self {
        match sabotage {
            Sabotage::AckBeforeCommit => Self::AckBeforeCommit,
            Sabotage::HoleInLane => Self::HoleInLane,
            Sabotage::DotReuse => Self::DotReuse,
            Sabotage::LostMerge => Self::LostMerge,
            Sabotage::GhostPresence => Self::GhostPresence,
            Sabotage::StalePresence => Self::StalePresence,
            Sabotage::StaleStep1 => Self::StaleStep1,
            Sabotage::ForgetOnUnload => Self::ForgetOnUnload,
            Sabotage::EmptyAnswer => Self::EmptyAnswer,
            Sabotage::BoastfulSnapshot => Self::BoastfulSnapshot,
            Sabotage::NoBound => Self::NoBound,
            Sabotage::FalseAlarm => Self::FalseAlarm,
            Sabotage::LostHeard => Self::LostHeard,
            Sabotage::DeafToRolls => Self::DeafToRolls,
            Sabotage::EarlyPublish => Self::EarlyPublish,
            Sabotage::DeafToHeads => Self::DeafToHeads,
            Sabotage::BlindJoin => Self::BlindJoin,
            Sabotage::Amnesia => Self::Amnesia,
            Sabotage::NoRetry => Self::NoRetry,
            Sabotage::BlindEye => Self::BlindEye,
            Sabotage::Panics => Self::Panics,
            Sabotage::ShownEarly => Self::ShownEarly,
            Sabotage::ForgottenOrphan => Self::ForgottenOrphan,
            Sabotage::LooseContext => Self::LooseContext,
        }
    }
}

/// Late 2023, so that clocks may jump back without becoming negative.
const EPOCH_MS: u64 = 1_700_000_000_000;
