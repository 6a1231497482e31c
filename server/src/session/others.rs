//! What a session has to do with the other nodes that have its document open: what it tells them, what they tell it, and what
//! of that got lost and is pulled from the store.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{Change, ConnectionId, Effects, Input, PresenceNotice, PresenceRoll, ReplicaId};
use storage::{OpenClock, Word};
use tokio::sync::oneshot;

use super::{Session, storing};
use crate::mail::Way;
use crate::telemetry::metrics;

impl Session {
    /// Tells the other nodes something, if there are any.
    pub(super) fn say(&self, word: Word) {
        self.world.say(&self.key, word);
    }

    pub(super) fn publish_presence(&self, notices: Vec<PresenceNotice>) {
        let from = self.own.id();
        self.say(Word::Presence { from, notices });
    }

    pub(super) fn publish_roll(&self, roll: PresenceRoll) {
        let from = self.own.id();
        self.say(Word::PresenceRoll { from, roll });
    }

    pub(super) fn pull(&self, replica: ReplicaId, counters: RangeInclusive<u64>) {
        let (world, key) = (self.world.clone(), self.key.clone());
        self.ask(storing::pull(world, key, replica, counters));
    }

    pub(super) fn ask_heads(&self) {
        let (world, key) = (self.world.clone(), self.key.clone());
        self.ask(storing::heads(world, key));
    }

    /// Takes in what another node says. Its changes are given to the engine one by one, each noted before.
    pub(super) fn hear(&mut self, word: Input, effects: &mut Effects) {
        match word {
            Input::Heard { changes } => changes
                .into_iter()
                .for_each(|change| self.hear_change(change, effects)),
            word => self.document.handle(word, self.world.clock.now(), effects),
        }
    }

    /// So many changes of other nodes wait here now.
    pub(super) fn count_held(&mut self, held: usize) {
        if held != self.held_changes {
            let all = &self.world.held_changes;
            all.fetch_add(held, Ordering::Relaxed);
            let before = all.fetch_sub(self.held_changes, Ordering::Relaxed);
            metrics::held(before - self.held_changes);
            self.held_changes = held;
        }
    }

    fn hear_change(&mut self, change: Change, effects: &mut Effects) {
        self.work.hear(&change);
        let lag_ms = self
            .world
            .clock
            .now()
            .wall_ms
            .saturating_sub(change.hlc.wall_ms());
        metrics::heard(Duration::from_millis(lag_ms));
        let heard = Input::Heard {
            changes: vec![change],
        };
        self.document.handle(heard, self.world.clock.now(), effects);
    }

    /// Tells how far the document is here.
    pub(super) fn tell_clock(&self, asker: oneshot::Sender<OpenClock>) {
        let clock = OpenClock {
            document: self.key.clone(),
            clock: self.document.clock().clone(),
            held: self.document.held_changes() as u64,
        };
        // Whoever asked may have gone.
        let _ = asker.send(clock);
    }

    /// Tells who is here, to whoever closes them one after the other.
    pub(super) fn tell_ways(&self, asker: oneshot::Sender<Vec<(ConnectionId, Way)>>) {
        let _ = asker.send(self.members.lock().ways());
    }
}
