//! What was taken away before it expired: all tokens of a user, one token, or all that tokens allow with a document.

use engine::{Author, DocumentKey};

/// What a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// All tokens of a user.
    User(Author),
    /// The token with this id.
    Token(Box<str>),
    /// All that tokens allow with a document.
    Document(DocumentKey),
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What it is about.
    pub revoked: Revoked,
    /// Revoked is what was issued until then, and what does not say when it was issued; in milliseconds since the Unix
    /// epoch.
    pub at_ms: u64,
    /// From when on it is not needed, because all that it is about has expired by then; none if that is not known.
    pub until_ms: Option<u64>,
    /// Who revoked it; none if anonymous.
    pub author: Option<Author>,
    /// Why, in their words.
    pub reason: String,
}

/// A revocation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationEntry {
    /// Its number in this store; a later one has a higher number.
    pub number: u64,
    /// What it says.
    pub revocation: Revocation,
}

impl Revoked {
    /// The word for what it is, the workspace (empty if there is none) and the name, by which it is kept.
    pub(crate) fn parts(&self) -> (&'static str, &str, &str) {
        match self {
            Self::User(user) => ("user", "", user.as_str()),
            Self::Token(id) => ("token", "", id),
            Self::Document(document) => ("document", document.workspace(), document.name()),
        }
    }

    /// What [`Self::parts`] gave; none if it gave no such thing.
    pub(crate) fn from_parts(what: &str, workspace: &str, name: &str) -> Option<Self> {
        match what {
            "user" => Some(Self::User(Author::new(name))),
            "token" => Some(Self::Token(name.into())),
            "document" => DocumentKey::new(workspace, name).ok().map(Self::Document),
            _ => None,
        }
    }
}

impl Revocation {
    /// This on top of what was said of the same before: neither takes anything back.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let until_ms = self.until_ms.zip(before.until_ms);
        Self {
            at_ms: self.at_ms.max(before.at_ms),
            until_ms: until_ms.map(|(one, other)| one.max(other)),
            ..self
        }
    }
}
