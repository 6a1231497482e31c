//! Catching up: what is asked of the store because it is not at hand, older operations for a client that has been away and
//! newer ones that the bus lost.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::Arc;

use crate::change::Change;
use crate::names::ConnectionId;
use crate::sabotage::Bug;
use crate::time::Now;

use super::OrderedDocument;
use super::effect::{OrderedEffect, OrderedEffects, OrderedEvent};
use super::giving_back::Compared;
use super::input::{Request, RequestTag};
use super::past::record_of;
use super::submitting::Waiting;

/// What is asked of the store, one thing at a time.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    /// Who waits for older operations, and from which version on.
    behind: Vec<(u64, Behind)>,
    /// Who has seen something that is not here, on another node.
    ahead: Vec<Behind>,
    /// Those of them who came before it was asked for what is newer.
    looked_for: Vec<Behind>,
    /// Who reads slowly, and waits for some older operations from a version on.
    slow: VecDeque<Slow>,
    /// Who is told what the document holds once his operations are answered.
    put_off: Vec<(ConnectionId, Request)>,
    /// Whether there may be newer ones.
    looks: bool,
    /// Whether what was stored last may be there no more.
    doubts: bool,
    reading: Option<Reading>,
    /// Not to be asked before.
    due_ms: Option<u64>,
}

/// What cannot be gone on with before other operations are at hand.
#[derive(Debug)]
pub(super) enum Behind {
    /// A question.
    Question(ConnectionId, Request),
    /// An operation that has no place yet.
    Submission(Waiting),
}

/// A client that is sent what it has missed in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slow {
    connection: ConnectionId,
    tag: RequestTag,
    from: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Older,
    /// Some that are for one client alone, and not kept at hand.
    Some(Slow),
    Newer,
    /// The last operation that is stored, and what is newer.
    Last,
}

impl CatchingUp {
    /// Something waits for what came since a version.
    pub(super) fn wait_for(&mut self, from: u64, behind: Behind) {
        self.behind.push((from, behind));
    }

    /// A client that reads slowly waits for some of what came since a version.
    pub(super) fn wait_for_some(&mut self, connection: ConnectionId, tag: RequestTag, from: u64) {
        self.slow.push_back(Slow {
            connection,
            tag,
            from,
        });
    }

    /// Something was made on a version that is not here yet.
    pub(super) fn wait_for_newer(&mut self, ahead: Behind) {
        self.ahead.push(ahead);
        self.looks = true;
    }

    /// A question is to be asked again.
    pub(super) fn put_off(&mut self, connection: ConnectionId, request: Request) {
        self.put_off.push((connection, request));
    }

    /// A client has been acknowledged an operation on a version: that is what it has now.
    pub(super) fn acknowledged(&mut self, connection: ConnectionId, version: u64) {
        let behind = self.behind.iter_mut().map(|(_, behind)| behind);
        let ahead = self.ahead.iter_mut().chain(&mut self.looked_for);
        let questions = behind.chain(ahead).filter_map(|behind| match behind {
            Behind::Question(by, request) => Some((by, request)),
            Behind::Submission(_) => None,
        });
        let put_off = self.put_off.iter_mut().map(|(by, request)| (by, request));
        for (by, request) in questions.chain(put_off) {
            if let Request::Fetch { from, .. } | Request::Subscribe { from, .. } = request
                && *by == connection
                && from.is_some()
            {
                *from = (*from).max(Some(version + 1));
            }
        }
    }

    /// The authors of the operations that wait here.
    pub(super) fn awaiting(&self) -> impl Iterator<Item = ConnectionId> {
        let behind = self.behind.iter().map(|(_, behind)| behind);
        let ahead = self.ahead.iter().chain(&self.looked_for);
        behind.chain(ahead).filter_map(|behind| match behind {
            Behind::Question(..) => None,
            Behind::Submission(waiting) => Some(waiting.connection),
        })
    }

    /// There may be something newer.
    pub(super) fn look(&mut self) {
        self.looks = true;
    }

    /// What was stored last may be there no more.
    pub(super) fn doubt(&mut self) {
        self.doubts = true;
    }

    /// Whether anything waits for older operations.
    pub(super) fn is_anyone_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// When to ask again, after the store could not give something that can be asked for now.
    pub(super) fn due_ms(&self, is_appending: bool) -> Option<u64> {
        let looks = self.looks && !is_appending;
        let waits = !self.behind.is_empty() || !self.slow.is_empty();
        let wanted = looks || self.doubts || waits;
        self.due_ms.filter(|_| wanted && self.reading.is_none())
    }
}

impl OrderedDocument {
    /// Whether operations since a version are few enough to be read for one client.
    pub(super) fn is_within_reach(&self, from: u64) -> bool {
        self.log.stored().version.saturating_sub(from) <= self.limits.catch_up_max
    }

    /// There may be something newer.
    pub(super) fn look(&mut self) {
        if !self.sabotage.is(Bug::DeafToGaps) {
            self.catching_up.look();
        }
    }

