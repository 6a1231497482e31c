//! Rebuilding in place: what happens when the content breaks while clients are here.
//!
//! Broken content is given up and built anew from what is stored, and from the changes that are not stored yet. Nobody
//! but who is to blame is closed: what clients say meanwhile is deferred, in order, and taken when the document is open
//! again. Edits that were recorded stay recorded, with their dots and their acknowledgements, which come after the commit
//! as always. Each rebuilding gives up memory, so there are only so many: then the document takes no more edits, and if
//! it breaks even so, it is put away.
//!
//! A push that breaks the content is to blame, or what had waited for it. Content may also break when it is read; then
//! the edits of the batch are suspects. They are taken again one by one, each with a trial of that reading.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::change::Change;
use crate::clock::VectorClock;
use crate::content::{Content, ContentError};
use crate::dot::Dot;
use crate::names::{Author, ConnectionId};
use crate::quarantine::{PayloadHash, Quarantined};
use crate::replay::Poison;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::input::{Input, Intent, Joining};
use super::phase::Phase;
use super::relay::Pushed;

/// What is remembered while content is built anew, and how often that has been.
#[derive(Debug, Default)]
pub(super) struct Rebuilding {
    /// The changes that were not stored when the content broke.
    unsaved: Vec<Change>,
    /// What was here when the content broke, and had been shown.
    clock: VectorClock,
    have: Bytes,
    deferred: VecDeque<Input>,
    deferred_bytes: usize,
    /// Set while the edits of a batch are suspects.
    trial: Option<Trial>,
    failed_loads: u32,
    load_due_ms: Option<u64>,
    /// When the content broke, in monotonic milliseconds.
    broken_ms: VecDeque<u64>,
}

/// The reading that broke the content, for whom it was, and how many edits are to be taken with a trial of it.
#[derive(Debug)]
struct Trial {
    have: Bytes,
    asker: Option<ConnectionId>,
    suspects: usize,
}

/// Who gave what broke the content.
#[derive(Debug)]
pub(super) struct Culprit {
    payload: Bytes,
    author: Option<Author>,
    connection: Option<ConnectionId>,
    dot: Option<Dot>,
    reason: String,
}

impl Document {
    /// An edit broke the content, or made something break it that had waited.
    pub(super) fn push_broke(
        &mut self,
        pushed: Input,
        error: &ContentError,
        now: Now,
        effects: &mut Effects,
    ) {
        self.record_and_relay(now, effects);
        match self.content.culprit().cloned() {
            Some(waited) => {
                self.quarantine(Culprit::unknown(waited, error), now, effects);
                self.rebuilding.defer_first([pushed]);
            }
            None => self.blame(pushed, error, now, effects),
        }
        self.rebuild(now, effects);
    }

    /// The content broke while something was read for a client, or for a snapshot.
    pub(super) fn read_broke(
        &mut self,
        asker: Option<ConnectionId>,
        have: Bytes,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(culprit) = self.content.culprit().cloned() {
            return self.culprit_found(culprit, now, effects);
        }
        let suspects = std::mem::take(&mut self.batch);
        if let (true, Some(asker)) = (suspects.is_empty(), asker) {
            self.expel(asker, CloseReason::NotReady, now, effects);
        }
        let suspects = suspects.into_iter().map(|pushed| {
            self.durability.forget(&pushed.payload);
            Input::from(pushed)
        });
        let suspects: Vec<_> = suspects.collect();
        self.rebuilding.trial = (!suspects.is_empty()).then(|| Trial {
            have,
            asker,
            suspects: suspects.len(),
        });
        self.rebuilding.defer_first(suspects);
        self.rebuild(now, effects);
    }

    /// The content broke because of something that was taken in before anybody looked.
    fn culprit_found(&mut self, culprit: Bytes, now: Now, effects: &mut Effects) {
        let error = ContentError::Contradiction("it was found when it was looked at".to_owned());
        self.record_and_relay(now, effects);
        self.quarantine(Culprit::unknown(culprit, &error), now, effects);
        self.rebuild(now, effects);
    }

