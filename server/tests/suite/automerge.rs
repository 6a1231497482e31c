//! The dialect of automerge-repo over the sockets of the real binary, message by message: what is stored is what a client is told
//! of, whoever may not read or write is told so, and two who have the same fall silent.

use crate::common::automerge::{Peer, all_of, heads_of, id, joining, made_of, type_in, typed};
use crate::common::sharedb::masked;
use crate::common::tokens::{SECRET, claims, folder, path_of, sign};
use crate::common::wire::{Server, Socket};
use automerge::{AutoCommit, ROOT, transaction::Transactable};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use protocol::automerge::{
    Bloom, Channels, Envelope, Flags, Have, Message, Metadata, PeerId, Said, SessionId, Showing,
    SyncMessage, Version, decode, encode,
};

#[test]
fn what_one_peer_makes_another_gets_and_both_fall_silent() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Peer::join(&server, "ann"), Peer::join(&server, "bob"));
    let (document, mut doc) = (id(1), typed("a"));
    ann.sends(&document, &mut doc);
    let heads = heads_of(&mut doc);
    assert!(ann.hears_heads(&document, &heads).is_empty());
    bob.requests(&document);
    let answer = bob.hears_sync(&document);
    assert_eq!(answer.heads, heads);
    assert_eq!((answer.version, answer.flags), (Version::V1, None));
    assert_eq!(
        answer.have,
        [Have {
            last_sync: heads,
            bloom: Bloom::default()
        }]
    );
    let mut copy = made_of(&answer.changes);
    assert_eq!(heads_of(&mut copy), heads_of(&mut doc));

    type_in(&mut copy, "b");
    bob.sends(&document, &mut copy);
    let heads = heads_of(&mut copy);
    assert!(
        bob.hears_heads(&document, &heads).is_empty(),
        "its own changes"
    );
    assert_eq!(ann.hears_heads(&document, &heads).len(), 1);
    bob.sends(&document, &mut copy);
    assert!(ann.is_silent() && bob.is_silent(), "nothing is new");
}

#[test]
fn nothing_is_answered_to_who_has_all() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Peer::join(&server, "ann"), Peer::join(&server, "bob"));
    let (document, mut doc) = (id(1), typed("a"));
    ann.sends(&document, &mut doc);
    let heads = heads_of(&mut doc);
    ann.hears_heads(&document, &heads);
    let same = SyncMessage {
        changes: Vec::new(),
        ..all_of(&mut doc)
    };
    bob.tell(&document, Said::Sync(same.write()));
    let answer = bob.hears_sync(&document);
    assert_eq!((answer.heads, answer.changes.len()), (heads, 0), "once");
    bob.tell(&document, Said::Sync(same.write()));
    assert!(bob.is_silent());
}

#[test]
fn what_a_filter_has_is_left_out_until_it_is_asked_for_by_name() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Peer::join(&server, "ann"), Peer::join(&server, "bob"));
    let (document, mut doc) = (id(1), typed("a"));
    let first = heads_of(&mut doc);
    type_in(&mut doc, "b");
    ann.sends(&document, &mut doc);
    let heads = heads_of(&mut doc);
    ann.hears_heads(&document, &heads);
    let seems_to_have = SyncMessage {
        have: vec![Have {
            last_sync: Vec::new(),
            bloom: Bloom::of(first.iter()),
        }],
        ..SyncMessage::default()
    };
    bob.tell(&document, Said::Sync(seems_to_have.write()));
    assert_eq!(
        bob.hears_sync(&document).changes.len(),
        1,
        "what comes after"
    );
    let needs = SyncMessage {
        need: first,
        ..SyncMessage::default()
    };
    bob.tell(&document, Said::Sync(needs.write()));
    assert_eq!(bob.hears_sync(&document).changes.len(), 1, "the other one");
}

