//! Changes that build on something that has not arrived yet.
//!
//! The library would keep them in a queue of its own, without a bound, and look through all of it whenever something came
//! (8,000 changes that came from the last to the first took seconds). It is only ever shown changes in their order; the
//! others wait here, each under one of those that it lacks, and are looked at when that comes.

use std::collections::BTreeMap;

use automerge::ChangeHash;
use bytes::Bytes;

use super::arrival::Arrival;
use super::graph::{self, Mark, first_of};

/// Changes that wait, each once.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: BTreeMap<ChangeHash, Arrival>,
    /// Who waits for a change, among others perhaps.
    waiting_for: BTreeMap<ChangeHash, Vec<ChangeHash>>,
    /// The chunks, in the order of their bytes, so that the same changes are the same state in whatever order they came.
    chunks: Vec<Bytes>,
    bytes: usize,
}

impl Orphans {
    pub(super) fn has(&self, hash: &ChangeHash) -> bool {
        self.waiting.contains_key(hash)
    }

    /// The change that waits whose hash begins with this.
    pub(super) fn get(&self, mark: &Mark) -> Option<&Arrival> {
        let mut beyond = self.waiting.range(first_of(mark)..);
        let (_, change) = beyond.next()?;
        (graph::mark(&change.hash) == *mark).then_some(change)
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What waits.
    pub(super) fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// What waits, in the order of the hashes.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Arrival> {
        self.waiting.values()
    }

    /// Keeps a change that lacks another, if it may.
    pub(super) fn insert(&mut self, change: Arrival, lacks: ChangeHash) -> bool {
        let chunk = change.raw.to_bytes();
        if self.waiting.len() >= ORPHANS_MAX || self.bytes + chunk.len() > ORPHAN_BYTES_MAX {
            return false;
        }
        self.bytes += chunk.len();
        if let Err(at) = self.chunks.binary_search(&chunk) {
            self.chunks.insert(at, chunk);
        }
        self.wait(change, lacks);
        true
    }

    /// Keeps one on that still lacks something.
    pub(super) fn wait(&mut self, change: Arrival, lacks: ChangeHash) {
        self.waiting_for.entry(lacks).or_default().push(change.hash);
        self.waiting.insert(change.hash, change);
    }

    /// Takes those that waited for a change, of which some may lack others besides. They count as waiting until they are
    /// [let go](Self::let_go).
    pub(super) fn take(&mut self, came: &ChangeHash) -> Vec<Arrival> {
        let who = self.waiting_for.remove(came).unwrap_or_default();
        who.iter()
            .filter_map(|hash| self.waiting.remove(hash))
            .collect()
    }

    /// Lets chunks go that were taken, all at once.
    pub(super) fn let_go(&mut self, mut taken: Vec<Bytes>) {
        if taken.is_empty() {
            return;
        }
        self.bytes -= taken.iter().map(Bytes::len).sum::<usize>();
        taken.sort_unstable();
        self.chunks
            .retain(|chunk| taken.binary_search(chunk).is_err());
    }
}

/// How many changes may wait in one document, and their bytes. A client that sends more is closed; when it comes back, it
/// sends what is missing.
const ORPHANS_MAX: usize = 10_000;
const ORPHAN_BYTES_MAX: usize = 8 * 1024 * 1024;
