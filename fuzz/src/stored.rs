//! What the store gives back: changes, lists of updates and snapshots, whatever is in them.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, Order, ReplicaId, Snapshot,
    StoredChange, UpdateList, VectorClock, history,
};
use protocol::preflight::{self, Bounds};

use crate::findings;
use crate::script::Script;
use crate::update;

/// Reads a snapshot, if there is to be one, and changes, and replays those of them that could have been stored.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let snapshot = script.flag().then(|| snapshot(&mut script));
    let mut changes = Vec::new();
    while !script.is_done() {
        changes.push(change(&mut script, changes.len() as u64 + 1));
    }
    let snapshot = snapshot.filter(|snapshot| is_storable(&snapshot.state));
    changes.retain(|stored| {
        let updates = stored.change.updates().unwrap_or_default();
        updates.iter().all(is_good)
    });
    match history::replay(Kind::Yjs, snapshot.as_ref(), &changes, &BTreeSet::new()) {
        Ok(replayed) if replayed.skipped == 0 => update::question(&replayed.content),
        Ok(_) => {}
        Err(error) => findings::judge(&error),
    }
}

fn snapshot(script: &mut Script<'_>) -> Snapshot {
    let snapshot = Snapshot {
        document: key(),
        kind: Kind::Yjs,
        clock: VectorClock::from_bytes(script.chunk()).unwrap_or_default(),
        state: Bytes::copy_from_slice(script.chunk()),
    };
    snapshot.checksum();
    snapshot
}

fn change(script: &mut Script<'_>, counter: u64) -> StoredChange {
    let kind = ChangeKind::from_number(script.byte()).unwrap_or(ChangeKind::YjsUpdate);
    let change = Change {
        document: key(),
        dot: Dot::new(ReplicaId(1), counter),
        context: VectorClock::default(),
        hlc: Hlc::default(),
        author: None,
        connection: ConnectionId(1),
        kind,
        payload: Bytes::copy_from_slice(script.chunk()),
    };
    change.checksum();
    if let Ok(updates) = UpdateList::split(&change.payload) {
        assert_eq!(UpdateList::join(&updates), change.payload);
    }
    let order = Order(counter);
    StoredChange { order, change }
}

/// Whether a state is a list of updates that all are good.
fn is_storable(state: &Bytes) -> bool {
    UpdateList::split(state).is_ok_and(|updates| updates.iter().all(is_good))
}

/// Nothing is stored that pre-flight has not let through, and a checksum tells what was damaged since.
fn is_good(update: &Bytes) -> bool {
    preflight::check_update(update, &Bounds::default()).is_ok()
}

fn key() -> DocumentKey {
    DocumentKey::new("default", "fuzz").expect("the name is good")
}
