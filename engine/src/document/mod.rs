//! The document: a pure machine that is given inputs and appends to effects.
//!
//! [`Document::handle`] takes one input; [`Document::settle`] ends a batch of them. Edits are integrated and collected by
//! `handle` ([`clients`]); `settle` gives them their dots ([`recording`]), shows them to the others ([`relay`]), now or once
//! they are stored ([`showing`]), and asks for them to be stored. They are acknowledged when the store has answered
//! ([`durability`]). The driver performs the effects, sends their results back as inputs, and calls with [`Input::Tick`] when
//! [`Document::next_deadline_ms`] has come.

mod clients;
mod durability;
mod effect;
mod failover;
mod gathering;
mod heads;
mod held;
mod input;
mod kept;
mod limits;
mod lobby;
mod opening;
mod peers;
mod phase;
mod pulls;
mod questions;
mod rebuilding;
mod recording;
mod relay;
mod replication;
mod resting;
mod rights;
mod roll_call;
mod seldom;
mod showing;
mod steps;
mod unread;
mod whole;
mod writers;

pub use effect::{Audience, CloseReason, Effect, Effects, Event};
pub use input::{Input, Intent, Joining, Loaded, PushTag};
pub use limits::Limits;
pub use phase::Phase;
pub use writers::WriterPolicy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::VectorClock;
use crate::content::{Content, ContentError};
use crate::dot::ReplicaId;
use crate::names::{ConnectionId, DocumentKey, Kind};
use crate::presence::{Presence, PresenceDropped};
use crate::quarantine::PayloadHash;
use crate::replay::Replay;
use crate::roll_call::RollCall;
use crate::sabotage::{Bug, Sabotage};
use crate::time::{HlcClock, Now};

use clients::Asked;
use durability::{Durability, Released};
use failover::Failover;
use gathering::Gathering;
use heads::Question;
use lobby::Lobby;
use peers::{Checkpoints, Peers};
use rebuilding::Rebuilding;
use relay::Pushed;
use replication::Replication;
use resting::Tail;
use seldom::Seldom;
use showing::Unshown;
use steps::Steps;
use unread::Unread;
use whole::Whole;
use writers::Writers;

/// One document in memory.
#[derive(Debug)]
pub struct Document {
    key: DocumentKey,
    kind: Kind,
    replica: ReplicaId,
    limits: Arc<Limits>,
    phase: Phase,
    content: Content,
    /// Every change that the content holds.
    clock: VectorClock,
    hlc: HlcClock,
    peers: Peers,
    writers: Writers,
    /// Whether somebody who edited does so no more.
    an_editor_left: bool,
    presence: Presence,
    presence_swept_ms: u64,
    roll_call: RollCall,
    gathering: Gathering,
    batch: Vec<Pushed>,
    asked: BTreeMap<ConnectionId, Asked>,
    durability: Durability,
    /// What was recorded and is shown once it is stored, where that is so.
    unshown: Seldom<Unshown>,
    steps: Steps,
    whole: Whole,
    /// Until when what was made of the content to be looked at is kept, if anything was.
    drawn_until_ms: Option<u64>,
    checkpoints: Checkpoints,
    replication: Seldom<Replication>,
    /// Who has come and is not let in yet.
    lobby: Seldom<Lobby>,
    /// What the store is being asked of its lanes.
    question: Option<Box<Question>>,
    unread: Seldom<Unread>,
    failover: Seldom<Failover>,
    tail: Tail,
    idle_since_ms: Option<u64>,
    /// The stored past while it is replayed.
    past: Option<Box<Replay>>,
    /// The payloads that are kept out; while the past is replayed, that has them.
    quarantined: BTreeSet<PayloadHash>,
    read_only: bool,
    rebuilding: Seldom<Rebuilding>,
    sabotage: Sabotage,
}

