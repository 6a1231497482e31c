//! Failover: what is done when the store has lost changes that it had said are stored.
//!
//! That happens when a standby takes the place of a database before it has received all of it. Whoever has the document
//! open still has what was lost, in its content and for a while change by change ([`kept`](super::kept)). So when the
//! store, asked after it had said so, has less than it said, it is given the rest again, of whichever lane, before anything
//! new. The names of what is not kept any more are filled with changes that do nothing, and one more change has all of the
//! content: nothing that was acknowledged is lost, only who made it and when, of which people are told. Several nodes may do
//! this at the same time: a repeated change is nothing new, and who is refused because a name is taken gives the rest, and
//! then opens the document anew.
//!
//! What the driver looks up by itself only raises a suspicion. While there is one, nothing new is sent to the store.

use crate::change::{Change, ChangeKind, UpdateList};
use crate::clock::VectorClock;
use crate::content::{Begins, ContentError};
use crate::dot::Dot;
use crate::names::ConnectionId;
use crate::sabotage::Bug;
use crate::time::{Hlc, Now};

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::heads::Question;
use super::kept::{Kept, lane};
use super::phase::Phase;
use super::pulls::Gap;

/// What is known of the store having lost something.
#[derive(Debug, Default)]
pub(super) struct Failover {
    kept: Kept,
    /// What had been said to be stored when the driver looked last.
    looked: VectorClock,
    /// When the store is to be asked, unless it is seen to have all before that.
    recheck_ms: Option<u64>,
    /// Whether the store has to be asked if it has lost something.
    suspected: bool,
    /// Whether it is being given what it has lost.
    giving: bool,
    /// When to ask again.
    due_ms: u64,
    delay_ms: u64,
    /// Appends in a row that the store refused for ever.
    refusals: u32,
    /// Whether the store has other changes under some of the names that are known here.
    is_other: bool,
    /// The last change that was made of all of the content, and what that was of.
    whole: Option<(Dot, VectorClock)>,
}

impl Document {
    /// A change is stored, as far as anyone knows.
    pub(super) fn keep(&mut self, change: Change, now: Now) {
        if self.limits.shared && !self.sabotage.is(Bug::Amnesia) {
            self.failover.kept.keep(change, &self.limits, now);
        }
    }

    /// What is kept of changes beyond a clock.
    pub(super) fn kept_beyond(&self, clock: &VectorClock) -> impl Iterator<Item = &Change> {
        let failover = self.failover.if_used();
        failover
            .into_iter()
            .flat_map(move |failover| failover.kept.beyond(clock))
    }

    /// Whether another change is kept under the name of one that came.
    pub(super) fn is_contradicted(&self, change: &Change) -> bool {
        let failover = self.failover.if_used();
        failover.is_some_and(|failover| failover.kept.contradicts(change))
    }

    /// All that was said to be stored, here or not.
    pub(super) fn said_to_be_stored(&self) -> VectorClock {
        let mut said = self.stored_and_here();
        said.join(self.told_by_store());
        said
    }

    fn stored_and_here(&self) -> VectorClock {
        let unsaved = self.durability.unsaved_changes().next();
        let own = unsaved.map_or(u64::MAX, |change| change.dot.counter - 1);
        let stored = |dot: Dot| match dot.replica == self.replica {
            true => Dot::new(dot.replica, dot.counter.min(own)),
            false => dot,
        };
        self.clock.heads().map(stored).collect()
    }

    /// The driver has looked how far the lanes are, some time after it did so last. What it saw may be old, if not as old as
    /// that; it is not told again while it stays the same.
    pub(super) fn suspect(&mut self, heads: &VectorClock, now: Now) {
        let said = self.said_to_be_stored();
        let lacks = !heads.dominates(&said);
        self.failover.recheck_ms = lacks.then_some(now.monotonic_ms + RECHECK_MS);
        let before = std::mem::replace(&mut self.failover.looked, said);
        if !heads.dominates(&before) && !self.is_in_doubt() {
            self.failover.suspected = true;
            self.failover.due_ms = now.monotonic_ms;
        }
    }

