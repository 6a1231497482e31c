//! An Automerge file (`.automerge`): saved documents and changes, one behind the other, and the changes that come of it.
//!
//! It is looked through before Automerge sees it, as what clients send is, and taken apart into the changes as their authors
//! wrote them.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use engine::{AutomergeChange, AutomergeContent, ContentError};
use protocol::FrameError;
use protocol::automerge::{Bounds, ChangeHash, Chunk, read_chunks};
use thiserror::Error;

/// What is in a file.
#[derive(Clone, Debug)]
pub(crate) struct AutomergeFile {
    /// The changes, as documents take them.
    pub(crate) payload: Bytes,
    changes: Vec<AutomergeChange>,
}

/// Why bytes are no such file.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum NotAFile {
    /// There are none.
    #[error("nothing is in it")]
    Empty,
    /// They are something else, damaged, cut off, or beyond the bounds.
    #[error("{0}")]
    Refused(#[from] FrameError),
    /// Automerge does not take them.
    #[error("{0}")]
    Content(#[from] ContentError),
}

impl AutomergeFile {
    /// Takes a file apart. That is work: a saved document is read whole.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, NotAFile> {
        if bytes.is_empty() {
            return Err(NotAFile::Empty);
        }
        let payload = payload_of(&read_chunks(bytes, &Bounds::default())?)?;
        let changes = AutomergeContent::changes_of(&payload)?;
        Ok(Self { payload, changes })
    }

    /// How many different changes are in it.
    pub(crate) fn count(&self) -> usize {
        self.hashes().len()
    }

    /// The changes that no other one in it builds on, in order.
    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        let mut heads = self.hashes();
        for dep in self.deps() {
            heads.remove(&dep);
        }
        heads.into_iter().collect()
    }

    /// Whether all that its changes build on is in it as well.
    pub(crate) fn is_whole(&self) -> bool {
        let hashes = self.hashes();
        self.deps().all(|dep| hashes.contains(&dep))
    }

    /// Whether it is one that is called so: by its own hash, or by that of a change in it.
    pub(crate) fn has(&self, hash: &str) -> bool {
        let mut hashes = self.changes.iter();
        hashes.any(|change| ChangeHash(change.hash).to_string() == hash)
    }

    fn hashes(&self) -> BTreeSet<ChangeHash> {
        let hashes = self.changes.iter();
        hashes.map(|change| ChangeHash(change.hash)).collect()
    }

    fn deps(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        let deps = self.changes.iter().flat_map(|change| &change.deps);
        deps.map(|dep| ChangeHash(*dep))
    }
}

/// The changes of some chunks, as documents take them. That is work where a saved document is among them.
///
/// # Errors
/// Automerge does not read one of them.
pub(crate) fn payload_of(chunks: &[Chunk]) -> Result<Bytes, ContentError> {
    let mut payload = BytesMut::new();
    for chunk in chunks {
        match chunk {
            Chunk::Change(change) => payload.extend_from_slice(&change.chunk),
            Chunk::Document(document) => {
                payload.extend_from_slice(&AutomergeContent::changes_of_saved(&document.chunk)?);
            }
        }
    }
    Ok(payload.freeze())
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{AutoCommit, ROOT};

    use super::*;

    fn doc(keys: &[&str]) -> AutoCommit {
        let mut doc = AutoCommit::new();
        for key in keys {
            doc.put(ROOT, *key, 1).unwrap();
            doc.commit();
        }
        doc
    }

    fn read(bytes: impl Into<Bytes>) -> Result<AutomergeFile, NotAFile> {
        AutomergeFile::read(&bytes.into())
    }

    fn heads(doc: &mut AutoCommit) -> Vec<ChangeHash> {
        let heads = doc.get_heads();
        heads.iter().map(|head| ChangeHash(head.0)).collect()
    }

    #[test]
    fn a_saved_document_and_its_changes_come_to_the_same() {
        let mut doc = doc(&["a", "b", "c"]);
        let saved = doc.save();
        let changes: Vec<u8> = (doc.get_changes(&[]).iter())
            .flat_map(|change| change.raw_bytes().to_vec())
            .collect();
        let both = [&saved[..], &changes].concat();
        for bytes in [saved, changes, both] {
            let file = read(bytes).unwrap();
            assert_eq!((file.count(), file.is_whole()), (3, true));
            assert_eq!(file.heads(), heads(&mut doc));
        }
    }

    #[test]
    fn what_came_later_is_not_whole() {
        let mut doc = doc(&["a"]);
        let before = doc.get_heads();
        doc.put(ROOT, "b", 2).unwrap();
        let later = read(doc.save_after(&before)).unwrap();
        assert_eq!((later.count(), later.is_whole()), (1, false));
        assert!(later.has(&heads(&mut doc)[0].to_string()) && !later.has("00"));
    }

    #[test]
    fn nothing_is_in_a_document_that_was_saved_empty() {
        let file = read(AutoCommit::new().save()).unwrap();
        assert_eq!((file.count(), file.heads().len()), (0, 0));
        assert!(file.payload.is_empty() && file.is_whole());
    }

    #[test]
    fn other_bytes_are_refused() {
        let saved = doc(&["a", "b"]).save();
        let mut flipped = saved.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bytes in [
            Vec::new(),
            b"<html>".to_vec(),
            b"SQLite format 3\0".to_vec(),
            saved[..saved.len() - 1].to_vec(),
            [&saved[..], &[0]].concat(),
            flipped,
        ] {
            assert!(read(bytes).is_err());
        }
    }
}
