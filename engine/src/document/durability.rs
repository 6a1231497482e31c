//! What waits for the store: changes not yet committed, and all that must not be said before they are.
//!
//! This is where *said is stored* is kept: an acknowledgement is held with the counter of the last change that it covers,
//! and [`Durability::committed`] releases it when the store has committed that change, never sooner. Appends go one at a
//! time; while one is at the store the next gathers. One that failed, or whose outcome nobody knows, is repeated as it
//! was: its dots make the repetition harmless.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use crate::change::Change;
use crate::content::Begins;
use crate::names::ConnectionId;
use crate::snapshot::Snapshot;
use crate::time::Now;

use super::input::PushTag;
use super::limits::Limits;

/// The part of a document that is not stored yet.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// In the order of their counters; the first `in_flight` are at the store.
    unsaved: VecDeque<Unsaved>,
    /// What the edits take up that are not acknowledged yet, news or not.
    waiting_bytes: usize,
    in_flight: usize,
    /// In the order of the changes that they wait for.
    acks: VecDeque<HeldAck>,
    snapshot: Option<HeldSnapshot>,
    retry: Option<Retry>,
}

/// A change that is not stored, as far as anyone knows.
#[derive(Debug)]
pub(super) struct Unsaved {
    pub(super) change: Change,
    begins: Begins,
}

/// An acknowledgement that waits for a change to be stored.
#[derive(Debug)]
pub(super) struct HeldAck {
    /// The counter of the last change that it covers.
    pub(super) through: u64,
    /// The step that it shows its author.
    pub(super) step: u64,
    /// Whom it is for.
    pub(super) connection: ConnectionId,
    /// The mark of the edit that it answers.
    pub(super) tag: PushTag,
    /// The edit's raw bytes.
    pub(super) payload: Bytes,
    /// Whether any of it may not have been stored when it came.
    pub(super) news: bool,
    /// Whether its author is to be told.
    pub(super) counted: bool,
}

#[derive(Debug)]
struct HeldSnapshot {
    through: u64,
    snapshot: Snapshot,
}

#[derive(Debug)]
struct Retry {
    delay_ms: u64,
    /// When to try again; none while the attempt is at the store.
    due_ms: Option<u64>,
}

/// What may be said and done now that more is stored.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// Changes that are stored now, and were not before, in the order of their counters.
    pub(super) changes: VecDeque<Unsaved>,
    /// Acknowledgements, in the order in which they were earned.
    pub(super) acks: VecDeque<HeldAck>,
    /// A snapshot all of whose changes are stored.
    pub(super) snapshot: Option<Snapshot>,
}

impl Durability {
    /// Keeps a change until it is stored.
    pub(super) fn hold_change(&mut self, change: Change, begins: Begins) {
        self.unsaved.push_back(Unsaved { change, begins });
    }

    /// Keeps an acknowledgement back until the change `ack.through` is stored.
    pub(super) fn hold_ack(&mut self, ack: HeldAck) {
        self.acks.push_back(ack);
    }

    /// Keeps a snapshot back until all of its changes are stored: it must never cover more than the log does.
    pub(super) fn hold_snapshot(&mut self, through: u64, snapshot: Snapshot) {
        self.snapshot = Some(HeldSnapshot { through, snapshot });
    }

    /// Whether one more edit may wait. One may where nothing else does, however long it is: it would find no more room later.
    pub(super) fn has_room(&self, payload: &[u8], limits: &Limits) -> bool {
        self.waiting_bytes == 0 || self.waiting_bytes + weight(payload) <= limits.unsaved_bytes_max
    }

    /// Counts an edit among those that wait, until its acknowledgement is released.
    pub(super) fn expect(&mut self, payload: &[u8]) {
        self.waiting_bytes += weight(payload);
    }

    /// Counts an edit no longer that will not be acknowledged.
    pub(super) fn forget(&mut self, payload: &[u8]) {
        self.waiting_bytes -= weight(payload);
    }

