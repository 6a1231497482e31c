//! Resting: what happens by the passing of time (expired presence, snapshots, putting an idle document away) and how a
//! document ends.

use bytes::Bytes;

use crate::change::{Change, UpdateList};
use crate::sabotage::Bug;
use crate::snapshot::Snapshot;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::limits::Limits;
use super::phase::Phase;

/// How much has changed since the last snapshot.
#[derive(Debug, Default)]
pub(super) struct Tail {
    changes: u64,
    /// Raw edits, of which a change may carry many.
    edits: u64,
    bytes: u64,
    snapshot_bytes: u64,
    /// Whether a snapshot is on its way.
    pub(super) taking: bool,
}

impl Document {
    pub(super) fn tick(&mut self, now: Now, effects: &mut Effects) {
        self.load_if_due(now, effects);
        self.expel_expired(now, effects);
        if now.monotonic_ms >= self.presence_sweep_ms() {
            self.presence_swept_ms = now.monotonic_ms;
            let expired = self.presence.expire(now);
            self.show_presence(expired, None, now);
        }
        if self
            .idle_since_ms
            .is_some_and(|since| now.monotonic_ms >= since + self.limits.idle_ms)
        {
            self.rest(now, effects);
        }
    }

    /// When expired presence is to be looked for, if there is any that can expire.
    pub(super) fn presence_sweep_due_ms(&self) -> Option<u64> {
        let can_expire = self.presence.can_expire();
        can_expire.then(|| self.presence_sweep_ms())
    }

    fn presence_sweep_ms(&self) -> u64 {
        let sweep_ms = self.presence_swept_ms + PRESENCE_SWEEP_MS;
        let doubt_ends_ms = self.presence.doubt_ends_ms();
        doubt_ends_ms.map_or(sweep_ms, |ends_ms| ends_ms.min(sweep_ms))
    }

    /// A snapshot of a read-only document would hide what was left out of it.
    pub(super) fn take_snapshot_if_due(&mut self, now: Now, effects: &mut Effects) {
        if self.phase == Phase::Open && !self.read_only && self.tail.is_due(&self.limits) {
            self.take_snapshot(now, effects);
        }
    }

    fn take_snapshot(&mut self, now: Now, effects: &mut Effects) {
        let boasts = self.sabotage.is(Bug::BoastfulSnapshot);
        let state = if boasts {
            Ok(UpdateList::join(&[Bytes::from_static(&[0, 0])]))
        } else {
            self.content.state()
        };
        let Ok(state) = state else {
            return self.read_broke(None, Bytes::new(), now, effects);
        };
        self.content.let_go();
        if self.content.weight() > self.limits.document_weight_max / 4 {
            // A state that does not weigh anew weighs what it did.
            let _ = self.content.reweigh(&state);
        } else {
            self.content.keep(&state);
        }
        self.tail = Tail {
            snapshot_bytes: state.len() as u64,
            taking: true,
            ..Tail::default()
        };
        let snapshot = Snapshot {
            document: self.key.clone(),
            kind: self.kind,
            clock: self.clock.clone(),
            state,
        };
        self.durability.hold_snapshot(self.last_counter(), snapshot);
    }

    /// A snapshot was proved and stored, or was not. Then the next one is due after as many changes again: it is only a cache,
    /// and no reason to hurry.
    pub(super) fn snapshot_settled(&mut self, is_stored: bool) {
        self.tail.taking = false;
        self.content.settle_kept(is_stored);
    }

    /// Lets what was made of the content to be looked at go, a while after it was made.
    pub(super) fn let_drawn_go(&mut self, now: Now) {
        if !self.content.is_drawn() {
            self.drawn_until_ms = None;
            return;
        }
        let until_ms = now.monotonic_ms + DRAWN_MS;
        let until_ms = *self.drawn_until_ms.get_or_insert(until_ms);
        if now.monotonic_ms >= until_ms {
            self.content.let_go();
            self.drawn_until_ms = None;
        }
    }

    /// Nobody is here: takes a last snapshot if the next opening would replay much, then asks to be put away.
    fn rest(&mut self, now: Now, effects: &mut Effects) {
        self.idle_since_ms = Some(now.monotonic_ms);
        let worth_it = self.tail.is_worth_it_at_rest() && !self.tail.taking;
        if self.phase == Phase::Open && !self.read_only && worth_it {
            self.take_snapshot(now, effects);
        } else if self.phase != Phase::Rebuilding && self.is_safe() && !self.tail.taking
            || self.sabotage.is(Bug::ForgetOnUnload)
        {
            if self.phase == Phase::Open && self.is_safe() {
                self.leave_gist(effects);
            }
            effects.push(Effect::Retire);
        }
    }

    /// Whether all is stored, and there is no sign that the store has lost any of it.
    fn is_safe(&self) -> bool {
        self.is_durable() && !self.is_in_doubt()
    }

    pub(super) fn drain(&mut self, reason: CloseReason) {
        if matches!(self.phase, Phase::Open | Phase::Opening | Phase::Rebuilding) {
            if self.phase != Phase::Open {
                self.note_partial();
            }
            self.phase = Phase::Draining(reason);
        }
    }

    pub(super) fn finish_draining(&mut self, effects: &mut Effects) {
        if let Phase::Draining(reason) = self.phase
            && self.is_safe()
        {
            self.leave_gist(effects);
            self.close_all(reason, effects);
        }
    }

    pub(super) fn close_all(&mut self, reason: CloseReason, effects: &mut Effects) {
        self.phase = Phase::Closed(reason);
        let connections = std::mem::take(&mut self.peers).which(|_| true).into_iter();
        effects.extend(connections.map(|connection| Effect::Close { connection, reason }));
        self.close_lobby(reason, effects);
        self.close_deferred(reason, effects);
    }
}

impl Tail {
    /// Counts from a snapshot of this size, or from none.
    pub(super) fn begin_after(&mut self, snapshot_bytes: u64) {
        *self = Self {
            snapshot_bytes,
            taking: self.taking,
            ..Self::default()
        };
    }

    /// Takes note of a change.
    pub(super) fn grow(&mut self, change: &Change) {
        self.changes += 1;
        self.edits += change.updates_count();
        self.bytes += change.payload.len() as u64;
    }

    /// A snapshot costs as much as the document is large, so a larger one waits for more to have changed: until replaying
    /// that would take as long as restoring the snapshot.
    fn is_due(&self, limits: &Limits) -> bool {
        let work = self.work();
        let enough = self.changes >= limits.snapshot_changes || work >= limits.snapshot_bytes;
        enough && work >= self.snapshot_bytes && !self.taking
    }

    fn is_worth_it_at_rest(&self) -> bool {
        self.edits >= SNAPSHOT_AT_REST && self.work() >= self.snapshot_bytes / 16
    }

    /// What replaying it is likened to, in bytes of a snapshot.
    fn work(&self) -> u64 {
        self.bytes + self.edits * EDIT_WORK_BYTES
    }
}

/// How often expired presence is looked for.
const PRESENCE_SWEEP_MS: u64 = 1_000;
/// How long what was made to be looked at is kept: a crowd comes within seconds.
const DRAWN_MS: u64 = 5_000;
/// Edits since the last snapshot that make another worth taking when the document is put away.
const SNAPSHOT_AT_REST: u64 = 100;
/// Taking in an edit by itself costs some microseconds more than the same edit within a snapshot.
const EDIT_WORK_BYTES: u64 = 20;
