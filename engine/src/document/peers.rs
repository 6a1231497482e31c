//! The clients of a document, and how one that stopped reading catches up.
//!
//! A client whose queue was dropped is sent one difference from a state that it is known to have had. That state is the
//! newest of a few [`Checkpoints`] that it was shown. They lie the further apart the older they are, back to when the
//! document was opened, so that no client is sent much more than a few times what it lacks, however long it did not read.
//! Its memory here is bounded, and what it gets is right, because taking an edit in twice changes nothing.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::grant::Rights;
use crate::names::ConnectionId;
use crate::time::Now;

use super::input::Joining;
use super::questions::Questions;
use super::writers::Claims;

/// The clients of a document; in order, so that the same inputs have the same effects. Most documents have one or two, and a
/// map would take up room for eleven.
#[derive(Debug, Default)]
pub(super) struct Peers(Vec<(ConnectionId, Peer)>);

/// One client.
#[derive(Debug)]
pub(super) struct Peer {
    /// Who it is, and what it may do.
    pub(super) rights: Rights,
    /// Whether it has edited, and may.
    pub(super) edits: bool,
    /// Whether it counts what it sends: it is told of each edit whether it is stored, and stays when one is refused.
    pub(super) counts: bool,
    /// What it was told of whether it may write.
    pub(super) may_write: Option<bool>,
    /// Whether an edit of its own was refused.
    pub(super) was_refused: bool,
    /// What it was asked.
    pub(super) questions: Questions,
    /// Whether it has asked for what it lacks.
    pub(super) has_asked: bool,
    /// When it came, in monotonic milliseconds.
    pub(super) joined_ms: u64,
    /// Whether it was sent content to build on. Until then it is shown no edits: one that it knows *up to* some change is
    /// taken to know all before it.
    pub(super) is_based: bool,
    /// Whether it came with content.
    pub(super) came_with_content: bool,
    /// The last step that it is known to have seen by what it sent, whoever showed it that.
    pub(super) knows: Option<u64>,
    /// Set while it waits to catch up: what it had seen when its queue was dropped.
    pub(super) behind: Option<Behind>,
    /// The numbers that it was first to write under.
    pub(super) claims: Claims,
}

impl Peer {
    pub(super) fn new(joining: Joining, now: Now) -> Self {
        Self {
            rights: joining.rights,
            edits: false,
            counts: joining.counts,
            may_write: None,
            was_refused: false,
            questions: Questions::default(),
            has_asked: false,
            joined_ms: now.monotonic_ms,
            is_based: false,
            came_with_content: false,
            knows: None,
            behind: None,
            claims: Claims::default(),
        }
    }
}

impl Peers {
    /// Connections are numbered as they come, so a new one is nearly always the last.
    pub(super) fn insert(&mut self, connection: ConnectionId, peer: Peer) {
        match self.find(connection) {
            Ok(at) => self.0[at].1 = peer,
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(FEW);
                }
                self.0.insert(at, (connection, peer));
            }
        }
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Peer> {
        let at = self.find(connection).ok()?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Peer> {
        let at = self.find(connection).ok()?;
        Some(&self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Peer> {
        let at = self.find(connection).ok()?;
        Some(&mut self.0[at].1)
    }

    /// A client that had content, or had none, is sent content that later edits build on.
    pub(super) fn base(&mut self, connection: ConnectionId, has_content: bool) {
        if let Some(peer) = self.get_mut(connection) {
            peer.is_based = true;
            peer.came_with_content |= has_content;
        }
    }

    /// A client whose queue was dropped has events again, and content to begin with.
    pub(super) fn resume(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.get_mut(connection) {
            peer.is_based = true;
            peer.questions.doubt();
        }
    }

    pub(super) fn contains(&self, connection: ConnectionId) -> bool {
        self.find(connection).is_ok()
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter().map(|(_, peer)| peer)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The clients of which something holds, in order.
    pub(super) fn which(&self, holds: impl Fn(&Peer) -> bool) -> Vec<ConnectionId> {
        let some = self.0.iter().filter(|(_, peer)| holds(peer));
        some.map(|(connection, _)| *connection).collect()
    }

    /// The clients that are yet to be sent what edits build on, in order.
    pub(super) fn unbased(&self) -> Vec<ConnectionId> {
        self.which(|peer| !peer.is_based)
    }

    fn find(&self, connection: ConnectionId) -> Result<usize, usize> {
        self.0
            .binary_search_by_key(&connection, |(known, _)| *known)
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
        self.moments.reserve_exact(1);
        self.moments.push_back(Moment { step, have });
        if self.moments.len() > KEPT {
            self.thin_out();
        }
    }

    /// Forgets the moment that will be missed least, which is never the first or the last. Whoever was between it and the
    /// next is sent what came since the one before instead, and that is as little more as can be, as a part of what it lacks.
    fn thin_out(&mut self) {
        let newest = self.moments.back().map_or(0, |last| last.step);
        let age = |at: usize| u128::from(newest - self.moments[at].step + SPACING);
        let missed_least = (1..self.moments.len() - 1)
            .min_by(|&a, &b| (age(a - 1) * age(b + 1)).cmp(&(age(b - 1) * age(a + 1))));
        if let Some(at) = missed_least {
            self.moments.remove(at);
        }
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

/// Room for so many clients is made for the first.
const FEW: usize = 2;
/// Steps between the latest two checkpoints: what a client that is not far behind is sent twice, at most.
const SPACING: u64 = 512;
/// Checkpoints kept. That many reach back over a hundred million steps if each lies a little over twice as far back as the next.
const KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: impl Iterator<Item = u64>) -> Checkpoints {
        let mut checkpoints = Checkpoints::default();
        for step in steps.map(|n| n * SPACING) {
            assert!(checkpoints.is_due(step));
            checkpoints.note(step, Bytes::from(step.to_string()));
        }
        checkpoints
    }

    /// The step of the state from which a client catches up that has seen so much.
    fn had(checkpoints: &Checkpoints, seen: u64) -> Option<u64> {
        let have = checkpoints.had_by(Behind { seen: Some(seen) })?;
        std::str::from_utf8(have).ok()?.parse().ok()
    }

    #[test]
    fn a_client_catches_up_from_the_latest_state_it_has_seen() {
        let checkpoints = after(3..9);
        assert!(!checkpoints.is_due(8 * SPACING + 1));
        assert_eq!(had(&checkpoints, 8 * SPACING + 5), Some(8 * SPACING));
        assert_eq!(had(&checkpoints, 8 * SPACING - 1), Some(7 * SPACING));
        assert_eq!(had(&checkpoints, 3 * SPACING - 1), None, "before all");
        assert_eq!(checkpoints.had_by(Behind { seen: None }), None);
    }

    #[test]
    fn a_client_is_sent_no_more_than_a_few_times_what_it_lacks() {
        for age in [17, 100, 1_000, 20_000] {
            let checkpoints = after(0..=age);
            assert_eq!(checkpoints.moments.len(), KEPT);
            let now = age * SPACING;
            for seen in (0..now).step_by(SPACING as usize / 2) {
                let sent = now - had(&checkpoints, seen).unwrap();
                let most = FEW_TIMES * (now - seen) + SPACING;
                assert!(sent <= most, "{sent} for {} of {now}", now - seen);
            }
        }
    }

    const FEW_TIMES: u64 = 4;
}
