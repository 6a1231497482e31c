//! The keys that tokens are signed with. Each is for one algorithm, whatever a token says (RFC 8725, section 3.1).
//!
//! A server's own keys are in a [`KeyFile`] in its data folder, which `quire key` writes and a running server reads again
//! when it changes ([`KeyRing`]). Others may come from an issuer ([`jwks`](super::jwks)).

mod algorithm;
pub use algorithm::{Algorithm, UnknownAlgorithm};

mod error;
pub use error::KeyFileError;

mod file;
pub use file::KeyFile;

mod make;

mod pem;

mod ring;
pub use ring::{Found, KeyRing};

mod stored;
pub use stored::StoredKey;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;

/// A key that a signature can be checked with.
#[derive(Clone)]
pub struct Key {
    id: Arc<str>,
    algorithm: Algorithm,
    verifier: DecodingKey,
    is_own: bool,
}

impl Key {
    /// A key of this server's own.
    pub fn own(id: &str, algorithm: Algorithm, verifier: DecodingKey) -> Self {
        Self {
            id: id.into(),
            algorithm,
            verifier,
            is_own: true,
        }
    }

    /// A key of an issuer, who may have given it no id.
    pub fn of_issuer(id: &str, algorithm: Algorithm, verifier: DecodingKey) -> Self {
        Self {
            is_own: false,
            ..Self::own(id, algorithm, verifier)
        }
    }

    /// What it is called by tokens (`kid`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same, if it is this server's own.
    pub fn own_id(&self) -> Option<Arc<str>> {
        self.is_own.then(|| self.id.clone())
    }

    /// The algorithm that it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What checks signatures.
    pub fn verifier(&self) -> &DecodingKey {
        &self.verifier
    }
}

/// Without the key itself.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {})", self.id, self.algorithm)
    }
}
