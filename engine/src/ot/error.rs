//! Why an operation, a document or a cursor was refused.
//!
//! Each error says where it found what. [`OtError::Malformed`] can be told from the operation alone; [`OtError::Refused`]
//! means that it does not fit what it was to be applied to. Nothing has changed in either case.

use std::fmt;

use thiserror::Error;

use super::OtType;

/// Why something could not be done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OtError {
    /// The text is no JSON, or nested too deep.
    #[error("not readable as JSON at byte {at}: {what}")]
    NotJson {
        /// Where, in bytes of UTF-8.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is no operation, document or cursor of its type, whatever the document holds.
    #[error("malformed: {0}")]
    Malformed(Fault),
    /// It does not fit the document, or what it is composed or transformed with.
    #[error("does not fit: {0}")]
    Refused(Fault),
    /// It belongs to another type.
    #[error("is of type {found}, expected {expected}")]
    WrongType {
        /// The type that was asked.
        expected: OtType,
        /// The type that it is of.
        found: OtType,
    },
    /// It lacks what would be needed to undo it.
    #[error("cannot be inverted: {0}")]
    NotInvertible(&'static str),
    /// It would take more work than is granted.
    #[error("takes more work than is granted to one operation")]
    TooMuchWork,
    /// What came out has more components than an operation may have.
    #[error("comes to more than {0} components")]
    TooLong(usize),
}

/// A place, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    place: String,
    what: String,
    flaw: Option<Flaw>,
}

/// What can be wrong with the form of edits of JSON that a dialect may have its own words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// They are no list.
    NoList,
    /// One of them has no path.
    NoPath,
    /// A step of a path is neither a list index nor a name that a member may have.
    BadStep,
}

impl Fault {
    /// The place, like `op[2].p[0]`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong there.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The same, where it is one of these.
    pub fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.what),
            place => write!(f, "{place} {}", self.what),
        }
    }
}

impl OtError {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(Fault {
            place: String::new(),
            what: what.into(),
            flaw: None,
        })
    }

    /// Malformed in a way that has a name.
    pub(crate) fn flawed(flaw: Flaw, what: impl Into<String>) -> Self {
        Self::Malformed(Fault {
            place: String::new(),
            what: what.into(),
            flaw: Some(flaw),
        })
    }

    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::Refused(Fault {
            place: String::new(),
            what: what.into(),
            flaw: None,
        })
    }

    /// The same, found within a larger thing.
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        if let Self::Malformed(fault) | Self::Refused(fault) = &mut self {
            fault.place.insert_str(0, &place.to_string());
        }
        self
    }
}
