//! Opening: from the stored past to content that can be served, piece by piece.

use std::collections::BTreeSet;

use crate::change::Change;
use crate::clock::VectorClock;
use crate::replay::{Piece, Rebuilt, Replay, Taken};
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::input::Loaded;
use super::phase::Phase;

impl Document {
    /// What the content library is given next, while the document's past is replayed; none when that is done.
    ///
    /// After every batch of inputs, and before it ends the batch, a driver does this:
    ///
    /// ```text
    /// while let Some(piece) = document.next_replay() {
    ///     note_what_comes(piece); // in a place that outlives the process, should this piece end it
    ///     document.replay(now, &mut effects);
    ///     let_others_run_now_and_then();
    /// }
    /// document.settle(now, &mut effects);
    /// ```
    ///
    /// Until it is done the document is not open: what clients say is best left where it waits.
    pub fn next_replay(&self) -> Option<Piece<'_>> {
        self.past.as_ref().and_then(|past| past.next())
    }

    /// Takes in what [`Self::next_replay`] says. With the last piece the document opens.
    pub fn replay(&mut self, now: Now, effects: &mut Effects) {
        let Some(past) = &mut self.past else {
            return;
        };
        match past.step() {
            Taken::Done => self.open_if_replayed(now, effects),
            Taken::Poisoned(poison) => self.quarantine(poison.into(), now, effects),
            // A snapshot is only a cache that failed: the log has it all.
            Taken::SnapshotFailed(_) => {
                self.past = None;
                effects.push(Effect::LoadLog);
            }
            Taken::Hopeless(_) => {
                self.past = None;
                self.drain(CloseReason::NotReady);
            }
        }
    }

    pub(super) fn opened(&mut self, loaded: Loaded, now: Now, effects: &mut Effects) {
        if !self.phase.is_building() || self.past.is_some() {
            return;
        }
        if self.phase == Phase::Opening {
            self.idle_since_ms = Some(now.monotonic_ms);
        }
        match loaded.kind {
            _ if loaded.deleted => self.close_all(CloseReason::Deleted, effects),
            Some(kind) if kind != self.kind => self.close_all(CloseReason::WrongKind, effects),
            _ if self.is_loaded_otherwise(&loaded) => self.give_up_unread(effects),
            _ => match loaded.gist.clone() {
                Some(have) if self.phase == Phase::Opening => {
                    self.open_unread(have, &loaded, now, effects);
                }
                _ => {
                    self.send_loaded(&loaded, effects);
                    self.begin_replay(loaded, now, effects);
                }
            },
        }
    }

    fn begin_replay(&mut self, loaded: Loaded, now: Now, effects: &mut Effects) {
        self.clock.join(&loaded.heads);
        self.quarantined.extend(loaded.quarantined);
        let snapshot = loaded.snapshot.as_ref();
        self.tail
            .begin_after(snapshot.map_or(0, |snapshot| snapshot.state.len() as u64));
        let stored = loaded.changes.into_iter().map(|stored| stored.change);
        let stored: Vec<_> = stored.collect();
        let unsaved = self.beyond_stored(&stored, &loaded.heads);
        let quarantined = self.quarantined.clone();
        match Replay::new(self.kind, loaded.snapshot, stored, unsaved, quarantined) {
            Ok(past) => {
                self.past = Some(Box::new(past));
                self.open_if_replayed(now, effects);
            }
            Err(_) => self.close_all(CloseReason::NotReady, effects),
        }
    }

    /// What was here when the content broke and is not among what is stored now: what the store has lost since, as far as it
    /// is kept, and what was not stored by then.
    fn beyond_stored(&self, stored: &[Change], heads: &VectorClock) -> Vec<Change> {
        if self.phase == Phase::Opening {
            return Vec::new();
        }
        let mut had: BTreeSet<_> = stored.iter().map(|change| change.dot).collect();
        let here = self.kept_beyond(heads).chain(self.unsaved_past());
        here.filter(|change| had.insert(change.dot))
            .cloned()
            .collect()
    }

    fn open_if_replayed(&mut self, now: Now, effects: &mut Effects) {
        let Some(past) = self.past.take_if(|past| past.next().is_none()) else {
            return;
        };
        let is_first = self.phase == Phase::Opening;
        let rebuilt = past.finish();
        self.take_note_of(&rebuilt, effects);
        self.content = rebuilt.content;
        self.was_read();
        if self.content.begins_what_waited() {
            self.durability.withhold(rebuilt.begins);
        }
        self.whole.forget();
        self.content.set_nesting_max(self.limits.nesting_max);
        self.quarantined = rebuilt.quarantined;
        self.phase = Phase::Open;
        if is_first {
            self.meet_the_others(now, effects);
        } else {
            self.show_loaded(now, effects);
        }
        self.take_deferred(now, effects);
    }

    fn take_note_of(&mut self, rebuilt: &Rebuilt, effects: &mut Effects) {
        for (change, whole) in &rebuilt.changes {
            self.hlc.observe(change.hlc);
            self.clock.observe(change.dot);
            self.tail.grow(change);
            if !whole || self.is_false_alarm(change) {
                self.skipped(change.dot, effects);
            }
        }
        if rebuilt.has_quarantined {
            self.become_read_only("a part of its log is kept out", effects);
        }
    }

    fn is_false_alarm(&self, change: &Change) -> bool {
        self.sabotage.is(Bug::FalseAlarm) && change.dot.counter == 3
    }

    pub(super) fn become_read_only(&mut self, reason: &str, effects: &mut Effects) {
        if !self.read_only {
            self.read_only = true;
            let reason = reason.to_owned();
            effects.push(Effect::ReadOnly { reason });
        }
    }
}