#[test]
fn a_document_that_nobody_has_is_unavailable_until_it_comes() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Peer::join(&server, "ann"), Peer::join(&server, "bob"));
    let (document, mut doc) = (id(1), typed("a"));
    bob.requests(&document);
    assert_eq!(bob.hears(&document), Said::Unavailable);
    let listed = server.get("/api/v1/workspaces/team/documents", "").body;
    assert!(!listed.contains(&document.to_string()), "{listed}");
    ann.sends(&document, &mut doc);
    let heads = heads_of(&mut doc);
    assert_eq!(bob.hears_heads(&document, &heads).len(), 1);
}

#[test]
fn what_somebody_shows_goes_to_the_others_as_it_is() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Peer::join(&server, "ann"), Peer::join(&server, "bob"));
    let (document, mut doc) = (id(1), typed("a"));
    let heads = heads_of(&mut doc);
    ann.sends(&document, &mut doc);
    ann.hears_heads(&document, &heads);
    bob.requests(&document);
    bob.hears_heads(&document, &heads);
    let shown = Said::Ephemeral {
        session: SessionId("s".into()),
        count: 7,
        data: Bytes::from_static(&[0x61, b'x']),
    };
    ann.tell(&document, shown.clone());
    assert_eq!(bob.hears(&document), shown);
    assert!(ann.is_silent(), "not to who has said it");
}

/// What somebody shows: a cursor.
fn at(cursor: u8) -> Showing {
    let mut channels = Channels::default();
    channels.set("cursor".into(), vec![cursor].into());
    Showing::Snapshot(channels)
}

fn moved(cursor: u8) -> Showing {
    Showing::Update {
        channel: "cursor".into(),
        value: vec![cursor].into(),
    }
}

#[test]
fn whoever_begins_to_show_itself_is_told_what_the_others_show_until_they_go() {
    let server = Server::start(&[]);
    let document = id(1);
    let mut doc = typed("a");
    let heads = heads_of(&mut doc);
    let come = |name: &str| {
        let mut peer = Peer::join(&server, name);
        peer.fetches(&document);
        peer
    };
    let mut ann = Peer::join(&server, "ann");
    ann.sends(&document, &mut doc);
    ann.hears_heads(&document, &heads);
    ann.shows(&document, 1, &at(1));
    ann.shows(&document, 2, &moved(2));
    assert!(ann.is_silent(), "and all of it has arrived");
    let mut bob = come("bob");
    assert!(bob.is_silent(), "who shows nothing may not look yet");
    bob.shows(&document, 1, &at(7));
    let (who, what, run, _) = bob.hears_shown(&document);
    assert_eq!((&*who, what), ("ann", at(2)));
    assert_ne!(&*run.0, "run", "the numbers of that are hers");
    assert_eq!(ann.hears_shown(&document).1, at(7));
    ann.shows(&document, 3, &moved(3));
    assert_eq!(bob.hears_shown(&document).1, moved(3));
    bob.shows(&document, 2, &moved(8));
    assert_eq!(ann.hears_shown(&document).1, moved(8));
    assert!(ann.is_silent() && bob.is_silent(), "each is told once");
    drop(ann);
    assert_eq!(bob.hears_shown(&document).1, Showing::Goodbye);
    let mut cleo = come("cleo");
    cleo.shows(&document, 1, &at(9));
    let (who, what, ..) = cleo.hears_shown(&document);
    assert_eq!((&*who, what), ("bob", at(8)));
    assert!(cleo.is_silent(), "nobody is told of who has gone");
}

#[test]
fn who_says_only_that_it_is_here_is_asked_to_show_itself() {
    let server = Server::start(&[]);
    let document = id(1);
    let mut ann = Peer::join(&server, "ann");
    let mut doc = typed("a");
    ann.sends(&document, &mut doc);
    ann.hears_heads(&document, &heads_of(&mut doc));
    ann.shows(&document, 40, &Showing::Heartbeat);
    let (who, what, ..) = ann.hears_shown(&document);
    assert_eq!((&*who, what), (&*ann.server.0, Showing::Heartbeat));
    ann.shows(&document, 41, &at(1));
    ann.shows(&document, 42, &Showing::Heartbeat);
    assert!(ann.is_silent(), "it has");
}

