//! Placing: what a submission comes to at the end of the log.
//!
//! It is the same or an error, however often it is sent: a client that does not know what became of an operation sends it
//! again under its name, perhaps transformed over what it has seen meanwhile.

use thiserror::Error;

use crate::names::Author;
use crate::ot::{Operation, OtError, OtType, Side, Work};

use super::log::{Log, Logged};
use super::record::{Action, OperationName, Record};

/// An operation as a client submits it.
#[derive(Clone, Debug)]
pub(super) struct Submitted {
    pub(super) author: Option<Author>,
    pub(super) made_on: Option<u64>,
    pub(super) name: OperationName,
    pub(super) deed: Deed,
    pub(super) skips_noop: bool,
}

/// What a client wants done. Operations and data are JSON text as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Begin a document that there is not.
    Create {
        /// What it is to be.
        ot_type: OtType,
        /// What it is to hold; none if nothing is said.
        data: Option<Box<str>>,
    },
    /// Change it.
    Edit(Box<str>),
    /// End it.
    Delete,
}

impl Deed {
    /// About how many bytes of memory it takes up.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Create { data, .. } => data.as_ref().map_or(0, |text| text.len()),
            Self::Edit(text) => text.len(),
            Self::Delete => 0,
        }
    }
}

/// What a submission comes to.
#[derive(Debug)]
pub(super) enum Placed {
    /// It makes the next version.
    Next(Box<Next>),
    /// It was placed before, on this version.
    Already(u64),
}

/// What makes the next version. The document at the end of the log holds what it makes of it already.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) record: Record,
    /// What was done, if it was an edit.
    pub(super) operation: Option<Operation>,
}

/// Why a submission has no place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Misplaced {
    /// There is no such document, and it does not create it.
    #[error("document does not exist")]
    NotThere,
    /// There is such a document, or one was created after it was made.
    #[error("document was created already")]
    Exists,
    /// The document that it was made on was deleted.
    #[error("document was deleted")]
    WasDeleted,
    /// It names a version that there is not yet.
    #[error("made on version {made_on}, and the document is at {version}")]
    Ahead {
        /// The version that it names.
        made_on: u64,
        /// The document's.
        version: u64,
    },
    /// It names no version, and does not create the document.
    #[error("names no version")]
    NoVersion,
    /// It was made on a version from before what is at hand.
    #[error("made on version {made_on}, and only what came since {oldest} is at hand")]
    Behind {
        /// The version that it names.
        made_on: u64,
        /// The first that is at hand.
        oldest: u64,
    },
    /// Another operation of this name was committed.
    #[error("another operation was committed under the same source and number")]
    NameTaken,
    /// It changes nothing behind what came before it, and is not to be stored then.
    #[error("changes nothing")]
    Nothing,
    /// It does not fit what came before it, or is no operation of the document's type.
    #[error(transparent)]
    Unfit(#[from] OtError),
}

impl Log {
    /// What a submission comes to. What makes the next version is to be put at the end of the log.
    ///
    /// # Errors
    /// It has no place.
    pub(super) fn place(
        &mut self,
        submitted: &Submitted,
        work: &mut Work,
    ) -> Result<Placed, Misplaced> {
        if let Some(version) = self.version_of(&submitted.author, &submitted.name) {
            return self.recognise(version, submitted, work);
        }
        let made_on = self.made_on(submitted)?;
        let action = match &submitted.deed {
            Deed::Edit(received) => self.edit(received, made_on, work)?,
            Deed::Create { ot_type, data } => {
                self.each_since(made_on, Logged::bars_creation)?;
                Action::Create {
                    ot_type: *ot_type,
                    data: data.clone(),
                }
            }
            Deed::Delete => {
                self.each_since(made_on, Logged::bars_deletion)?;
                Action::Delete
            }
        };
        let operation = self.make(&action, work)?;
        // One that changes nothing has changed nothing.
        if submitted.skips_noop && operation.as_ref().is_some_and(Operation::is_noop) {
            return Err(Misplaced::Nothing);
        }
        let record = Record {
            version: self.head().version,
            made_on: submitted.made_on,
            name: submitted.name.clone(),
            action,
        };
        Ok(Placed::Next(Box::new(Next { record, operation })))
    }

