//! What is wrong with a token, in words for whoever issues it.

use thiserror::Error;

use crate::auth::keys::Algorithm;

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is longer than any token needs to be.
    #[error("the token is {0} bytes long, at most {TOKEN_BYTES_MAX} are read")]
    TooLong(usize),
    /// It is no token.
    #[error(
        "this is no token: a JSON Web Token is three parts of base64url with dots between them"
    )]
    Form,
    /// Its header or its claims are no JSON object.
    #[error("the token's {what} cannot be read: {reason}")]
    Json {
        /// The part.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// A member of the header or a claim is not as it has to be.
    #[error("the token's {path} is {found}, expected {expected}")]
    Value {
        /// The path to it.
        path: String,
        /// What it is.
        found: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// The header brings a key, says where to get one, or asks for something that is not known here.
    #[error(
        "the token's header has {0:?}, which is not taken here: a key is found by kid among those of this server only"
    )]
    Header(&'static str),
    /// It names no key, and it is not clear which is meant.
    #[error(
        "the token names no key (kid in its header), and there is not exactly one {0} key here"
    )]
    NoKey(Algorithm),
    /// There is no such key.
    #[error("the token's key {0:?} is not known here")]
    UnknownKey(String),
    /// The key was revoked.
    #[error("the token's key {0:?} was revoked")]
    RevokedKey(String),
    /// The key is for another algorithm.
    #[error("the token says alg {token}, but its key {kid:?} is for {key}")]
    OtherAlgorithm {
        /// The key.
        kid: String,
        /// What the key is for.
        key: Algorithm,
        /// What the token says.
        token: Algorithm,
    },
    /// The signature is not of the key.
    #[error("the token's signature is not of the key {0:?}")]
    Signature(String),
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is from the future.
    #[error("the token's {0} is in the future; if the clocks differ, auth.leeway bridges that")]
    NotYet(&'static str),
}

/// A token is a few hundred bytes; one with many rules may have some thousand. Longer ones are not looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
