//! The names of things: documents, their kinds, authors and connections.
//!
//! A document is named by its workspace and its own name. Both are free text within narrow bounds (see
//! [`DocumentKey::new`]); they are opaque to everything but the people who chose them, and are never used as a path.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::ot::OtType;

/// The longest workspace or document name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 512;

/// The full name of a document: its workspace and its name within it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey(Arc<(Box<str>, Box<str>)>);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("name is empty")]
    Empty,
    /// The name is longer than [`NAME_BYTES_MAX`].
    #[error("name is {0} bytes long, at most {NAME_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// The name has a control character, which would corrupt logs and terminals.
    #[error("name has a control character at byte {0}")]
    ControlCharacter(usize),
}

impl DocumentKey {
    /// Names a document.
    ///
    /// # Errors
    /// Either part is empty, longer than [`NAME_BYTES_MAX`], or has a control character.
    pub fn new(workspace: &str, name: &str) -> Result<Self, NameError> {
        check_name(workspace)?;
        check_name(name)?;
        Ok(Self(Arc::new((workspace.into(), name.into()))))
    }

    /// The workspace that holds the document.
    pub fn workspace(&self) -> &str {
        &self.0.0
    }

    /// The document's name within its workspace.
    pub fn name(&self) -> &str {
        &self.0.1
    }
}

/// The parts are quoted apart, so that `a/b` + `c` never reads like `a` + `b/c`.
impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}", self.workspace(), self.name())
    }
}

impl fmt::Debug for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a document is made of; fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Yjs document.
    Yjs,
    /// An Automerge document.
    Automerge,
    /// An operational-transform document of the json0 type.
    Json0,
    /// An operational-transform document of the rich-text (Quill delta) type.
    RichText,
    /// An operational-transform document of the text type, counted in UTF-16 units.
    Text,
    /// An operational-transform document of the text type, counted in code points.
    TextUnicode,
}

/// A word that names no kind of document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown kind {0:?}, expected one of yjs, automerge, json0, rich-text, text, text-unicode")]
pub struct UnknownKind(pub String);

impl Kind {
    const ALL: [Self; 6] = [
        Self::Yjs,
        Self::Automerge,
        Self::Json0,
        Self::RichText,
        Self::Text,
        Self::TextUnicode,
    ];

    /// Whether documents of this kind have their edits in one order, and are no CRDT.
    pub fn is_ordered(self) -> bool {
        self.ot_type().is_some()
    }

    /// The type of the operations that documents of this kind begin with; none if they have no operations.
    pub fn ot_type(self) -> Option<OtType> {
        match self {
            Self::Yjs | Self::Automerge => None,
            Self::Json0 => Some(OtType::Json0),
            Self::RichText => Some(OtType::RichText),
            Self::Text => Some(OtType::Text),
            Self::TextUnicode => Some(OtType::TextUnicode),
        }
    }

    /// The kind's word, as it stands in the store, the API and the console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yjs => "yjs",
            Self::Automerge => "automerge",
            Self::Json0 => "json0",
            Self::RichText => "rich-text",
            Self::Text => "text",
            Self::TextUnicode => "text-unicode",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

/// One socket, as long as it lives; unique within its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The authenticated principal behind a change; never an id that a client chose. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author(Arc<str>);

impl Author {
    /// Names an author as the authentication did.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The author's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a workspace or a document may have this name.
///
/// # Errors
/// It may not.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(name.len()));
    }
    match name
        .char_indices()
        .find(|(_, character)| character.is_control())
    {
        Some((at, _)) => Err(NameError::ControlCharacter(at)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_never_run_together() {
        let one = DocumentKey::new("a/b", "c").unwrap();
        let other = DocumentKey::new("a", "b/c").unwrap();
        assert_ne!(one, other);
        assert_ne!(one.to_string(), other.to_string());
    }

    #[test]
    fn bad_names_say_what_is_wrong() {
        assert_eq!(DocumentKey::new("w", "").unwrap_err(), NameError::Empty);
        assert_eq!(
            DocumentKey::new("w", &"x".repeat(513)).unwrap_err(),
            NameError::TooLong(513)
        );
        assert_eq!(
            DocumentKey::new("w", "a\u{1b}[31m").unwrap_err(),
            NameError::ControlCharacter(1)
        );
        assert_eq!(
            DocumentKey::new("w\0", "a").unwrap_err(),
            NameError::ControlCharacter(1)
        );
        assert!(DocumentKey::new("w", "story/é ✎").is_ok());
    }

    #[test]
    fn every_kind_reads_back_from_its_word() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("jsonn".parse::<Kind>().is_err());
    }
}
