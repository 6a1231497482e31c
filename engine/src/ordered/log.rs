//! The log: the one order of a document's operations, as far as it is held in memory, and what the document holds after
//! them.
//!
//! A submission was made on a version that its author had seen. It is *placed* by transforming it over everything that came
//! since, one operation after the other and never over several as one, because clients do the same and the two need not
//! agree. What was placed is at the end of the log at once, and is *stored* when the store says so; until then it can be
//! taken off again, when the store has something else in that place.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::change::Change;
use crate::clock::VectorClock;
use crate::dot::Dot;
use crate::names::{Author, ConnectionId};
use crate::ot::{Operation, Work};
use crate::time::Hlc;

use super::limits::OrderedLimits;
use super::past::{Broken, record_of};
use super::placing::{Misplaced, Next};
use super::record::{Action, OperationName, Record};
use super::state::State;

/// The end of a document's order.
#[derive(Debug)]
pub(super) struct Log {
    /// What is stored, as far as that is known.
    stored: State,
    /// The same after what was placed since.
    head: State,
    tail: VecDeque<Logged>,
    tail_bytes: usize,
    /// Where in the order those of the tail are which clients may send again.
    names: HashMap<Origin, u64>,
}

/// Whose operation it is, and which of his.
type Origin = (Option<Author>, OperationName);

/// One operation in the order.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    /// Which change carries it.
    pub(super) dot: Dot,
    /// Who made it.
    pub(super) author: Option<Author>,
    /// What else stands in the change.
    pub(super) carried: Carried,
    /// What it is.
    pub(super) record: Arc<Record>,
    /// The same taken apart, if it is an edit.
    pub(super) operation: Option<Operation>,
}

/// What a change says besides its operation, its name and its author.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) context: VectorClock,
    pub(super) hlc: Hlc,
    pub(super) connection: ConnectionId,
}

impl Carried {
    /// What a change says.
    pub(super) fn by(change: &Change) -> Self {
        Self {
            context: change.context.clone(),
            hlc: change.hlc,
            connection: change.connection,
        }
    }
}

impl Log {
    /// The log of a document at a version, with nothing of what came before.
    pub(super) fn at(head: State) -> Self {
        Self {
            stored: head.clone(),
            head,
            tail: VecDeque::new(),
            tail_bytes: 0,
            names: HashMap::new(),
        }
    }

    /// The document after all that was placed.
    pub(super) fn head(&self) -> &State {
        &self.head
    }

    /// The document after all that is stored.
    pub(super) fn stored(&self) -> &State {
        &self.stored
    }

    /// How much memory the operations at hand take up.
    pub(super) fn tail_bytes(&self) -> usize {
        self.tail_bytes
    }

    /// The first version from which on everything is at hand.
    pub(super) fn oldest(&self) -> u64 {
        self.head.version - self.tail.len() as u64
    }

    /// What came since a version, up to what is stored; none if some of that is not at hand.
    pub(super) fn since(&self, version: u64) -> Option<impl ExactSizeIterator<Item = &Logged>> {
        self.between(version, self.stored.version)
    }

    pub(super) fn between(
        &self,
        from: u64,
        to: u64,
    ) -> Option<impl ExactSizeIterator<Item = &Logged>> {
        let oldest = self.oldest();
        let from = usize::try_from(from.min(to).checked_sub(oldest)?).ok()?;
        let to = usize::try_from(to.checked_sub(oldest)?).ok()?;
        Some(self.tail.range(from..to))
    }

    /// Where an operation is, if it is at hand.
    pub(super) fn version_of(&self, author: &Option<Author>, name: &OperationName) -> Option<u64> {
        self.names.get(&(author.clone(), name.clone())).copied()
    }

    /// Forgets what operations at hand are called.
    pub(super) fn forget_names(&mut self) {
        self.names.clear();
    }

    /// The changes that carried what came before a version; none if it is not at hand which.
    pub(super) fn clock_at(&self, version: u64) -> Option<VectorClock> {
        let after = self.between(version, self.head.version)?;
        // Lanes have no holes, and all of a document's changes are in its order: the first of each lane after the version
        // says how many of that lane came before.
        let mut clock = self.head.clock.clone();
        after.for_each(|logged| clock.forget(logged.dot));
        Some(clock)
    }

