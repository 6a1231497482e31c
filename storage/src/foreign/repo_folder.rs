//! The folder in which a server of automerge-repo keeps its documents, to import from: read and never written.
//!
//! `NodeFSStorageAdapter` makes a file of each key (its source: `automerge-repo-storage-nodefs/src/index.ts`). The keys of a
//! document begin with its id, of which the first two characters are a folder of their own: `4N/MNnkM…/snapshot/{hash}` and
//! `4N/MNnkM…/incremental/{hash}` are what it is made of. `sync-state` beside them is what peers were last known to have, and
//! what lies elsewhere is not of documents; both are passed over.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use super::ForeignError;

/// A folder of automerge-repo.
#[derive(Debug)]
pub struct RepoFolder {
    /// The folders of those documents whose ids begin alike.
    beginnings: Vec<PathBuf>,
}

/// A document in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoDocument {
    /// Its id, as far as that is text.
    pub id: String,
    folder: PathBuf,
}

/// A file of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFile {
    /// What it is called, which is a hash of what is in it.
    pub hash: String,
    /// Its name within the folder of its document, for people.
    pub name: String,
    path: PathBuf,
}

/// Something in the folder can not be read.
#[derive(Debug, Error)]
pub enum RepoFault {
    /// The system says why.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// What can not be read.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is a folder, a pipe or something else.
    #[error("it is not a file")]
    NotAFile,
    /// It is longer than is taken.
    #[error("it is longer than {0} bytes (limits.message_bytes)")]
    TooLong(usize),
}

impl RepoFolder {
    /// Opens a folder to read it.
    ///
    /// # Errors
    /// There is none, or nothing in it is of automerge-repo.
    pub fn open(path: &Path) -> Result<Self, ForeignError> {
        if !path.exists() {
            return Err(ForeignError::MissingFolder(path.to_owned()));
        }
        let not_one = |why: String| ForeignError::NotARepo {
            path: path.to_owned(),
            why,
        };
        let inside = inside(path).map_err(|fault| not_one(fault.to_string()))?;
        let beginnings: Vec<_> = inside.into_iter().filter(|path| path.is_dir()).collect();
        let folder = Self { beginnings };
        if folder.documents().next().is_none() && !path.join(STORAGE_ID).is_file() {
            return Err(not_one("it holds no documents".to_owned()));
        }
        Ok(folder)
    }

    /// Its documents, in the order of their ids. One beginning of ids is looked into at a time.
    pub fn documents(&self) -> impl Iterator<Item = Result<RepoDocument, RepoFault>> + '_ {
        self.beginnings.iter().flat_map(|beginning| {
            let (found, fault) = match inside(beginning) {
                Ok(found) => (found, None),
                Err(fault) => (Vec::new(), Some(Err(fault))),
            };
            let documents = found.into_iter().filter(|folder| is_document(folder));
            let documents = documents.map(|folder| {
                let id = file_name(beginning) + &file_name(&folder);
                Ok(RepoDocument { id, folder })
            });
            documents.chain(fault)
        })
    }
}

impl RepoDocument {
    /// The files that it is made of: first those that hold all of a state, then those that hold what came later.
    ///
    /// # Errors
    /// One of its folders can not be read.
    pub fn files(&self) -> Result<Vec<RepoFile>, RepoFault> {
        let mut files = Vec::new();
        for part in PARTS {
            let folder = self.folder.join(part);
            if !folder.exists() {
                continue;
            }
            files.extend(inside(&folder)?.into_iter().map(|path| {
                let hash = file_name(&path);
                let name = format!("{part}/{hash}");
                RepoFile { hash, name, path }
            }));
        }
        Ok(files)
    }
}

impl RepoFile {
    /// What is in it, if that is at most so many bytes.
    ///
    /// # Errors
    /// It can not be read, is none, or is longer.
    pub fn read(&self, bytes_max: usize) -> Result<Bytes, RepoFault> {
        read_file(&self.path, bytes_max)
    }
}

/// What is in a file, if that is at most so many bytes.
///
/// # Errors
/// It can not be read, is none, or is longer.
pub fn read_file(path: &Path, bytes_max: usize) -> Result<Bytes, RepoFault> {
    let unreadable = |error| RepoFault::Unreadable {
        path: path.to_owned(),
        error,
    };
    // Before it is opened: a pipe would have whoever opens it wait.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(RepoFault::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut file = file.take(bytes_max as u64 + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bytes_max {
        return Err(RepoFault::TooLong(bytes_max));
    }
    Ok(bytes.into())
}

fn is_document(folder: &Path) -> bool {
    PARTS.iter().any(|part| folder.join(part).is_dir())
}

/// What is in a folder, in the order of the names.
fn inside(folder: &Path) -> Result<Vec<PathBuf>, RepoFault> {
    let unreadable = |error| RepoFault::Unreadable {
        path: folder.to_owned(),
        error,
    };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<_> = paths.collect::<Result<_, _>>().map_err(unreadable)?;
    paths.sort_unstable();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What a document is made of.
const PARTS: [&str; 2] = ["snapshot", "incremental"];
/// Where the key `storage-adapter-id` lies, the name that a server gives its store.
const STORAGE_ID: &str = "st/orage-adapter-id";

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }

    #[test]
    fn documents_are_found_among_what_else_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "st/orage-adapter-id",
            "ke/ys/of-an-application",
            "notes.txt",
            "4N/b/incremental/2",
            "4N/b/incremental/1",
            "4N/b/snapshot/3",
            "4N/b/sync-state/peer",
            "4N/a/snapshot/1",
            "4N/only/sync-state/peer",
            "2x/c/incremental/1",
        ];
        write(folder.path(), &files);
        let repo = RepoFolder::open(folder.path()).unwrap();
        let documents: Vec<_> = repo.documents().map(Result::unwrap).collect();
        let ids: Vec<_> = documents.iter().map(|document| &*document.id).collect();
        assert_eq!(ids, ["2xc", "4Na", "4Nb"]);
        let files = documents[2].files().unwrap();
        let names: Vec<_> = files.iter().map(|file| &*file.name).collect();
        assert_eq!(names, ["snapshot/3", "incremental/1", "incremental/2"]);
        assert_eq!(files[0].hash, "3");
        assert_eq!(files[0].read(100).unwrap(), "4N/b/snapshot/3");
    }

    #[test]
    fn what_is_too_long_or_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &["4N/a/snapshot/1", "4N/a/snapshot/2/deeper"],
        );
        let repo = RepoFolder::open(folder.path()).unwrap();
        let document = repo.documents().next().unwrap().unwrap();
        let files = document.files().unwrap();
        assert!(matches!(files[0].read(14), Err(RepoFault::TooLong(14))));
        assert!(files[0].read(15).is_ok());
        assert!(matches!(files[1].read(15), Err(RepoFault::NotAFile)));
    }

    #[test]
    fn what_is_no_such_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let missing = RepoFolder::open(&folder.path().join("none")).unwrap_err();
        assert!(matches!(missing, ForeignError::MissingFolder(_)));
        write(folder.path(), &["notes.txt", "a/b.txt"]);
        for path in [folder.path().to_owned(), folder.path().join("notes.txt")] {
            let refused = RepoFolder::open(&path).unwrap_err();
            assert!(
                matches!(refused, ForeignError::NotARepo { .. }),
                "{refused}"
            );
        }
        write(folder.path(), &["st/orage-adapter-id"]);
        let empty = RepoFolder::open(folder.path()).unwrap();
        assert!(empty.documents().next().is_none());
    }
}