    /// The store will never take the last append. It may lack what comes before.
    pub(super) fn append_refused(&mut self, now: Now, effects: &mut Effects) {
        if !self.limits.shared {
            return self.close_all(CloseReason::NotReady, effects);
        }
        self.durability.refused();
        let failover = &mut *self.failover;
        failover.refusals += 1;
        failover.suspected = true;
        failover.due_ms = now.monotonic_ms;
    }

    /// An append was taken.
    pub(super) fn append_taken(&mut self) {
        if let Some(failover) = self.failover.if_used_mut() {
            failover.refusals = 0;
        }
    }

    /// Whether the store may have lost something. Until that is known, or mended, it is sent nothing new.
    pub(super) fn is_in_doubt(&self) -> bool {
        let failover = self.failover.if_used();
        let question = self.question.as_ref();
        failover.is_some_and(|failover| failover.suspected || failover.giving)
            || question.is_some_and(|question| question.decides)
    }

    /// Something that the store lacked when the driver looked has not been seen in it since.
    pub(super) fn recheck_if_due(&mut self, now: Now) {
        if let Some(failover) = self.failover.if_used_mut()
            && let Some(due_ms) = failover
                .recheck_ms
                .take_if(|due_ms| *due_ms <= now.monotonic_ms)
        {
            failover.suspected = true;
            failover.due_ms = due_ms;
        }
    }

    /// Whether the store is to be asked now if it has lost something; if so, it counts as asked.
    pub(super) fn decide_if_due(&mut self, now: Now) -> bool {
        let failover = self.failover.if_used_mut();
        failover.is_some_and(|failover| {
            let is_due = failover.due_ms <= now.monotonic_ms && !failover.giving;
            is_due && std::mem::take(&mut failover.suspected)
        })
    }

    /// The store has answered: either it has lost something, or it has not.
    pub(super) fn judge(
        &mut self,
        question: &Question,
        heads: &VectorClock,
        now: Now,
        effects: &mut Effects,
    ) {
        let has_lost = !heads.dominates(&question.said) && !self.sabotage.is(Bug::Amnesia);
        if has_lost && self.give_back(heads, now, effects) {
            return;
        }
        let failover = self.failover.if_used();
        let is_other = failover.is_some_and(|failover| failover.refusals > 1 || failover.is_other);
        if question.decides && is_other {
            return self.close_all(CloseReason::NotReady, effects);
        }
        if question.decides {
            self.failover.delay_ms = 0;
        }
    }

    /// Gives the store what it has lost, all at once. False if nothing of that is here.
    fn give_back(&mut self, heads: &VectorClock, now: Now, effects: &mut Effects) -> bool {
        self.store_forgot(heads);
        if self.failover.giving || heads.dominates(&self.stored_and_here()) {
            return self.failover.giving;
        }
        if self.is_unread() {
            self.give_up_unread(effects);
            return true;
        }
        match self.lost_beyond(heads, now, effects) {
            Ok(changes) => {
                self.failover.giving = true;
                effects.push(Effect::GiveBack(changes));
            }
            Err(_) => self.close_all(CloseReason::NotReady, effects),
        }
        true
    }

