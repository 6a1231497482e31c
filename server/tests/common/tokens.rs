//! A key of a server, and tokens that are signed with it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use server::auth::keys::KeyFile;
use tempfile::TempDir;

/// A data folder with a key in it.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let add = |keys: &mut KeyFile| keys.add_secret(SECRET, Some(KEY.to_owned()), 0).map(|_| ());
    KeyFile::change(folder.path(), add).unwrap();
    folder
}

pub(crate) fn path_of(folder: &TempDir) -> &str {
    Path::to_str(folder.path()).unwrap()
}

/// The claims of somebody who may do these things with all documents of `default`, for an hour from now.
pub(crate) fn claims(user: &str, may: &[&str]) -> Value {
    let now_s = now_s();
    json!({"sub": user, "iat": now_s, "exp": now_s + 3_600, "quire": {"may": may}})
}

pub(crate) fn sign(claims: &Value, secret: &str) -> String {
    let header = Header {
        kid: Some(KEY.to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    encode(
        &header,
        claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

const KEY: &str = "k1";
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
