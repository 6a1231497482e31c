//! A token: a JSON Web Token (RFC 7519) in its compact form, read strictly and checked as RFC 8725 asks.
//!
//! What is wrong with it is found in this order: its length and form, its header, its signature, its claims. No claim is
//! looked at before the signature is known to be good, and nothing in a token says where to get the key for it.

mod claims;
pub(super) use claims::rules_of;
pub use claims::{Claims, Expected};

mod fault;
pub use fault::{Fault, TOKEN_BYTES_MAX};

mod header;
pub use header::Header;

mod issue;
pub use issue::Wanted;

mod object;
mod rules;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Grant;
use jsonwebtoken::crypto;

use super::Pass;
use super::keys::Key;
use object::Object;

/// A token of the right form, of which nothing is known to be true.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    /// What it says about itself.
    pub header: Header,
    /// What the signature is over: header and claims as they came.
    signed: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is too long, not of the form, or its header asks for something that is not done here.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Fault::TooLong(text.len()));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Fault::Form)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(Fault::Form);
        }
        Ok(Self {
            header: Header::read(&Object::parse("header", &decode(header)?)?)?,
            signed,
            claims,
            signature,
        })
    }

    /// What a token that is signed with a key lets do.
    ///
    /// # Errors
    /// The key is for another algorithm, the signature is not of this key, or a claim is not as it has to be.
    pub fn verify(&self, key: &Key, expected: &Expected, now_ms: u64) -> Result<Pass, Fault> {
        self.check_signature(key)?;
        let claims = self.unverified_claims()?;
        claims.check(expected, now_ms)?;
        let grant = Grant {
            principal: Some(claims.subject),
            rules: claims.rules.unwrap_or_else(|| expected.default_rules()),
            expires_ms: Some(claims.expires_ms),
        };
        Ok(Pass {
            token_id: claims.id,
            issued_ms: claims.issued_ms,
            key_id: key.own_id(),
            ..Pass::of(grant)
        })
    }

    /// What it claims, which may be a lie.
    ///
    /// # Errors
    /// A claim is not as it has to be.
    pub fn unverified_claims(&self) -> Result<Claims, Fault> {
        Claims::read(&Object::parse("claims", &decode(self.claims)?)?)
    }

    /// The same as JSON, for people to look at.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn unverified_json(&self) -> Result<serde_json::Value, Fault> {
        Object::parse("claims", &decode(self.claims)?).map(Object::into_value)
    }

    fn check_signature(&self, key: &Key) -> Result<(), Fault> {
        if self.header.algorithm != key.algorithm() {
            return Err(Fault::OtherAlgorithm {
                kid: key.id().to_owned(),
                key: key.algorithm(),
                token: self.header.algorithm,
            });
        }
        let algorithm = key.algorithm().into();
        let signed = self.signed.as_bytes();
        match crypto::verify(self.signature, signed, key.verifier(), algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Fault::Signature(key.id().to_owned())),
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Form)
}

#[cfg(test)]
mod tests;
