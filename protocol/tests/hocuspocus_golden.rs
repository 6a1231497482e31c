//! Frames as unmodified Hocuspocus providers of three major versions sent them, held against this crate.
//!
//! The files `golden/hocuspocus-*.txt` are written by `tests/js/record_hocuspocus.mjs`, which explains their lines. What a
//! provider sent must read as what it meant; what we write must be the very bytes that the provider understood.

mod recorded;

use bytes::Bytes;
use engine::{Event, Intent, PresenceEntry, PresenceId};
use protocol::hocuspocus::{self, Address, Frame, Message, Notice, Scope};
use protocol::yjs::{STEP2, UPDATE};
use recorded::Golden;

const VERSIONS: [u32; 3] = [2, 3, 4];
const NAME: &str = "stories/é x";
const ADA: PresenceId = PresenceId(1);

fn golden(version: u32) -> Golden {
    Golden::load(&format!("hocuspocus-{version}"))
}

fn read(frame: &Bytes) -> Message {
    match hocuspocus::decode(frame).unwrap() {
        Frame::Addressed(address, message) => {
            assert_eq!(address, Address::from(NAME));
            message
        }
        Frame::Pong => panic!("a frame of a document"),
    }
}

fn shown(version: u32, state: Option<&str>) -> Message {
    let entry = PresenceEntry {
        id: ADA,
        version,
        state: state.map(|state| Bytes::copy_from_slice(state.as_bytes())),
    };
    Message::Intent(Intent::ShowPresence(vec![entry]))
}

#[test]
fn providers_say_who_they_are_before_all_else() {
    for version in VERSIONS {
        let golden = golden(version);
        let says = (version == 4).then(|| Bytes::from_static(b"4.8.0"));
        let token = Message::Token {
            token: Bytes::from_static(b"T"),
            version: says,
        };
        assert_eq!(read(&golden.client["token"]), token);
        if let Some(again) = golden.client.get("token-again") {
            assert_eq!(read(again), token);
        }
    }
}

#[test]
fn what_providers_ask_of_a_document_is_read() {
    for version in VERSIONS {
        let golden = golden(version);
        let have = Bytes::from_static(&[1, 1, 7]);
        let pull = Message::Intent(Intent::Pull { have });
        assert_eq!(read(&golden.client["step1"]), pull);
        let payload = golden.part("update-bytes");
        let push = Message::Intent(Intent::Push {
            payload,
            tag: UPDATE,
        });
        assert_eq!(read(&golden.client["update"]), push);
        let step2 = read(&golden.client["step2"]);
        assert!(matches!(
            step2,
            Message::Intent(Intent::Push { tag: STEP2, .. })
        ));
        assert_eq!(read(&golden.client["awareness-own"]), shown(0, Some("{}")));
        let state = shown(1, Some(r#"{"name":"Ada ✎"}"#));
        assert_eq!(read(&golden.client["state"]), state);
        assert_eq!(read(&golden.client["goodbye"]), shown(2, None));
    }
}

#[test]
fn what_providers_say_beside_the_document_is_read() {
    for version in VERSIONS {
        let golden = golden(version);
        let stateless = Message::Intent(Intent::Signal(Bytes::from_static("a word é".as_bytes())));
        assert_eq!(read(&golden.client["stateless"]), stateless);
        assert_eq!(read(&golden.client["leaves"]), Message::Leave);
        if let Some(pong) = golden.client.get("pong") {
            assert_eq!(hocuspocus::decode(pong), Ok(Frame::Pong));
        }
    }
}

#[test]
fn we_write_what_providers_understood() {
    for version in VERSIONS {
        let golden = golden(version);
        let event = |event| hocuspocus::encode(NAME, &event).unwrap();
        let notice = |notice: Notice<'_>| notice.encode(NAME);
        let granted = notice(Notice::Granted(Scope::ReadWrite));
        assert_eq!(granted, golden.server["granted"]);
        let have = Bytes::from_static(&[0]);
        assert_eq!(event(Event::Have { have }), golden.server["server-step1"]);
        let payload = Bytes::from_static(&[0, 0]);
        let missing = Event::Missing {
            payload: payload.clone(),
        };
        assert_eq!(event(missing), golden.server["server-step2"]);
        let ack = Event::Ack {
            tag: STEP2,
            payload,
            news: true,
        };
        assert_eq!(event(ack), golden.server["stored"]);
        if version == 4 {
            assert_eq!(hocuspocus::ping(), golden.server["ping"]);
            assert_eq!(notice(Notice::SendToken), golden.server["send-token"]);
        }
    }
}
