//! What can be wrong with a certificate and its key. Each message names the setting and the file, and what to do.

use std::path::PathBuf;

use thiserror::Error;

/// Why a certificate and key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: {path:?} cannot be read: {reason}")]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file has not in it what it should.
    #[error("{setting}: {path:?} holds no {expected}{}", reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    Missing {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: &'static str,
        /// What is wrong with what it has.
        reason: Option<String>,
    },
    /// The key is another's.
    #[error(
        "tls.key: {key:?} is not the key of the first certificate in {certificate:?}; \
         put the server's own certificate first, and name the key that was made for it"
    )]
    Mismatch {
        /// `tls.certificate`
        certificate: PathBuf,
        /// `tls.key`
        key: PathBuf,
    },
    /// The TLS library does not take them.
    #[error("tls.certificate and tls.key cannot be used: {0}")]
    Unusable(rustls::Error),
}
