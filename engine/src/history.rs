//! The past: content as it was after any number of changes, rebuilt from the log.

use crate::change::{Change, StoredChange};
use crate::content::{Content, ContentError};
use crate::names::Kind;
use crate::snapshot::Snapshot;

/// Content rebuilt from the log, and what in the log could not be used.
#[derive(Debug)]
pub struct Replayed {
    /// The content.
    pub content: Content,
    /// How many changes were left out because their payload does not decode. Anything but zero is an alarm.
    pub skipped: usize,
}

/// Rebuilds content from a snapshot, if there is one, and the changes that it does not cover, in timeline order.
///
/// # Errors
/// The kind is not served. A snapshot that does not restore is treated as absent only by the caller: here it is an error.
pub fn replay(
    kind: Kind,
    snapshot: Option<&Snapshot>,
    changes: &[StoredChange],
) -> Result<Replayed, ContentError> {
    let mut content = Content::new(kind)?;
    if let Some(snapshot) = snapshot {
        content.restore(&snapshot.state)?;
    }
    let mut skipped = 0;
    for stored in changes {
        skipped += usize::from(!apply(&mut content, &stored.change));
    }
    Ok(Replayed { content, skipped })
}

/// Integrates all that can be of a change; false if that is not all of it.
pub(crate) fn apply(content: &mut Content, change: &Change) -> bool {
    let Ok(updates) = change.updates() else {
        return false;
    };
    let taken = updates
        .iter()
        .filter(|update| content.integrate(update).is_ok());
    taken.count() == updates.len()
}
