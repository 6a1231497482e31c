//! The signature of a request: by it the application knows that the request is of this server, and of now.
//!
//! It is an HMAC-SHA256 over the time, a dot and the body. Without the time, whoever saw a request once could send it
//! again whenever it suits them; with it the application refuses what is older than some minutes.

use std::fmt;
use std::path::Path;

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;

/// Signs requests. It is never printed.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// Takes the secret from a file. White space at its end does not count: editors put it there.
    ///
    /// # Errors
    /// The file can not be read, or holds too little.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path)
            .with_context(|| format!("hook.secret_file {} can not be read", path.display()))?;
        let secret = text.trim_ascii_end();
        ensure!(
            secret.len() >= SECRET_BYTES_MIN,
            "hook.secret_file {} holds {} bytes, at least {SECRET_BYTES_MIN} are needed; \
             `openssl rand -hex 32` makes a good one",
            path.display(),
            secret.len()
        );
        Ok(Self::new(secret))
    }

    fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The value of the header for a body that is sent now, at a time in seconds since the Unix epoch.
    pub(super) fn sign(&self, timestamp: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(timestamp.as_bytes());
        context.update(b".");
        context.update(body);
        let digits = context.sign();
        let digits = digits.as_ref().iter();
        let hex: String = digits.map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={hex}")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// A secret that is shorter could be guessed from a few requests.
const SECRET_BYTES_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The wanted value is what `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef` prints.
    #[test]
    fn a_signature_is_what_others_compute() {
        let signed = Signer::new(b"0123456789abcdef").sign("1700000000", b"{}");
        assert_eq!(
            signed,
            "sha256=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
        );
    }

    #[test]
    fn a_secret_is_long_enough_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "short\n\n").unwrap();
        let refused = Signer::read(&path).unwrap_err().to_string();
        assert!(refused.contains("holds 5 bytes"), "{refused}");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let signer = Signer::read(&path).unwrap();
        assert!(!format!("{signer:?}").contains("0123"));
        assert_eq!(
            signer.sign("1", b"x"),
            Signer::new(b"0123456789abcdef").sign("1", b"x")
        );
    }
}