    fn blame(&mut self, pushed: Input, error: &ContentError, now: Now, effects: &mut Effects) {
        let Input::Intent {
            connection,
            intent: Intent::Push { payload, .. },
            ..
        } = pushed
        else {
            return;
        };
        let peer = self.peers.get(connection);
        let culprit = Culprit {
            payload,
            author: peer.and_then(|peer| peer.rights.author.clone()),
            connection: Some(connection),
            dot: None,
            reason: error.to_string(),
        };
        self.quarantine(culprit, now, effects);
        self.expel(connection, CloseReason::BadUpdate, now, effects);
    }

    /// A change of another replica broke the content.
    pub(super) fn heard_broke(
        &mut self,
        change: &Change,
        update: &Bytes,
        error: &ContentError,
        now: Now,
        effects: &mut Effects,
    ) {
        let waited = self.content.culprit().cloned();
        let waited = waited.map(|payload| Culprit::unknown(payload, error));
        let culprit = waited.unwrap_or_else(|| Culprit {
            payload: update.clone(),
            author: change.author.clone(),
            connection: Some(change.connection),
            dot: Some(change.dot),
            reason: error.to_string(),
        });
        self.record_and_relay(now, effects);
        self.quarantine(culprit, now, effects);
        self.rebuild(now, effects);
    }

    pub(super) fn quarantine(&mut self, culprit: Culprit, now: Now, effects: &mut Effects) {
        let hash = PayloadHash::of(&culprit.payload);
        self.quarantined.insert(hash);
        effects.push(Effect::Quarantine(Quarantined {
            document: self.key.clone(),
            hash,
            payload: culprit.payload,
            author: culprit.author,
            connection: culprit.connection,
            dot: culprit.dot,
            reason: culprit.reason,
            wall_ms: now.wall_ms,
        }));
    }

    /// Takes in what other nodes keep out.
    pub(super) fn keep_out(
        &mut self,
        payloads: BTreeSet<PayloadHash>,
        in_log: BTreeSet<PayloadHash>,
    ) {
        let may_show_one = !in_log.is_subset(&self.quarantined);
        self.quarantined.extend(payloads.into_iter().chain(in_log));
        if may_show_one {
            self.drain(CloseReason::NotReady);
        }
    }

    pub(super) fn is_quarantined(&self, payload: &[u8]) -> bool {
        PayloadHash::is_among(payload, &self.quarantined)
    }

    fn rebuild(&mut self, now: Now, effects: &mut Effects) {
        let Ok(empty) = Content::new(self.kind) else {
            return self.drain(CloseReason::NotReady);
        };
        if self.phase != Phase::Open {
            return;
        }
        match self.rebuilding.note(now) {
            ..REBUILDS_MAX => {}
            REBUILDS_MAX => self.become_read_only("its content broke too often", effects),
            _ => return self.drain(CloseReason::NotReady),
        }
        let have = self.content.have(std::iter::empty());
        self.content = empty;
        self.load_anew(have, effects);
    }

    /// Has the past loaded while clients are here, who were told that this is what there is.
    pub(super) fn load_anew(&mut self, have: Bytes, effects: &mut Effects) {
        self.rebuilding.clock = self.clock.clone();
        self.rebuilding.have = have;
        self.whole.forget();
        self.phase = Phase::Rebuilding;
        self.rebuilding.unsaved = self.durability.unsaved_changes().cloned().collect();
        self.rebuilding.failed_loads = 0;
        effects.push(Effect::Load);
    }

    /// Keeps what a client says until the content is there again.
    pub(super) fn defer(&mut self, input: Input, effects: &mut Effects) {
        let bytes = weight(&input);
        let rebuilding = &mut self.rebuilding;
        let waits = rebuilding.deferred_bytes;
        let full = rebuilding.deferred.len() >= DEFERRED_MAX
            || waits > 0 && waits + bytes > self.limits.unsaved_bytes_max;
        match input {
            Input::Intent { connection, .. } if full => {
                let reason = CloseReason::StoreBehind;
                effects.push(Effect::Close { connection, reason });
                rebuilding.deferred.push_back(Input::Left { connection });
            }
            // The store has it, and will be asked for it.
            Input::Heard { .. } | Input::HeardPresence { .. } if full => {}
            input => {
                rebuilding.deferred_bytes += bytes;
                rebuilding.deferred.push_back(input);
            }
        }
    }

