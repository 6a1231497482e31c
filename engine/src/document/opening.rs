//! Opening: from the stored past to content that can be served.

use crate::change::Change;
use crate::history;
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
                self.phase = Phase::Closed(CloseReason::NotReady);
                return;
            }
        }
        for stored in loaded.changes {
            self.replay(&stored.change, effects);
        }
        self.checkpoints
            .note(self.last_counter(), self.content.have(std::iter::empty()));
    }

    fn replay(&mut self, change: &Change, effects: &mut Effects) {
        self.hlc.observe(change.hlc);
        self.clock.observe(change.dot);
        self.tail.grow(change);
        if !history::apply(&mut self.content, change) {
            effects.push(Effect::Skipped(change.dot));
        }
    }
}
