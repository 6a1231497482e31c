//! Submitting: operations get their places, are stored, and only then told of.
//!
//! What comes while an append is at the store gathers, and makes the next one. An append holds operations in their order
//! and is taken whole or not at all. If the store has something else where it was to begin, another node was faster: what
//! was placed is taken off the log, what came first is put there, and everything is placed anew behind it. If nobody knows
//! what became of an append it is repeated as it was: its dots make that harmless.

use std::collections::VecDeque;

use crate::change::Change;
use crate::names::ConnectionId;
use crate::ot::Work;
use crate::sabotage::Bug;
use crate::time::Now;

use super::OrderedDocument;
use super::catching_up::Behind;
use super::draft::Drafter;
use super::effect::{OrderedEffect, OrderedEffects, OrderedEvent};
use super::giving_back::Compared;
use super::input::RequestTag;
use super::log::{Carried, Log};
use super::past::{Broken, record_of};
use super::placing::{Misplaced, Next, Placed, Submitted};

/// What waits for the store.
#[derive(Debug, Default)]
pub(super) struct Submitting {
    /// What has no place yet.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// What is at the store, or is to be sent there again.
    append: Option<Append>,
}

/// An operation whose author waits for an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) connection: ConnectionId,
    pub(super) tag: RequestTag,
    pub(super) submitted: Submitted,
    /// Whether the store was asked for newer operations on account of it.
    pub(super) has_looked: bool,
    /// The version from which on everything was read for it, and is to stay at hand until it has a place.
    pub(super) needs: Option<u64>,
}

#[derive(Debug, Default)]
struct Append {
    changes: Vec<Change>,
    /// Whom it concerns, and the version on which what he waits for is.
    held: Vec<(Waiting, u64)>,
    /// Who did nothing behind this. Nobody is told what that was before it is stored.
    idle: Vec<Waiting>,
    /// What all that takes up.
    held_bytes: usize,
    /// What other nodes have told meanwhile: it is stored, and a store that fails may not be able to tell.
    heard: Vec<Change>,
    /// When to send it again; none while it is at the store.
    retry_ms: Option<u64>,
    delay_ms: u64,
}

impl Submitting {
    /// Whether nothing waits and nothing is at the store.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.append.is_none()
    }

    /// Whether an append is at the store, or is to be sent there again.
    pub(super) fn is_appending(&self) -> bool {
        self.append.is_some()
    }

    /// The authors of what waits, and of what is at the store.
    pub(super) fn awaiting(&self) -> impl Iterator<Item = ConnectionId> {
        let held = self.append.iter().flat_map(|append| &append.held);
        let held = held.map(|(waiting, _)| waiting);
        let idle = self.append.iter().flat_map(|append| &append.idle);
        let all = self.waiting.iter().chain(held).chain(idle);
        all.map(|waiting| waiting.connection)
    }

    /// What waits and what is at the store takes up so many bytes.
    pub(super) fn unsaved_bytes(&self) -> usize {
        let held = self.append.as_ref().map_or(0, |append| append.held_bytes);
        self.waiting_bytes + held
    }

    /// What waits takes up so many bytes.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The first version that the authors of what is at the store may have to be told of, or that was read for who waits.
    pub(super) fn needs_from(&self) -> Option<u64> {
        let held = self.append.iter().flat_map(|append| &append.held);
        let held = held.filter_map(|(waiting, _)| waiting.submitted.made_on);
        let waiting = self.waiting.iter().filter_map(|waiting| waiting.needs);
        held.chain(waiting).min()
    }

    /// When to send what is at hand, if no answer of the store is awaited and somebody is given way until a moment.
    fn due_ms(&self, way_until_ms: Option<u64>) -> Option<u64> {
        match &self.append {
            Some(append) => append.retry_ms,
            None => way_until_ms.filter(|_| !self.waiting.is_empty()),
        }
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting_bytes += waiting.weight();
        self.waiting.push_back(waiting);
    }

    /// Whatever waits was made on this version.
    fn pretend(&mut self, made_on: u64) {
        for waiting in &mut self.waiting {
            waiting.submitted.made_on = Some(made_on);
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.weight();
        Some(waiting)
    }

    /// What was at the store waits again, before all that came later.
    fn put_back(&mut self, append: Append) {
        let held = append.held.into_iter().map(|(waiting, _)| waiting);
        let all: Vec<_> = held.chain(append.idle).collect();
        for waiting in all.into_iter().rev() {
            self.waiting_bytes += waiting.weight();
            self.waiting.push_front(waiting);
        }
    }
}

