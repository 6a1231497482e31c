//! Ordered documents: those whose edits are made in one order, each on a version of the document.
//!
//! What is different from documents that merge: an edit has a place, which the store alone gives away ([`submitting`]), so
//! nobody is shown it before it is stored; and what an author had seen is exact, because he names the version. An edit that
//! was made on an older version than the last is transformed over what came since ([`placing`]).
//!
//! A pure machine as the other: [`OrderedDocument::handle`] takes one input, [`OrderedDocument::settle`] ends a batch of
//! them. Read [`log`] first.

mod asking;

mod catching_up;

mod draft;
pub use draft::{Draft, Drafter};

mod effect;
pub use effect::{OrderedEffect, OrderedEffects, OrderedEvent};

mod elsewhere;

mod fold;

mod hash;
pub use hash::StateHash;

mod giving_back;

mod giving_way;

mod input;
pub use input::{OrderedInput, Request, RequestTag};

mod limits;
pub use limits::OrderedLimits;

mod log;

mod members;

mod past;
pub use past::{Broken, OrderedPast};

mod placing;
pub use placing::{Deed, Misplaced};

mod presence;
pub use crate::roster::{PresenceName, RosterWord};
pub use presence::{Presence, ShownPresence};

mod recognising;
pub use recognising::Sought;

mod record;
pub use record::{Action, MalformedRecord, OperationName, Record};

mod state;
pub use state::State;

mod submitting;

mod undo;
pub use undo::{UndoError, undo};

use std::sync::Arc;

use crate::document::CloseReason;
use crate::dot::ReplicaId;
use crate::names::DocumentKey;
use crate::ot::Snapshot;
#[cfg(feature = "sabotage")]
use crate::sabotage::Bug;
use crate::sabotage::Sabotage;
use crate::time::{HlcClock, Now};

use catching_up::CatchingUp;
use giving_back::GivingBack;
use giving_way::GivingWay;
use log::Log;
use members::Members;
use presence::Presences;
use recognising::Recognising;
use submitting::Submitting;

/// One ordered document in memory.
#[derive(Debug)]
pub struct OrderedDocument {
    key: DocumentKey,
    replica: ReplicaId,
    limits: Arc<OrderedLimits>,
    phase: Phase,
    log: Log,
    hlc: HlcClock,
    members: Members,
    presences: Presences,
    submitting: Submitting,
    catching_up: CatchingUp,
    recognising: Recognising,
    giving_back: GivingBack,
    giving_way: GivingWay,
    /// What came before the past was there.
    deferred: Vec<OrderedInput>,
    /// The version of the last snapshot, and whether another is on its way.
    snapshot: (u64, bool),
    idle_since_ms: Option<u64>,
    /// The version at which the content was last weighed, and what it weighed.
    weighed: (u64, usize),
    sabotage: Sabotage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    /// Everybody is let go once all is stored.
    Draining(CloseReason),
    Closed(CloseReason),
}

impl OrderedDocument {
    /// A document whose past is yet to be loaded, and the effect that asks for it. Documents can share their limits.
    pub fn open(
        key: DocumentKey,
        replica: ReplicaId,
        limits: Arc<OrderedLimits>,
        now: Now,
    ) -> (Self, OrderedEffects) {
        let presence_limits = limits.presence;
        let document = Self {
            key,
            replica,
            limits,
            phase: Phase::Opening,
            log: Log::at(State::default()),
            hlc: HlcClock::default(),
            members: Members::new(),
            presences: Presences::new(replica, presence_limits),
            submitting: Submitting::default(),
            catching_up: CatchingUp::default(),
            recognising: Recognising::default(),
            giving_back: GivingBack::default(),
            giving_way: GivingWay::default(),
            deferred: Vec::new(),
            snapshot: (0, false),
            idle_since_ms: Some(now.monotonic_ms),
            weighed: (0, 0),
            sabotage: Sabotage::default(),
        };
        (document, vec![OrderedEffect::Load])
    }

    /// Breaks the document.
    #[cfg(feature = "sabotage")]
    pub fn sabotage(&mut self, bug: Bug) {
        self.sabotage.set(bug);
    }

    /// The document after all that is stored.
    pub fn state(&self) -> &State {
        self.log.stored()
    }

    /// Under which it makes changes.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Bytes of operations that are not stored yet.
    pub fn unsaved_bytes(&self) -> usize {
        self.submitting.unsaved_bytes()
    }