impl Document {
    /// A document whose past is yet to be loaded, and the effect that asks for it. Documents can share their limits.
    ///
    /// # Errors
    /// There is no engine for the kind.
    pub fn open(
        key: DocumentKey,
        kind: Kind,
        replica: ReplicaId,
        limits: impl Into<Arc<Limits>>,
        effects: &mut Effects,
    ) -> Result<Self, ContentError> {
        let limits = limits.into();
        let document = Self {
            key,
            kind,
            replica,
            phase: Phase::Opening,
            content: Content::new(kind)?,
            clock: VectorClock::default(),
            hlc: HlcClock::default(),
            peers: Peers::default(),
            writers: Writers::default(),
            an_editor_left: false,
            presence: Presence::new(limits.presence),
            limits,
            presence_swept_ms: 0,
            roll_call: RollCall::default(),
            gathering: Gathering::default(),
            batch: Vec::new(),
            asked: BTreeMap::new(),
            durability: Durability::default(),
            unshown: Seldom::default(),
            steps: Steps::default(),
            whole: Whole::default(),
            drawn_until_ms: None,
            checkpoints: Checkpoints::default(),
            replication: Seldom::default(),
            lobby: Seldom::default(),
            question: None,
            unread: Seldom::default(),
            failover: Seldom::default(),
            tail: Tail::default(),
            idle_since_ms: None,
            past: None,
            quarantined: BTreeSet::new(),
            read_only: false,
            rebuilding: Seldom::default(),
            sabotage: Sabotage::default(),
        };
        document.ask_for_past(effects);
        Ok(document)
    }

    /// Breaks the document on purpose, to show that a check notices.
    #[cfg(feature = "sabotage")]
    pub fn sabotage(&mut self, bug: Bug) {
        self.sabotage.set(bug);
    }

    /// Where the document is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The content, for reading. It is empty while the document is unread.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Every change that the content holds, stored or not.
    pub fn clock(&self) -> &VectorClock {
        &self.clock
    }

    /// Whether every change that the content holds is stored.
    pub fn is_durable(&self) -> bool {
        self.batch.is_empty() && self.durability.is_settled()
    }

    /// What the edits that wait for the store take up, in bytes.
    pub fn unsaved_bytes(&self) -> usize {
        self.durability.waiting_bytes()
    }

    /// Whether edits that bring anything new are refused, because part of the log cannot be used or the content failed too
    /// often.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The estimated memory that the content takes up, what waits to be taken in, and what is kept, in bytes.
    pub fn weight(&self) -> usize {
        let past = self.past.as_ref().map_or(0, |past| past.weight());
        self.content.weight() + past + self.lobby_bytes() + self.kept_bytes()
    }

