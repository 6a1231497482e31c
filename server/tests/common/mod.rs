//! Documents for tests: changes whose payloads are Yjs updates, written out by hand after the format's description in
//! yjs `src/utils/UpdateEncoder.js`.

#![allow(dead_code, reason = "no test needs all of it")]

pub(crate) mod api;
pub(crate) mod automerge;
pub(crate) mod nodes;
pub(crate) mod sharedb;
pub(crate) mod tokens;
pub(crate) mod wire;

use bytes::Bytes;
use engine::ordered::{Deed, Draft, Drafter, OperationName, OrderedPast};
use engine::ot::OtType;
use engine::{
    Author, Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, Now, PayloadHash,
    Quarantined, VectorClock,
};
use storage::Store;

/// When the first change of [`write`] was made: 2026-11-20T09:30:00.000Z.
pub(crate) const FIRST_MS: u64 = 1_795_167_000_000;

/// Appends one change for each text, typed at the end of the root text `text`, one second after the other.
pub(crate) async fn write(store: &dyn Store, name: &str, texts: &[&str]) -> DocumentKey {
    let document = DocumentKey::new("default", name).unwrap();
    let replica = store.new_replica().await.unwrap();
    let mut typed = 0;
    for (text, counter) in texts.iter().zip(1..) {
        let change = change(&document, Dot::new(replica, counter), typing(text, typed));
        store
            .append(document.clone(), Kind::Yjs, vec![change])
            .await
            .unwrap();
        typed += text.len() as u8;
    }
    document
}

/// Makes an ordered document of `{"n":0}`, and some operations of which each counts one more.
pub(crate) async fn write_ordered(store: &dyn Store, name: &str, count: u64) -> DocumentKey {
    let document = DocumentKey::new("default", name).unwrap();
    let replica = store.new_replica().await.unwrap();
    let by = Drafter {
        author: Some(Author::new("ada")),
        connection: ConnectionId(1),
    };
    let mut draft = Draft::new(document.clone(), replica, &OrderedPast::default()).unwrap();
    for number in 0..=count {
        let source = "me".into();
        let deed = match number {
            0 => Deed::Create {
                ot_type: OtType::Json0,
                data: Some(r#"{"n":0}"#.into()),
            },
            _ => Deed::Edit(r#"[{"p":["n"],"na":1}]"#.into()),
        };
        let made_on = (number > 0).then_some(number);
        let name = OperationName { source, number };
        let made = draft.submit(&by, name, made_on, deed, Now::default());
        assert_eq!(made, Ok(number));
    }
    let appended = store.append(document.clone(), Kind::Json0, draft.into_changes());
    appended.await.unwrap();
    document
}

/// Appends one change of somebody.
pub(crate) async fn write_as(store: &dyn Store, name: &str, author: &str) -> DocumentKey {
    let document = DocumentKey::new("default", name).unwrap();
    let replica = store.new_replica().await.unwrap();
    let change = Change {
        author: Some(Author::new(author)),
        ..change(&document, Dot::new(replica, 1), typing("a", 0))
    };
    store
        .append(document.clone(), Kind::Yjs, vec![change])
        .await
        .unwrap();
    document
}

fn change(document: &DocumentKey, dot: Dot, payload: Bytes) -> Change {
    let earlier = Dot::new(dot.replica, dot.counter - 1);
    Change {
        document: document.clone(),
        dot,
        context: VectorClock::from_iter([earlier]),
        hlc: Hlc::from_wall_ms(FIRST_MS + (dot.counter - 1) * 1_000),
        author: None,
        connection: ConnectionId(1),
        kind: ChangeKind::YjsUpdate,
        payload,
    }
}

/// An update in which client 1 types ASCII text behind the `typed` characters that it has typed before.
fn typing(text: &str, typed: u8) -> Bytes {
    let mut update = vec![1, 1, CLIENT, typed];
    if typed == 0 {
        update.extend([STRING, 1, 4]);
        update.extend(b"text");
    } else {
        update.extend([STRING | HAS_LEFT_ORIGIN, CLIENT, typed - 1]);
    }
    update.push(text.len() as u8);
    update.extend(text.as_bytes());
    update.push(0);
    update.into()
}

const CLIENT: u8 = 1;
const STRING: u8 = 4;
const HAS_LEFT_ORIGIN: u8 = 0x80;

/// An update in which a client types ASCII text into the empty root text `text`, as its first edit.
pub(crate) fn edit(client: u8, text: &str) -> Bytes {
    let mut update = vec![1, 1, client, 0, STRING, 1, 4];
    update.extend(b"text");
    update.push(u8::try_from(text.len()).unwrap());
    update.extend(text.as_bytes());
    update.push(0);
    update.into()
}

/// What is kept of a payload that did harm.
pub(crate) fn quarantined(name: &str, payload: &[u8]) -> Quarantined {
    Quarantined {
        document: DocumentKey::new("default", name).unwrap(),
        hash: PayloadHash::of(payload),
        payload: Bytes::copy_from_slice(payload),
        author: None,
        connection: Some(ConnectionId(3)),
        dot: None,
        reason: "it panicked".to_owned(),
        wall_ms: FIRST_MS,
    }
}
