//! JSON as JavaScript holds it.
//!
//! Not `serde_json::Value`, for four reasons: strings keep halves of characters ([`Utf16`]); members keep the order in
//! which JavaScript walks them ([`Object`]); numbers are doubles and are written as JavaScript writes them; and cloning is
//! cheap, as all that is large is shared until one of the holders changes it. What is nested deeper than [`NESTING_MAX`]
//! is refused, so that walking a value by recursion is safe.

mod object;
mod read;
mod write;

use std::sync::Arc;

use super::OtError;
use super::utf16::Utf16;
pub use object::Object;

/// How deep lists and objects may be nested in what is read.
pub const NESTING_MAX: usize = 128;

/// How deep they may be nested in a document: what an operation takes out of it comes as part of one, a little deeper.
pub(super) const DOCUMENT_NESTING_MAX: usize = NESTING_MAX - 8;

/// A JSON value.
#[derive(Clone, Debug)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A finite double.
    Number(f64),
    /// Text.
    String(Utf16),
    /// A list.
    Array(Arc<Vec<Self>>),
    /// Named members.
    Object(Arc<Object>),
}

impl Json {
    /// The items, if this is a list.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, if this is an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_text(&self) -> Option<&Utf16> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is a whole one that counts something: from 0 to 2^32 - 1.
    pub fn as_count(&self) -> Option<u64> {
        match self {
            Self::Number(number) if is_count(*number) => Some(*number as u64),
            _ => None,
        }
    }

    /// How deep lists and objects are nested in this.
    pub fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(object) => {
                1 + object
                    .iter()
                    .map(|(_, value)| value.depth())
                    .max()
                    .unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Checks that a document may hold this, so many steps below its root.
    pub(super) fn check_depth(&self, steps: usize) -> Result<(), OtError> {
        match steps + self.depth() {
            ..=DOCUMENT_NESTING_MAX => Ok(()),
            _ => Err(OtError::refused(format!(
                "would be nested deeper than {DOCUMENT_NESTING_MAX}"
            ))),
        }
    }

    /// How many values and cells of text there are in this.
    pub fn weight(&self) -> usize {
        1 + match self {
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::weight).sum(),
            Self::Object(object) => object
                .iter()
                .map(|(key, value)| key.len() + value.weight())
                .sum(),
            _ => 0,
        }
    }

    /// Whether both are the same to JavaScript's `===` after a copy: equal, and neither a list nor an object.
    pub(super) fn is_same_primitive(&self, other: &Self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_)) && self == other
    }

    /// The value itself if it is short, for a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Bool(_) | Self::Number(_) => self.write(),
            other => other.noun().to_owned(),
        }
    }

    /// What it is, for a message.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Equal in content: the order of members does not matter, and 0 equals -0.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::String(one), Self::String(other)) => one == other,
            (Self::Array(one), Self::Array(other)) => Arc::ptr_eq(one, other) || one == other,
            (Self::Object(one), Self::Object(other)) => Arc::ptr_eq(one, other) || one == other,
            _ => false,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<u64> for Json {
    fn from(count: u64) -> Self {
        Self::Number(count as f64)
    }
}

impl From<Vec<Self>> for Json {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(Arc::new(items))
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(Arc::new(object))
    }
}

fn is_count(number: f64) -> bool {
    number.fract() == 0.0 && (0.0..=COUNT_MAX).contains(&number)
}

const COUNT_MAX: f64 = u32::MAX as f64;
