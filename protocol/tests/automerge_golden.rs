//! Frames as an unmodified client of automerge-repo sent them, held against this crate.
//!
//! The file `golden/automerge.txt` is written by `tests/js/record_automerge.mjs`, which explains its lines. What the client
//! sent must read as what it meant; what we write must be the very bytes that the client understood.

mod recorded;

use bytes::Bytes;
use protocol::automerge::{
    Bloom, Bounds, Change, ChangeHash, Chunk, DocumentId, Envelope, Flags, Have, Message, Metadata,
    PROTOCOL, PeerId, Said, SessionId, StorageId, StoredHeads, SyncMessage, Version, check_value,
    decode, encode, preflight, read_chunks,
};
use recorded::Golden;

const STORE: &str = "3760df37-a4c6-4f66-9ecd-732039a9385d";
const FAR_STORE: &str = "f0f4ac8e-3f3a-4a55-a47c-0d2b2fd5a4c6";

fn golden() -> Golden {
    Golden::load("automerge")
}

fn peer(name: &str) -> PeerId {
    PeerId(name.into())
}

fn envelope(sender: &str, target: &str) -> Envelope {
    Envelope {
        sender: peer(sender),
        target: Some(peer(target)),
    }
}

fn document(first: u8) -> DocumentId {
    let bytes: Vec<u8> = (first..first + 16).collect();
    DocumentId::new(&bytes).unwrap()
}

/// What the client says about a document.
fn said(golden: &Golden, label: &str, by: &str, about: &DocumentId) -> Said {
    match decode(&golden.client[label]).unwrap() {
        Message::Document {
            envelope,
            document,
            said,
        } => {
            assert_eq!(envelope, self::envelope(by, "quire"), "{label}");
            assert_eq!(document, *about, "{label}");
            said
        }
        other => panic!("{label}: {other:?}"),
    }
}

fn sync(golden: &Golden, label: &str, about: &DocumentId) -> SyncMessage {
    match said(golden, label, "peer-ada", about) {
        Said::Sync(data) => SyncMessage::read(&data).unwrap(),
        other => panic!("{label}: {other:?}"),
    }
}

fn change(bytes: &Bytes) -> Change {
    match read_chunks(bytes, &Bounds::default()).unwrap().remove(0) {
        Chunk::Change(change) => change,
        Chunk::Document(_) => panic!("a change"),
    }
}

/// The frame of the server is what we write to say so.
fn writes(golden: &Golden, label: &str, about: &DocumentId, said: Said) {
    let message = Message::Document {
        envelope: envelope("quire", "peer-ada"),
        document: about.clone(),
        said,
    };
    assert_eq!(encode(&message), golden.server[label], "{label}");
    assert_eq!(decode(&golden.server[label]), Ok(message), "{label}");
}

fn at(heads: &[ChangeHash], shared: &[ChangeHash], changes: Vec<Bytes>) -> Said {
    let have = Have {
        last_sync: shared.to_vec(),
        bloom: Bloom::default(),
    };
    let message = SyncMessage {
        heads: heads.to_vec(),
        have: vec![have],
        changes,
        ..SyncMessage::default()
    };
    Said::Sync(message.write())
}

#[test]
fn a_client_says_who_it_is_and_is_answered() {
    let golden = golden();
    let join = Message::Join {
        sender: peer("peer-ada"),
        metadata: Metadata {
            storage: None,
            is_ephemeral: Some(true),
            reads_errors: false,
        },
        versions: vec![PROTOCOL.into()],
    };
    assert_eq!(decode(&golden.client["join"]), Ok(join));
    let answer = Message::Peer {
        envelope: envelope("quire", "peer-ada"),
        metadata: Metadata {
            storage: Some(StorageId(STORE.into())),
            is_ephemeral: Some(false),
            reads_errors: false,
        },
        version: PROTOCOL.into(),
    };
    assert_eq!(encode(&answer), golden.server["peer"]);
    assert_eq!(decode(&golden.server["peer"]), Ok(answer));
}