    /// How many clients were let in and are here.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// What was said of presence and dropped, since this was asked last.
    pub fn take_dropped_presence(&mut self) -> PresenceDropped {
        self.presence.take_dropped()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now, effects: &mut Effects) {
        if self.phase == Phase::Rebuilding && input.is_deferrable() {
            return self.defer(input, effects);
        }
        let Some(input) = self.hear_in_lobby(input, now, effects) else {
            return;
        };
        if self.needs_content(&input) {
            return self.read_for(input, now, effects);
        }
        match input {
            Input::Opened(loaded) => self.opened(loaded, now, effects),
            Input::OpenFailed => self.load_failed(now, effects),
            Input::Joined(joining) => self.came(joining, now, effects),
            Input::Granted {
                connection,
                access,
                until_ms,
            } => self.granted(connection, access, until_ms, now, effects),
            Input::Revoked { connection } => self.revoked(connection, now, effects),
            Input::Left { connection } => self.left(connection, now),
            Input::Intent {
                connection,
                intent,
                seen,
            } => self.intent(connection, intent, seen, now, effects),
            Input::ContentWanted => self.read(effects),
            Input::Drained { connection, seen } => self.drained(connection, seen, now, effects),
            Input::Committed { through } => self.committed(through, now, effects),
            Input::CommitFailed => self.commit_failed(now),
            Input::AppendRefused => self.append_refused(now, effects),
            Input::SnapshotStored => self.snapshot_settled(true),
            Input::SnapshotFailed => self.snapshot_settled(false),
            Input::Signal(text) => clients::signal(None, text, effects),
            Input::Heard { changes } => self.heard(changes, now, effects),
            Input::HeardPresence { from, notices } => {
                self.heard_presence(from, notices, now);
            }
            Input::PresenceAsked => self.presence_asked(now),
            Input::HeardRoll { from, roll } => self.heard_roll(from, &roll, now, effects),
            Input::WhoIsAsked { of, ids } => self.asked_who_is(of, &ids, now),
            Input::OthersDoubted => self.doubt_others(now),
            Input::ReplicasGone(gone) => self.doubt_replicas(&gone, now, effects),
            Input::Pulled(changes) => self.pulled(changes, now, effects),
            Input::PullFailed => self.pull_failed(now),
            Input::Heads { heads, asked } => self.compare_heads(&heads, asked, now, effects),
            Input::HeadsFailed => self.heads_failed(now),
            Input::GivenBack | Input::GiveBackFailed => self.given_back(now),
            Input::GiveBackRefused => self.give_back_refused(now),
            Input::KeptOut { payloads, in_log } => self.keep_out(payloads, in_log),
            Input::Deleted => self.close_all(CloseReason::Deleted, effects),
            Input::Drain => self.drain(CloseReason::Stopping),
            Input::HeardRoster(_) | Input::WayAsked(_) => {}
            Input::Tick => self.tick(now, effects),
        }
    }

    /// Ends a batch of inputs: answers what was asked, shows and stores what it brought.
    pub fn settle(&mut self, now: Now, effects: &mut Effects) {
        // First: what arrived is a part of what newcomers are sent, and counts as seen by them.
        self.show_arrived(effects);
        self.let_in(now, effects);
        self.answer(now, effects);
        self.pass_on_editing(now, effects);
        self.whole.expire(now);
        self.record_and_relay(now, effects);
        self.show_gathered(now, effects);
        self.note_checkpoint_if_due();
        self.take_snapshot_if_due(now, effects);
        let released = if self.durability.is_settled() || self.sabotage.is(Bug::AckBeforeCommit) {
            self.durability.release(u64::MAX)
        } else {
            Released::default()
        };
        let were_owed = !released.acks.is_empty();
        self.say(released, effects);
        if were_owed {
            self.catch_up_all(now, effects);
        }
        self.finish_draining(effects);
        self.replicate(now, effects);
        self.forget_kept(now);
        self.ask_heads_if_due(now, effects);
        self.leave_lobby_out(effects);
        self.let_drawn_go(now);
        if matches!(self.phase, Phase::Closed(_)) {
            effects.push(Effect::Retire);
        } else if !self.is_in_doubt()
            && let Some(changes) = self.durability.next_append(&self.limits, now)
        {
            if self.sabotage.is(Bug::EarlyPublish) {
                self.publish(changes.clone(), effects);
            }
            effects.push(Effect::Append(changes));
        }
    }

    /// When to call with [`Input::Tick`], in monotonic milliseconds, if nothing else happens.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let sweep = self.presence_sweep_due_ms();
        let idle = self.idle_since_ms.map(|since| since + self.limits.idle_ms);
        let retry = self.durability.retry_due_ms();
        let retry = retry.filter(|_| !self.is_in_doubt());
        let whole = self.whole.until_ms();
        let (pull, load) = (self.pull_due_ms(), self.load_due_ms());
        let (presence, rights) = (self.gathering.due_ms(), self.rights_end_ms());
        let roll_call = self.roll_call_due_ms();
        let (lobby, failover) = (self.lobby_due_ms(), self.failover_due_ms());
        [
            sweep,
            idle,
            retry,
            whole,
            self.drawn_until_ms,
            pull,
            load,
            presence,
            rights,
            lobby,
            failover,
            roll_call,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
