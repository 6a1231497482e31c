//! The Hocuspocus dialect: a conversation as it was seen between provider 4.8 and server 4.7, what is refused and where, and,
//! for arbitrary bytes, that reading neither panics nor makes more of a frame than is in it.

use bytes::{Bytes, BytesMut};
use engine::{Event, Intent, PresenceEntry, PresenceId, PushTag};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::FrameError;
use protocol::hocuspocus::{Address, Frame, Message, Notice, Scope, decode, encode, ping};
use protocol::wire::Writer;
use protocol::yjs::{STEP2, UPDATE};

const EMPTY_UPDATE: &[u8] = &[0, 0];

fn bytes(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn said(address: &str, message: Message) -> Result<Frame, FrameError> {
    Ok(Frame::Addressed(address.into(), message))
}

fn refused(frame: &[u8]) -> FrameError {
    decode(&bytes(frame)).unwrap_err()
}

#[test]
fn a_provider_joins_and_types() {
    let token = Message::Token {
        token: bytes(b"T"),
        version: Some(bytes(b"4.8.0")),
    };
    assert_eq!(
        decode(&bytes(b"\x01d\x02\x00\x01T\x054.8.0")),
        said("d", token)
    );
    let have = bytes(&[0]);
    let pull = Message::Intent(Intent::Pull { have });
    assert_eq!(decode(&bytes(b"\x01d\x00\x00\x01\x00")), said("d", pull));
    let here = PresenceEntry {
        id: PresenceId(7),
        version: 0,
        state: Some(bytes(b"{}")),
    };
    let shows = Message::Intent(Intent::ShowPresence(vec![here]));
    let frame = bytes(b"\x01d\x01\x06\x01\x07\x00\x02{}");
    assert_eq!(decode(&frame), said("d", shows));
    for (kind, tag) in [(1, STEP2), (2, UPDATE)] {
        let payload = bytes(EMPTY_UPDATE);
        let push = Message::Intent(Intent::Push { payload, tag });
        let frame = [1, b'd', 0, kind, 2, 0, 0];
        assert_eq!(decode(&bytes(&frame)), said("d", push));
    }
}

#[test]
fn older_providers_say_no_version() {
    let token = Message::Token {
        token: Bytes::new(),
        version: None,
    };
    assert_eq!(decode(&bytes(b"\x01d\x02\x00\x00")), said("d", token));
}

#[test]
fn clients_leave_ask_and_talk_among_themselves() {
    let asks = Message::Intent(Intent::QueryPresence);
    assert_eq!(decode(&bytes(b"\x01d\x03")), said("d", asks));
    let talks = Message::Intent(Intent::Signal(bytes("é".as_bytes())));
    assert_eq!(decode(&bytes(b"\x01d\x05\x02\xc3\xa9")), said("d", talks));
    assert_eq!(decode(&bytes(b"\x01d\x07")), said("d", Message::Leave));
    assert_eq!(decode(&bytes(&[10])), Ok(Frame::Pong));
}

#[test]
fn an_address_may_tell_providers_of_one_document_apart() {
    let Ok(Frame::Addressed(address, Message::Leave)) = decode(&bytes(b"\x05doc\x001\x07")) else {
        panic!("a frame that leaves");
    };
    assert_eq!(address.document(), "doc");
    assert!(address.has_session());
    assert_eq!(address.as_str(), "doc\x001");
    let plain = Address::from("doc");
    assert_eq!(plain.document(), "doc");
    assert!(!plain.has_session());
}

#[test]
fn the_server_answers_as_it_was_seen_to() {
    let d = "d";
    let granted = Notice::Granted(Scope::ReadWrite).encode(d);
    assert_eq!(granted, b"\x01d\x02\x02\x0aread-write"[..]);
    let granted = Notice::Granted(Scope::ReadOnly).encode(d);
    assert_eq!(granted, b"\x01d\x02\x02\x08readonly"[..]);
    let have = bytes(&[0]);
    assert_eq!(
        encode(d, &Event::Have { have }).unwrap(),
        b"\x01d\x00\x00\x01\x00"[..]
    );
    let payload = bytes(EMPTY_UPDATE);
    let missing = Event::Missing {
        payload: payload.clone(),
    };
    assert_eq!(
        encode(d, &missing).unwrap(),
        b"\x01d\x00\x01\x02\x00\x00"[..]
    );
    let change = Event::Change { payload };
    assert_eq!(
        encode(d, &change).unwrap(),
        b"\x01d\x00\x02\x02\x00\x00"[..]
    );
    let denied = Notice::Denied("no").encode(d);
    assert_eq!(denied, b"\x01d\x02\x01\x02no"[..]);
    assert_eq!(Notice::SendToken.encode(d), b"\x01d\x02\x00"[..]);
    assert_eq!(Notice::Stateless("x").encode(d), b"\x01d\x05\x01x"[..]);
    assert_eq!(Notice::Close("bye").encode(d), b"\x01d\x07\x03bye"[..]);
    let refused = Notice::Status { is_stored: false };
    assert_eq!(refused.encode(d), b"\x01d\x08\x00"[..]);
    assert_eq!(Notice::KeepAlive.encode(d), b"\x01d\x01\x01\x00"[..]);
    assert_eq!(ping(), [9][..]);
}

/// A client takes one from its count for each status, so every push has one, whatever it is and however often it came.
#[test]
fn each_stored_push_has_one_status_of_its_own() {
    for (tag, news) in [
        (STEP2, false),
        (STEP2, true),
        (UPDATE, false),
        (UPDATE, true),
    ] {
        let payload = bytes(EMPTY_UPDATE);
        let ack = Event::Ack { tag, payload, news };
        let frame = encode("d\x001", &ack).unwrap();
        assert_eq!(frame, b"\x03d\x001\x08\x01"[..]);
    }
}

#[test]
fn frames_of_something_else_are_refused_with_the_place() {
    for (frame, fault) in [
        (&b""[..], "frame is empty"),
        (
            b"\x09",
            "document name at byte 1 declares 9 bytes, 0 are left",
        ),
        (b"\x01d", "message type is cut off at byte 2"),
        (b"\x01\xff\x07", "document name is not utf-8 at byte 1"),
        (
            b"\x01d\x04\x00\x01\x00",
            "message type 4 at byte 2 is unknown",
        ),
        (b"\x01d\x06\x01x", "message type 6 at byte 2 is unknown"),
        (b"\x01d\x08\x01", "message type 8 at byte 2 is unknown"),
        (
            b"\x01d\x02\x01\x00",
            "auth message type 1 at byte 3 is unknown",
        ),
        (
            b"\x01d\x02\x00\x01T\x01",
            "version at byte 7 declares 1 bytes, 0 are left",
        ),
        (b"\x01d\x07\x00", "message goes on after its end at byte 3"),
        (b"\x01d\x00\x09", "sync message type 9 at byte 3 is unknown"),
        (
            b"\x01d\x00\x00\x05\x01",
            "state vector at byte 5 declares 5 bytes, 1 are left",
        ),
    ] {
        assert_eq!(refused(frame).to_string(), fault, "{frame:?}");
    }
}

/// Its client counts it and waits for an answer, so it is not bad bytes only.
#[test]
fn an_edit_that_can_not_be_read_is_an_edit_still() {
    for (frame, wanted) in [
        (
            &b"\x01d\x00\x02\x05\x01"[..],
            "update at byte 5 declares 5 bytes, 1 are left",
        ),
        (b"\x01d\x00\x01", "update is cut off at byte 4"),
        (
            b"\x01d\x00\x02\xff\xff\xff\xff",
            "update is cut off at byte 8",
        ),
        (
            b"\x01d\x00\x02\x01\x00\x00",
            "message goes on after its end at byte 6",
        ),
    ] {
        let Ok(Frame::Addressed(_, Message::Unreadable(fault))) = decode(&bytes(frame)) else {
            panic!("{frame:?} is an edit");
        };
        assert_eq!(fault.to_string(), wanted, "{frame:?}");
    }
}

#[test]
fn presence_of_nobody_says_nothing() {
    assert_eq!(encode("d", &Event::Presence(Vec::new())), None);
}

/// What a client would send, by its own library's rules.
fn written(address: &str, kind: u64, body: &[u8]) -> Bytes {
    let mut head = Writer::default();
    head.var_string(address);
    head.var_uint(kind);
    let mut frame = BytesMut::from(&head.finish()[..]);
    frame.extend_from_slice(body);
    frame.freeze()
}

fn entry() -> impl Strategy<Value = PresenceEntry> {
    let state = option::of("\\{[a-z]{0,8}\\}");
    (0..1_u64 << 53, any::<u32>(), state).prop_map(|(id, version, state)| PresenceEntry {
        id: PresenceId(id),
        version,
        state: state.map(Bytes::from),
    })
}

proptest! {
    #[test]
    fn what_we_write_of_a_document_reads_as_what_it_says(
        address in "\\PC{0,12}(\0[a-z]{1,4})?",
        payload in vec(any::<u8>(), 0..40),
        entries in vec(entry(), 1..5),
        step in 0..3_u8,
    ) {
        let payload = Bytes::from(payload);
        let address = Address::from(&*address);
        let (event, intent) = match step {
            0 => (Event::Have { have: payload.clone() }, Intent::Pull { have: payload }),
            1 => (Event::Missing { payload: payload.clone() }, Intent::Push { payload, tag: STEP2 }),
            _ => (Event::Change { payload: payload.clone() }, Intent::Push { payload, tag: UPDATE }),
        };
        let frame = encode(address.as_str(), &event).unwrap();
        prop_assert_eq!(decode(&frame), Ok(Frame::Addressed(address.clone(), Message::Intent(intent))));
        let frame = encode(address.as_str(), &Event::Presence(entries.clone())).unwrap();
        let shown = Message::Intent(Intent::ShowPresence(entries));
        prop_assert_eq!(decode(&frame), Ok(Frame::Addressed(address, shown)));
    }

    #[test]
    fn a_frame_that_is_cut_is_refused_or_says_less(
        address in "[a-z]{1,4}",
        kind in prop_oneof![Just(0_u64), Just(1), Just(2), Just(3), Just(5), Just(7)],
        body in vec(any::<u8>(), 0..60),
    ) {
        let frame = written(&address, kind, &body);
        for length in 0..=frame.len() {
            if let Ok(Frame::Addressed(read, _)) = decode(&frame.slice(..length)) {
                prop_assert_eq!(read.as_str(), &*address);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(frame in vec(any::<u8>(), 0..80)) {
        let frame = Bytes::from(frame);
        let Ok(Frame::Addressed(address, message)) = decode(&frame) else { return Ok(()) };
        let held = match message {
            Message::Token { token, version } => token.len() + version.map_or(0, |version| version.len()),
            Message::Intent(Intent::Signal(text)) => text.len(),
            Message::Intent(Intent::Pull { have }) => have.len(),
            Message::Intent(Intent::Push { payload, tag: PushTag(_) }) => payload.len(),
            Message::Intent(Intent::ShowPresence(entries)) => entries.len(),
            Message::Intent(Intent::PullKept | Intent::QueryPresence | Intent::Announce { .. })
            | Message::Leave
            | Message::Unreadable(_) => 0,
        };
        prop_assert!(address.as_str().len() + held <= frame.len());
    }
}
