//! Recording: edits become changes with dots, are shown to the others, and are acknowledged once they are stored.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::change::{Change, ChangeKind, UpdateList};
use crate::clock::VectorClock;
use crate::content::Begins;
use crate::dot::Dot;
use crate::names::ConnectionId;
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::durability::{HeldAck, Released};
use super::effect::{Audience, Effect, Effects, Event};
use super::phase::Phase;
use super::relay::{self, Pushed};

impl Document {
    pub(super) fn record_and_relay(&mut self, now: Now, effects: &mut Effects) {
        let mut batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        if self.content.is_shown_stored() && !self.sabotage.is(Bug::ShownEarly) {
            return self.record_and_hold(batch, now);
        }
        for of_one in batch.chunk_by(|a, b| a.connection == b.connection) {
            self.record(of_one, now);
        }
        if self.sabotage.is(Bug::LostMerge) && batch.len() > 1 {
            batch.pop();
        }
        let step = self.steps.last();
        relay::relay(&self.content, &batch, step, &self.peers, effects);
    }

    /// Notes what there is, if everything that the content holds has been shown by now.
    pub(super) fn note_checkpoint_if_due(&mut self) {
        let step = self.steps.last();
        if self.phase == Phase::Open && self.checkpoints.is_due(step) && self.has_shown_all() {
            self.checkpoints.note(step, self.have());
        }
    }

    /// Makes changes of consecutive edits by one client, and holds their acknowledgements.
    pub(super) fn record(&mut self, pushes: &[Pushed], now: Now) {
        let knows = self.known_to_author(pushes);
        let mut rest = pushes;
        while !rest.is_empty() {
            let (few, later) = split_for_change(rest, self.limits.updates_per_change_max);
            self.record_few(few, knows, now);
            rest = later;
        }
    }

    /// Makes one change of so few edits, if any of them is news. All are acknowledged as soon as that is stored: whoever is told
    /// what is stored, and has not heard of these, would not know how they go together.
    fn record_few(&mut self, pushes: &[Pushed], knows: Option<u64>, now: Now) {
        let news: SmallVec<[_; 4]> = pushes.iter().filter(|pushed| pushed.news).collect();
        if !news.is_empty() {
            let change = self.change_of(&news, knows, now);
            self.tail.grow(&change);
            let begins = news
                .iter()
                .flat_map(|pushed| pushed.begins.0.iter().copied())
                .collect();
            self.durability.hold_change(change, Begins(begins));
        }
        let through = self.last_counter();
        for pushed in pushes {
            self.durability.hold_ack(HeldAck {
                through,
                step: self.steps.last(),
                connection: pushed.connection,
                tag: pushed.tag,
                payload: pushed.payload.clone(),
                news: pushed.unstored,
                counted: pushed.counted,
            });
        }
    }

    /// The step that the author of consecutive edits is taken to have seen, besides what it was shown here. What it repeats may
    /// have come here by another way, after it was shown what there was. And who came with content goes on with that, before
    /// it was shown anything.
    fn known_to_author(&mut self, pushes: &[Pushed]) -> Option<u64> {
        let now = self.steps.last();
        let repeats = pushes.iter().any(|pushed| pushed.repeats);
        let Some(peer) = self.peers.get_mut(pushes[0].connection) else {
            return repeats.then_some(now);
        };
        let goes_on = peer.came_with_content && pushes.iter().any(|pushed| pushed.seen.is_none());
        if repeats || goes_on {
            peer.knows = Some(now);
        }
        peer.knows
    }

    fn change_of(&mut self, pushes: &[&Pushed], knows: Option<u64>, now: Now) -> Change {
        let context = self.context_of(pushes, knows);
        let dot = self.next_dot();
        for pushed in pushes {
            self.content.came_with(dot, &context, &pushed.begins);
        }
        let (kind, payload) = match pushes {
            [lone] => (ChangeKind::of_one(self.kind), lone.payload.clone()),
            several => {
                let updates: Vec<_> = several
                    .iter()
                    .map(|pushed| pushed.payload.clone())
                    .collect();
                (
                    ChangeKind::of_several(self.kind),
                    UpdateList::join(&updates),
                )
            }
        };
        Change {
            document: self.key.clone(),
            dot,
            context,
            hlc: self.hlc.tick(now),
            author: pushes[0].author.clone(),
            connection: pushes[0].connection,
            kind,
            payload,
        }
    }