    /// Does something with what the document holds after all that was placed, and gives what it was if it is an edit.
    ///
    /// # Errors
    /// It does not fit, or takes too much work; nothing has changed.
    pub(super) fn make(
        &mut self,
        action: &Action,
        work: &mut Work,
    ) -> Result<Option<Operation>, Misplaced> {
        self.head.make(action, work)
    }

    /// Puts what was placed at the end.
    pub(super) fn push(&mut self, next: Next, dot: Dot, author: Option<Author>, carried: Carried) {
        let Next { record, operation } = next;
        self.head.version += 1;
        self.head.clock.observe(dot);
        self.tail_bytes += record.weight();
        self.names
            .insert((author.clone(), record.name.clone()), record.version);
        self.tail.push_back(Logged {
            dot,
            author,
            carried,
            record: Arc::new(record),
            operation,
        });
    }

    /// Takes in what the store has as the next operation, of which [`Self::store`] is to be told. Nothing may have been placed
    /// that it does not have.
    ///
    /// # Errors
    /// It does not follow, or does not fit.
    pub(super) fn follow(
        &mut self,
        record: Record,
        dot: Dot,
        author: Option<Author>,
        carried: Carried,
    ) -> Result<(), Misplaced> {
        if record.version != self.head.version {
            return Err(Misplaced::Ahead {
                made_on: record.version,
                version: self.head.version,
            });
        }
        let operation = self.make(&record.action, &mut Work::steps(u64::MAX))?;
        self.push(Next { record, operation }, dot, author, carried);
        Ok(())
    }

    /// All that was placed is stored. What is placed next copies what it changes, as the document is shared from now on.
    pub(super) fn store(&mut self) {
        self.stored = self.head.clone();
    }

    /// Puts operations before those that are at hand, which they have to reach up to.
    ///
    /// # Errors
    /// They do not, or cannot be read.
    pub(super) fn prepend(&mut self, changes: &[Change]) -> Result<(), Broken> {
        for change in changes.iter().rev() {
            let (dot, record) = (change.dot, record_of(change)?);
            let next = record.version + 1;
            if next != self.oldest() {
                let (made_on, version) = (next, self.oldest());
                let why = Misplaced::Ahead { made_on, version };
                return Err(Broken::Unfit { dot, why });
            }
            let operation = self.operation_before(&record);
            self.tail_bytes += record.weight();
            self.names
                .insert((change.author.clone(), record.name.clone()), record.version);
            self.tail.push_front(Logged {
                dot,
                author: change.author.clone(),
                carried: Carried::by(change),
                record: Arc::new(record),
                operation,
            });
        }
        Ok(())
    }

    /// An edit just before those that are at hand, taken apart. Of what came before a document was created or deleted
    /// nothing is transformed any more, and its type is not known.
    fn operation_before(&self, record: &Record) -> Option<Operation> {
        let ot_type = match self.tail.front() {
            None => self.head.content.as_ref()?.ot_type(),
            Some(first) => first.operation.as_ref()?.ot_type(),
        };
        let text = record.action.committed()?;
        Operation::read(ot_type, text).ok()
    }

    /// Nothing of what was placed and is not stored will be.
    pub(super) fn roll_back(&mut self) {
        while self.head.version > self.stored.version
            && let Some(logged) = self.tail.pop_back()
        {
            self.head.version -= 1;
            self.forget(&logged);
        }
        self.head = self.stored.clone();
    }

    /// Keeps no more of what is stored than the limits say, but all since a version that is needed.
    pub(super) fn trim(&mut self, limits: &OrderedLimits, needed: u64) {
        let may_go = self.stored.version.min(needed);
        while (self.tail.len() > limits.tail_operations_max
            || self.tail_bytes > limits.tail_bytes_max)
            && self.oldest() < may_go
            && let Some(logged) = self.tail.pop_front()
        {
            self.forget(&logged);
        }
    }

    /// What was placed under a name that turned out to be known is not what that name is of.
    fn forget(&mut self, logged: &Logged) {
        self.tail_bytes -= logged.record.weight();
        let origin = (logged.author.clone(), logged.record.name.clone());
        if self.names.get(&origin) == Some(&logged.record.version) {
            self.names.remove(&origin);
        }
    }
}
