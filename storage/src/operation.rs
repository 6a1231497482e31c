//! What a store has to know of an operation: its place in the order, and the name under which its author may send it again.
//!
//! Both stand in the payload. Stores keep them besides, so that an append is judged by what an index tells. Names are kept by
//! their sources, with the numbers of each together: they grow, so the highest number of a source tells that a name is new.

use std::collections::BTreeMap;

use engine::ordered::{OperationName, Record};
use engine::{Author, Change, ChangeKind};
use sha2::{Digest, Sha256};

use crate::numbers::signed;
use crate::store::StoreError;

/// An operation's place and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The version that it was committed on.
    pub(crate) version: u64,
    pub(crate) name: Name,
}

/// What an operation is known by, so that it is stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// The beginning of a hash of its author and source.
    pub(crate) source: [u8; SOURCE_BYTES],
    /// Its number, as databases keep it.
    pub(crate) number: i64,
}

impl Placed {
    /// Those of some changes, one for each that is an operation.
    ///
    /// # Errors
    /// One says that it is an operation and cannot be read.
    pub(crate) fn of_all(changes: &[Change]) -> Result<Vec<Option<Self>>, StoreError> {
        changes.iter().map(Self::of).collect()
    }

    /// Those of a change, if it is an operation.
    ///
    /// # Errors
    /// It says that it is one and cannot be read.
    pub(crate) fn of(change: &Change) -> Result<Option<Self>, StoreError> {
        if change.kind != ChangeKind::Operation {
            return Ok(None);
        }
        let unreadable = || StoreError::NoOperation(change.dot);
        let record = Record::from_bytes(&change.payload).map_err(|_| unreadable())?;
        // No database counts further, and no document gets there.
        if i64::try_from(record.version).is_err() {
            return Err(unreadable());
        }
        Ok(Some(Self {
            version: record.version,
            name: Name::of(change.author.as_ref(), &record.name),
        }))
    }
}

impl Name {
    /// What an author's operation is known by.
    pub(crate) fn of(author: Option<&Author>, name: &OperationName) -> Self {
        let author = author.map(Author::as_str);
        let mut hash = Sha256::new();
        hash.update([u8::from(author.is_some())]);
        for part in [author.unwrap_or_default(), &name.source] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut source = [0; SOURCE_BYTES];
        source.copy_from_slice(&hash.finalize()[..SOURCE_BYTES]);
        let number = signed(name.number);
        Self { source, number }
    }
}

/// Operations that are to follow those of a document. Each is looked at in its turn; what is refused of them is refused of
/// all.
#[derive(Debug)]
pub(crate) struct Following {
    count: u64,
    next: u64,
    names: BTreeMap<Name, u64>,
}

impl Following {
    /// None yet, after so many that are stored.
    pub(crate) fn new(count: u64) -> Self {
        Self {
            count,
            next: count,
            names: BTreeMap::new(),
        }
    }

    /// Takes the next, that is the change with an index in its append. The places come before the names: where something
    /// else is stored already, that is to be read first, and the name may be in it.
    ///
    /// # Errors
    /// It is not next.
    pub(crate) fn take(&mut self, placed: &Placed, index: usize) -> Result<(), StoreError> {
        if placed.version != self.next {
            return Err(StoreError::Overtaken(self.count));
        }
        if let Some(&version) = self.names.get(&placed.name) {
            return Err(StoreError::NameKnown { index, version });
        }
        self.names.insert(placed.name, placed.version);
        self.next += 1;
        Ok(())
    }

    /// How many the document has with them.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }
}

/// So much of the hash that nobody finds two sources for one.
pub(crate) const SOURCE_BYTES: usize = 16;
