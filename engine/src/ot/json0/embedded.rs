//! Operations of other types within json0: on strings by `text0`, `text` and `text-unicode`, on deltas by `rich-text`.
//!
//! npm `ot-json0` knows `text0` from the start, and takes others that an application registers on all its clients.

use super::{Json, Object, OtError, Utf16, Work};
use crate::ot::rich_text::{self, Delta};
use crate::ot::text::{self, Measure, Walk};
use crate::ot::text0::{self, Splice};
use crate::ot::{OtType, Side};

/// An operation of another type.
#[derive(Clone, Debug, PartialEq)]
pub enum Embedded {
    /// `text0`
    Text0(Vec<Splice>),
    /// `text` or `text-unicode`
    Text(Walk),
    /// `rich-text`
    RichText(Delta),
}

impl Embedded {
    /// The name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text0(_) => TEXT0,
            Self::Text(walk) => OtType::of_text(walk.measure()).name(),
            Self::RichText(_) => OtType::RichText.name(),
        }
    }

    pub(super) fn read(name: &Utf16, operation: &Json) -> Result<Self, OtError> {
        let walk = |measure| text::read(operation, measure)?.check().map(Self::Text);
        let read = match name.to_string().as_str() {
            TEXT0 => text0::read(operation).map(Self::Text0),
            "text" => walk(Measure::Cells),
            "text-unicode" => walk(Measure::CodePoints),
            "rich-text" => rich_text::read(operation).map(Self::RichText),
            other => {
                let known = "expected text0, text, text-unicode or rich-text";
                let what = format!("is {other:?}, {known}");
                return Err(OtError::malformed(what).within(".t"));
            }
        };
        read.map_err(|error| error.within(".o"))
    }

    /// Whether both are of one type.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.name() == other.name()
    }

    /// What is there after this.
    pub(super) fn applied(&self, target: &Json, work: &mut Work) -> Result<Json, OtError> {
        match (self, target) {
            (Self::Text0(splices), Json::String(text)) => {
                let mut text = text.clone();
                text0::apply(splices, &mut text, work)?;
                Ok(Json::String(text))
            }
            (Self::Text(walk), Json::String(text)) => walk.apply(text, work).map(Json::String),
            (Self::RichText(delta), Json::Object(_) | Json::Array(_)) => {
                let document = rich_text::document(target)?;
                Ok(document.apply(delta, work)?.json())
            }
            _ => Err(self.misfit(target)),
        }
    }

    fn misfit(&self, target: &Json) -> OtError {
        let (noun, name) = (target.noun(), self.name());
        OtError::refused(format!("is of type {name}, but {noun} is there"))
    }

    pub(super) fn compose(&self, then: &Self, work: &mut Work) -> Result<Self, OtError> {
        match (self, then) {
            (Self::Text0(first), Self::Text0(then)) => {
                text0::compose(first, then, work).map(Self::Text0)
            }
            (Self::Text(first), Self::Text(then)) => first.compose(then, work).map(Self::Text),
            (Self::RichText(first), Self::RichText(then)) => {
                first.compose(then, work).map(Self::RichText)
            }
            _ => Err(unlike(self, then)),
        }
    }

    pub(super) fn transform(
        &self,
        other: &Self,
        side: Side,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        match (self, other) {
            (Self::Text0(own), Self::Text0(other)) => {
                text0::transform(own, other, side, work).map(Self::Text0)
            }
            (Self::Text(own), Self::Text(other)) => {
                own.transform(other, side, work).map(Self::Text)
            }
            (Self::RichText(own), Self::RichText(other)) => {
                own.transform(other, side, work).map(Self::RichText)
            }
            _ => Err(unlike(self, other)),
        }
    }

    pub(super) fn invert(&self) -> Result<Self, OtError> {
        match self {
            Self::Text0(splices) => Ok(Self::Text0(text0::invert(splices))),
            Self::Text(walk) if walk.measure() == Measure::CodePoints => {
                walk.invert().map(Self::Text)
            }
            _ => Err(OtError::NotInvertible(
                "operations of the embedded type do not say what they delete",
            )),
        }
    }

    /// What undoes this, if it was made on this part of a document.
    pub(super) fn invert_over(&self, before: &Json, work: &mut Work) -> Result<Self, OtError> {
        match (self, before) {
            (Self::Text0(_), _) => self.invert(),
            (Self::Text(walk), Json::String(text)) => walk.invert_over(text, work).map(Self::Text),
            (Self::RichText(delta), Json::Object(_) | Json::Array(_)) => {
                let before = rich_text::document(before)?;
                delta.invert_over(&before, work).map(Self::RichText)
            }
            _ => Err(self.misfit(before)),
        }
    }

    /// Where a position in the part of the document that this edits is afterwards.
    pub(super) fn transform_position(&self, position: u64, is_own: bool) -> u64 {
        match self {
            Self::Text0(splices) => splices.iter().fold(position, |position, splice| {
                splice.transform_position(position, is_own)
            }),
            Self::Text(walk) => walk.transform_position(position),
            Self::RichText(delta) => delta.transform_position(position, !is_own),
        }
    }

    /// Whether a component with this is left out: lists that came out empty are, deltas never.
    pub(super) fn is_dropped(&self) -> bool {
        match self {
            Self::Text0(splices) => splices.is_empty(),
            Self::Text(walk) => walk.is_noop(),
            Self::RichText(_) => false,
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Text0(splices) => text0::json(splices),
            Self::Text(walk) => walk.json(),
            Self::RichText(delta) => delta.json(),
        }
    }

    pub(super) fn fields(&self) -> Object {
        Object::new([
            ("t".into(), Json::from(self.name())),
            ("o".into(), self.json()),
        ])
    }
}

fn unlike(one: &Embedded, other: &Embedded) -> OtError {
    let (one, other) = (one.name(), other.name());
    OtError::refused(format!("is of type {one}, the other of type {other}"))
}

const TEXT0: &str = "text0";
