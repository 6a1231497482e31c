//! The past of an ordered document, as the store gives it.

use thiserror::Error;

use crate::change::Change;
use crate::dot::Dot;
use crate::names::Kind;

use super::log::{Carried, Log};
use super::placing::Misplaced;
use super::record::{MalformedRecord, Record};
use super::state::State;

/// What the store has of a document.
#[derive(Debug, Default)]
pub struct OrderedPast {
    /// The document's kind; none if the store has never heard of it.
    pub kind: Option<Kind>,
    /// Whether it was deleted for good, with its history.
    pub is_deleted: bool,
    /// A version of which everything is known; the empty one if there is no snapshot.
    pub snapshot: State,
    /// The operations since, in their order.
    pub changes: Vec<Change>,
}

/// A stored operation that cannot be gone on from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// The payload of a change is no record.
    #[error("change {dot} cannot be read: {fault}")]
    Malformed {
        /// Which change.
        dot: Dot,
        /// What is wrong with it.
        fault: MalformedRecord,
    },
    /// An operation does not follow or does not fit.
    #[error("change {dot} does not follow: {why}")]
    Unfit {
        /// Which change.
        dot: Dot,
        /// Why not.
        why: Misplaced,
    },
}

impl Broken {
    /// Whether something is missing before it, and nothing else is wrong.
    pub(super) fn is_gap(&self) -> bool {
        let why = match self {
            Self::Malformed { .. } => return false,
            Self::Unfit { why, .. } => why,
        };
        matches!(why, Misplaced::Ahead { made_on, version } if made_on > version)
    }
}

impl Log {
    /// The log after a stored past.
    pub(super) fn after(snapshot: State, changes: &[Change]) -> Result<Self, Broken> {
        let mut log = Self::at(snapshot);
        for change in changes {
            log.follow_change(change)?;
        }
        log.store();
        Ok(log)
    }

    /// Takes in the next change of the store.
    pub(super) fn follow_change(&mut self, change: &Change) -> Result<(), Broken> {
        let dot = change.dot;
        let record = record_of(change)?;
        let followed = self.follow(record, dot, change.author.clone(), Carried::by(change));
        followed.map_err(|why| Broken::Unfit { dot, why })
    }
}

/// The operation that a change carries.
pub(super) fn record_of(change: &Change) -> Result<Record, Broken> {
    let dot = change.dot;
    Record::from_bytes(&change.payload).map_err(|fault| Broken::Malformed { dot, fault })
}