impl Append {
    /// Somebody waits for what is on a version.
    fn hold(&mut self, waiting: Waiting, version: u64) {
        self.held_bytes += waiting.weight();
        self.held.push((waiting, version));
    }

    /// Somebody did nothing.
    fn hold_idle(&mut self, waiting: Waiting) {
        self.held_bytes += waiting.weight();
        self.idle.push(waiting);
    }
}

impl Waiting {
    /// The same, after the store was asked for newer operations.
    pub(super) fn having_looked(self) -> Self {
        Self {
            has_looked: true,
            ..self
        }
    }

    /// The same, after operations since a version were read for it.
    pub(super) fn needing(self, from: u64) -> Self {
        Self {
            needs: Some(from),
            ..self
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.submitted.deed.weight()
    }
}

impl OrderedDocument {
    /// When an append is due, if nothing else happens.
    pub(super) fn append_due_ms(&self) -> Option<u64> {
        self.submitting.due_ms(self.giving_way.until_ms())
    }

    /// Gives places to what waits, and sends that to the store; or what is to be sent again.
    pub(super) fn append_if_due(&mut self, now: Now, effects: &mut OrderedEffects) {
        match &mut self.submitting.append {
            Some(append) if append.retry_ms.is_some_and(|due| due <= now.monotonic_ms) => {
                append.retry_ms = None;
                effects.push(OrderedEffect::Append(append.changes.clone()));
            }
            Some(_) => {}
            None if self.giving_back.is_needed() || self.giving_way.is_needed(now) => {}
            None => self.gather(now, effects),
        }
    }

    fn gather(&mut self, now: Now, effects: &mut OrderedEffects) {
        let mut append = Append::default();
        while append.changes.len() < self.limits.operations_per_append_max
            && let Some(waiting) = self.submitting.pop()
        {
            if self.members.contains_key(&waiting.connection) {
                self.place(waiting, &mut append, now, effects);
            }
        }
        if !append.changes.is_empty() {
            self.say_too_early(&append, effects);
            effects.push(OrderedEffect::Append(append.changes.clone()));
            self.submitting.append = Some(append);
            self.giving_way.sent(now);
        }
    }

    /// Says of an append what is true once it is stored, if it is broken like that.
    fn say_too_early(&self, append: &Append, effects: &mut OrderedEffects) {
        if self.sabotage.is(Bug::AckBeforeCommit) {
            for (waiting, version) in &append.held {
                self.acknowledge(&self.log, waiting, *version, effects);
            }
        }
        if self.sabotage.is(Bug::EarlyPublish) && self.limits.is_shared {
            effects.push(OrderedEffect::Publish(append.changes.clone()));
        }
    }

    fn place(
        &mut self,
        waiting: Waiting,
        append: &mut Append,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        if self.sabotage.is(Bug::PlacedAgain) {
            self.log.forget_names();
        }
        match self.log.place(&waiting.submitted, &mut Work::default()) {
            Ok(Placed::Next(next)) => {
                let version = next.record.version;
                append.changes.push(self.record(*next, &waiting, now));
                append.hold(waiting, version);
            }
            Ok(Placed::Already(version)) if version < self.log.stored().version => {
                match self.is_missed_at_hand(&waiting) {
                    true => {
                        self.acknowledge(&self.log, &waiting, version, effects);
                        self.catching_up.acknowledged(waiting.connection, version);
                    }
                    false => self.seek(waiting, Misplaced::NameTaken),
                }
            }
            Ok(Placed::Already(version)) => append.hold(waiting, version),
            Err(Misplaced::Behind { made_on, .. }) if self.is_within_reach(made_on) => {
                self.catching_up
                    .wait_for(made_on, Behind::Submission(waiting));
            }
            Err(Misplaced::Nothing) if !append.changes.is_empty() => append.hold_idle(waiting),
            Err(Misplaced::Ahead { .. }) if !waiting.has_looked && self.limits.is_shared => {
                self.catching_up.wait_for_newer(Behind::Submission(waiting));
            }
            Err(why) if self.may_be_stored(&why) => self.seek(waiting, why),
            Err(why) => refuse(&waiting, why, effects),
        }
    }

