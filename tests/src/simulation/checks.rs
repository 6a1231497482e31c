//! What must hold: the names of the checks, and what a run reports when one of them fails.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is checked. Each is an invariant of `docs/architecture.md`, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Every ack, and everything that a client may take for one, covers only what is stored, for ever after.
    SaidIsStored,
    /// Lanes have no holes, and a dot never names two changes.
    Lanes,
    /// Contexts of Automerge changes are what the changes themselves say that they build on.
    Contexts,
    /// All replicas hold the same content, and so do a replay from zero and every client.
    Agreement,
    /// Everyone who is here is seen, and nobody who is not.
    Presence,
    /// A session reads its own writes, and what it has seen does not disappear.
    Sessions,
    /// Nothing grows beyond its bound.
    Bounds,
    /// Nothing of an edit is taken whose author may not write.
    Rights,
    /// Nothing is skipped, quarantined or closed for good unless someone sent poison.
    Alarms,
    /// Nothing panics.
    Panic,
    /// When all works, all becomes quiet.
    Quiet,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub check: Check,
    /// What was seen.
    pub detail: String,
}

/// What a step gives, unless a check fails in it.
pub(super) type Found<T> = Result<T, Violation>;

impl Check {
    /// Fails unless something is so.
    pub(super) fn that(self, so: bool, detail: impl FnOnce() -> String) -> Found<()> {
        if so {
            Ok(())
        } else {
            Err(self.failed(detail()))
        }
    }

    pub(crate) fn failed(self, detail: impl Into<String>) -> Violation {
        Violation {
            check: self,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.check, self.detail)
    }
}
