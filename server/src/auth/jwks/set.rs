//! A set of keys as an issuer publishes it (RFC 7517). A key that is not for checking tokens here is passed over.

use std::collections::HashSet;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::keys::{Algorithm, Key};

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The members of a key that matter here. Symmetric keys have others, and are not taken from a public place.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads a set.
pub(super) fn read(json: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let set: Set = serde_json::from_slice(json)
        .map_err(|error| format!("the answer is no set of keys: {error}"))?;
    if set.keys.len() > KEYS_MAX {
        return Err(format!("the answer has more than {KEYS_MAX} keys"));
    }
    let jwks = set.keys.into_iter();
    let jwks = jwks.filter_map(|value| serde_json::from_value(value).ok());
    let keys: Vec<_> = jwks
        .filter_map(|jwk: Jwk| jwk.key())
        .map(Arc::new)
        .collect();
    let mut ids = HashSet::new();
    if keys
        .iter()
        .any(|key| !key.id().is_empty() && !ids.insert(key.id()))
    {
        return Err("the answer has two keys of one name".to_owned());
    }
    match keys.is_empty() {
        true => Err("the answer has no key that can check tokens".to_owned()),
        false => Ok(keys),
    }
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        let algorithm = self.algorithm()?;
        if !self.is_for_checking()
            || self
                .alg
                .as_deref()
                .is_some_and(|it| it != algorithm.as_str())
        {
            return None;
        }
        let id = self.kid.as_deref().unwrap_or_default();
        let verifier = self.verifier(algorithm)?;
        Some(Key::of_issuer(id, algorithm, verifier))
    }

    /// The one algorithm that a key of this kind is for here.
    fn algorithm(&self) -> Option<Algorithm> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Algorithm::Rs256),
            ("EC", Some("P-256")) => Some(Algorithm::Es256),
            ("OKP", Some("Ed25519")) => Some(Algorithm::EdDsa),
            _ => None,
        }
    }

    fn is_for_checking(&self) -> bool {
        let purpose = self.purpose.as_deref();
        let operations = self.key_ops.as_deref();
        purpose.is_none_or(|it| it == "sig")
            && operations.is_none_or(|them| them.iter().any(|it| it == "verify"))
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        match algorithm {
            Algorithm::Hs256 => None,
            Algorithm::Rs256 => {
                DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?).ok()
            }
            Algorithm::Es256 => {
                DecodingKey::from_ec_components(self.x.as_deref()?, self.y.as_deref()?).ok()
            }
            Algorithm::EdDsa => DecodingKey::from_ed_components(self.x.as_deref()?).ok(),
        }
    }
}

const KEYS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    fn ids(keys: &[&str]) -> Result<Vec<String>, String> {
        let json = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        let keys = read(json.as_bytes())?;
        Ok(keys
            .iter()
            .map(|key| format!("{} {}", key.id(), key.algorithm()))
            .collect())
    }

    #[test]
    fn keys_that_are_for_something_else_are_passed_over() {
        let good = format!(r#"{{"kid":"a",{EC}}}"#);
        for other in [
            format!(r#"{{"kid":"b",{EC},"use":"enc"}}"#),
            format!(r#"{{"kid":"b",{EC},"key_ops":["sign"]}}"#),
            format!(r#"{{"kid":"b",{EC},"alg":"RS256"}}"#),
            r#"{"kid":"b","kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0","alg":"HS256"}"#.to_owned(),
            r#"{"kid":"b","kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#.to_owned(),
            r#"{"kid":"b","kty":"RSA"}"#.to_owned(),
            r#"{"kid":7,"kty":"RSA","n":"AA","e":"AQAB"}"#.to_owned(),
            "17".to_owned(),
        ] {
            assert_eq!(ids(&[&other, &good]), Ok(vec!["a ES256".to_owned()]), "{other}");
        }
    }

    #[test]
    fn a_set_that_cannot_be_trusted_is_none() {
        let key = format!(r#"{{"kid":"a",{EC}}}"#);
        for (bad, why) in [
            (ids(&[&key, &key]), "two keys of one name"),
            (ids(&[]), "no key that can check tokens"),
            (ids(&[key.as_str(); 101]), "more than 100 keys"),
            (read(b"<html>").map(|_| Vec::new()), "no set of keys"),
        ] {
            let error = bad.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
