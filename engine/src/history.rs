//! The past: content as it was after any number of changes, rebuilt from the log.

use std::collections::BTreeSet;

use crate::change::StoredChange;
use crate::content::{Content, ContentError};
use crate::names::Kind;
use crate::quarantine::PayloadHash;
use crate::replay::Replay;
use crate::snapshot::Snapshot;

/// Content rebuilt from the log, and what in the log could not be used.
#[derive(Debug)]
pub struct Replayed {
    /// The content.
    pub content: Content,
    /// How many changes were left out because their payload does not decode, is quarantined, or breaks the content.
    /// Anything but zero is an alarm.
    pub skipped: usize,
}

/// Rebuilds content from a snapshot, if there is one, and the changes that it does not cover, in timeline order. What is
/// quarantined is not looked at.
///
/// # Errors
/// The kind is not served, or too many changes break the content. A snapshot that does not restore is treated as absent
/// only by the caller: here it is an error.
pub fn replay(
    kind: Kind,
    snapshot: Option<&Snapshot>,
    changes: &[StoredChange],
    quarantined: &BTreeSet<PayloadHash>,
) -> Result<Replayed, ContentError> {
    let changes = changes.iter().map(|stored| stored.change.clone()).collect();
    let snapshot = snapshot.cloned();
    let replay = Replay::new(kind, snapshot, changes, Vec::new(), quarantined.clone())?;
    let rebuilt = replay.run()?;
    let skipped = rebuilt.changes.iter().filter(|(_, whole)| !whole).count();
    Ok(Replayed {
        content: rebuilt.content,
        skipped,
    })
}
