//! The file with a server's own keys: JSON, for the owner's eyes only, written anew as a whole.
//!
//! A key that was revoked stays in it, so that its tokens are told so, and so that a server whose last key was revoked
//! does not take itself for one that never had any.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::KeyFileError;
use super::stored::StoredKey;
use super::{Algorithm, make};
use crate::place::timestamp;

/// A server's own keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    keys: Vec<StoredKey>,
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