    pub(super) fn read_if_due(&mut self, now: Now, effects: &mut OrderedEffects) {
        let catching_up = &mut self.catching_up;
        let is_early = catching_up.due_ms.is_some_and(|due| now.monotonic_ms < due);
        if catching_up.reading.is_some() || is_early {
            return;
        }
        let oldest = self.log.oldest();
        let from = catching_up.behind.iter().map(|(from, _)| *from).min();
        if let Some(from) = from {
            catching_up.reading = Some(Reading::Older);
            let to = Some(oldest);
            effects.push(OrderedEffect::Read { from, to });
        } else if mem::take(&mut catching_up.doubts) && self.log.stored().version > 0 {
            let from = self.log.stored().version - 1;
            catching_up.reading = Some(Reading::Last);
            effects.push(OrderedEffect::Read { from, to: None });
        } else if catching_up.looks && !self.submitting.is_appending() {
            // What is being appended will be overtaken if there is anything.
            catching_up.looks = false;
            let ahead = mem::take(&mut catching_up.ahead);
            catching_up.looked_for.extend(ahead);
            catching_up.reading = Some(Reading::Newer);
            let from = self.log.stored().version;
            effects.push(OrderedEffect::Read { from, to: None });
        } else if let Some(slow) = catching_up.slow.pop_front() {
            catching_up.reading = Some(Reading::Some(slow));
            let (from, step) = (slow.from, self.limits.catch_up_step);
            let to = Some(self.log.stored().version.min(from + step));
            effects.push(OrderedEffect::Read { from, to });
        }
    }

    /// The store gave what it was asked for.
    pub(super) fn read(&mut self, changes: &[Change], now: Now, effects: &mut OrderedEffects) {
        self.catching_up.due_ms = None;
        let reading = self.catching_up.reading.take();
        match reading {
            Some(Reading::Older | Reading::Some(_)) if changes.is_empty() => {
                // The store has lost it.
                self.catching_up.reading = reading;
                self.catching_up.doubt();
                self.read_failed(now);
            }
            Some(Reading::Some(slow)) => self.read_some(slow, changes, effects),
            Some(Reading::Older) => self.read_older(changes, now, effects),
            Some(Reading::Last) => self.read_last(changes, effects),
            Some(Reading::Newer) if self.submitting.is_appending() => self.catching_up.look(),
            Some(Reading::Newer) => {
                self.follow(changes, effects);
                self.ask_again(now, effects);
            }
            None => {}
        }
    }

    /// More may have been stored here since it was asked for.
    fn read_last(&mut self, changes: &[Change], effects: &mut OrderedEffects) {
        match self.compare(changes) {
            Compared::Same if changes.len() > 1 => self.catching_up.look(),
            Compared::Same => {}
            Compared::Less => self.give_back(effects),
            Compared::Other => self.give_back_refused(effects),
        }
    }

    /// All that the store had when it was asked is here: who had seen more than that by then has seen it nowhere.
    fn ask_again(&mut self, now: Now, effects: &mut OrderedEffects) {
        for ahead in mem::take(&mut self.catching_up.looked_for) {
            match ahead {
                Behind::Question(connection, request) => {
                    self.ask(connection, request, true, now, effects);
                }
                Behind::Submission(waiting) => self.submitting.push(waiting.having_looked()),
            }
        }
    }

    /// Asks again what was put off until its client's operations would be answered. Who was ahead has looked before that.
    pub(super) fn ask_put_off(&mut self, now: Now, effects: &mut OrderedEffects) {
        if self.catching_up.put_off.is_empty() {
            return;
        }
        let awaiting: HashSet<_> = self.awaiting().collect();
        let put_off = mem::take(&mut self.catching_up.put_off).into_iter();
        let (remaining, due): (_, Vec<_>) = put_off.partition(|(by, _)| awaiting.contains(by));
        self.catching_up.put_off = remaining;
        for (connection, request) in due {
            self.ask(connection, request, true, now, effects);
        }
    }

    /// The store could not give it: it is asked again in a while.
    pub(super) fn read_failed(&mut self, now: Now) {
        match self.catching_up.reading.take() {
            Some(Reading::Newer) => self.catching_up.looks = true,
            Some(Reading::Last) => self.catching_up.doubts = true,
            Some(Reading::Some(slow)) => self.catching_up.slow.push_front(slow),
            Some(Reading::Older) | None => {}
        }
        self.catching_up.due_ms = Some(now.monotonic_ms + self.limits.retry_max_ms);
    }

    /// Tells a client some of what it has missed.
    fn read_some(&mut self, slow: Slow, changes: &[Change], effects: &mut OrderedEffects) {
        let Slow {
            connection, tag, ..
        } = slow;
        let records: Result<Vec<_>, _> = changes.iter().map(record_of).collect();
        let records = match records {
            Ok(records) => records.into_iter().map(Arc::new),
            Err(broken) => return self.give_up(broken, effects),
        };
        if self.members.contains_key(&connection) {
            let operations = records.map(OrderedEvent::Operation);
            let events = operations.chain([OrderedEvent::More { tag }]);
            let to = || vec![connection];
            effects.extend(events.map(|event| OrderedEffect::Send { to: to(), event }));
        }
    }

    fn read_older(&mut self, changes: &[Change], now: Now, effects: &mut OrderedEffects) {
        if let Err(broken) = self.log.prepend(changes) {
            return self.give_up(broken, effects);
        }
        for (from, behind) in mem::take(&mut self.catching_up.behind) {
            match behind {
                // What came meanwhile may reach further back.
                behind if from < self.log.oldest() => self.catching_up.wait_for(from, behind),
                Behind::Question(connection, request) => {
                    self.ask(connection, request, false, now, effects);
                }
                Behind::Submission(waiting) => self.submitting.push(waiting.needing(from)),
            }
        }
    }
}