    /// Whether an operation that has no place may have had one, before all that is at hand.
    fn may_be_stored(&self, why: &Misplaced) -> bool {
        let says_nothing = matches!(why, Misplaced::NameTaken | Misplaced::Nothing);
        self.log.oldest() > 0 && !says_nothing
    }

    /// Whether what the author of an operation may have missed is at hand, if he has to be told of it.
    fn is_missed_at_hand(&self, waiting: &Waiting) -> bool {
        let member = self.members.get(&waiting.connection);
        let is_told = member.is_some_and(|member| member.is_subscribed);
        let made_on = waiting.submitted.made_on;
        is_told || made_on.is_none_or(|made_on| made_on >= self.log.oldest())
    }

    /// Makes a change of what has a place, and puts it at the end of the log.
    fn record(&mut self, next: Next, waiting: &Waiting, now: Now) -> Change {
        let by = Drafter {
            author: waiting.submitted.author.clone(),
            connection: waiting.connection,
        };
        let dot = self.log.next_dot(self.replica);
        let change = Change {
            hlc: self.hlc.tick(now),
            ..self.log.change_of(&next, dot, &self.key, &by)
        };
        let carried = Carried::by(&change);
        self.log.push(next, dot, by.author, carried);
        change
    }

    /// The store took the last append.
    pub(super) fn appended(&mut self, now: Now, effects: &mut OrderedEffects) {
        let Some(mut append) = self.submitting.append.take() else {
            return;
        };
        self.giving_way.stored(now);
        append.held.sort_by_key(|(_, version)| *version);
        let from = self.log.stored().version;
        self.log.store();
        let ahead = self.move_presences(from);
        self.show_since(from, &append.held, effects);
        for (waiting, version) in &append.held {
            self.catching_up.acknowledged(waiting.connection, *version);
        }
        for waiting in &append.idle {
            refuse(waiting, Misplaced::Nothing, effects);
        }
        self.tell_arrived(ahead, effects);
        if self.limits.is_shared {
            effects.push(OrderedEffect::Publish(append.changes));
        }
    }

    /// Other nodes tell of changes while an append is under way. What is at the store says by itself if anybody was faster,
    /// unless the store is not there to be asked.
    pub(super) fn heard_meanwhile(&mut self, changes: Vec<Change>) {
        self.catching_up.look();
        let stored = &self.log.stored().clock;
        if let Some(append) = &mut self.submitting.append {
            let room = (self.limits.tail_operations_max).saturating_sub(append.heard.len());
            let is_new = |change: &Change| !stored.contains(change.dot);
            let new = changes.into_iter().filter(is_new);
            append.heard.extend(new.take(room));
            append.heard.sort_by_key(version_of);
        }
    }

    /// The last append failed, or nobody knows whether it did. If another node is known to have been faster it is not stored.
    pub(super) fn append_failed(&mut self, now: Now, effects: &mut OrderedEffects) {
        let next = self.log.stored().version;
        let heard = self.submitting.append.iter().flat_map(|it| &it.heard);
        if heard.map(version_of).any(|version| version == next) {
            let heard = self.take_back();
            return self.follow(&heard, effects);
        }
        if let Some(append) = &mut self.submitting.append
            && !self.sabotage.is(Bug::NoRetry)
        {
            let doubled =
                (append.delay_ms * 2).clamp(self.limits.retry_min_ms, self.limits.retry_max_ms);
            append.delay_ms = doubled;
            append.retry_ms = Some(now.monotonic_ms + doubled);
        }
    }

    /// The store has something else where the last append was to begin; or less than it had acknowledged.
    pub(super) fn overtaken(&mut self, changes: &[Change], effects: &mut OrderedEffects) {
        let heard = self.take_back();
        match self.compare(changes) {
            Compared::Same => {
                self.follow(changes, effects);
                self.ask_for_way(effects);
            }
            Compared::Less => {
                self.follow(&heard, effects);
                self.give_back(effects);
            }
            Compared::Other => self.give_back_refused(effects),
        }
        if self.sabotage.is(Bug::NotTransformed) {
            self.submitting.pretend(self.log.stored().version);
        }
    }

