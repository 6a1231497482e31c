//! The clients of a document, and how one that stopped reading catches up.
//!
//! A client whose queue was dropped is sent one difference from a state that it is known to have had. That state is the
//! newest of a few [`Checkpoints`] that it was shown; older than the oldest, it is sent everything. Either way its memory
//! here is bounded, and what it gets is right, because taking an edit in twice changes nothing.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::names::{Author, ConnectionId};

/// The clients of a document; in order, so that the same inputs have the same effects.
pub(super) type Peers = BTreeMap<ConnectionId, Peer>;

/// One client.
#[derive(Debug)]
pub(super) struct Peer {
    /// Who it is; none if anonymous.
    pub(super) author: Option<Author>,
    /// When it came, in monotonic milliseconds.
    pub(super) joined_ms: u64,
    /// Whether it was sent content to build on. Until then it is shown no edits: one that it knows *up to* some change is
    /// taken to know all before it.
    pub(super) is_based: bool,
    /// Set while it waits to catch up: what it had seen when its queue was dropped.
    pub(super) behind: Option<Behind>,
}

impl Peer {
    /// It is sent content that later edits build on.
    pub(super) fn base(&mut self) {
        self.is_based = true;
    }
}

/// How far a client was when its queue was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    /// The last step that it was shown, if it was shown anything.
    pub(super) seen: Option<u64>,
}

/// What the document had at some moments of the recent past.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    moments: VecDeque<Moment>,
}

#[derive(Debug)]
struct Moment {
    step: u64,
    have: Bytes,
}

impl Checkpoints {
    /// Whether it is time for another checkpoint.
    pub(super) fn is_due(&self, step: u64) -> bool {
        self.moments
            .back()
            .is_none_or(|last| step >= last.step + SPACING)
    }

    /// Notes what the document has after a step, all of which was shown.
    pub(super) fn note(&mut self, step: u64, have: Bytes) {
        if self.moments.len() == KEPT {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { step, have });
    }

    /// What the document had at the latest moment all of which such a client has seen.
    pub(super) fn had_by(&self, behind: Behind) -> Option<&Bytes> {
        let seen = behind.seen?;
        self.moments
            .iter()
            .rev()
            .find(|moment| moment.step <= seen)
            .map(|moment| &moment.have)
    }
}

/// Steps between two checkpoints: what a client is sent twice, at most, when it catches up.
const SPACING: u64 = 512;
/// Checkpoints kept; a client further behind is sent everything.
const KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_catches_up_from_the_latest_state_it_has_seen() {
        let mut checkpoints = Checkpoints::default();
        for step in (0..40).map(|n| n * SPACING) {
            assert!(checkpoints.is_due(step));
            checkpoints.note(step, Bytes::from(step.to_string()));
        }
        assert!(!checkpoints.is_due(39 * SPACING + 1));
        let had = |seen| {
            checkpoints
                .had_by(Behind { seen })
                .map(|have| have.to_vec())
        };
        assert_eq!(
            had(Some(39 * SPACING + 5)),
            Some((39 * SPACING).to_string().into_bytes())
        );
        assert_eq!(
            had(Some(39 * SPACING - 1)),
            Some((38 * SPACING).to_string().into_bytes())
        );
        assert_eq!(had(Some(3)), None, "older than what is kept");
        assert_eq!(had(None), None);
    }
}
