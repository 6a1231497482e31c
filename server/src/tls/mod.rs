//! Encryption: TLS 1.3 with the certificate and key of two files, which are read again when they change.
//!
//! Whoever is connected stays as it is; who connects next sees the new certificate. Files that cannot be used when the
//! server starts are an error; when they change into such files, the certificate stays the old one and the error is logged.

mod error;
pub use error::TlsError;

mod files;
pub use files::TlsFiles;

mod watching;

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use tokio_rustls::TlsAcceptor;

use files::Stamp;

/// The certificate that clients are shown, and its key.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// What the files were like when they were last read, usable or not.
    stamp: Stamp,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let stamp = files.stamp();
        let config = configure(&files)?;
        let current = RwLock::new(Current { config, stamp });
        Ok(Self { files, current })
    }

    /// Lets clients in with the certificate as it is now.
    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.config.clone().into()
    }

    /// Reads the files again if they have changed. Tells whether they had.
    ///
    /// # Errors
    /// They cannot be used; the certificate stays the old one.
    pub fn reload_changed(&self) -> Result<bool, TlsError> {
        let stamp = self.files.stamp();
        let known = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let is_changed = known.stamp != stamp;
        drop(known);
        if is_changed {
            self.reload()?;
        }
        Ok(is_changed)
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// They cannot be used; the certificate stays the old one.
    pub fn reload(&self) -> Result<(), TlsError> {
        let stamp = self.files.stamp();
        let config = configure(&self.files);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.stamp = stamp;
        current.config = config?;
        Ok(())
    }
}

fn configure(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Unusable)?
        .with_no_client_auth();
    let mut config = builder
        .with_single_cert(files.certificates()?, files.private_key()?)
        .map_err(|error| files.blame(error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The only protocol that is spoken within.
const ALPN: &[u8] = b"http/1.1";
