//! The types of documents that are edited by operations.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::text::Measure;
use crate::names::Kind;

/// What a document is made of, and how its operations work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtType {
    /// JSON, edited at paths: npm `ot-json0` 1.1.
    Json0,
    /// Plain text, counted in UTF-16 cells: npm `ot-text` 1.0.
    Text,
    /// Plain text, counted in code points: npm `ot-text-unicode` 4.0.
    TextUnicode,
    /// Text with attributes, of Quill: npm `rich-text` 4.1.
    RichText,
}

/// A word that names no type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown type {0:?}, expected one of json0, text, text-unicode, rich-text, or their URIs")]
pub struct UnknownType(pub String);

impl OtType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Json0, Self::Text, Self::TextUnicode, Self::RichText];

    /// The short name, which clients may use when they create a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json0 => "json0",
            Self::Text => "text",
            Self::TextUnicode => "text-unicode",
            Self::RichText => "rich-text",
        }
    }

    /// The full name, which is kept and sent.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Json0 => "http://sharejs.org/types/JSONv0",
            Self::Text => "http://sharejs.org/types/textv1",
            Self::TextUnicode => "http://sharejs.org/types/text-unicode",
            Self::RichText => "http://sharejs.org/types/rich-text/v1",
        }
    }

    /// The kind of a document that is of this type.
    pub fn kind(self) -> Kind {
        match self {
            Self::Json0 => Kind::Json0,
            Self::Text => Kind::Text,
            Self::TextUnicode => Kind::TextUnicode,
            Self::RichText => Kind::RichText,
        }
    }

    pub(super) fn of_text(measure: Measure) -> Self {
        match measure {
            Measure::Cells => Self::Text,
            Measure::CodePoints => Self::TextUnicode,
        }
    }
}

impl fmt::Display for OtType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// From the short or the full name.
impl FromStr for OtType {
    type Err = UnknownType;

    fn from_str(word: &str) -> Result<Self, UnknownType> {
        Self::ALL
            .into_iter()
            .find(|ot_type| ot_type.name() == word || ot_type.uri() == word)
            .ok_or_else(|| UnknownType(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_known() {
        for ot_type in OtType::ALL {
            assert_eq!(ot_type.name().parse(), Ok(ot_type));
            assert_eq!(ot_type.uri().parse(), Ok(ot_type));
        }
        assert!("json1".parse::<OtType>().is_err());
    }
}