#[test]
fn who_has_nothing_is_sent_the_document_as_it_is_kept_and_what_came_since() {
    let server = Server::start(&[("DOCUMENT__SNAPSHOT_CHANGES", "2")]);
    let (document, mut doc) = (id(1), typed("a"));
    let mut ann = Peer::join(&server, "ann");
    for key in ["b", "c"] {
        ann.sends(&document, &mut doc);
        ann.hears_heads(&document, &heads_of(&mut doc));
        type_in(&mut doc, key);
    }
    // It is kept a moment after it was stored.
    let kept = (0..1_000).find_map(|_| {
        let answer = Peer::join(&server, "bob").fetches(&document);
        let is_document = |chunks: &Bytes| chunks[8] == 0;
        answer.changes.iter().any(is_document).then_some(answer)
    });
    let kept = kept.expect("the document is kept");
    assert_eq!((kept.version, kept.flags), (Version::V2, None));
    ann.sends(&document, &mut doc);
    ann.hears_heads(&document, &heads_of(&mut doc));
    let answer = Peer::join(&server, "cleo").fetches(&document);
    assert_eq!(answer.heads, heads_of(&mut doc));
    assert!(
        answer.changes[0].starts_with(&kept.changes[0]),
        "that of before"
    );
    assert_eq!(heads_of(&mut made_of(&answer.changes)), answer.heads);
    let mut dora = Peer::join(&server, "dora");
    dora.requests(&document);
    let answer = dora.hears_sync(&document);
    assert_eq!((answer.version, answer.changes.len()), (Version::V1, 3));
}

#[test]
fn who_joins_again_takes_the_place_of_the_first() {
    let server = Server::start(&[]);
    let mut first = Peer::join(&server, "ann");
    let mut second = Peer::join(&server, "ann");
    assert_eq!(first.socket.closed().0, 4409);
    let mut elsewhere = Peer::join_at(&server, "ann", "/automerge/other");
    assert!(second.is_silent() && elsewhere.is_silent());
}

#[test]
fn what_is_not_of_the_dialect_is_refused_with_a_reason() {
    let server = Server::start(&[]);
    let refused = |frames: &[Bytes]| {
        let mut socket = Socket::open(&server, "/automerge");
        for frame in frames {
            socket.send(&masked(0x82, frame)).unwrap();
        }
        let mut said = Vec::new();
        while let Some((opcode, payload)) = socket.next_frame() {
            match opcode {
                2 => said.push(decode(&payload.into()).unwrap()),
                8 => return (u16::from_be_bytes([payload[0], payload[1]]), said.pop()),
                _ => {}
            }
        }
        (0, None)
    };
    let joining = |version| encode(&joining("ann", Metadata::default(), &[version]));
    let (join, document) = (joining("1"), id(1));
    let said = |said| {
        encode(&Message::Document {
            envelope: Envelope {
                sender: PeerId("ann".into()),
                target: None,
            },
            document: document.clone(),
            said,
        })
    };
    let request = said(Said::Request(SyncMessage::default().write()));
    let garbage = said(Said::Sync(Bytes::from_static(b"garbage")));
    let no_chunk = SyncMessage {
        changes: vec![Bytes::from_static(&[9; 20])],
        ..SyncMessage::default()
    };
    let cases: [&[Bytes]; 6] = [
        &[Bytes::from_static(b"\xff\xff")],
        &[Bytes::from_static(b"\xf6")],
        &[request],
        &[joining("2")],
        &[join.clone(), garbage],
        &[join, said(Said::Sync(no_chunk.write()))],
    ];
    for (case, frames) in cases.iter().enumerate() {
        let (code, last) = refused(frames);
        assert_eq!(code, 4400, "case {case}");
        assert!(
            matches!(last, Some(Message::Error { .. })),
            "case {case}: {last:?}"
        );
    }
    let mut socket = Socket::open(&server, "/automerge");
    socket.send_text("join").unwrap();
    assert_eq!(socket.closed().0, 4400);
}

