//! Replication: one document on several nodes that share a store and a bus.
//!
//! The store is the truth and the bus only hurries: each replica publishes its changes once they are committed, and takes
//! in what others publish in causal order, showing it to its own clients. What comes too early is held ([`held`]); what got
//! lost is pulled from the store ([`pulls`]). A change of another replica is stored already, so it is neither appended nor
//! acknowledged here, and what it brings may be claimed at once.
//!
//! [`held`]: super::held
//! [`pulls`]: super::pulls

use bytes::Bytes;

use crate::change::{Change, StoredChange};
use crate::clock::VectorClock;
use crate::content::{Begins, ContentError};
use crate::dot::{Dot, ReplicaId};
use crate::presence::PresenceNotice;
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::held::Held;
use super::phase::Phase;
use super::pulls::{Gap, Pulls};
use super::relay;

/// What a document knows of the other replicas.
#[derive(Debug, Default)]
pub(super) struct Replication {
    held: Held,
    pulls: Pulls,
    arrived: Arrived,
}

/// What other replicas brought in this batch.
#[derive(Debug, Default)]
struct Arrived {
    /// How many changes, with those that nobody can read.
    changes: u64,
    /// What of them is news to the clients here.
    shown: Vec<Bytes>,
}

impl Document {
    /// The document is open: what was heard meanwhile is taken in, and the others are asked who is with them.
    pub(super) fn meet_the_others(&mut self, now: Now, effects: &mut Effects) {
        self.steps.begin(self.replica, &self.clock);
        self.note_checkpoint_if_due();
        if self.limits.shared {
            effects.push(Effect::AskPresence);
            self.begin_roll_calls(now);
            self.take_in_held(now, effects);
        }
    }

    pub(super) fn heard(&mut self, changes: Vec<Change>, now: Now, effects: &mut Effects) {
        if self.listens() {
            changes
                .into_iter()
                .for_each(|change| self.hear(change, now, effects));
            self.take_in_held(now, effects);
        }
    }

    /// The store has changes up to here.
    pub(super) fn stored_up_to(&mut self, heads: &VectorClock, now: Now, effects: &mut Effects) {
        if self.listens() {
            self.replication.pulls.tell_stored(heads);
            self.take_in_held(now, effects);
        }
    }

    pub(super) fn pulled(&mut self, changes: Vec<StoredChange>, now: Now, effects: &mut Effects) {
        let Some(gap) = self.replication.pulls.answered() else {
            return;
        };
        let came = changes
            .iter()
            .any(|stored| stored.change.dot == gap.first());
        let dots = changes.iter().map(|stored| stored.change.dot);
        self.replication.pulls.tell_stored(&dots.collect());
        let changes = changes.into_iter().map(|stored| stored.change);
        self.heard(changes.collect(), now, effects);
        let first = gap.first();
        if self.clock.contains(first) || self.replication.held.contains(first) {
            self.replication.pulls.advanced(gap.replica, now);
        } else {
            self.replication.pulls.stalled(&self.limits, now);
            if !came {
                self.give_up_if_vain(&gap, now, effects);
            }
        }
    }

    pub(super) fn pull_failed(&mut self, now: Now) {
        if self.replication.pulls.answered().is_some() {
            self.replication.pulls.stalled(&self.limits, now);
        }
        self.despair_in_lobby();
    }

    pub(super) fn heard_presence(
        &mut self,
        from: ReplicaId,
        notices: Vec<PresenceNotice>,
        now: Now,
    ) {
        if self.listens() && from != self.replica {
            let news = self.presence.hear(from, notices, now);
            self.show_presence(news, None, now);
        }
    }

    /// Tells the other nodes of changes that are now stored.
    pub(super) fn publish(&self, changes: Vec<Change>, effects: &mut Effects) {
        if self.limits.shared && !changes.is_empty() {
            effects.push(Effect::Publish(changes));
        }
    }