    fn lost_beyond(
        &mut self,
        heads: &VectorClock,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Vec<Change>, ContentError> {
        let here = self.stored_and_here();
        let gaps = here
            .heads()
            .filter_map(|head| self.gap_before_kept(head, heads));
        let gaps: Vec<_> = gaps.collect();
        let mut changes = Vec::new();
        let mut filled = heads.clone();
        for gap in &gaps {
            let (replica, counters) = (gap.replica, gap.counters.clone());
            filled.observe(Dot::new(replica, *counters.end()));
            let dots = lane(replica, *counters.start(), *counters.end());
            changes.extend(dots.map(|dot| self.filler(dot)));
            effects.push(Effect::HistoryLost { replica, counters });
        }
        changes.extend(self.failover.kept.beyond(&filled).cloned());
        if !gaps.is_empty() {
            self.record_all(here, now)?;
            changes.extend(self.durability.unsaved_changes().cloned());
        }
        Ok(changes)
    }

    /// What the store lacks of a lane and is not kept, with what is kept before it.
    fn gap_before_kept(&self, head: Dot, heads: &VectorClock) -> Option<Gap> {
        let replica = head.replica;
        let first = heads.get(replica) + 1;
        let last = (self.failover.if_used()?.kept).last_missing(replica, first, head.counter)?;
        let counters = first..=last;
        Some(Gap { replica, counters })
    }

    /// A change that does nothing, in the place of one that nobody has any more: the same on every node.
    fn filler(&self, dot: Dot) -> Change {
        Change {
            document: self.key.clone(),
            dot,
            context: VectorClock::default(),
            hlc: Hlc::default(),
            author: None,
            connection: ConnectionId(0),
            kind: ChangeKind::of_one(self.kind),
            payload: self.content.nothing(),
        }
    }

    /// Makes a change of all of the content, under a name that nobody has heard: whoever has heard the names that were lost
    /// takes it in all the same. There is one such change at a time.
    fn record_all(&mut self, here: VectorClock, now: Now) -> Result<(), ContentError> {
        if self.has_recorded_all(&here) {
            return Ok(());
        }
        let all = self.content.update()?;
        let waiting = self.content.waiting().iter().cloned();
        let updates: Vec<_> = std::iter::once(all).chain(waiting).collect();
        let change = self.change_of_nobody(UpdateList::join(&updates), now);
        self.failover.whole = Some((change.dot, here));
        self.durability.hold_change(change, Begins::default());
        Ok(())
    }

    /// Whether a change that has all of this waits for the store already.
    fn has_recorded_all(&self, here: &VectorClock) -> bool {
        let failover = self.failover.if_used();
        let whole = failover.and_then(|failover| failover.whole.as_ref());
        whole.is_some_and(|(dot, of)| {
            let mut unsaved = self.durability.unsaved_changes();
            of.dominates(here) && unsaved.any(|change| change.dot == *dot)
        })
    }

    /// The store has, or says that it has, what it was given. It is asked once more.
    pub(super) fn given_back(&mut self, now: Now) {
        self.failover.giving = false;
        self.look_again(now);
    }

    /// Somebody else has filled the place of what was lost with something else. When the store has the rest, only what it has
    /// can be gone on from.
    pub(super) fn give_back_refused(&mut self, now: Now) {
        self.failover.is_other = true;
        self.given_back(now);
    }

    /// It is still not known whether the store has all: it is asked again, ever more slowly.
    pub(super) fn look_again(&mut self, now: Now) {
        let failover = &mut *self.failover;
        failover.suspected = true;
        failover.due_ms = now.monotonic_ms + failover.delay_ms;
        let slower_ms = failover.delay_ms * 2;
        failover.delay_ms = slower_ms.clamp(self.limits.retry_min_ms, self.limits.retry_max_ms);
    }

    pub(super) fn forget_kept(&mut self, now: Now) {
        if let Some(failover) = self.failover.if_used_mut() {
            failover.kept.expire(&self.limits, now);
        }
    }

    /// What is kept takes up, in bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        let failover = self.failover.if_used();
        failover.map_or(0, |failover| failover.kept.bytes())
    }

    /// When to ask again, or to forget something.
    pub(super) fn failover_due_ms(&self) -> Option<u64> {
        let failover = self.failover.if_used()?;
        let serves = matches!(self.phase, Phase::Open | Phase::Draining(_));
        let asks = failover.suspected && !failover.giving && self.question.is_none() && serves;
        let ask_ms = asks.then_some(failover.due_ms);
        let forget_ms = failover.kept.due_ms(&self.limits);
        let others = [forget_ms, failover.recheck_ms];
        ask_ms.into_iter().chain(others.into_iter().flatten()).min()
    }
}

/// How long after the driver has looked the store may be behind what had been said by then: longer than looking takes, and
/// than it takes to look again where something happens all the time.
const RECHECK_MS: u64 = 2_000;