#[test]
fn an_upload_is_asked_for_read_and_answered() {
    let golden = golden();
    let own = document(1);
    let bytes = golden.part("own-change");
    let change = change(&bytes);
    assert_eq!(change.chunk, bytes);
    assert_eq!((change.seq, change.start_op, change.ops), (1, 1, 6));
    assert_eq!(
        (change.timestamp, change.message.as_deref()),
        (1, Some("first"))
    );
    assert_eq!(change.actor.to_string(), "0011223344556677");

    let announced = sync(&golden, "announce", &own);
    assert_eq!(announced.heads, [change.hash]);
    assert_eq!(announced.version, Version::V1);
    assert_eq!(announced.flags, Some(Flags(Flags::KNOWS_SYNC_RESET)));
    assert!(announced.have[0].bloom.contains(&change.hash));
    writes(&golden, "asks", &own, at(&[], &[], Vec::new()));

    let upload = sync(&golden, "upload", &own);
    let chunks = preflight(&upload, &Bounds::default()).unwrap();
    let head = change.hash;
    assert_eq!(chunks, [Chunk::Change(change)]);
    writes(&golden, "has", &own, at(&[head], &[head], Vec::new()));
}

#[test]
fn what_is_not_there_is_asked_for_and_may_come_later() {
    let golden = golden();
    let other = document(101);
    let Said::Request(data) = said(&golden, "request", "peer-ada", &other) else {
        panic!("a request")
    };
    let asked = SyncMessage::read(&data).unwrap();
    assert!(asked.heads.is_empty() && asked.have == [Have::default()]);
    writes(&golden, "unavailable", &other, Said::Unavailable);

    let bytes = golden.part("other-change");
    let head = change(&bytes).hash;
    writes(
        &golden,
        "arrives",
        &other,
        at(&[head], &[head], vec![bytes]),
    );
    let has = sync(&golden, "has-too", &other);
    assert_eq!(
        (&has.heads[..], &has.have[0].last_sync[..]),
        (&[head][..], &[head][..])
    );
    assert!(has.changes.is_empty());
}

#[test]
fn what_is_shown_is_passed_on() {
    let golden = golden();
    let own = document(1);
    let Said::Ephemeral {
        session,
        count,
        data,
    } = said(&golden, "ephemeral", "peer-ada", &own)
    else {
        panic!("an ephemeral message")
    };
    // Whatever chance made it is fixed in the recording.
    assert_eq!((session, count), (SessionId("i".into()), 1));
    assert_eq!(check_value(&data, 2), Ok(()));
    let shown = Said::Ephemeral {
        session: SessionId("s".into()),
        count: 3,
        data: Bytes::from_static(&[0x82, 1, 0x63, b't', b'w', b'o']),
    };
    let message = Message::Document {
        envelope: envelope("peer-ben", "peer-ada"),
        document: own.clone(),
        said: shown.clone(),
    };
    assert_eq!(encode(&message), golden.server["shown"]);
    assert_eq!(said(&golden, "passed-on", "peer-ben", &own), shown);
}

#[test]
fn heads_of_stores_are_heard_of() {
    let golden = golden();
    let subscribe = Message::Subscribe {
        envelope: envelope("peer-ada", "quire"),
        add: vec![StorageId(FAR_STORE.into())],
        remove: Vec::new(),
    };
    assert_eq!(decode(&golden.client["subscribe"]), Ok(subscribe));
    let stored = Message::Heads {
        envelope: envelope("quire", "peer-ada"),
        document: document(1),
        stores: vec![StoredHeads {
            storage: StorageId(FAR_STORE.into()),
            heads: vec![change(&golden.part("own-change")).hash],
            timestamp_ms: 1_700_000_000_000,
        }],
    };
    assert_eq!(encode(&stored), golden.server["stored"]);
    assert_eq!(decode(&golden.server["stored"]), Ok(stored));
}
