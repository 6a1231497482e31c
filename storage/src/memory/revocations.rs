//! The revocations of the store in memory: a list in the order of its numbers.

use crate::revocation::{Revocation, RevocationEntry};

#[derive(Debug, Default)]
pub(super) struct Revocations {
    last_number: u64,
    entries: Vec<RevocationEntry>,
}

impl Revocations {
    pub(super) fn keep(&mut self, revocation: Revocation) -> RevocationEntry {
        let now_ms = revocation.at_ms;
        self.entries
            .retain(|it| it.revocation.until_ms.is_none_or(|until| until > now_ms));
        let known = self
            .entries
            .iter_mut()
            .find(|it| it.revocation.revoked == revocation.revoked);
        if let Some(known) = known {
            known.revocation = revocation.after(&known.revocation);
            return known.clone();
        }
        self.last_number += 1;
        let entry = RevocationEntry {
            number: self.last_number,
            revocation,
        };
        self.entries.push(entry.clone());
        entry
    }

    pub(super) fn list(&self) -> Vec<RevocationEntry> {
        self.entries.clone()
    }

    pub(super) fn lift(&mut self, number: u64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|it| it.number != number);
        self.entries.len() < before
    }
}