    /// What the author of consecutive edits had seen: as the edits themselves say, or what it was shown.
    fn context_of(&self, pushes: &[&Pushed], knows: Option<u64>) -> VectorClock {
        if self.sabotage.is(Bug::LooseContext) {
            return self.clock.clone();
        }
        let exact = self
            .content
            .context_of(pushes.iter().map(|pushed| &pushed.begins));
        exact.unwrap_or_else(|| {
            // The last one saw most, and may build upon it.
            let seen = pushes.last().and_then(|pushed| pushed.seen).max(knows);
            let clock = seen.map(|step| self.steps.clock_at(step, self.replica));
            clock.unwrap_or_default()
        })
    }

    /// One more change of this replica, which no client made and nobody is told of.
    pub(super) fn change_of_nobody(&mut self, payload: Bytes, now: Now) -> Change {
        let change = Change {
            document: self.key.clone(),
            dot: self.next_dot(),
            context: VectorClock::default(),
            hlc: self.hlc.tick(now),
            author: None,
            connection: ConnectionId(0),
            kind: ChangeKind::of_several(self.kind),
            payload,
        };
        self.tail.grow(&change);
        change
    }

    fn next_dot(&mut self) -> Dot {
        let dot = Dot::new(self.replica, self.next_counter());
        self.clock.observe(dot);
        self.steps.own();
        dot
    }

    pub(super) fn last_counter(&self) -> u64 {
        self.clock.get(self.replica)
    }

    fn next_counter(&self) -> u64 {
        let next = self.last_counter() + 1;
        assert!(
            !self.sabotage.is(Bug::Panics) || next < 7,
            "panics on purpose"
        );
        let hole = self.sabotage.is(Bug::HoleInLane) && next.is_multiple_of(5);
        next + u64::from(hole)
    }

    /// The last append failed, or nobody knows whether it did.
    pub(super) fn commit_failed(&mut self, now: Now) {
        if self.sabotage.is(Bug::NoRetry) {
            return;
        }
        self.durability.failed(&self.limits, now);
        if self.sabotage.is(Bug::DotReuse) {
            self.durability.alter_first();
        }
    }

    pub(super) fn committed(&mut self, through: u64, now: Now, effects: &mut Effects) {
        let mut released = self.durability.committed(through);
        let stored = std::mem::take(&mut released.changes);
        // First: who is told that an edit is stored is taken to have seen what was stored before.
        self.show_stored(through, effects);
        self.say(released, effects);
        self.append_taken();
        if self.limits.shared {
            let stored = stored.into_iter().map(|unsaved| unsaved.change);
            let stored: Vec<_> = stored.collect();
            for change in &stored {
                self.keep(change.clone(), now);
            }
            self.publish(stored, effects);
        }
        self.catch_up_all(now, effects);
    }

    /// Says what may be said now that it is stored.
    pub(super) fn say(&self, released: Released, effects: &mut Effects) {
        for ack in released.acks {
            if let Some(peer) = self.peers.get(ack.connection)
                && ack.counted
            {
                effects.push(Effect::Send {
                    to: Audience::One(ack.connection),
                    event: Event::Ack {
                        tag: ack.tag,
                        payload: ack.payload,
                        news: ack.news,
                    },
                    shows: peer.is_based.then_some(ack.step),
                });
            }
        }
        effects.extend(released.snapshot.map(Effect::StoreSnapshot));
    }
}

/// The first of some edits, of which one change has room for the news, and the rest.
fn split_for_change(pushes: &[Pushed], updates_max: usize) -> (&[Pushed], &[Pushed]) {
    let mut news = pushes.iter().enumerate().filter(|(_, pushed)| pushed.news);
    let end = news.nth(updates_max).map_or(pushes.len(), |(at, _)| at);
    pushes.split_at(end)
}
