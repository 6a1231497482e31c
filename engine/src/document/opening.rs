//! Opening: from the stored past to content that can be served.

use crate::change::Change;
use crate::content::Content;
use crate::history;
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::input::Loaded;
use super::phase::Phase;

impl Document {
    pub(super) fn opened(&mut self, loaded: Loaded, now: Now, effects: &mut Effects) {
        if self.phase != Phase::Opening {
            return;
        }
        self.idle_since_ms = Some(now.monotonic_ms);
        self.phase = match loaded.kind {
            _ if loaded.deleted => Phase::Closed(CloseReason::Deleted),
            Some(kind) if kind != self.kind => Phase::Closed(CloseReason::WrongKind),
            _ => Phase::Open,
        };
        if self.phase == Phase::Open {
            self.rebuild(loaded, effects);
        }
    }

    fn rebuild(&mut self, loaded: Loaded, effects: &mut Effects) {
        self.clock = loaded.heads;
        if let Some(snapshot) = loaded.snapshot {
            self.tail.snapshot_bytes = snapshot.state.len() as u64;
            if self.content.restore(&snapshot.state).is_err() {
                return self.start_over(effects);
            }
        }
        for stored in loaded.changes {
            self.replay(&stored.change, effects);
        }
        self.checkpoints
            .note(self.last_counter(), self.content.have(std::iter::empty()));
    }

    /// A snapshot that does not restore is only a cache that failed: the log has it all.
    fn start_over(&mut self, effects: &mut Effects) {
        self.phase = match Content::new(self.kind) {
            Ok(empty) => {
                self.content = empty;
                effects.push(Effect::LoadLog);
                Phase::Opening
            }
            Err(_) => Phase::Closed(CloseReason::NotReady),
        };
    }

    fn replay(&mut self, change: &Change, effects: &mut Effects) {
        self.hlc.observe(change.hlc);
        self.clock.observe(change.dot);
        self.tail.grow(change);
        let false_alarm = self.sabotage.is(Bug::FalseAlarm) && change.dot.counter == 3;
        if false_alarm || !history::apply(&mut self.content, change) {
            effects.push(Effect::Skipped(change.dot));
        }
    }
}