    /// Shows the clients here what other replicas brought in this batch.
    pub(super) fn show_arrived(&mut self, effects: &mut Effects) {
        let Some(replication) = self.replication.if_used_mut() else {
            return;
        };
        let arrived = std::mem::take(&mut replication.arrived);
        if arrived.changes > 0 {
            self.steps.others(arrived.changes, &self.clock);
            let unbased = self.peers.unbased();
            let step = self.shown_step();
            relay::show_news(&self.content, &arrived.shown, step, &unbased, effects);
        }
    }

    /// Tells the other nodes what is new of presence here, and pulls what is missing.
    pub(super) fn replicate(&mut self, now: Now, effects: &mut Effects) {
        if matches!(self.phase, Phase::Closed(_)) {
            self.presence.close_all(now);
        }
        self.publish_presence(now, effects);
        if self.limits.shared && self.phase == Phase::Open {
            self.pull_if_due(now, effects);
        }
    }

    /// How many changes of other replicas wait for what they build on.
    pub fn held_changes(&self) -> usize {
        let replication = self.replication.if_used();
        replication.map_or(0, |replication| replication.held.len())
    }

    /// The store has lost what it had beyond this. What of that is not here either is nowhere that is known of; but what held
    /// changes build on is looked for, until it is given up and they are held no longer.
    pub(super) fn store_forgot(&mut self, heads: &VectorClock) {
        let mut known = heads.clone();
        known.join(&self.clock);
        let Replication { held, pulls, .. } = &mut *self.replication;
        pulls.forget_beyond(known);
        held.contexts().for_each(|context| pulls.tell(context));
    }

    /// Whether all is here that anyone has told of.
    pub(super) fn knows_all_told(&self) -> bool {
        let replication = self.replication.if_used();
        replication.is_none_or(|replication| replication.pulls.is_all_in(&self.clock))
    }

    /// What the store has said it has.
    pub(super) fn told_by_store(&self) -> &VectorClock {
        self.replication.pulls.stored()
    }

    /// When a pull is due, if one is.
    pub(super) fn pull_due_ms(&self) -> Option<u64> {
        let due_ms = self.replication.if_used()?.pulls.due_ms();
        due_ms.filter(|_| self.phase == Phase::Open)
    }

    fn pull_if_due(&mut self, now: Now, effects: &mut Effects) {
        let Replication { held, pulls, .. } = &mut *self.replication;
        if let Some(gap) = pulls.next(&self.clock, held, &self.limits, now) {
            let Gap { replica, counters } = gap;
            effects.push(Effect::Pull { replica, counters });
        }
    }

    /// Whether what others say is taken note of. While the past is being loaded it is held.
    pub(super) fn listens(&self) -> bool {
        self.limits.shared && matches!(self.phase, Phase::Opening | Phase::Open)
    }

    fn hear(&mut self, change: Change, now: Now, effects: &mut Effects) {
        if change.document != self.key {
            return;
        }
        let pulls = &mut self.replication.pulls;
        pulls.tell(&change.context);
        pulls.tell(&[change.dot].into_iter().collect());
        if self.clock.contains(change.dot) {
            if self.is_contradicted(&change) {
                // A name that the store has lost was given anew. Only the store can tell what it is.
                self.close_all(CloseReason::NotReady, effects);
            }
            return;
        }
        if change.dot.replica == self.replica {
            return;
        }
        let takes = self.phase == Phase::Open && !self.is_unread();
        if takes && is_ready(&change, &self.clock, &self.replication.pulls) {
            self.take_in(&change, now, effects);
        } else {
            self.replication.held.insert(change, &self.limits);
        }
    }

    pub(super) fn take_in_held(&mut self, now: Now, effects: &mut Effects) {
        if self.phase != Phase::Open {
            return;
        }
        if self.replication.pulls.told(self.replica) > self.last_counter() {
            // Somebody else writes this replica's lane, or an append of an earlier life of the document came late. Only the
            // store can tell what is in it.
            return self.close_all(CloseReason::NotReady, effects);
        }
        if self.read_if_behind(effects) {
            return;
        }
        while self.phase == Phase::Open
            && let Some(change) = self.next_ready()
        {
            self.take_in(&change, now, effects);
        }
    }