/// A message with a saved document, for a peer that reads it.
fn saved(doc: &mut AutoCommit, chunks: Vec<Bytes>) -> Said {
    let message = SyncMessage {
        version: Version::V2,
        heads: heads_of(doc),
        have: vec![Have::default()],
        changes: chunks,
        flags: Some(Flags::default()),
        ..SyncMessage::default()
    };
    Said::Sync(message.write())
}

#[test]
fn a_saved_document_that_somebody_sends_is_taken_apart() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Peer::join(&server, "ann"), Peer::join(&server, "bob"));
    let (document, mut doc) = (id(1), typed("a"));
    bob.requests(&document);
    assert_eq!(bob.hears(&document), Said::Unavailable);
    type_in(&mut doc, "b");
    let mut chunks = vec![Bytes::from(doc.save())];
    type_in(&mut doc, "c");
    let last = doc.get_last_local_change().unwrap();
    chunks.push(Bytes::copy_from_slice(last.raw_bytes()));
    let together = vec![Bytes::from(chunks.concat())];
    ann.tell(&document, saved(&mut doc, together));
    let heads = heads_of(&mut doc);
    assert!(ann.hears_heads(&document, &heads).is_empty());
    let changes = bob.hears_heads(&document, &heads);
    assert_eq!(changes, all_of(&mut doc).changes, "each by itself");
    ann.tell(&document, saved(&mut doc, chunks));
    assert!(ann.is_silent() && bob.is_silent(), "it is nothing new");
}

#[test]
fn a_saved_document_that_lies_or_is_too_much_is_refused() {
    let server = Server::start(&[]);
    let refused = |doc: &mut AutoCommit, chunk: Bytes| {
        let mut ann = Peer::join(&server, "ann");
        ann.tell(&id(1), saved(doc, vec![chunk]));
        ann.socket.closed().0
    };
    let mut doc = typed("a");
    let lie = lying(&mut doc);
    let mut damaged = doc.save();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&mut doc, damaged.into()), 4400, "its checksum");
    assert_eq!(refused(&mut doc, lie), 4422, "its heads");
    let mut bomb = typed("a");
    bomb.put(ROOT, "b", "x".repeat(8 << 20)).unwrap();
    bomb.commit();
    let saved = Bytes::from(bomb.save());
    assert!(saved.len() < 64 << 10);
    assert_eq!(refused(&mut bomb, saved), 4400, "what it inflates to");
    assert!(Peer::join(&server, "bob").is_silent());
}

/// A saved document that names other heads than it has, with the right checksum.
fn lying(doc: &mut AutoCommit) -> Bytes {
    let mut saved = doc.save();
    let head = heads_of(doc)[0].0;
    let mut places = saved.windows(head.len());
    let at = places.position(|bytes| bytes == head).unwrap();
    saved[at] ^= 1;
    let sum = digest(&SHA256, &saved[8..]);
    saved[4..8].copy_from_slice(&sum.as_ref()[..4]);
    saved.into()
}