    /// What the edits that wait take up, in bytes.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether everything is stored.
    pub(super) fn is_settled(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// The clients that are owed acknowledgements: they have made edits, or repeated some, that are not stored.
    pub(super) fn owed(&self) -> impl Iterator<Item = ConnectionId> {
        self.acks.iter().map(|ack| ack.connection)
    }

    /// News that may be part of any unsaved edit: it counts as begun by the last.
    pub(super) fn withhold(&mut self, begins: Begins) {
        if let Some(last) = self.unsaved.back_mut() {
            last.begins.0.extend(begins.0);
        }
    }

    /// The changes that are not known to be stored, in the order of their counters.
    pub(super) fn unsaved_changes(&self) -> impl Iterator<Item = &Change> {
        self.unsaved.iter().map(|unsaved| &unsaved.change)
    }

    /// Where each unsaved edit begins.
    pub(super) fn unsaved_begins(&self) -> impl Iterator<Item = &Begins> {
        self.unsaved.iter().map(|unsaved| &unsaved.begins)
    }

    /// The next append, if there is something to store and the store is free.
    pub(super) fn next_append(&mut self, limits: &Limits, now: Now) -> Option<Vec<Change>> {
        if self.in_flight > 0 || self.unsaved.is_empty() || !self.retry_is_due(now) {
            return None;
        }
        self.in_flight = self.unsaved.len().min(limits.changes_per_append_max);
        if let Some(retry) = &mut self.retry {
            retry.due_ms = None;
        }
        Some(
            self.unsaved
                .iter()
                .take(self.in_flight)
                .map(|unsaved| unsaved.change.clone())
                .collect(),
        )
    }

    /// The store has committed all changes up to `through`: releases what waited for them.
    pub(super) fn committed(&mut self, through: u64) -> Released {
        let saved = self
            .unsaved
            .partition_point(|unsaved| unsaved.change.dot.counter <= through);
        let changes = take_first(&mut self.unsaved, saved);
        self.in_flight = 0;
        self.retry = None;
        Released {
            changes,
            ..self.release(through)
        }
    }

    /// The last append failed, or nobody knows whether it did: it will be repeated.
    pub(super) fn failed(&mut self, limits: &Limits, now: Now) {
        let before = self.retry.take().map_or(0, |retry| retry.delay_ms);
        let delay_ms = (before * 2).clamp(limits.retry_min_ms, limits.retry_max_ms);
        self.in_flight = 0;
        self.retry = Some(Retry {
            delay_ms,
            due_ms: Some(now.monotonic_ms + delay_ms),
        });
    }

    /// The store will not take the last append as things are there; it may be repeated.
    pub(super) fn refused(&mut self) {
        self.in_flight = 0;
    }

    /// A deliberate bug: the change that is stored next, perhaps for the second time, is not what it was.
    pub(super) fn alter_first(&mut self) {
        if let Some(first) = self.unsaved.front_mut() {
            first.change.hlc.0 += 1;
        }
    }

    /// Releases all that waits for no change later than `through`.
    pub(super) fn release(&mut self, through: u64) -> Released {
        let ready = self.acks.partition_point(|ack| ack.through <= through);
        let snapshot = self.snapshot.take_if(|held| held.through <= through);
        let acks = take_first(&mut self.acks, ready);
        self.waiting_bytes -= acks.iter().map(|ack| weight(&ack.payload)).sum::<usize>();
        Released {
            changes: VecDeque::new(),
            acks,
            snapshot: snapshot.map(|held| held.snapshot),
        }
    }

    /// When a failed append is to be tried again.
    pub(super) fn retry_due_ms(&self) -> Option<u64> {
        self.retry.as_ref().and_then(|retry| retry.due_ms)
    }

    fn retry_is_due(&self, now: Now) -> bool {
        self.retry_due_ms()
            .is_none_or(|due_ms| due_ms <= now.monotonic_ms)
    }
}

/// Takes the first of a queue; with all of them goes the room that they had, so that a document at rest keeps none.
fn take_first<T>(queue: &mut VecDeque<T>, count: usize) -> VecDeque<T> {
    let rest = queue.split_off(count);
    mem::replace(queue, rest)
}

/// What an edit takes up while it waits. A small one, or one that is no news, is more work to keep than to hold.
fn weight(payload: &[u8]) -> usize {
    payload.len() + EDIT_OVERHEAD_BYTES
}

/// What is kept of an edit besides its bytes: a change or a share in one, and an acknowledgement.
const EDIT_OVERHEAD_BYTES: usize = 256;
