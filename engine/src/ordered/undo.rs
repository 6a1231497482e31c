//! Undoing: the edit that takes back what some edits of the past did, and leaves what the others did.
//!
//! The past is gone through from its newest edit to its oldest. What stays is kept as it would have been without what was
//! taken back already; the inverse of what is meant is carried over that to the end, where it comes behind the other
//! inverses. So an edit whose author undid it by another is undone with that, and if everything is meant the document is
//! again what it was. Where an inverse and somebody else's edit contradict each other, the other's edit wins.

use std::collections::VecDeque;

use thiserror::Error;

use crate::change::Change;
use crate::ot::{Operation, OtError, OtType, Side, Work};

use super::past::{Broken, record_of};
use super::record::Record;
use super::state::State;

/// Why edits cannot be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UndoError {
    /// The changes do not follow the state or each other, or one does not fit.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Something that is meant is no edit.
    #[error("version {version} created or deleted the document, which no edit can take back")]
    NotAnEdit {
        /// Which.
        version: u64,
    },
    /// The document that was edited is not there any more.
    #[error("the document that version {version} edited was deleted later")]
    Ended {
        /// The edit.
        version: u64,
    },
    /// It cannot be inverted, does not fit what others did since, or takes too much work.
    #[error("version {version} cannot be taken back: {why}")]
    Unfit {
        /// The edit.
        version: u64,
        /// Why not.
        why: OtError,
    },
}

/// The edit of the last version that takes back those changes that are meant. The changes follow the state one after the
/// other, up to the last version; what it takes to put inverses after what came since is paid for as work. None if nothing is
/// left of what is meant.
///
/// # Errors
/// Something that is meant cannot be taken back by an edit.
pub fn undo(
    base: &State,
    changes: &[Change],
    is_meant: impl Fn(&Change, &Record) -> bool,
    work: &mut Work,
) -> Result<Option<Operation>, UndoError> {
    let past = past(base, changes, is_meant)?;
    let mut undoing = Undoing::default();
    for edit in past.into_iter().rev() {
        let Past {
            version, operation, ..
        } = edit;
        match edit.inverse {
            None => undoing.kept.push_front(operation),
            Some(inverse) => undoing
                .take_back(inverse, work)
                .map_err(|why| UndoError::Unfit { version, why })?,
        }
    }
    Ok(undoing.undone.filter(|undone| !undone.is_noop()))
}

/// An edit of the past.
struct Past {
    version: u64,
    operation: Operation,
    /// What undoes it, if it is meant.
    inverse: Option<Operation>,
}

/// The edits since the document was created last.
fn past(
    base: &State,
    changes: &[Change],
    is_meant: impl Fn(&Change, &Record) -> bool,
) -> Result<Vec<Past>, UndoError> {
    let (mut state, mut past) = (base.clone(), Vec::new());
    for change in changes {
        let record = record_of(change)?;
        let (dot, version) = (change.dot, record.version);
        let is_meant = is_meant(change, &record);
        let before = state.content.clone().filter(|_| is_meant);
        let followed = state.advance(&record);
        match followed.map_err(|why| Broken::Unfit { dot, why })? {
            Some(operation) => {
                let inverse =
                    before.map(|before| operation.invert_over(&before, &mut Work::steps(u64::MAX)));
                let inverse = inverse.transpose();
                past.push(Past {
                    version,
                    inverse: inverse.map_err(|why| UndoError::Unfit { version, why })?,
                    operation,
                });
            }
            None if is_meant => return Err(UndoError::NotAnEdit { version }),
            None => end(&mut past)?,
        }
    }
    Ok(past)
}

/// The document was created or deleted: what came before is of no account.
fn end(past: &mut Vec<Past>) -> Result<(), UndoError> {
    let mut before = past.drain(..);
    match before.find(|edit| edit.inverse.is_some()) {
        Some(Past { version, .. }) => Err(UndoError::Ended { version }),
        None => Ok(()),
    }
}

/// How far it is done.
#[derive(Default)]
struct Undoing {
    /// What stays of what came since, in order, as if what was taken back had never been.
    kept: VecDeque<Operation>,
    /// What takes it back, made on the last version.
    undone: Option<Operation>,
}

impl Undoing {
    /// Takes back what came just before that which is kept.
    fn take_back(&mut self, mut inverse: Operation, work: &mut Work) -> Result<(), OtError> {
        let side = yielding(inverse.ot_type());
        for kept in &mut self.kept {
            let after = inverse.transform(kept, side, work)?;
            *kept = kept.transform(&inverse, side.other(), work)?;
            inverse = after;
        }
        self.undone = Some(match &self.undone {
            None => inverse,
            Some(undone) => undone.compose(&inverse, work)?,
        });
        Ok(())
    }
}

/// The side that gives way to the other, where a type has such.
fn yielding(ot_type: OtType) -> Side {
    match ot_type {
        OtType::Json0 | OtType::Text | OtType::TextUnicode => Side::Right,
        OtType::RichText => Side::Left,
    }
}