    /// About how many bytes of memory the document takes up.
    pub fn weight(&self) -> usize {
        self.weighed.1 + self.log.tail_bytes() + self.submitting.unsaved_bytes()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: OrderedInput, now: Now, effects: &mut OrderedEffects) {
        match input {
            OrderedInput::Opened(past) => self.opened(past, now, effects),
            OrderedInput::OpenFailed => self.close_all(CloseReason::NotReady, effects),
            OrderedInput::Deleted => self.close_all(CloseReason::Deleted, effects),
            OrderedInput::Drain => self.drain(CloseReason::Stopping),
            OrderedInput::Tick => {}
            input if self.phase == Phase::Opening => self.deferred.push(input),
            input => self.handle_open(input, now, effects),
        }
    }

    /// Ends a batch of inputs: gives places to what was submitted, and asks the store for what is needed.
    pub fn settle(&mut self, now: Now, effects: &mut OrderedEffects) {
        self.expel_expired(now, effects);
        if matches!(self.phase, Phase::Open | Phase::Draining(_)) {
            self.give_back_if_due(now, effects);
            self.append_if_due(now, effects);
            self.ask_put_off(now, effects);
            self.read_if_due(now, effects);
            self.seek_if_due(now, effects);
            self.take_snapshot_if_due(effects);
            self.trim();
            self.publish_presence(now, effects);
            self.weigh();
        }
        self.rest(now, effects);
    }

