//! Who is let in, as the application decides: asked for each document that somebody wants, with what they show.
//!
//! What it answers holds for that document alone. An answer may be used again for a short while, for the same token and
//! document; that is forgotten when anything is revoked, and what was decided before a revocation counts as issued before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{self, SHA256};
use engine::{Author, Capabilities, DocumentKey, Grant, Pattern, Rule};
use tracing::warn;

use super::Hook;
use super::words::Decision;
use crate::auth::{Credential, Decider, Deciding, Pass, Refusal, Visitor};

/// Lets the application decide.
#[derive(Debug)]
pub struct Doorkeeper(pub Arc<Hook>);

impl Decider for Doorkeeper {
    fn decide<'a>(&'a self, visitor: Visitor<'a>) -> Deciding<'a> {
        Box::pin(self.0.decide(visitor))
    }
}

impl Hook {
    async fn decide(&self, visitor: Visitor<'_>) -> Result<Arc<Pass>, Refusal> {
        let Some(document) = visitor.document else {
            return Err(Refusal::Denied(OF_NO_DOCUMENT.into()));
        };
        let token = visitor.credential.map(Credential::reveal);
        let question = token.map(|token| Decisions::name(token, document));
        if let Some(known) = question.and_then(|name| self.decisions.known(&name)) {
            return Ok(known);
        }
        let issued_ms = wall_ms();
        let asked = self.authenticate(document, token).await;
        let decision = asked.map_err(|fault| {
            warn!(%document, "nobody is let in: {fault}");
            Refusal::Unavailable
        })?;
        let pass = Arc::new(pass(decision, document, issued_ms)?);
        if let Some(name) = question {
            self.decisions.note(name, &pass);
        }
        Ok(pass)
    }

    /// Asks anew about everybody who comes from now on: something was revoked.
    pub(crate) fn forget_decisions(&self) {
        self.decisions.forget();
    }
}

fn pass(decision: Decision, document: &DocumentKey, issued_ms: u64) -> Result<Pass, Refusal> {
    let allowed = match decision {
        Decision::Denied(reason) => return Err(Refusal::Denied(reason.into())),
        Decision::Allowed(allowed) => allowed,
    };
    let rule = Rule {
        workspace: Pattern::exactly(document.workspace()),
        document: Pattern::exactly(document.name()),
        may: allowed.may.into_iter().collect::<Capabilities>(),
        editors_max: allowed.editors_max,
    };
    let grant = Grant {
        principal: allowed.user.as_deref().map(Author::new),
        rules: vec![rule],
        expires_ms: allowed.expires_ms,
    };
    Ok(Pass {
        issued_ms: Some(issued_ms),
        ..Pass::of(grant)
    })
}

/// What was decided not long ago.
#[derive(Debug)]
pub(super) struct Decisions {
    kept_for: Option<Duration>,
    known: Mutex<HashMap<Name, (Arc<Pass>, Instant)>>,
}

/// A hash of a token and a document: the token itself is kept nowhere.
type Name = [u8; 32];

impl Decisions {
    pub(super) fn new(kept_for: Option<Duration>) -> Self {
        Self {
            kept_for,
            known: Mutex::default(),
        }
    }

    fn name(token: &str, document: &DocumentKey) -> Name {
        let mut context = digest::Context::new(&SHA256);
        for part in [document.workspace(), document.name(), token] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut name = Name::default();
        name.copy_from_slice(context.finish().as_ref());
        name
    }

    fn known(&self, name: &Name) -> Option<Arc<Pass>> {
        let kept_for = self.kept_for?;
        let known = self.lock();
        let (pass, at) = known.get(name)?;
        let is_good = at.elapsed() < kept_for && !pass.grant.is_expired(wall_ms());
        is_good.then(|| pass.clone())
    }

    fn note(&self, name: Name, pass: &Arc<Pass>) {
        let Some(kept_for) = self.kept_for else {
            return;
        };
        let mut known = self.lock();
        if known.len() >= DECISIONS_MAX {
            known.retain(|_, (_, at)| at.elapsed() < kept_for);
        }
        if known.len() < DECISIONS_MAX {
            known.insert(name, (pass.clone(), Instant::now()));
        }
    }

    fn forget(&self) {
        self.lock().clear();
    }

    /// No operation leaves the map half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<Name, (Arc<Pass>, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Decisions that are remembered; beyond it the application is asked each time.
const DECISIONS_MAX: usize = 10_000;
const OF_NO_DOCUMENT: &str =
    "the application decides about single documents, and this is about none or several";

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Capability;

    fn document(name: &str) -> DocumentKey {
        DocumentKey::new("w", name).unwrap()
    }

    fn decided(answer: &str, about: &str) -> Result<Pass, Refusal> {
        let decision = Decision::read(answer.as_bytes()).unwrap();
        pass(decision, &document(about), 7)
    }

    #[test]
    fn a_decision_holds_for_its_document_alone() {
        let answer =
            r#"{"user":"ada","may":["read","write"],"editors_max":3,"expires":1900000000.5}"#;
        let pass = decided(answer, "a*").unwrap();
        assert_eq!(pass.author(), Some(Author::new("ada")));
        assert_eq!(
            (pass.issued_ms, pass.grant.expires_ms),
            (Some(7), Some(1_900_000_000_500))
        );
        let access = pass.grant.access(&document("a*"));
        assert!(access.may.contains(Capability::Write) && !access.may.contains(Capability::Admin));
        assert_eq!(access.editors_max, Some(3));
        assert!(pass.grant.access(&document("ab")).may.is_empty());
        let denied = decided(r#"{"denied":"not yours"}"#, "a");
        assert_eq!(denied, Err(Refusal::Denied("not yours".into())));
    }

    #[test]
    fn decisions_are_remembered_for_their_token_and_document() {
        let pass = Arc::new(decided(r#"{"may":[]}"#, "a").unwrap());
        let name = |token, about| Decisions::name(token, &document(about));
        let decisions = Decisions::new(Some(Duration::from_secs(60)));
        decisions.note(name("t", "a"), &pass);
        assert_eq!(decisions.known(&name("t", "a")), Some(pass.clone()));
        assert_eq!(decisions.known(&name("u", "a")), None);
        assert_eq!(decisions.known(&name("t", "b")), None);
        decisions.forget();
        assert_eq!(decisions.known(&name("t", "a")), None);
        let forgetful = Decisions::new(None);
        forgetful.note(name("t", "a"), &pass);
        assert_eq!(forgetful.known(&name("t", "a")), None);
        let expired = Arc::new(decided(r#"{"may":[],"expires":1}"#, "a").unwrap());
        decisions.note(name("e", "a"), &expired);
        assert_eq!(decisions.known(&name("e", "a")), None);
    }
}
