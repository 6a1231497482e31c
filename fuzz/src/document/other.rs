//! Another replica of the document: what it stores, what of that the bus brings, what is pulled, and whom it shows.

use std::ops::RangeInclusive;

use engine::{
    Change, ChangeKind, ConnectionId, Dot, Hlc, Input, PresenceEntry, PresenceId, PresenceNotice,
    ReplicaId,
};

use super::store::{Store, key};
use crate::script::Script;
use crate::writer::Writer;

/// The id of the other replica.
pub(super) const REPLICA: ReplicaId = ReplicaId(1_000);

pub(super) struct Other {
    writer: Writer,
    /// All that it stored, in the order of its lane.
    changes: Vec<Change>,
    /// How much of the store its writer has heard.
    heard: usize,
    /// What the document has asked the store for.
    pub(super) pulling: Option<(ReplicaId, RangeInclusive<u64>)>,
    turn: u64,
}

impl Other {
    pub(super) fn new() -> Self {
        Self {
            writer: Writer::new(9),
            changes: Vec::new(),
            heard: 0,
            pulling: None,
            turn: 0,
        }
    }

    /// A client of the other replica edits, and that is stored.
    pub(super) fn edit(&mut self, store: &mut Store, hears: bool, script: &mut Script<'_>) {
        for change in store.changes_from(self.heard).filter(|_| hears) {
            let updates = change.updates().unwrap_or_default();
            updates.iter().for_each(|update| self.writer.hear(update));
        }
        let change = Change {
            document: key(),
            dot: Dot::new(REPLICA, self.changes.len() as u64 + 1),
            context: store.heads(),
            hlc: Hlc::default(),
            author: None,
            connection: ConnectionId(1),
            kind: ChangeKind::YjsUpdate,
            payload: self.writer.edit(script),
        };
        store.append(std::slice::from_ref(&change));
        self.heard = store.len();
        self.changes.push(change);
    }

    /// The bus brings some of its changes: in any order, again, or not at all.
    pub(super) fn said(&self, script: &mut Script<'_>) -> Input {
        let picks = (0..script.below(4)).filter_map(|_| {
            let at = usize::from(script.byte()).checked_rem(self.changes.len())?;
            self.changes.get(at).cloned()
        });
        Input::Heard {
            changes: picks.collect(),
        }
    }

    /// The store answers what it was asked, if it was.
    pub(super) fn answer(&mut self, store: &Store, can: bool) -> Option<Input> {
        let (replica, counters) = self.pulling.take()?;
        Some(if can {
            Input::Pulled(store.lane(replica, &counters))
        } else {
            Input::PullFailed
        })
    }

    /// It tells of its clients, perhaps with an old word.
    pub(super) fn shown(&mut self, script: &mut Script<'_>) -> Input {
        let notices = (0..script.below(4)).map(|_| {
            self.turn += 1;
            PresenceNotice {
                entry: PresenceEntry {
                    id: PresenceId(script.number()),
                    version: script.byte().into(),
                    state: script.flag().then(|| "{}".into()),
                },
                is_self: script.flag(),
                turn: self.turn.saturating_sub(script.below(3).into()),
            }
        });
        Input::HeardPresence {
            from: REPLICA,
            notices: notices.collect(),
        }
    }
}
