//! What has become of words, as numbers that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has become of words since the bus began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusFigures {
    /// Words that were sent.
    pub said: u64,
    /// Words that came from other nodes and were passed on.
    pub heard: u64,
    /// Words that were to be sent and were not: the queue was full, they had waited too long, the connection broke while they
    /// were on their way, or they were too large.
    pub dropped: u64,
    /// What came and is no word: damaged, or about another document than where it was said.
    pub malformed: u64,
    /// Words that came from a newer program and mean nothing to this one.
    pub unknown: u64,
    /// What was asked of the bus and was answered with an error.
    pub refused: u64,
    /// How often the connection was lost, to be made again.
    pub reconnects: u64,
}

/// The same while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) said: Counter,
    pub(crate) heard: Counter,
    pub(crate) dropped: Counter,
    pub(crate) malformed: Counter,
    pub(crate) unknown: Counter,
    pub(crate) refused: Counter,
    pub(crate) reconnects: Counter,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn figures(&self) -> BusFigures {
        BusFigures {
            said: self.said.get(),
            heard: self.heard.get(),
            dropped: self.dropped.get(),
            malformed: self.malformed.get(),
            unknown: self.unknown.get(),
            refused: self.refused.get(),
            reconnects: self.reconnects.get(),
        }
    }
}
