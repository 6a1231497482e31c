//! Checks tokens: finds the key that a token names among those of this server and of the issuer, and has it verified.

use std::sync::Arc;

use tracing::{info, warn};

use super::jwks::Jwks;
use super::keys::{Algorithm, Found, Key, KeyRing};
use super::token::{Expected, Fault, Token};
use super::{Pass, Refusal};

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) ring: KeyRing,
    pub(super) jwks: Option<Arc<Jwks>>,
    pub(super) expected: Expected,
}

/// What came of looking at a token.
#[derive(Debug)]
pub(super) enum Checked {
    /// It is good.
    Good(Pass),
    /// It is not.
    Bad(Refusal),
    /// It is of no key here, and may mean something to somebody else.
    Foreign(Fault),
}

impl Guard {
    /// Looks at a token.
    pub(super) async fn check(&self, text: &str, now_ms: u64) -> Checked {
        let token = match Token::parse(text) {
            Ok(token) => token,
            Err(fault @ Fault::TooLong(_)) => return Checked::Bad(fault.into()),
            Err(fault) => return Checked::Foreign(fault),
        };
        let key = match self.key_of(&token).await {
            Ok(key) => key,
            Err(Refusal::Bad(fault)) if is_foreign(&fault) => return Checked::Foreign(*fault),
            Err(refusal) => return Checked::Bad(refusal),
        };
        match token.verify(&key, &self.expected, now_ms) {
            Ok(pass) => Checked::Good(pass),
            Err(fault) => Checked::Bad(fault.into()),
        }
    }

    /// Whether a key of this server's own is still good.
    pub(super) fn has(&self, id: &str) -> bool {
        matches!(self.ring.find(id), Found::Good(_))
    }

    /// Reads the key file again if it has changed. True if it had.
    pub(super) fn refresh(&self) -> bool {
        match self.ring.refresh() {
            Ok(true) => {
                info!("the keys have changed and were read again");
                true
            }
            Ok(false) => false,
            Err(error) => {
                warn!(
                    "the keys have changed and cannot be used, so those from before stay: {error}"
                );
                false
            }
        }
    }

    async fn key_of(&self, token: &Token<'_>) -> Result<Arc<Key>, Refusal> {
        match &token.header.key {
            Some(id) => self.key_named(id).await,
            None => self.only_key_of(token.header.algorithm).await,
        }
    }

    async fn key_named(&self, id: &str) -> Result<Arc<Key>, Refusal> {
        match self.ring.find(id) {
            Found::Good(key) => return Ok(key),
            Found::Revoked => return Err(Fault::RevokedKey(id.to_owned()).into()),
            Found::Nothing => {}
        }
        let found = match &self.jwks {
            Some(jwks) => jwks.find(id).await.map_err(|_| Refusal::Unavailable)?,
            None => None,
        };
        found.ok_or_else(|| Fault::UnknownKey(id.to_owned()).into())
    }

    /// The key of a token that names none: there has to be one for its algorithm, and no second.
    async fn only_key_of(&self, algorithm: Algorithm) -> Result<Arc<Key>, Refusal> {
        let mut keys = self.ring.of(algorithm);
        if let Some(jwks) = &self.jwks {
            let theirs = jwks.of(algorithm).await;
            keys.extend(theirs.map_err(|_| Refusal::Unavailable)?);
        }
        match &keys[..] {
            [key] => Ok(key.clone()),
            _ => Err(Fault::NoKey(algorithm).into()),
        }
    }
}

/// Whether a fault may be one only because somebody else's token is looked at.
fn is_foreign(fault: &Fault) -> bool {
    matches!(fault, Fault::UnknownKey(_) | Fault::NoKey(_))
}
