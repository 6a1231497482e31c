//! Giving back: a store that failed over to a standby may lack the end of what it had acknowledged. A node that has it open
//! gives it back, as it was, and takes no new operations meanwhile.
//!
//! What tells of it is that the store has nothing where the next operation is to be although it is behind, or that its heads
//! lack what was stored here a round before and a reading confirms it. Operations that are stored already are given
//! without harm, so all that is at hand is given. Where nothing is, as after an opening from a snapshot, it is lost. If another
//! node has something else in the same place, or it is lost, this node's clients begin anew with what there is: they send again
//! what they were not acknowledged.

use crate::change::{Change, ChangeKind};
use crate::clock::VectorClock;
use crate::document::CloseReason;
use crate::time::Now;

use super::OrderedDocument;
use super::effect::{OrderedEffect, OrderedEffects};
use super::log::Logged;
use super::state::State;

/// What the store is being given back.
#[derive(Debug, Default)]
pub(super) struct GivingBack {
    /// The version behind the last that was given; none if nothing is to be given.
    next: Option<u64>,
    /// Whether a part of it is at the store.
    is_at_store: bool,
    /// When to try again.
    retry_ms: Option<u64>,
    /// What the store should have had by the last look at its heads, and had not: a look that was made too early.
    doubted: Option<VectorClock>,
}

impl GivingBack {
    /// Whether something is to be given before anything else is stored.
    pub(super) fn is_needed(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.retry_ms
    }
}

/// How what the store has compares with what is stored by what is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    /// It has lost the last operation.
    Less,
    /// It has another one in that place.
    Other,
}

impl OrderedDocument {
    /// Compares what the store has from the last version on that is stored by what is known here.
    pub(super) fn compare(&self, changes: &[Change]) -> Compared {
        let State { version, clock, .. } = self.log.stored();
        match changes.first() {
            _ if *version == 0 => Compared::Same,
            None => Compared::Less,
            Some(first) if clock.contains(first.dot) => Compared::Same,
            Some(_) => Compared::Other,
        }
    }

    /// The store has these heads. True if they lack what they should have had the last time already.
    pub(super) fn doubts(&mut self, heads: &VectorClock) -> bool {
        let stored = &self.log.stored().clock;
        let doubted = self.giving_back.doubted.take();
        if !heads.dominates(stored) {
            self.giving_back.doubted = Some(stored.clone());
        }
        doubted.is_some_and(|doubted| !heads.dominates(&doubted))
    }

    /// The store has lost something that it had acknowledged. Where nothing of it is at hand it stays lost, and clients begin
    /// anew with what there is.
    pub(super) fn give_back(&mut self, effects: &mut OrderedEffects) {
        if self.giving_back.next.is_some() {
            return;
        }
        effects.push(OrderedEffect::Lost);
        match self.log.oldest() {
            oldest if oldest < self.log.stored().version => self.giving_back.next = Some(oldest),
            _ => self.close_all(CloseReason::NotReady, effects),
        }
    }

    pub(super) fn give_back_if_due(&mut self, now: Now, effects: &mut OrderedEffects) {
        let GivingBack {
            next: Some(from),
            is_at_store: false,
            retry_ms,
            ..
        } = self.giving_back
        else {
            return;
        };
        if retry_ms.is_some_and(|due| now.monotonic_ms < due) {
            return;
        }
        let given = self.log.since(from).into_iter().flatten();
        let given = given.take(self.limits.operations_per_append_max);
        let given: Vec<_> = given.map(|logged| self.change_of(logged)).collect();
        self.giving_back.retry_ms = None;
        if given.is_empty() {
            self.giving_back.next = None;
            return;
        }
        self.giving_back.next = Some(from + given.len() as u64);
        self.giving_back.is_at_store = true;
        effects.push(OrderedEffect::GiveBack(given));
    }

    /// The store has taken what it was given.
    pub(super) fn given_back(&mut self) {
        self.giving_back.is_at_store = false;
    }

    /// It has not, or nobody knows whether it has: all is given again.
    pub(super) fn give_back_failed(&mut self, now: Now) {
        self.giving_back.is_at_store = false;
        self.giving_back.next = Some(self.log.oldest());
        self.giving_back.retry_ms = Some(now.monotonic_ms + self.limits.retry_max_ms);
    }

    /// The store has something else in that place by now.
    pub(super) fn give_back_refused(&mut self, effects: &mut OrderedEffects) {
        self.giving_back = GivingBack::default();
        self.take_back();
        self.close_all(CloseReason::NotReady, effects);
    }

    /// The change that carried an operation.
    fn change_of(&self, logged: &Logged) -> Change {
        Change {
            document: self.key.clone(),
            dot: logged.dot,
            context: logged.carried.context.clone(),
            hlc: logged.carried.hlc,
            author: logged.author.clone(),
            connection: logged.carried.connection,
            kind: ChangeKind::Operation,
            payload: logged.record.to_bytes(),
        }
    }
}
