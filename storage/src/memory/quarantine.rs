//! The quarantine of the store in memory: a list in the order of its numbers.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{DocumentKey, PayloadHash, Quarantined};

use crate::quarantine::{PAYLOADS_KEPT, QuarantineEntry, QuarantineQuery, UNLOGGED_MAX, kept};

#[derive(Debug, Default)]
pub(super) struct Quarantine {
    last_number: u64,
    entries: Vec<QuarantineEntry>,
}

impl Quarantine {
    pub(super) fn keep(&mut self, quarantined: Quarantined) {
        let known = self
            .entries
            .iter_mut()
            .find(|it| is_of(it, &quarantined.document, quarantined.hash));
        if let Some(known) = known {
            known.quarantined.dot = known.quarantined.dot.or(quarantined.dot);
            return;
        }
        self.last_number += 1;
        let document = quarantined.document.clone();
        self.entries.push(QuarantineEntry {
            number: self.last_number,
            payload_bytes: quarantined.payload.len() as u64,
            quarantined: Quarantined {
                payload: kept(&quarantined.payload),
                ..quarantined
            },
        });
        self.drop_oldest(&document);
        self.drop_old_payloads();
    }

    fn drop_oldest(&mut self, document: &DocumentKey) {
        let unlogged = |it: &QuarantineEntry| {
            it.quarantined.document == *document && it.quarantined.dot.is_none()
        };
        if self.entries.iter().filter(|it| unlogged(it)).count() > UNLOGGED_MAX
            && let Some(oldest) = self.entries.iter().position(unlogged)
        {
            self.entries.remove(oldest);
        }
    }

    fn drop_old_payloads(&mut self) {
        let oldest = self.last_number.saturating_sub(PAYLOADS_KEPT);
        for entry in self.entries.iter_mut().take_while(|it| it.number <= oldest) {
            entry.quarantined.payload = Bytes::new();
        }
    }

    pub(super) fn list(&self, query: &QuarantineQuery) -> Vec<QuarantineEntry> {
        let wanted = |it: &&QuarantineEntry| {
            let document = query.document.as_ref();
            document.is_none_or(|document| it.quarantined.document == *document)
                && query.before.is_none_or(|before| it.number < before)
        };
        let listed = self.entries.iter().rev().filter(wanted).take(query.limit);
        listed.map(without_payload).collect()
    }

    pub(super) fn get(&self, document: &DocumentKey, hash: PayloadHash) -> Option<QuarantineEntry> {
        let found = self.entries.iter().find(|it| is_of(it, document, hash));
        found.cloned()
    }

    pub(super) fn forget(&mut self, document: &DocumentKey, hash: PayloadHash) -> bool {
        let before = self.entries.len();
        self.entries.retain(|it| !is_of(it, document, hash));
        self.entries.len() < before
    }

    pub(super) fn hashes(&self, document: &DocumentKey) -> BTreeSet<PayloadHash> {
        let of_document = |it: &&QuarantineEntry| it.quarantined.document == *document;
        let entries = self.entries.iter().filter(of_document);
        entries.map(|it| it.quarantined.hash).collect()
    }
}

fn is_of(entry: &QuarantineEntry, document: &DocumentKey, hash: PayloadHash) -> bool {
    entry.quarantined.hash == hash && entry.quarantined.document == *document
}

fn without_payload(entry: &QuarantineEntry) -> QuarantineEntry {
    QuarantineEntry {
        quarantined: Quarantined {
            payload: Bytes::new(),
            ..entry.quarantined.clone()
        },
        ..entry.clone()
    }
}