    /// The store knows an operation of the last append under its name.
    pub(super) fn name_known(&mut self, index: usize, version: u64) {
        let Some(append) = &mut self.submitting.append else {
            return;
        };
        let place = self.log.stored().version + index as u64;
        let found = append.held.iter().position(|(_, held)| *held == place);
        let known = found.map(|at| append.held.remove(at).0);
        self.take_back();
        match known {
            Some(waiting) if version >= self.log.oldest() => self.submitting.push(waiting),
            Some(waiting) => self.seek(waiting, Misplaced::NameTaken),
            None => {}
        }
    }

    /// What was placed and is not stored waits again. Gives what was heard while it was at the store, in order.
    pub(super) fn take_back(&mut self) -> Vec<Change> {
        let Some(mut append) = self.submitting.append.take() else {
            return Vec::new();
        };
        let heard = std::mem::take(&mut append.heard);
        self.log.roll_back();
        self.submitting.put_back(append);
        heard
    }

    /// Answers an operation that is stored. Who is not sent what comes has to be sent before what he had not seen, which a log
    /// has.
    pub(super) fn acknowledge(
        &self,
        log: &Log,
        waiting: &Waiting,
        version: u64,
        effects: &mut OrderedEffects,
    ) {
        let Some(member) = self.members.get(&waiting.connection) else {
            return;
        };
        let to = vec![waiting.connection];
        let first = effects.len();
        if !member.is_subscribed
            && let Some(made_on) = waiting.submitted.made_on
            && let Some(missed) = log.between(made_on.min(version), version)
        {
            let missed = missed.map(|logged| OrderedEvent::Operation(logged.record.clone()));
            effects.extend(missed.map(|event| OrderedEffect::Send {
                to: to.clone(),
                event,
            }));
        }
        let tag = waiting.tag;
        let event = OrderedEvent::Committed { tag, version };
        effects.push(OrderedEffect::Send { to, event });
        if self.sabotage.is(Bug::AckBeforeMissed) {
            effects[first..].rotate_right(1);
        }
    }

    /// Shows what is stored since a version to all who are sent what comes, in order. Whoever waits for one of these is
    /// acknowledged instead, before he is shown the next: else he would see a gap. What is held is in order as well.
    fn show_since(&self, from: u64, mut held: &[(Waiting, u64)], effects: &mut OrderedEffects) {
        for logged in self.log.since(from).into_iter().flatten() {
            let version = logged.record.version;
            let waits = |(_, at): &(Waiting, u64)| *at <= version;
            let (own, later) = held.split_at(held.partition_point(waits));
            let is_own = |connection| own.iter().any(|(own, _)| own.connection == connection);
            let shown = self.members.iter();
            let shown = shown.filter(|(to, member)| member.is_subscribed && !is_own(**to));
            let to: Vec<_> = shown.map(|(connection, _)| *connection).collect();
            if !to.is_empty() {
                let event = OrderedEvent::Operation(logged.record.clone());
                effects.push(OrderedEffect::Send { to, event });
            }
            for (waiting, version) in own {
                self.acknowledge(&self.log, waiting, *version, effects);
            }
            held = later;
        }
    }

    /// Takes in what others have stored behind all that is stored here.
    pub(super) fn follow(&mut self, changes: &[Change], effects: &mut OrderedEffects) {
        let from = self.log.stored().version;
        debug_assert_eq!(self.log.head().version, from, "nothing waits");
        let followed = changes
            .iter()
            .try_for_each(|change| self.follow_one(change));
        self.log.store();
        match followed {
            Err(broken) if broken.is_gap() => self.look(),
            Err(broken) => return self.give_up(broken, effects),
            Ok(()) => {}
        }
        let ahead = self.move_presences(from);
        self.show_since(from, &[], effects);
        self.tell_arrived(ahead, effects);
    }

    fn follow_one(&mut self, change: &Change) -> Result<(), Broken> {
        if !self.log.head().clock.contains(change.dot) {
            self.log.follow_change(change)?;
            self.hlc.observe(change.hlc);
            self.giving_way.heard_of(change.dot.replica);
        }
        Ok(())
    }
}

/// The place of a change's operation; the last if it has none.
fn version_of(change: &Change) -> u64 {
    record_of(change).map_or(u64::MAX, |record| record.version)
}

pub(super) fn refuse(waiting: &Waiting, why: Misplaced, effects: &mut OrderedEffects) {
    let event = OrderedEvent::Refused {
        tag: waiting.tag,
        why,
    };
    effects.push(OrderedEffect::Send {
        to: vec![waiting.connection],
        event,
    });
}
