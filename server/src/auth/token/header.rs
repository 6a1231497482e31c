//! What a token says about itself before anything is known to be true (RFC 7515, section 4).

use serde_json::Value;

use super::Fault;
use super::object::{Object, shown};
use crate::auth::keys::Algorithm;

/// A token's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm that it says it is signed with.
    pub algorithm: Algorithm,
    /// The key that it names; none if it names none.
    pub key: Option<String>,
}

impl Header {
    pub(super) fn read(header: &Object) -> Result<Self, Fault> {
        if let Some(name) = REFUSED.into_iter().find(|name| header.get(name).is_some()) {
            return Err(Fault::Header(name));
        }
        check_type(header.get("typ"))?;
        Ok(Self {
            algorithm: algorithm(header.get("alg"))?,
            key: key(header.get("kid"))?,
        })
    }
}

/// A token that says what it is for is one for access: other kinds that the same issuer signs are none (RFC 8725, 3.11).
fn check_type(value: Option<&Value>) -> Result<(), Fault> {
    let is_for_access = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        TYPES.contains(&kind.strip_prefix("application/").unwrap_or(&kind))
    };
    match value {
        None => Ok(()),
        Some(Value::String(kind)) if is_for_access(kind) => Ok(()),
        Some(other) => Err(fault("header typ", other, "JWT or at+jwt, or none")),
    }
}

fn algorithm(value: Option<&Value>) -> Result<Algorithm, Fault> {
    let expected = "one of HS256, RS256, ES256, EdDSA";
    let value = value.unwrap_or(&Value::Null);
    let known = value.as_str().and_then(|name| name.parse().ok());
    known.ok_or_else(|| fault("header alg", value, expected))
}

/// A kid is compared with those of the keys, and used for nothing else.
fn key(value: Option<&Value>) -> Result<Option<String>, Fault> {
    match value {
        None => Ok(None),
        Some(Value::String(kid)) if (1..=KID_BYTES_MAX).contains(&kid.len()) => {
            Ok(Some(kid.clone()))
        }
        Some(other) => Err(fault("header kid", other, "a text of 1 to 256 bytes")),
    }
}

fn fault(path: &str, found: &Value, expected: &'static str) -> Fault {
    Fault::Value {
        path: path.to_owned(),
        found: shown(found),
        expected,
    }
}

/// A header with one of these brings a key, says where to fetch one, or demands to be understood in ways that are not
/// known here.
const REFUSED: [&str; 5] = ["jku", "jwk", "x5u", "x5c", "crit"];
const TYPES: [&str; 2] = ["jwt", "at+jwt"];
const KID_BYTES_MAX: usize = 256;
