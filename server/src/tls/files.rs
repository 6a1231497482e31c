//! The two files, in PEM: a chain of certificates that begins with the server's own, and its private key.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::InconsistentKeys;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `tls.certificate`
    pub certificate: PathBuf,
    /// `tls.key`
    pub key: PathBuf,
}

/// What shows that files have changed: when each was written, and how long it is. Whoever exchanges a link to a file, as
/// certificate managers do, is seen as well.
pub(super) type Stamp = [Option<(SystemTime, u64)>; 2];

impl TlsFiles {
    pub(super) fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let path = &self.certificate;
        let text = read(CERTIFICATE, path)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let expected = "certificate in PEM, which begins with -----BEGIN CERTIFICATE-----";
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) => Err(missing(CERTIFICATE, path, expected, None)),
            Err(error) => Err(missing(CERTIFICATE, path, expected, Some(error))),
        }
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let path = &self.key;
        let expected =
            "private key in PEM without a password, which begins with -----BEGIN PRIVATE KEY-----";
        PrivateKeyDer::from_pem_slice(&read(KEY, path)?).map_err(|error| match error {
            PemError::NoItemsFound => missing(KEY, path, expected, None),
            error => missing(KEY, path, expected, Some(error)),
        })
    }

    /// Says what is wrong where the library does not take them together.
    pub(super) fn blame(&self, error: rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            },
            error => TlsError::Unusable(error),
        }
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::Unreadable {
        setting,
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn missing(
    setting: &'static str,
    path: &Path,
    expected: &'static str,
    error: Option<PemError>,
) -> TlsError {
    TlsError::Missing {
        setting,
        path: path.to_owned(),
        expected,
        reason: error.map(|error| error.to_string()),
    }
}

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";
