//! Recognising: operations that come again after so much that what came since is not at hand, nor is to be read.
//!
//! Whether one was committed says the store, which knows all by their names; also of what has no place any more. What it has of that one, and of what its author
//! may have missed before it, is looked at beside the log, as a log of its own, and forgotten.

use std::collections::VecDeque;
use std::ops::Range;

use crate::change::Change;
use crate::names::{Author, ConnectionId};
use crate::ot::{OtType, Snapshot, Work};
use crate::time::Now;

use super::OrderedDocument;
use super::catching_up::Behind;
use super::effect::{OrderedEffect, OrderedEffects};
use super::log::Log;
use super::past::{Broken, record_of};
use super::placing::{Deed, Misplaced, Placed, Submitted};
use super::record::{OperationName, Record};
use super::state::State;
use super::submitting::{Waiting, refuse};

/// Which operation is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Whose it is.
    pub author: Option<Author>,
    /// What he calls it.
    pub name: OperationName,
    /// The version that he says now to have made it on.
    made_on: Option<u64>,
    /// How many operations before it may be read if he says so.
    reach: u64,
}

/// What may have been committed, one after the other.
#[derive(Debug, Default)]
pub(super) struct Recognising {
    /// With why each is refused if it was not.
    waiting: VecDeque<(Waiting, Misplaced)>,
    is_asking: bool,
    /// Not to be asked before.
    due_ms: Option<u64>,
}

impl Sought {
    /// An operation that its author says now to have made on a version. So many operations before it may be read.
    pub fn new(
        author: Option<Author>,
        name: OperationName,
        made_on: Option<u64>,
        reach: u64,
    ) -> Self {
        Self {
            author,
            name,
            made_on,
            reach,
        }
    }

    /// On which version it was committed, by what the store has found, of a document that is of a type by now.
    ///
    /// # Errors
    /// What was found is another operation.
    pub fn recognise(
        self,
        deed: Deed,
        found: &[Change],
        ot_type: Option<OtType>,
    ) -> Result<u64, Misplaced> {
        let submitted = Submitted {
            author: self.author,
            made_on: self.made_on,
            name: self.name,
            deed,
            skips_noop: false,
        };
        let excerpt = Log::excerpt(found, ot_type);
        let mut excerpt = excerpt.map_err(|_| Misplaced::NameTaken)?;
        match excerpt.place(&submitted, &mut Work::default()) {
            Ok(Placed::Already(version)) => Ok(version),
            Ok(Placed::Next(_)) | Err(_) => Err(Misplaced::NameTaken),
        }
    }

    /// Which versions are to be read once it is found: its own, and what its author may have missed before it, or has to have
    /// transformed it over.
    pub fn versions(&self, found: &Record) -> Range<u64> {
        let version = found.version;
        let said_then = found.made_on.unwrap_or(version);
        // Anybody can say now that he has seen little.
        let oldest = version.saturating_sub(self.reach);
        let says_now = self.made_on.unwrap_or(version).max(oldest);
        said_then.min(says_now)..version + 1
    }
}

impl Recognising {
    /// The authors of the operations that wait here.
    pub(super) fn awaiting(&self) -> impl Iterator<Item = ConnectionId> {
        self.waiting.iter().map(|(waiting, _)| waiting.connection)
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
            .filter(|_| !self.waiting.is_empty() && !self.is_asking)
    }
}

impl OrderedDocument {
    /// The store is to say whether an operation was committed. If it was not it is refused.
    pub(super) fn seek(&mut self, waiting: Waiting, otherwise: Misplaced) {
        self.recognising.waiting.push_back((waiting, otherwise));
    }

    pub(super) fn seek_if_due(&mut self, now: Now, effects: &mut OrderedEffects) {
        let Recognising {
            waiting,
            is_asking,
            due_ms,
        } = &mut self.recognising;
        let is_early = due_ms.is_some_and(|due| now.monotonic_ms < due);
        if *is_asking || is_early {
            return;
        }
        waiting.retain(|(waiting, _)| self.members.contains_key(&waiting.connection));
        if let Some((first, _)) = waiting.front() {
            *is_asking = true;
            let reach = self.limits.catch_up_max;
            effects.push(OrderedEffect::Seek(first.submitted.sought(reach)));
        }
    }

    /// The store gave the operation behind what came before it; or nothing.
    pub(super) fn found(&mut self, changes: &[Change], effects: &mut OrderedEffects) {
        self.recognising.is_asking = false;
        self.recognising.due_ms = None;
        let Some((waiting, otherwise)) = self.recognising.waiting.pop_front() else {
            return;
        };
        let content = self.log.head().content.as_ref();
        // What is damaged there is of no use to anybody else either.
        let Ok(mut excerpt) = Log::excerpt(changes, content.map(Snapshot::ot_type)) else {
            return refuse(&waiting, otherwise, effects);
        };
        match excerpt.place(&waiting.submitted, &mut Work::default()) {
            // Another node was faster, and has told nothing of it yet.
            Ok(Placed::Already(version)) if version >= self.log.stored().version => {
                self.catching_up.wait_for_newer(Behind::Submission(waiting));
            }
            Ok(Placed::Already(version)) => {
                self.acknowledge(&excerpt, &waiting, version, effects);
                self.catching_up.acknowledged(waiting.connection, version);
            }
            Err(Misplaced::NameTaken) => refuse(&waiting, Misplaced::NameTaken, effects),
            Ok(Placed::Next(_)) | Err(_) => refuse(&waiting, otherwise, effects),
        }
    }

    /// The store could not give it: it is asked again in a while.
    pub(super) fn seek_failed(&mut self, now: Now) {
        self.recognising.is_asking = false;
        self.recognising.due_ms = Some(now.monotonic_ms + self.limits.retry_max_ms);
    }
}

impl Submitted {
    fn sought(&self, reach: u64) -> Sought {
        Sought::new(self.author.clone(), self.name.clone(), self.made_on, reach)
    }
}

impl Log {
    /// Some operations of a document of a type, from somewhere in its past.
    fn excerpt(changes: &[Change], ot_type: Option<OtType>) -> Result<Self, Broken> {
        let last = changes.last().map(record_of).transpose()?;
        let content = ot_type.and_then(|ot_type| Snapshot::create(ot_type, None).ok());
        let mut excerpt = Self::at(State {
            version: last.map_or(0, |last| last.version + 1),
            content,
            ..State::default()
        });
        excerpt.prepend(changes)?;
        Ok(excerpt)
    }
}
