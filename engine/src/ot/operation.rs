//! An operation of any of the types.

use super::json::Json;
use super::json0::{self, Edits};
use super::rich_text::{self, Delta};
use super::text::{self, Measure, Walk};
use super::{OtError, OtType, Snapshot, Work};

/// What changes a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Edits of JSON.
    Json0(Edits),
    /// A walk over text, counted in UTF-16 cells.
    Text(Walk),
    /// A walk over text, counted in code points.
    TextUnicode(Walk),
    /// A delta.
    RichText(Delta),
}

/// Which of two concurrent operations one is, for whatever cannot be decided otherwise. What it means is different from
/// type to type; servers transform what a client submits as `Left`, clients what comes from others as `Right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one.
    Left,
    /// The other.
    Right,
}

impl Side {
    /// The opposite side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl Operation {
    /// Reads and checks an operation that a client sent as JSON text.
    ///
    /// # Errors
    /// It is no operation of this type in canonical form.
    pub fn read(ot_type: OtType, text: &str) -> Result<Self, OtError> {
        Self::from_json(ot_type, &Json::read(text)?)
    }

    /// Reads and checks an operation that is part of something larger.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_json(ot_type: OtType, json: &Json) -> Result<Self, OtError> {
        let walk = |measure| text::read(json, measure)?.check();
        let operation = match ot_type {
            OtType::Json0 => json0::read(json).map(Self::Json0),
            OtType::Text => walk(Measure::Cells).map(Self::Text),
            OtType::TextUnicode => walk(Measure::CodePoints).map(Self::TextUnicode),
            OtType::RichText => rich_text::read(json).map(Self::RichText),
        };
        operation.map_err(|error| error.within("op"))
    }

    /// Reads an operation that need not be in canonical form, and brings it there.
    ///
    /// # Errors
    /// It is no operation of this type in any form.
    pub fn normalise(ot_type: OtType, text: &str, work: &mut Work) -> Result<Self, OtError> {
        let json = Json::read(text)?;
        let walk = |measure| text::read(&json, measure).map(Walk::normalised);
        let operation = match ot_type {
            OtType::Json0 => json0::read_loose(&json, work).map(Self::Json0),
            OtType::Text => walk(Measure::Cells).map(Self::Text),
            OtType::TextUnicode => walk(Measure::CodePoints).map(Self::TextUnicode),
            OtType::RichText => {
                rich_text::read(&json).map(|delta| Self::RichText(delta.normalised()))
            }
        };
        operation.map_err(|error| error.within("op"))
    }

    /// Its type.
    pub fn ot_type(&self) -> OtType {
        match self {
            Self::Json0(_) => OtType::Json0,
            Self::Text(_) => OtType::Text,
            Self::TextUnicode(_) => OtType::TextUnicode,
            Self::RichText(_) => OtType::RichText,
        }
    }

    /// Whether it changes nothing, whatever the document.
    pub fn is_noop(&self) -> bool {
        match self {
            Self::Json0(edits) => edits.is_noop(),
            Self::Text(walk) | Self::TextUnicode(walk) => walk.is_noop(),
            Self::RichText(delta) => delta.is_noop(),
        }
    }

    /// This operation, to be made after another one that was made on the same document.
    ///
    /// # Errors
    /// The other is of another type, contradicts this one, or it takes too much work.
    pub fn transform(&self, other: &Self, side: Side, work: &mut Work) -> Result<Self, OtError> {
        match (self, other) {
            (Self::Json0(own), Self::Json0(other)) => {
                own.transform(other, side, work).map(Self::Json0)
            }
            (Self::Text(own), Self::Text(other)) => {
                own.transform(other, side, work).map(Self::Text)
            }
            (Self::TextUnicode(own), Self::TextUnicode(other)) => {
                own.transform(other, side, work).map(Self::TextUnicode)
            }
            (Self::RichText(own), Self::RichText(other)) => {
                own.transform(other, side, work).map(Self::RichText)
            }
            _ => Err(other.is_not(self.ot_type())),
        }
    }

    /// One operation that does what this and then another one does.
    ///
    /// Transforming with the result is not always the same as with one after the other, so a log that somebody may still
    /// transform against must not be composed.
    ///
    /// # Errors
    /// The other is of another type, or it takes too much work.
    pub fn compose(&self, then: &Self, work: &mut Work) -> Result<Self, OtError> {
        match (self, then) {
            (Self::Json0(first), Self::Json0(then)) => first.compose(then, work).map(Self::Json0),
            (Self::Text(first), Self::Text(then)) => first.compose(then, work).map(Self::Text),
            (Self::TextUnicode(first), Self::TextUnicode(then)) => {
                first.compose(then, work).map(Self::TextUnicode)
            }
            (Self::RichText(first), Self::RichText(then)) => {
                first.compose(then, work).map(Self::RichText)
            }
            _ => Err(then.is_not(self.ot_type())),
        }
    }

    /// The operation that undoes this one, from this one alone.
    ///
    /// # Errors
    /// This one does not say what it deletes.
    pub fn invert(&self) -> Result<Self, OtError> {
        match self {
            Self::Json0(edits) => edits.invert().map(Self::Json0),
            Self::TextUnicode(walk) => walk.invert().map(Self::TextUnicode),
            Self::Text(_) | Self::RichText(_) => Err(OtError::NotInvertible(
                "operations of this type do not say what they delete",
            )),
        }
    }

    /// The operation that undoes this one, if this one was made on `before`. What was there counts, not what this one says it
    /// deletes.
    ///
    /// # Errors
    /// This one does not fit that document.
    pub fn invert_over(&self, before: &Snapshot, work: &mut Work) -> Result<Self, OtError> {
        match (self, before) {
            (Self::Json0(edits), Snapshot::Json0(document)) => {
                edits.invert_over(document, work).map(Self::Json0)
            }
            (Self::Text(walk), Snapshot::Text(text)) => {
                walk.invert_over(text, work).map(Self::Text)
            }
            (Self::TextUnicode(walk), Snapshot::TextUnicode(text)) => {
                walk.invert_over(text, work).map(Self::TextUnicode)
            }
            (Self::RichText(delta), Snapshot::RichText(document)) => {
                delta.invert_over(document, work).map(Self::RichText)
            }
            _ => Err(self.is_not(before.ot_type())),
        }
    }

    /// The operation as JSON text, as its clients write it.
    pub fn write(&self) -> String {
        let json = match self {
            Self::Json0(edits) => edits.json(),
            Self::Text(walk) | Self::TextUnicode(walk) => walk.json(),
            Self::RichText(delta) => delta.json(),
        };
        json.write()
    }

    pub(super) fn is_not(&self, expected: OtType) -> OtError {
        OtError::WrongType {
            expected,
            found: self.ot_type(),
        }
    }
}
