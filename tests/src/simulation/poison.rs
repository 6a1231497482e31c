//! What a stranger sends whom nobody would want: frames that no client writes.

use automerge::transaction::Transactable;
use automerge::{Change, ROOT};
use bytes::Bytes;
use engine::Kind;
use protocol::automerge::Said;

use super::automerge_page::{document, without_time, written_by};
use super::plan::Poison;
use crate::automerge::{nothing, offer, said_by};
use crate::editor::Editor;
use crate::frames;

/// A poisonous frame.
pub(super) fn poisonous(kind: Kind, poison: Poison) -> Bytes {
    match kind {
        Kind::Automerge => of_automerge(poison),
        _ => of_yjs(poison),
    }
}

fn of_yjs(poison: Poison) -> Bytes {
    match poison {
        Poison::BrokenFrame => Bytes::from_static(&[0, 2, 200]),
        Poison::BrokenUpdate => frames::update(&[1, 2, 3]),
        Poison::Panic => frames::update(&Editor::new(STRANGER).append("[[panic]]")),
        Poison::Contradiction => frames::update(PARENT_IS_NO_TYPE),
        Poison::BrokenVector => frames::have(&[0xff, 0xff, 0x03]),
    }
}

/// Changes that make the library panic are only shown to it when somebody looks; that they are kept out then is tested
/// elsewhere.
fn of_automerge(poison: Poison) -> Bytes {
    let data = match poison {
        Poison::BrokenFrame => return Bytes::from_static(&[0xa2, 0x64, b't']),
        Poison::BrokenUpdate => offer(vec![Bytes::from_static(&[7; 20])]).write(),
        Poison::Panic => offer(vec![damaged(&strange_change(1))]).write(),
        Poison::Contradiction => {
            let changes = [1, 2].map(strange_change);
            let chunks = changes.map(|change| Bytes::copy_from_slice(change.raw_bytes()));
            offer(chunks.into()).write()
        }
        Poison::BrokenVector => {
            let data = nothing().write();
            data.slice(..data.len() - 1)
        }
    };
    said_by("stranger", &document(0), Said::Sync(data))
}

/// The first change of a stranger, who has more than one of them.
fn strange_change(value: i64) -> Change {
    let mut doc = written_by(&STRANGER.to_be_bytes());
    let mut txn = doc.transaction();
    txn.put(ROOT, "strange", value).expect("there is a root");
    txn.commit_with(without_time());
    doc.get_last_local_change().expect("it was just made")
}

/// A change whose checksum does not fit.
fn damaged(change: &Change) -> Bytes {
    let mut chunk = change.raw_bytes().to_vec();
    if let Some(last) = chunk.last_mut() {
        *last ^= 1;
    }
    chunk.into()
}

/// A client number that nobody else has.
const STRANGER: u64 = 9_000_001;
/// An item whose parent is a deleted number (`docs/decisions/0002-yrs-and-yjs.md`); the client number is nobody's.
const PARENT_IS_NO_TYPE: &[u8] = &[
    0x01, 0x02, 0xfd, 0x07, 0x00, 0x08, 0x01, 0x01, 0x61, 0x01, 0x7d, 0x01, 0x04, 0x00, 0xfd, 0x07,
    0x00, 0x01, 0x78, 0x00,
];
