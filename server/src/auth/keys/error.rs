//! What is wrong with the keys of a server's own, or with what is to become one.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What is wrong with the keys, or with what is to become one.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("the key file {} cannot be read or written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "the key file {} can be read or changed by others (mode {mode:03o}); make it its owner's only, with chmod 600",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not what `quire key` writes.
    #[error("the key file {} cannot be understood: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// One of its keys is not what it says.
    #[error("the key {0:?} is not one of its algorithm")]
    Damaged(String),
    /// There is a key of that name.
    #[error("there is a key {0:?} already; revoked ones count too")]
    Exists(String),
    /// There is no such key.
    #[error("there is no key {0:?}")]
    Missing(String),
    /// A name that would have to be escaped somewhere.
    #[error(
        "the name {0:?} of a key is to be 1 to 64 letters, digits, dots, dashes and underscores"
    )]
    BadId(String),
    /// Keys of this algorithm are only added.
    #[error(
        "RS256 keys are not made here: add the public part of one with `quire key add --public FILE`, or make one for ES256"
    )]
    NotMadeHere,
    /// No public key.
    #[error(
        "this is no public key in PEM for RS256 (2048 bits or more), ES256 (P-256) or EdDSA (Ed25519)"
    )]
    NotPublic,
    /// A private key where a public one is asked for.
    #[error(
        "this is a private key, and only the public part is to be added: whoever signs keeps the private one"
    )]
    Private,
    /// A secret that can be guessed.
    #[error("a secret of {0} bytes can be guessed; 32 or more are needed")]
    ShortSecret(usize),
    /// The system has no random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
}
