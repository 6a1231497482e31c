//! Rebuilding content from what is stored, piece by piece.
//!
//! A piece is the snapshot or one raw update. Between two pieces whoever drives this may do something else; before each
//! it may note which one comes, in case it ends the process. A piece that breaks the content is left out: its hash is
//! added to those that are kept out, and everything is replayed from the start without it.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::change::Change;
use crate::content::{Begins, Content, ContentError, alone};
use crate::names::Kind;
use crate::quarantine::PayloadHash;
use crate::sabotage::{self, Trap};
use crate::snapshot::Snapshot;

/// The next piece of a document's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The change that carries it; none for the snapshot.
    pub change: Option<&'a Change>,
    /// The raw bytes that the content library is given next.
    pub payload: &'a Bytes,
}

/// Content that is being rebuilt.
#[derive(Debug)]
pub(crate) struct Replay {
    kind: Kind,
    snapshot: Option<Snapshot>,
    changes: Vec<Change>,
    /// How many of the changes are stored.
    stored: usize,
    updates: Vec<Update>,
    payload_bytes: usize,
    next: usize,
    content: Content,
    quarantined: BTreeSet<PayloadHash>,
    /// The changes that are not all in the content.
    left_out: BTreeSet<usize>,
    /// Whether any was left out because it is quarantined.
    has_quarantined: bool,
    /// Where the news of those changes begins that are not stored.
    begins: Begins,
    restarts: usize,
}

#[derive(Debug)]
struct Update {
    change: usize,
    payload: Bytes,
}

/// What became of a piece.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is in the content, or it was left out because it does not decode or is quarantined.
    Done,
    /// The snapshot is of no use.
    SnapshotFailed(ContentError),
    /// A piece broke the content. Everything begins again without it.
    Poisoned(Poison),
    /// Too many pieces have broken the content.
    Hopeless(ContentError),
}

/// A stored update that broke the content.
#[derive(Debug)]
pub(crate) struct Poison {
    /// The change that carries it.
    pub(crate) change: Change,
    pub(crate) payload: Bytes,
    pub(crate) reason: String,
}

/// What came of it all.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) content: Content,
    /// Each change, and whether all of it is in the content.
    pub(crate) changes: Vec<(Change, bool)>,
    pub(crate) quarantined: BTreeSet<PayloadHash>,
    pub(crate) has_quarantined: bool,
    /// Where the news of those changes begins that are not stored.
    pub(crate) begins: Begins,
}

impl Replay {
    /// A replay of the stored changes that the snapshot does not cover, in timeline order, and then of those that are not
    /// stored.
    pub(crate) fn new(
        kind: Kind,
        snapshot: Option<Snapshot>,
        stored: Vec<Change>,
        unsaved: Vec<Change>,
        quarantined: BTreeSet<PayloadHash>,
    ) -> Result<Self, ContentError> {
        let mut replay = Self {
            kind,
            snapshot,
            stored: stored.len(),
            updates: Vec::with_capacity(stored.len() + unsaved.len()),
            changes: stored.into_iter().chain(unsaved).collect(),
            payload_bytes: 0,
            next: 0,
            content: Content::new(kind)?,
            quarantined,
            left_out: BTreeSet::new(),
            has_quarantined: false,
            begins: Begins::default(),
            restarts: 0,
        };
        replay.list_updates();
        Ok(replay)
    }

    fn list_updates(&mut self) {
        for (change, stored) in self.changes.iter().enumerate() {
            self.payload_bytes += stored.payload.len();
            match stored.updates() {
                Ok(updates) => self.updates.extend(
                    updates
                        .into_iter()
                        .map(|payload| Update { change, payload }),
                ),
                Err(_) => drop(self.left_out.insert(change)),
            }
        }
    }

