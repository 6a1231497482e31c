//! Who somebody is, and what they may do: what a client shows becomes a pass, or a reason why not.
//!
//! A pass is asked for once for a connection and each document on it, and again when the client shows a newer token. It is
//! the server's own account of a token that was good at that moment; that it ends is enforced by each document
//! (`engine::Rights`), that it is taken away by [`Auth::is_revoked`].

mod pass;
pub use pass::{Credential, Pass};

mod refusal;
pub use refusal::Refusal;

use std::sync::Arc;

use engine::DocumentKey;

/// Lets people in.
#[derive(Debug)]
pub struct Auth {
    anonymous: Arc<Pass>,
}

/// Somebody who wants to be let in.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// What they show; none if nothing.
    pub credential: Option<&'a Credential>,
    /// Which document they want; none if they ask for none in particular, or for several.
    pub document: Option<&'a DocumentKey>,
}

impl Auth {
    /// Lets everybody do everything, and asks nobody who they are: for development.
    pub fn open() -> Self {
        Self {
            anonymous: Arc::new(Pass::anonymous()),
        }
    }

    /// Whether nobody is asked who they are.
    pub fn is_open(&self) -> bool {
        true
    }

    /// A pass for somebody.
    ///
    /// # Errors
    /// What they show is not good here, or whoever has to decide does not answer.
    pub async fn admit(&self, _visitor: Visitor<'_>) -> Result<Arc<Pass>, Refusal> {
        Ok(self.anonymous.clone())
    }

    /// Whether a pass was taken away, altogether or for a document.
    pub fn is_revoked(&self, _pass: &Pass, _document: &DocumentKey) -> bool {
        false
    }
}
