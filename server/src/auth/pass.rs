//! What a client shows, and what it is let in with.

use std::fmt;

use engine::{Author, Capability, DocumentKey, Grant, Now, Rights};

use super::Refusal;

/// What a client shows to be let in, as it came. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Box<str>);

impl Credential {
    /// What a client showed.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever checks it.
    pub fn reveal(&self) -> &str {
        &self.0
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
}

impl Pass {
    /// Anything, for ever, by nobody in particular.
    pub fn anonymous() -> Self {
        Self {
            grant: Grant::anonymous(),
            token_id: None,
            issued_ms: None,
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
        assert!(!format!("{:?}", Credential::new("secret")).contains("secret"));
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