    fn next_ready(&mut self) -> Option<Change> {
        let (clock, Replication { held, pulls, .. }) = (&self.clock, &mut *self.replication);
        held.take_ready(clock, |change| is_ready(change, clock, pulls))
    }

    fn take_in(&mut self, change: &Change, now: Now, effects: &mut Effects) {
        self.hlc.observe(change.hlc);
        self.tail.grow(change);
        self.count_in(change.dot);
        self.keep(change.clone(), now);
        if self.sabotage.is(Bug::LostHeard) && change.dot.counter.is_multiple_of(4) {
            return;
        }
        if !self.integrate_all(change, now, effects) && self.phase == Phase::Open {
            self.skipped(change.dot, effects);
        }
    }

    /// Integrates all that can be of a change of another replica; false if that is not all of it, or if it broke the content.
    fn integrate_all(&mut self, change: &Change, now: Now, effects: &mut Effects) -> bool {
        let Ok(updates) = change.updates() else {
            return false;
        };
        let mut whole = true;
        for update in updates {
            if self.is_quarantined(&update) {
                self.become_read_only("a part of its log is kept out", effects);
                whole = false;
                continue;
            }
            match self.integrate_heard(change, &update) {
                Ok(all) => whole &= all,
                Err(error) if error.breaks() => {
                    self.heard_broke(change, &update, &error, now, effects);
                    return false;
                }
                Err(_) => whole = false,
            }
        }
        whole
    }

    /// Integrates an update of a change of another replica; says whether that is all of it.
    fn integrate_heard(&mut self, change: &Change, update: &Bytes) -> Result<bool, ContentError> {
        let waited = !self.content.waiting().is_empty();
        let integrated = self.content.integrate(update)?;
        self.content
            .came_with(change.dot, &change.context, &integrated.begins);
        if integrated.news {
            let shown = integrated.fresh.unwrap_or_else(|| update.clone());
            self.replication.arrived.shown.push(shown);
        }
        if waited && self.content.begins_what_waited() {
            self.withhold(integrated.begins);
        }
        Ok(!integrated.let_go)
    }

    /// So many changes of other replicas came with the past, and brought this.
    pub(super) fn arrived(&mut self, changes: u64, payloads: impl Iterator<Item = Bytes>) {
        self.replication.arrived.changes += changes;
        self.replication.arrived.shown.extend(payloads);
    }

    /// What another replica brought may be what an unsaved edit of a client here waited for. What is news now is not claimed
    /// before that is stored.
    fn withhold(&mut self, begins: Begins) {
        match self.batch.iter_mut().rev().find(|pushed| pushed.news) {
            Some(pushed) => pushed.begins.0.extend(begins.0),
            None => self.durability.withhold(begins),
        }
    }

    /// The store lacks what it says it has, or what others said of was never there: nothing waits for it any more.
    fn give_up_if_vain(&mut self, gap: &Gap, now: Now, effects: &mut Effects) {
        let Replication { held, pulls, .. } = &mut *self.replication;
        if let Some(last) = pulls.asked_in_vain(gap, held) {
            for counter in *gap.counters.start()..=last {
                let dot = Dot::new(gap.replica, counter);
                self.count_in(dot);
                self.skipped(dot, effects);
            }
        }
        self.take_in_held(now, effects);
    }

    fn count_in(&mut self, dot: Dot) {
        self.clock.observe(dot);
        self.replication.arrived.changes += 1;
    }
}

/// Whether a change is the next of its lane, and all is here that its author had seen of other lanes.
fn is_ready(change: &Change, clock: &VectorClock, pulls: &Pulls) -> bool {
    let lane = change.dot.replica;
    let mut seen = change.context.heads().filter(|dot| dot.replica != lane);
    clock.get(lane).checked_add(1) == Some(change.dot.counter)
        && seen.all(|dot| pulls.is_settled(dot, clock))
}