    /// The content is there again: takes what was deferred, until it breaks anew.
    pub(super) fn take_deferred(&mut self, now: Now, effects: &mut Effects) {
        if let Some(rebuilding) = self.rebuilding.if_used_mut() {
            rebuilding.unsaved.clear();
        }
        self.try_without_suspects(now, effects);
        self.catch_up_all(now, effects);
        while self.phase == Phase::Open
            && let Some(rebuilding) = self.rebuilding.if_used_mut()
            && let Some(input) = rebuilding.next_deferred()
        {
            match rebuilding.trial.take() {
                Some(trial) => self.take_on_trial(input, trial, now, effects),
                None => self.handle(input, now, effects),
            }
        }
    }

    /// If the content breaks without any of the suspects, they are none.
    fn try_without_suspects(&mut self, now: Now, effects: &mut Effects) {
        let rebuilding = self.rebuilding.if_used();
        let Some(trial) = rebuilding.and_then(|rebuilding| rebuilding.trial.as_ref()) else {
            return;
        };
        let tried = self.content.missing_from(&trial.have);
        if tried.is_err_and(|error| error.breaks()) {
            let asker = self.rebuilding.trial.take().and_then(|trial| trial.asker);
            if let Some(asker) = asker {
                self.expel(asker, CloseReason::NotReady, now, effects);
            }
            self.rebuild(now, effects);
        }
    }

    /// Takes one suspect, and tries the reading that broke the content.
    fn take_on_trial(&mut self, input: Input, trial: Trial, now: Now, effects: &mut Effects) {
        self.handle(input, now, effects);
        if self.phase != Phase::Open {
            return;
        }
        let tried = self.content.missing_from(&trial.have);
        let left = trial.suspects - 1;
        self.rebuilding.trial = (left > 0).then_some(Trial {
            suspects: left,
            ..trial
        });
        match tried {
            Err(error) if error.breaks() => {
                let suspect = self.batch.pop();
                self.record_and_relay(now, effects);
                if let Some(pushed) = suspect {
                    self.durability.forget(&pushed.payload);
                    self.blame(Input::from(pushed), &error, now, effects);
                }
                self.rebuild(now, effects);
            }
            _ => self.record_and_relay(now, effects),
        }
    }

    /// Other replicas may have changed the document meanwhile. What their changes brought came from the store, and is shown
    /// as what they tell of themselves is. Where that is stored before it is shown, so is what waits for missing parts.
    pub(super) fn show_loaded(&mut self, now: Now, effects: &mut Effects) {
        let had = std::mem::take(&mut self.rebuilding.clock);
        let own = self.replica;
        let others = self.clock.heads().filter(|head| head.replica != own);
        let new = others.map(|head| head.counter.saturating_sub(had.get(head.replica)));
        let changes = new.sum();
        let have = std::mem::take(&mut self.rebuilding.have);
        if changes > 0
            && let Ok(payload) = self.showable().missing_from(&have)
        {
            let waiting = match self.content.is_shown_stored() {
                true => self.showable().waiting(),
                false => Vec::new(),
            };
            self.arrived(changes, std::iter::once(payload).chain(waiting));
        }
        self.take_in_held(now, effects);
    }

    /// The changes to replay after those that are stored.
    pub(super) fn unsaved_past(&self) -> &[Change] {
        let rebuilding = self.rebuilding.if_used();
        rebuilding.map_or(&[], |rebuilding| &rebuilding.unsaved)
    }

    /// The store could not give the past: tries again, but not for ever.
    pub(super) fn load_failed(&mut self, now: Now, effects: &mut Effects) {
        if self.phase == Phase::Opening {
            return self.close_all(CloseReason::NotReady, effects);
        }
        let delay_ms = self.limits.retry_min_ms << self.rebuilding.failed_loads;
        self.rebuilding.failed_loads += 1;
        if self.rebuilding.failed_loads > FAILED_LOADS_MAX {
            return self.drain(CloseReason::NotReady);
        }
        let delay_ms = delay_ms.min(self.limits.retry_max_ms);
        self.rebuilding.load_due_ms = Some(now.monotonic_ms + delay_ms);
    }

