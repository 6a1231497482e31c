//! The file with a server's own keys: JSON, for the owner's eyes only, written anew as a whole.
//!
//! A key that was revoked stays in it, so that its tokens are told so, and so that a server whose last key was revoked
//! does not take itself for one that never had any.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jsonwebtoken::EncodingKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Algorithm, Key, make};
use crate::place::timestamp;

/// A server's own keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    keys: Vec<StoredKey>,
}

/// A key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// What it is called by tokens.
    #[serde(rename = "kid")]
    pub id: String,
    /// The algorithm that it is for.
    #[serde(rename = "alg")]
    pub algorithm: Algorithm,
    /// When it was made or added.
    pub created_at: String,
    /// When it was revoked; none if it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// A text whose bytes are the key (HS256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The private part in PEM; none if somebody else has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<String>,
    /// The public part in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
}

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

impl KeyFile {
    /// The keys in a data folder; none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, others can read it, or it is not one of keys.
    pub fn read(data_dir: &Path) -> Result<Self, KeyFileError> {
        let path = Self::path(data_dir);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(KeyFileError::Io { path, source }),
            Ok(metadata) => {
                let mode = metadata.permissions().mode() & 0o777;
                if mode & OTHERS != 0 {
                    return Err(KeyFileError::Exposed { path, mode });
                }
            }
        }
        let text = fs::read(&path).map_err(|source| io_error(&path, source))?;
        serde_json::from_slice(&text).map_err(|error| KeyFileError::Malformed {
            reason: error.to_string(),
            path,
        })
    }

    /// A random name.
    ///
    /// # Errors
    /// The system gave no random numbers.
    pub fn random_id() -> Result<String, KeyFileError> {
        make::random_id()
    }

    /// Where the keys of a data folder are.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("keys.json")
    }

    /// Changes the keys in a data folder, while nobody else does.
    ///
    /// # Errors
    /// As [`Self::read`], and what the change says.
    pub fn change<T>(
        data_dir: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, KeyFileError>,
    ) -> Result<T, KeyFileError> {
        fs::create_dir_all(data_dir).map_err(|source| io_error(data_dir, source))?;
        let path = data_dir.join("keys.lock");
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(|source| io_error(&path, source))?;
        let mut keys = Self::read(data_dir)?;
        let changed = change(&mut keys)?;
        keys.write(data_dir)?;
        drop(lock);
        Ok(changed)
    }

    /// All keys, in the order in which they came.
    pub fn keys(&self) -> &[StoredKey] {
        &self.keys
    }

    /// A key by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, id: &str) -> Result<&StoredKey, KeyFileError> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.id == id)
            .ok_or_else(|| KeyFileError::Missing(id.to_owned()))
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// The name is taken or not good, or there are no new keys of the algorithm.
    pub fn make(
        &mut self,
        algorithm: Algorithm,
        id: Option<String>,
        now_ms: u64,
    ) -> Result<&StoredKey, KeyFileError> {
        let material = make::generate(algorithm)?;
        self.insert(algorithm, material, id, now_ms)
    }

    /// Adds a public key of somebody else who signs, in PEM.
    ///
    /// # Errors
    /// The name is taken or not good, or the text is no public key.
    pub fn add_public(
        &mut self,
        pem: &str,
        id: Option<String>,
        now_ms: u64,
    ) -> Result<&StoredKey, KeyFileError> {
        let (algorithm, material) = make::import_public(pem)?;
        self.insert(algorithm, material, id, now_ms)
    }

    /// Adds a secret that an application signs with too.
    ///
    /// # Errors
    /// The name is taken or not good, or the secret is too short.
    pub fn add_secret(
        &mut self,
        secret: &str,
        id: Option<String>,
        now_ms: u64,
    ) -> Result<&StoredKey, KeyFileError> {
        let (algorithm, material) = make::import_secret(secret)?;
        self.insert(algorithm, material, id, now_ms)
    }

    /// Revokes a key. False if it was before.
    ///
    /// # Errors
    /// There is none.
    pub fn revoke(&mut self, id: &str, now_ms: u64) -> Result<bool, KeyFileError> {
        let mut keys = self.keys.iter_mut();
        let key = keys.find(|key| key.id == id);
        let key = key.ok_or_else(|| KeyFileError::Missing(id.to_owned()))?;
        let is_new = key.revoked_at.is_none();
        key.revoked_at.get_or_insert_with(|| timestamp(now_ms));
        Ok(is_new)
    }

    fn insert(
        &mut self,
        algorithm: Algorithm,
        material: make::Material,
        id: Option<String>,
        now_ms: u64,
    ) -> Result<&StoredKey, KeyFileError> {
        let id = id.map_or_else(make::random_id, Ok)?;
        if !is_id(&id) {
            return Err(KeyFileError::BadId(id));
        }
        if self.find(&id).is_ok() {
            return Err(KeyFileError::Exists(id));
        }
        self.keys.push(StoredKey {
            id,
            algorithm,
            created_at: timestamp(now_ms),
            revoked_at: None,
            secret: material.secret,
            private: material.private,
            public: material.public,
        });
        Ok(&self.keys[self.keys.len() - 1])
    }

    /// Writes a new file beside the old one and puts it in its place, so that nobody ever reads half of it.
    fn write(&self, data_dir: &Path) -> Result<(), KeyFileError> {
        let path = Self::path(data_dir);
        let beside = path.with_extension("json.new");
        let write = || {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(true);
            let mut file = options.mode(OWNER_ONLY).open(&beside)?;
            file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY))?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(data_dir)?.sync_all()
        };
        write().map_err(|source| io_error(&path, source))
    }
}

impl StoredKey {
    /// What checks its signatures.
    ///
    /// # Errors
    /// It is not of its algorithm.
    pub fn verifier(&self) -> Result<Key, KeyFileError> {
        make::verifier(self)
    }

    /// What makes its signatures; none if somebody else has the private part.
    ///
    /// # Errors
    /// It is not of its algorithm.
    pub fn signer(&self) -> Result<Option<EncodingKey>, KeyFileError> {
        make::signer(self)
    }
}

/// Without the key itself.
impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredKey({:?}, {})", self.id, self.algorithm)
    }
}

fn is_id(id: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(is_good)
}

fn io_error(path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        source,
    }
}

const OWNER_ONLY: u32 = 0o600;
/// What others than the owner must not be able to do; a group may read, as where secrets are mounted.
const OTHERS: u32 = 0o037;
