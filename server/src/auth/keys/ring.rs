//! The keys at hand, read again when their file changes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::{Algorithm, Key, KeyFile, KeyFileError};

/// A server's own keys.
#[derive(Debug, Default)]
pub struct KeyRing {
    data_dir: PathBuf,
    keys: RwLock<Arc<Keys>>,
    /// What the file looked like when it was read.
    seen: Mutex<Option<Look>>,
}

#[derive(Debug, Default)]
struct Keys {
    good: Vec<Arc<Key>>,
    revoked: Vec<String>,
}

/// How a file that was changed can be told from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// What there is under a name.
#[derive(Clone, Debug)]
pub enum Found {
    /// A key.
    Good(Arc<Key>),
    /// A key that was revoked.
    Revoked,
    /// No key.
    Nothing,
}

impl KeyRing {
    /// The keys in a data folder.
    ///
    /// # Errors
    /// The file cannot be read, others can read it, or one of its keys is not what it says.
    pub fn read(data_dir: &Path) -> Result<Self, KeyFileError> {
        let ring = Self {
            data_dir: data_dir.to_owned(),
            ..Self::default()
        };
        ring.refresh()?;
        Ok(ring)
    }

    /// Reads the file again if it has changed, and tells whether it had. What was read before stays if it cannot be read.
    ///
    /// # Errors
    /// As [`Self::read`]; once for each change.
    pub fn refresh(&self) -> Result<bool, KeyFileError> {
        let look = look(&KeyFile::path(&self.data_dir));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == look {
            return Ok(false);
        }
        *seen = look;
        let keys = Keys::new(&KeyFile::read(&self.data_dir)?)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(true)
    }

    /// Whether there are no keys, and never were.
    pub fn is_empty(&self) -> bool {
        let keys = self.keys();
        keys.good.is_empty() && keys.revoked.is_empty()
    }

    /// The key of a name.
    pub fn find(&self, id: &str) -> Found {
        let keys = self.keys();
        match keys.good.iter().find(|key| key.id() == id) {
            Some(key) => Found::Good(key.clone()),
            None if keys.revoked.iter().any(|it| it == id) => Found::Revoked,
            None => Found::Nothing,
        }
    }

    /// The keys for an algorithm.
    pub fn of(&self, algorithm: Algorithm) -> Vec<Arc<Key>> {
        let keys = self.keys();
        let keys = keys.good.iter();
        keys.filter(|key| key.algorithm() == algorithm)
            .cloned()
            .collect()
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Keys {
    fn new(file: &KeyFile) -> Result<Self, KeyFileError> {
        let mut keys = Self::default();
        for key in file.keys() {
            match key.revoked_at {
                Some(_) => keys.revoked.push(key.id.clone()),
                None => keys.good.push(Arc::new(key.verifier()?)),
            }
        }
        Ok(keys)
    }
}

/// None if there is no file, or nothing can be said of it: reading it will say why.
fn look(path: &Path) -> Option<Look> {
    let metadata: io::Result<_> = fs::metadata(path);
    let metadata = metadata.ok()?;
    Some(Look {
        inode: metadata.ino(),
        bytes: metadata.size(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_ring_has_what_the_file_has() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::read(folder.path()).unwrap();
        assert!(ring.is_empty());
        assert!(!ring.refresh().unwrap());
        let make = |id: &str, algorithm| {
            let id = Some(id.to_owned());
            KeyFile::change(folder.path(), |keys| {
                keys.make(algorithm, id, 0).map(|_| ())
            })
        };
        make("a", Algorithm::Hs256).unwrap();
        make("b", Algorithm::Es256).unwrap();
        assert!(matches!(ring.find("a"), Found::Nothing));
        assert!(ring.refresh().unwrap());
        assert!(matches!(ring.find("a"), Found::Good(key) if key.algorithm() == Algorithm::Hs256));
        assert_eq!(ring.of(Algorithm::Es256).len(), 1);
        assert!(ring.of(Algorithm::EdDsa).is_empty());
        KeyFile::change(folder.path(), |keys| keys.revoke("a", 0)).unwrap();
        assert!(ring.refresh().unwrap());
        assert!(matches!(ring.find("a"), Found::Revoked));
        assert!(!ring.is_empty());
    }

    #[test]
    fn keys_stay_when_the_file_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let make = |keys: &mut KeyFile| {
            let made = keys.make(Algorithm::EdDsa, Some("a".to_owned()), 0);
            made.map(|_| ())
        };
        KeyFile::change(folder.path(), make).unwrap();
        let ring = KeyRing::read(folder.path()).unwrap();
        let path = KeyFile::path(folder.path());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = ring.refresh().unwrap_err().to_string();
        assert!(
            error.contains("can be read or changed by others (mode 644)"),
            "{error}"
        );
        assert!(matches!(ring.find("a"), Found::Good(_)));
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = ring.refresh().unwrap_err().to_string();
        assert!(
            error.contains("cannot be understood: missing field `keys`"),
            "{error}"
        );
        assert!(!ring.refresh().unwrap(), "what is wrong is said once");
        assert!(matches!(ring.find("a"), Found::Good(_)));
        fs::remove_file(&path).unwrap();
        assert!(ring.refresh().unwrap());
        assert!(
            matches!(ring.find("a"), Found::Nothing),
            "no file has no keys"
        );
    }
}