    /// What comes next; none when all is done.
    pub(crate) fn next(&self) -> Option<Piece<'_>> {
        match (&self.snapshot, self.next) {
            (Some(snapshot), 0) => Some(Piece {
                change: None,
                payload: &snapshot.state,
            }),
            _ => self.next_update().map(|update| Piece {
                change: Some(&self.changes[update.change]),
                payload: &update.payload,
            }),
        }
    }

    fn next_update(&self) -> Option<&Update> {
        let before = usize::from(self.snapshot.is_some());
        self.updates.get(self.next.checked_sub(before)?)
    }

    /// The estimated memory of the content so far and of all that is stored, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let snapshot = self.snapshot.as_ref();
        self.content.weight()
            + self.payload_bytes
            + snapshot.map_or(0, |snapshot| snapshot.state.len())
    }

    /// Takes the next piece in.
    pub(crate) fn step(&mut self) -> Taken {
        match (&self.snapshot, self.next_update()) {
            (Some(_), None) if self.next == 0 => self.restore(),
            (_, Some(_)) => self.integrate(),
            (_, None) => Taken::Done,
        }
    }

    /// Takes all pieces in, one after the other, without anything between them.
    pub(crate) fn run(mut self) -> Result<Rebuilt, ContentError> {
        while self.next().is_some() {
            match self.step() {
                Taken::Done | Taken::Poisoned(_) => {}
                Taken::SnapshotFailed(error) | Taken::Hopeless(error) => return Err(error),
            }
        }
        Ok(self.finish())
    }

    pub(crate) fn finish(self) -> Rebuilt {
        let changes = self.changes.into_iter().enumerate();
        Rebuilt {
            content: self.content,
            changes: changes
                .map(|(index, change)| (change, !self.left_out.contains(&index)))
                .collect(),
            quarantined: self.quarantined,
            has_quarantined: self.has_quarantined,
            begins: self.begins,
        }
    }

    fn restore(&mut self) -> Taken {
        self.next += 1;
        let state = self.snapshot.as_ref().map(|snapshot| &snapshot.state);
        let state = state.filter(|state| !PayloadHash::is_among(state, &self.quarantined));
        let failure = || ContentError::Undecodable("the snapshot is quarantined".to_owned());
        match state.map_or_else(|| Err(failure()), |state| self.content.restore(state)) {
            Ok(()) => Taken::Done,
            Err(error) => Taken::SnapshotFailed(error),
        }
    }

    fn integrate(&mut self) -> Taken {
        let Some(Update { change, payload }) = self.next_update() else {
            return Taken::Done;
        };
        let (change, payload) = (*change, payload.clone());
        self.next += 1;
        if PayloadHash::is_among(&payload, &self.quarantined) {
            self.left_out.insert(change);
            self.has_quarantined = true;
            return Taken::Done;
        }
        let taken = alone(|| Ok(sabotage::spring(Trap::Replay, &payload)?))
            .and_then(|()| self.content.integrate(&payload));
        match taken {
            Err(error) if error.breaks() => self.broke(payload, error),
            Err(_) => {
                self.left_out.insert(change);
                Taken::Done
            }
            Ok(integrated) => {
                let Change { dot, context, .. } = &self.changes[change];
                self.content.came_with(*dot, context, &integrated.begins);
                if change >= self.stored {
                    self.begins.0.extend(integrated.begins.0);
                }
                Taken::Done
            }
        }
    }

    /// Begins again without what broke the content.
    fn broke(&mut self, payload: Bytes, error: ContentError) -> Taken {
        let payload = self.content.culprit().cloned().unwrap_or(payload);
        let update = self.updates.iter().find(|update| update.payload == payload);
        let Some(change) = update.map(|update| self.changes[update.change].clone()) else {
            return Taken::SnapshotFailed(error);
        };
        self.restarts += 1;
        let empty = match Content::new(self.kind) {
            Ok(empty) if self.restarts <= RESTARTS_MAX => empty,
            _ => return Taken::Hopeless(error),
        };
        self.content = empty;
        self.next = 0;
        self.begins = Begins::default();
        self.quarantined.insert(PayloadHash::of(&payload));
        Taken::Poisoned(Poison {
            change,
            payload,
            reason: error.to_string(),
        })
    }
}

/// How often one replay begins again. Each time the memory of broken content is given up; what was found until then is
/// quarantined, so the next replay gets further.
const RESTARTS_MAX: usize = 16;