    pub(super) fn load_if_due(&mut self, now: Now, effects: &mut Effects) {
        let Some(rebuilding) = self.rebuilding.if_used_mut() else {
            return;
        };
        let due_ms = &mut rebuilding.load_due_ms;
        let is_due = due_ms.take_if(|due_ms| *due_ms <= now.monotonic_ms);
        if is_due.is_some() && self.phase == Phase::Rebuilding {
            effects.push(Effect::Load);
        }
    }

    pub(super) fn load_due_ms(&self) -> Option<u64> {
        self.rebuilding.if_used()?.load_due_ms
    }

    /// Whoever came meanwhile is told why it is not let in.
    pub(super) fn close_deferred(&mut self, reason: CloseReason, effects: &mut Effects) {
        self.past = None;
        let Some(rebuilding) = self.rebuilding.if_used_mut() else {
            return;
        };
        rebuilding.deferred_bytes = 0;
        for input in std::mem::take(&mut rebuilding.deferred) {
            if let Input::Joined(Joining { connection, .. }) = input {
                effects.push(Effect::Close { connection, reason });
            }
        }
    }
}

impl Rebuilding {
    /// Notes that the content broke; returns how often that has happened lately.
    fn note(&mut self, now: Now) -> usize {
        self.broken_ms.push_back(now.monotonic_ms);
        let long_ago = |broken_ms: &u64| broken_ms + FORGIVEN_MS < now.monotonic_ms;
        while self.broken_ms.front().is_some_and(long_ago) {
            self.broken_ms.pop_front();
        }
        self.broken_ms.len()
    }

    fn defer_first(
        &mut self,
        inputs: impl IntoIterator<Item = Input, IntoIter: DoubleEndedIterator>,
    ) {
        for input in inputs.into_iter().rev() {
            self.deferred_bytes += weight(&input);
            self.deferred.push_front(input);
        }
    }

    fn next_deferred(&mut self) -> Option<Input> {
        let input = self.deferred.pop_front()?;
        self.deferred_bytes -= weight(&input);
        Some(input)
    }
}

impl Culprit {
    fn unknown(payload: Bytes, error: &ContentError) -> Self {
        Self {
            payload,
            author: None,
            connection: None,
            dot: None,
            reason: error.to_string(),
        }
    }
}

impl From<Poison> for Culprit {
    fn from(poison: Poison) -> Self {
        Self {
            payload: poison.payload,
            author: poison.change.author,
            connection: Some(poison.change.connection),
            dot: Some(poison.change.dot),
            reason: poison.reason,
        }
    }
}

impl From<Pushed> for Input {
    fn from(pushed: Pushed) -> Self {
        Self::Intent {
            connection: pushed.connection,
            intent: Intent::Push {
                payload: pushed.payload,
                tag: pushed.tag,
            },
            seen: pushed.seen,
        }
    }
}

/// What an input that has to wait takes up besides its place.
pub(super) fn weight(input: &Input) -> usize {
    match input {
        Input::Intent {
            intent:
                Intent::Push { payload: bytes, .. }
                | Intent::Pull { have: bytes }
                | Intent::Signal(bytes)
                | Intent::Announce { signal: bytes, .. },
            ..
        } => bytes.len(),
        Input::Heard { changes } => changes.iter().map(|change| change.payload.len()).sum(),
        _ => 0,
    }
}

/// How often content may break within [`FORGIVEN_MS`]; the last time leaves the document read-only.
const REBUILDS_MAX: usize = 8;
/// After how long it is forgotten that content broke.
const FORGIVEN_MS: u64 = 10 * 60 * 1_000;
/// Inputs that may be deferred; the sender of the next is closed, to come back. The driver leaves what clients say where
/// it waits, so there are only those of the batch in which the content broke.
const DEFERRED_MAX: usize = 16 * 1024;
/// How often loading the past is tried again before the document is put away.
const FAILED_LOADS_MAX: u32 = 8;