#[test]
fn who_may_only_read_is_told_so_and_nobody_gets_its_changes() {
    let folder = folder();
    let server = Server::start(&[("DATA_DIR", path_of(&folder))]);
    let path = |user: &str, may: &[&str]| {
        let token = sign(&claims(user, may), SECRET);
        format!("/automerge/default?token={token}")
    };
    let mut ann = Peer::join_at(&server, "ann", &path("ann", &["read", "write"]));
    let mut bob = Peer::join_at(&server, "bob", &path("bob", &["read"]));
    let (document, mut doc) = (id(1), typed("a"));
    let heads = heads_of(&mut doc);
    ann.sends(&document, &mut doc);
    ann.hears_heads(&document, &heads);
    bob.requests(&document);
    let answer = bob.hears_sync(&document);
    assert_eq!(answer.flags, Some(Flags(Flags::READ_ONLY)));
    let mut copy = made_of(&answer.changes);
    type_in(&mut copy, "b");
    bob.sends(&document, &mut copy);
    assert!(bob.is_silent() && ann.is_silent());

    let mut nobody = Socket::open(&server, "/automerge/default?token=x");
    assert_eq!(nobody.closed().0, 4401);
    let elsewhere = sign(&claims("cleo", &["read"]), SECRET);
    let elsewhere = format!("/automerge/team?token={elsewhere}");
    let mut cleo = Peer::join_at(&server, "cleo", &elsewhere);
    cleo.requests(&document);
    assert_eq!(cleo.hears(&document), Said::Unavailable);
    let mut dora = Peer::curious(&server, "dora", &elsewhere);
    dora.requests(&document);
    assert!(matches!(dora.next(), Message::Error { .. }), "why");
    assert_eq!(dora.hears(&document), Said::Unavailable);
    let mut eve = Peer::curious(&server, "eve", &path("eve", &["read"]));
    eve.requests(&document);
    let mut copy = made_of(&eve.hears_sync(&document).changes);
    type_in(&mut copy, "e");
    eve.sends(&document, &mut copy);
    assert!(matches!(eve.next(), Message::Error { .. }), "why");
}

#[test]
fn changes_that_lack_something_are_no_heads_until_it_comes() {
    let server = Server::start(&[]);
    let mut ann = Peer::join(&server, "ann");
    let (document, mut doc) = (id(1), typed("a"));
    type_in(&mut doc, "b");
    let whole = all_of(&mut doc);
    let second = SyncMessage {
        changes: whole.changes[1..].to_vec(),
        ..whole.clone()
    };
    ann.tell(&document, Said::Sync(second.write()));
    for _ in 0..2 {
        assert!(ann.hears_sync(&document).heads.is_empty());
    }
    ann.tell(&document, Said::Sync(whole.write()));
    ann.hears_heads(&document, &whole.heads);
}

/// Whoever comes back with what the server has is told so without any of it being loaded; what is written then is taken in.
#[test]
fn a_client_with_many_unchanged_documents_comes_back_and_none_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("DATA_DIR", folder.path().to_str().unwrap())];
    let mut documents: Vec<_> = (1..=50).map(|number| (id(number), typed("a"))).collect();
    let mut server = Server::start_on("sqlite", &settings);
    let (mut ann, metadata) = Peer::meet(&server, "ann", "/automerge/team");
    assert_eq!(metadata.is_ephemeral, Some(false));
    for (document, doc) in &mut documents {
        type_in(doc, "b");
        ann.sends(document, doc);
        ann.hears_heads(document, &heads_of(doc));
    }
    server.terminate();
    assert!(server.ended().success());

    let server = Server::start_on("sqlite", &settings);
    let (mut ann, _) = Peer::meet(&server, "ann", "/automerge/team");
    let loads =
        |what: &str| server.metric(&format!("quire_document_loads_total{{what=\"{what}\"}}"));
    for (document, doc) in &mut documents {
        let same = SyncMessage {
            changes: Vec::new(),
            ..all_of(doc)
        };
        ann.tell(document, Said::Sync(same.write()));
        let answer = ann.hears_sync(document);
        assert_eq!((answer.heads, answer.changes.len()), (heads_of(doc), 0));
    }
    assert_eq!((loads("gist"), loads("content")), (50.0, 0.0));

    let (mut bob, _) = Peer::meet(&server, "bob", "/automerge/team");
    let (document, doc) = &mut documents[0];
    bob.requests(document);
    assert_eq!(
        made_of(&bob.hears_sync(document).changes).get_heads(),
        doc.get_heads()
    );
    let (document, doc) = &mut documents[1];
    type_in(doc, "c");
    ann.sends(document, doc);
    ann.hears_heads(document, &heads_of(doc));
    assert_eq!((loads("gist"), loads("content")), (50.0, 2.0));
}
