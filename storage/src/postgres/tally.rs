//! What the writing lanes have done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Tally {
    commits: AtomicU64,
    changes: AtomicU64,
    statements: AtomicU64,
}

/// How much was committed in how many trips to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// Commits of batches.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
    /// Trips to the database that they took.
    pub statements: u64,
}

impl Tally {
    pub(super) fn note_commit(&self, changes: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(changes, Ordering::Relaxed);
        self.note_statements(1);
    }

    pub(super) fn note_statements(&self, statements: u64) {
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Commits {
        Commits {
            commits: self.commits.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
        }
    }
}