    /// When to call with [`OrderedInput::Tick`], in monotonic milliseconds, if nothing else happens.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        // What keeps it from being put away is answered by the store, or has a deadline of its own.
        let idle = self.idle_since_ms.filter(|_| self.may_rest());
        let idle = idle.map(|since| since + self.limits.idle_ms);
        let rights = self
            .members
            .values()
            .filter_map(|member| member.rights.until_ms)
            .min();
        let append = self.append_due_ms();
        let read = self.catching_up.due_ms(self.submitting.is_appending());
        let (seek, give_back) = (self.recognising.due_ms(), self.giving_back.due_ms());
        let presence = self.presences.next_deadline_ms();
        let all = [idle, rights, append, read, seek, give_back, presence];
        all.into_iter().flatten().min()
    }

    fn handle_open(&mut self, input: OrderedInput, now: Now, effects: &mut OrderedEffects) {
        match input {
            OrderedInput::Joined { connection, rights } => match self.phase {
                Phase::Draining(reason) | Phase::Closed(reason) => {
                    effects.push(OrderedEffect::Close { connection, reason });
                }
                _ => self.joined(connection, rights, now, effects),
            },
            OrderedInput::Granted {
                connection,
                access,
                until_ms,
            } => self.granted(connection, access, until_ms, now, effects),
            OrderedInput::Revoked { connection } => {
                self.expel(connection, CloseReason::Revoked, now, effects);
            }
            OrderedInput::Left { connection } => self.left(connection, now, effects),
            OrderedInput::Asked {
                connection,
                request,
            } => self.ask(connection, request, false, now, effects),
            OrderedInput::Appended => self.appended(now, effects),
            OrderedInput::AppendFailed => self.append_failed(now, effects),
            OrderedInput::AppendRefused => {
                self.take_back();
                self.close_all(CloseReason::NotReady, effects);
            }
            OrderedInput::Overtaken(changes) => self.overtaken(&changes, effects),
            OrderedInput::WayAsked(by) => self.way_asked(by, now),
            OrderedInput::NameKnown { index, version } => self.name_known(index, version),
            OrderedInput::Heard(changes) if self.submitting.is_appending() => {
                self.heard_meanwhile(changes);
            }
            OrderedInput::Heard(changes) => self.follow(&changes, effects),
            OrderedInput::Read(changes) => self.read(&changes, now, effects),
            OrderedInput::ReadFailed => self.read_failed(now),
            OrderedInput::Found(changes) => self.found(&changes, effects),
            OrderedInput::SeekFailed => self.seek_failed(now),
            OrderedInput::Heads(heads) => {
                if !self.log.stored().clock.dominates(&heads) {
                    self.look();
                }
                if self.doubts(&heads) {
                    self.catching_up.doubt();
                }
            }
            OrderedInput::HeardPresence(word) => self.heard_presence(word, now, effects),
            OrderedInput::PresenceAsked => self.presences.announce_all(),
            OrderedInput::OthersDoubted => self.presences.doubt_others(now),
            OrderedInput::ReplicasGone(gone) => self.presences.doubt_replicas(&gone, now),
            OrderedInput::GivenBack => self.given_back(),
            OrderedInput::GiveBackFailed => self.give_back_failed(now),
            OrderedInput::GiveBackRefused => self.give_back_refused(effects),
            OrderedInput::SnapshotStored | OrderedInput::SnapshotFailed => self.snapshot.1 = false,
            OrderedInput::Opened(_)
            | OrderedInput::OpenFailed
            | OrderedInput::Deleted
            | OrderedInput::Drain
            | OrderedInput::Tick => {}
        }
    }

    fn opened(&mut self, past: OrderedPast, now: Now, effects: &mut OrderedEffects) {
        if past.is_deleted {
            return self.close_all(CloseReason::Deleted, effects);
        }
        if past.kind.is_some_and(|kind| !kind.is_ordered()) {
            return self.close_all(CloseReason::WrongKind, effects);
        }
        self.snapshot.0 = past.snapshot.version;
        past.changes
            .iter()
            .for_each(|change| self.hlc.observe(change.hlc));
        match Log::after(past.snapshot, &past.changes) {
            Ok(log) => self.log = log,
            Err(broken) => return self.give_up(broken, effects),
        }
        if self.phase == Phase::Opening {
            self.phase = Phase::Open;
        }
        self.begin_presence(now, effects);
        for input in std::mem::take(&mut self.deferred) {
            self.handle_open(input, now, effects);
        }
    }

    /// Keeps no more of the past at hand than is to be, and what somebody who waits may have to be told of.
    fn trim(&mut self) {
        if !self.catching_up.is_anyone_behind() {
            let needed = self.submitting.needs_from().unwrap_or(u64::MAX);
            self.log.trim(&self.limits, needed);
        }
    }

    fn take_snapshot_if_due(&mut self, effects: &mut OrderedEffects) {
        let (last, is_taking) = self.snapshot;
        let stored = self.log.stored();
        if !is_taking && stored.version >= last + self.limits.snapshot_operations {
            self.snapshot = (stored.version, true);
            effects.push(OrderedEffect::StoreSnapshot(stored.clone()));
        }
    }

    /// Weighs the content now and then: it takes as long as the content is large.
    fn weigh(&mut self) {
        let State {
            version, content, ..
        } = self.log.head();
        let is_first = self.weighed == (0, 0) && *version > 0;
        if is_first || *version >= self.weighed.0 + WEIGHED_EVERY {
            let weight = content.as_ref().map_or(0, Snapshot::weight);
            self.weighed = (*version, weight);
        }
    }

    fn drain(&mut self, reason: CloseReason) {
        match self.phase {
            Phase::Opening | Phase::Open => self.phase = Phase::Draining(reason),
            Phase::Draining(_) | Phase::Closed(_) => {}
        }
    }

    /// Puts the document away, or lets everybody go, once all is stored.
    fn rest(&mut self, now: Now, effects: &mut OrderedEffects) {
        if let Phase::Draining(reason) = self.phase
            && self.is_stored()
        {
            self.close_all(reason, effects);
        }
        let idle_ms = self.limits.idle_ms;
        let is_idle = self
            .idle_since_ms
            .is_some_and(|since| since + idle_ms <= now.monotonic_ms);
        match self.phase {
            Phase::Closed(_) => effects.push(OrderedEffect::Retire),
            Phase::Open if is_idle && self.may_rest() => {
                self.idle_since_ms = Some(now.monotonic_ms);
                effects.push(OrderedEffect::Retire);
            }
            _ => {}
        }
    }

    /// Whether nothing waits for the store.
    fn is_stored(&self) -> bool {
        self.submitting.is_empty() && !self.giving_back.is_needed()
    }

    /// Whether it may be put away as soon as it is idle.
    fn may_rest(&self) -> bool {
        self.phase == Phase::Open && self.is_stored() && !self.snapshot.1
    }

    /// The log cannot be gone on from.
    fn give_up(&mut self, broken: Broken, effects: &mut OrderedEffects) {
        effects.push(OrderedEffect::Unusable(broken));
        self.close_all(CloseReason::NotReady, effects);
    }

    fn close_all(&mut self, reason: CloseReason, effects: &mut OrderedEffects) {
        self.phase = Phase::Closed(reason);
        let members = std::mem::take(&mut self.members);
        let deferred = std::mem::take(&mut self.deferred);
        let coming = deferred.iter().filter_map(|input| match input {
            OrderedInput::Joined { connection, .. } => Some(*connection),
            _ => None,
        });
        let connections = members.into_keys().chain(coming);
        effects.extend(connections.map(|connection| OrderedEffect::Close { connection, reason }));
    }
}

/// After so many operations the content is weighed again.
const WEIGHED_EVERY: u64 = 256;
