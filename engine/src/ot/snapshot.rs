//! A document of any of the types.

use super::json::Json;
use super::rich_text::{self, Delta};
use super::text::{self, Measure};
use super::utf16::Utf16;
use super::{Operation, OtError, OtType, Work};

/// What a document holds. Cloning is cheap for all but rich-text.
#[derive(Clone, Debug, PartialEq)]
pub enum Snapshot {
    /// JSON.
    Json0(Json),
    /// Plain text, counted in UTF-16 cells.
    Text(Utf16),
    /// Plain text, counted in code points.
    TextUnicode(Utf16),
    /// A delta that only inserts.
    RichText(Delta),
}

impl Snapshot {
    /// A new document from the data that a client gave as JSON text, `None` if it gave none.
    ///
    /// # Errors
    /// The data is not what a document of this type holds.
    pub fn create(ot_type: OtType, data: Option<&str>) -> Result<Self, OtError> {
        let data = data.map_or(Ok(Json::Null), Json::read)?;
        let created = match ot_type {
            OtType::Json0 => data.check_depth(0).map(|()| Self::Json0(data)),
            OtType::Text => text::create(&data, Measure::Cells).map(Self::Text),
            OtType::TextUnicode => text::create(&data, Measure::CodePoints).map(Self::TextUnicode),
            OtType::RichText => rich_text::create(&data).map(Self::RichText),
        };
        created.map_err(|error| error.within("data"))
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

    /// Makes an operation. On an error nothing has changed.
    ///
    /// # Errors
    /// The operation is of another type, does not fit the document, or takes too much work.
    pub fn apply(&mut self, operation: &Operation, work: &mut Work) -> Result<(), OtError> {
        match (&mut *self, operation) {
            (Self::Json0(document), Operation::Json0(edits)) => edits.apply(document, work)?,
            (Self::Text(text), Operation::Text(walk))
            | (Self::TextUnicode(text), Operation::TextUnicode(walk)) => {
                *text = walk.apply(text, work)?;
            }
            (Self::RichText(document), Operation::RichText(delta)) => {
                *document = document.apply(delta, work)?;
            }
            _ => return Err(operation.is_not(self.ot_type())),
        }
        Ok(())
    }

    /// About how many bytes of memory it takes up.
    pub fn weight(&self) -> usize {
        match self {
            Self::Json0(document) => document.weight() * VALUE_BYTES,
            Self::Text(text) | Self::TextUnicode(text) => text.len() * size_of::<u16>(),
            Self::RichText(delta) => delta.weight(),
        }
    }

    /// The document as JSON text, to the byte as JavaScript writes it.
    pub fn write(&self) -> String {
        self.json().write()
    }

    /// The document as JSON text that is the same for all who hold the same: see [`Json::write_canonical`].
    pub fn write_canonical(&self) -> String {
        self.json().write_canonical()
    }

    fn json(&self) -> Json {
        match self {
            Self::Json0(document) => document.clone(),
            Self::Text(text) | Self::TextUnicode(text) => Json::String(text.clone()),
            Self::RichText(delta) => delta.json(),
        }
    }
}

/// What a value of JSON or a cell of its texts comes to: too little for the one, too much for the other.
const VALUE_BYTES: usize = 8;
