//! The content of a document: one engine for each kind, behind one closed enum.
//!
//! Content takes payloads in ([`Content::integrate`]), says what it has and what a peer lacks, and can be encoded whole
//! and restored. What a payload, a "have" or a state looks like is the engine's own business; nobody else looks inside.

mod yjs;

use bytes::Bytes;
use serde_json::Value;
use thiserror::Error;

use crate::names::Kind;
pub use yjs::YjsContent;

/// What a document is made of. Closed and hot, hence an enum.
#[derive(Debug)]
pub enum Content {
    /// A Yjs document.
    Yjs(YjsContent),
}

/// Why content could not take or give something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContentError {
    /// There is no engine for this kind of document here.
    #[error("documents of kind {0} are not served")]
    KindNotServed(Kind),
    /// The bytes are not of the engine's format; the content is unchanged.
    #[error("bytes do not decode: {0}")]
    Undecodable(String),
    /// The payload builds on something that is missing, and too much of that kind waits already.
    #[error("too much waits for missing parts")]
    TooMuchMissing,
    /// The bytes decoded but contradict the document. The content may be damaged and has to be rebuilt from the log.
    #[error("update contradicts the document: {0}")]
    Contradiction(String),
}

/// What integrating a payload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrated {
    /// Whether the content (or what waits to become content) is different now.
    pub news: bool,
    /// Whether something that this payload builds on is missing and has to be asked for.
    pub missing: bool,
    /// Whether part of the payload should wait for what is missing, but too much waits already. That part was let go, and
    /// its author has to send it again.
    pub let_go: bool,
    /// What of the payload was not here before, if that is not all of it.
    pub fresh: Option<Bytes>,
    /// Where the news begins.
    pub begins: Begins,
}

/// Where a piece of news begins, so that [`Content::have`] can leave it out while it is not yet stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begins(pub(crate) Vec<(u64, u32)>);

impl Content {
    /// Empty content of a kind.
    ///
    /// # Errors
    /// There is no engine for this kind.
    pub fn new(kind: Kind) -> Result<Self, ContentError> {
        match kind {
            Kind::Yjs => Ok(Self::Yjs(YjsContent::new())),
            _ => Err(ContentError::KindNotServed(kind)),
        }
    }

    /// Takes one payload in.
    ///
    /// # Errors
    /// All but [`ContentError::KindNotServed`].
    pub fn integrate(&mut self, payload: &[u8]) -> Result<Integrated, ContentError> {
        match self {
            Self::Yjs(content) => content.integrate(payload),
        }
    }

    /// Takes a whole state in, as [`Self::state`] gave it.
    ///
    /// # Errors
    /// As [`Self::integrate`].
    pub fn restore(&mut self, state: &Bytes) -> Result<(), ContentError> {
        match self {
            Self::Yjs(content) => content.restore(state),
        }
    }

    /// What is here, for a peer to send the rest; nothing that begins in `unsaved` is claimed.
    pub fn have<'a>(&self, unsaved: impl Iterator<Item = &'a Begins>) -> Bytes {
        match self {
            Self::Yjs(content) => content.have_without(unsaved),
        }
    }

    /// What a peer that has `have` lacks.
    ///
    /// # Errors
    /// `have` does not decode.
    pub fn missing_from(&self, have: &[u8]) -> Result<Bytes, ContentError> {
        match self {
            Self::Yjs(content) => content.missing_from(have),
        }
    }

    /// Several payloads as one that does the same.
    ///
    /// # Errors
    /// One of them does not decode.
    pub fn merge(&self, payloads: &[Bytes]) -> Result<Bytes, ContentError> {
        match self {
            Self::Yjs(_) => YjsContent::merge(payloads),
        }
    }

    /// Payloads that wait for missing parts; a peer that pulls is to have them as well.
    pub fn waiting(&self) -> &[Bytes] {
        match self {
            Self::Yjs(content) => content.waiting(),
        }
    }

    /// The whole content in one payload as a client would send it, without what waits for missing parts.
    pub fn update(&self) -> Bytes {
        match self {
            Self::Yjs(content) => content.update(),
        }
    }

    /// Whether a state, as [`Self::state`] gave it, holds what is here and nothing else. Its bytes may differ: content that
    /// came in pieces may be whole once it was restored.
    pub fn matches(&self, state: &Bytes) -> bool {
        match self {
            Self::Yjs(content) => content.matches(state),
        }
    }

    /// The whole content with what waits for missing parts, for [`Self::restore`].
    pub fn state(&self) -> Bytes {
        match self {
            Self::Yjs(content) => content.state(),
        }
    }

    /// The content as plain text: one field, or all fields that hold text in the order of their names.
    pub fn text(&self, field: Option<&str>) -> String {
        match self {
            Self::Yjs(content) => content.text(field),
        }
    }

    /// The content as JSON: one field, or an object of all of them.
    pub fn json(&self, field: Option<&str>) -> Value {
        match self {
            Self::Yjs(content) => content.json(field),
        }
    }
}