    /// The version that a submission was made on.
    fn made_on(&self, submitted: &Submitted) -> Result<u64, Misplaced> {
        let head = self.head();
        match (submitted.made_on, &submitted.deed) {
            (Some(made_on), _) if made_on > head.version => Err(Misplaced::Ahead {
                made_on,
                version: head.version,
            }),
            (Some(made_on), _) => Ok(made_on),
            (None, Deed::Create { .. }) if head.content.is_some() => Err(Misplaced::Exists),
            (None, Deed::Create { .. }) => Ok(head.version),
            (None, _) => Err(Misplaced::NoVersion),
        }
    }

    /// An edit as it is to be committed.
    fn edit(&self, received: &str, made_on: u64, work: &mut Work) -> Result<Action, Misplaced> {
        let transformed = self.over(received, made_on, self.head().version, work)?;
        let committed = transformed.map(|operation| Box::<str>::from(operation.write()));
        Ok(Action::Edit {
            received: received.into(),
            committed: committed.filter(|committed| **committed != *received),
        })
    }

    /// An edit that was made on a version, transformed over what came since, up to another; none if nothing did.
    fn over(
        &self,
        received: &str,
        from: u64,
        to: u64,
        work: &mut Work,
    ) -> Result<Option<Operation>, Misplaced> {
        let mut operation: Option<Operation> = None;
        for logged in self.at_hand(from, to)? {
            let other = logged.bars_edit()?;
            let own = match operation {
                Some(own) => own,
                None => Operation::read(other.ot_type(), received)?,
            };
            operation = Some(own.transform(other, Side::Left, work)?);
        }
        Ok(operation)
    }

    fn each_since(
        &self,
        made_on: u64,
        check: fn(&Logged) -> Result<(), Misplaced>,
    ) -> Result<(), Misplaced> {
        self.at_hand(made_on, self.head().version)?
            .try_for_each(check)
    }

    fn at_hand(&self, from: u64, to: u64) -> Result<impl Iterator<Item = &Logged>, Misplaced> {
        self.between(from, to).ok_or_else(|| Misplaced::Behind {
            made_on: from,
            oldest: self.oldest(),
        })
    }

    /// Whether what is in the log under the name of a submission is the same: as it was sent, or as its author's client has
    /// transformed it over what came to it meanwhile.
    fn recognise(
        &self,
        version: u64,
        submitted: &Submitted,
        work: &mut Work,
    ) -> Result<Placed, Misplaced> {
        let logged = self.at_hand(version, version + 1)?.next();
        let known = &logged.ok_or(Misplaced::NameTaken)?.record;
        let is_same = match (&known.action, &submitted.deed) {
            (Action::Edit { received, .. }, Deed::Edit(again)) => {
                received == again
                    || self.becomes(known, received, submitted.made_on, again, work)?
            }
            (
                Action::Create { ot_type, data },
                Deed::Create {
                    ot_type: again,
                    data: same,
                },
            ) => ot_type == again && data == same,
            (Action::Delete, Deed::Delete) => true,
            _ => false,
        };
        match is_same {
            true => Ok(Placed::Already(version)),
            false => Err(Misplaced::NameTaken),
        }
    }

    /// Whether an edit is what its author's client sends again after it has seen more.
    fn becomes(
        &self,
        known: &Record,
        received: &str,
        seen: Option<u64>,
        again: &str,
        work: &mut Work,
    ) -> Result<bool, Misplaced> {
        let (Some(from), Some(to)) = (known.made_on, seen) else {
            return Ok(false);
        };
        let to = to.min(known.version);
        // Whoever says now that he had seen less than he said then has not transformed it.
        if to <= from {
            return Ok(false);
        }
        let Some(operation) = self.over(received, from, to, work)? else {
            return Ok(false);
        };
        Ok(operation == Operation::read(operation.ot_type(), again)?)
    }
}

impl Logged {
    fn bars_edit(&self) -> Result<&Operation, Misplaced> {
        match (&self.record.action, &self.operation) {
            (Action::Delete, _) => Err(Misplaced::WasDeleted),
            (Action::Edit { .. }, Some(operation)) => Ok(operation),
            (Action::Create { .. }, _) => Err(Misplaced::Exists),
            // From before the document was deleted.
            (Action::Edit { .. }, None) => Err(Misplaced::WasDeleted),
        }
    }

    fn bars_creation(&self) -> Result<(), Misplaced> {
        match &self.record.action {
            Action::Delete => Err(Misplaced::WasDeleted),
            Action::Create { .. } | Action::Edit { .. } => Err(Misplaced::Exists),
        }
    }

    fn bars_deletion(&self) -> Result<(), Misplaced> {
        match &self.record.action {
            Action::Create { .. } => Err(Misplaced::Exists),
            Action::Delete | Action::Edit { .. } => Ok(()),
        }
    }
}
