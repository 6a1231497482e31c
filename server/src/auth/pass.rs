//! What a client shows, and what it is let in with.

use std::fmt;
use std::sync::Arc;

use engine::{Author, Capabilities, Capability, DocumentKey, Grant, Now, Rights};

use super::Refusal;
use super::token::rules_of;

/// What a client shows to be let in, as it came. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    text: Box<str>,
    is_ticket: bool,
}

impl Credential {
    /// A token that a client showed.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            is_ticket: false,
        }
    }

    /// A ticket that a client showed.
    pub fn ticket(text: &str) -> Self {
        Self {
            text: text.into(),
            is_ticket: true,
        }
    }

    /// Whether it is a ticket, which is good once.
    pub fn is_ticket(&self) -> bool {
        self.is_ticket
    }

    /// The text itself, for whoever checks it.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// What somebody was let in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Who it is, and what may be done until when.
    pub grant: Grant,
    /// The id of the token (`jti`), by which it can be revoked; none if it has none.
    pub token_id: Option<Box<str>>,
    /// When the token was issued, in milliseconds since the Unix epoch; none if it does not say.
    pub issued_ms: Option<u64>,
    /// The key of this server's own that the token is signed with: when that is revoked, so is this. None if there is none.
    pub key_id: Option<Arc<str>>,
}

impl Pass {
    /// A grant without a token.
    pub fn of(grant: Grant) -> Self {
        Self {
            grant,
            token_id: None,
            issued_ms: None,
            key_id: None,
        }
    }

    /// Anything, for ever, by nobody in particular.
    pub fn anonymous() -> Self {
        Self::of(Grant::anonymous())
    }

    /// Some things in the workspace of those who name none, by nobody in particular.
    pub(super) fn without_token(may: Capabilities) -> Self {
        Self::of(Grant {
            rules: rules_of(may),
            ..Grant::anonymous()
        })
    }

    /// The same for one workspace, or one document of it, only.
    #[must_use]
    pub fn narrowed(&self, workspace: &str, document: Option<&str>) -> Self {
        Self {
            grant: self.grant.narrowed(workspace, document),
            ..self.clone()
        }
    }

    /// Who it is; none if anonymous.
    pub fn author(&self) -> Option<Author> {
        self.grant.principal.clone()
    }

    /// Whether it allows something with a document.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, document: &DocumentKey, capability: Capability) -> Result<(), Refusal> {
        let may = self.grant.access(document).may;
        may.contains(capability)
            .then_some(())
            .ok_or(Refusal::Forbidden(capability))
    }

    /// What it comes to for a document.
    pub fn rights(&self, document: &DocumentKey, now: Now) -> Rights {
        Rights {
            author: self.author(),
            access: self.grant.access(document),
            until_ms: self
                .grant
                .expires_ms
                .map(|expires_ms| now.monotonic_ms + expires_ms.saturating_sub(now.wall_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_not_printed() {
        for shown in [Credential::new("secret"), Credential::ticket("secret")] {
            assert!(!format!("{shown:?}").contains("secret"));
        }
    }

    #[test]
    fn a_pass_ends_by_the_clock_of_this_process() {
        let mut pass = Pass::anonymous();
        let document = DocumentKey::new("w", "d").unwrap();
        let now = Now {
            monotonic_ms: 50,
            wall_ms: 1_000,
        };
        assert_eq!(pass.rights(&document, now).until_ms, None);
        pass.grant.expires_ms = Some(1_200);
        assert_eq!(pass.rights(&document, now).until_ms, Some(250));
        pass.grant.expires_ms = Some(900);
        assert_eq!(pass.rights(&document, now).until_ms, Some(50));
    }
}
