//! Frames as the unmodified y-websocket client sent them, and as y-protocols writes them, held against this crate.
//!
//! The files under `golden/` are written by `tests/js/record_golden.mjs`, which explains their lines. What a client sent
//! must read as the intents that it meant; what we write must be the very bytes that the JavaScript libraries write.

mod recorded;

use bytes::Bytes;
use engine::{Event, Intent, PresenceEntry, PresenceId, PushTag};
use protocol::route::Route;
use protocol::yjs::{STEP2, UPDATE};
use protocol::ywebsocket;
use recorded::Golden;

const ADA: PresenceId = PresenceId(1);
const BEN: PresenceId = PresenceId(4_242_424_242);
const EVE: PresenceId = PresenceId((1 << 53) - 1);

const FILES: [&str; 6] = [
    "connect",
    "presence",
    "reconnect",
    "room",
    "server",
    "typing",
];

/// What is said of a recorded conversation in this dialect.
trait YWebsocket {
    fn intent(&self, label: &str) -> Intent;
    fn push(&self, part: &str, tag: PushTag) -> Intent;
    fn writes(&self, label: &str, event: &Event);
}

impl YWebsocket for Golden {
    /// The only intent of a client's frame.
    fn intent(&self, label: &str) -> Intent {
        let mut intents = ywebsocket::decode(&self.client[label]).unwrap();
        assert_eq!(intents.len(), 1, "{label}");
        intents.remove(0)
    }

    fn push(&self, part: &str, tag: PushTag) -> Intent {
        let payload = self.part(part);
        Intent::Push { payload, tag }
    }

    fn writes(&self, label: &str, event: &Event) {
        let frame = ywebsocket::encode(event);
        assert_eq!(frame.as_ref(), Some(&self.server[label]), "{label}");
    }
}

fn here(id: PresenceId, version: u32, state: &str) -> PresenceEntry {
    PresenceEntry {
        id,
        version,
        state: Some(Bytes::copy_from_slice(state.as_bytes())),
    }
}

fn gone(id: PresenceId, version: u32) -> PresenceEntry {
    PresenceEntry {
        id,
        version,
        state: None,
    }
}

#[test]
fn a_client_opens_with_its_state_vector_and_its_presence() {
    let golden = Golden::load("connect");
    let have = Bytes::from_static(&[0]);
    assert_eq!(golden.intent("step1"), Intent::Pull { have });
    assert_eq!(
        golden.intent("awareness-own"),
        Intent::ShowPresence(vec![here(ADA, 0, "{}")])
    );
    assert_eq!(golden.intent("step2"), golden.push("step2-bytes", STEP2));
    assert_eq!(
        golden.intent("awareness-goodbye"),
        Intent::ShowPresence(vec![gone(ADA, 0)])
    );
}

#[test]
fn a_client_that_comes_back_sends_what_the_server_lacks() {
    let golden = Golden::load("reconnect");
    let have = golden.part("state-vector-bytes");
    assert_eq!(golden.intent("step1"), Intent::Pull { have });
    assert_eq!(golden.intent("step2"), golden.push("step2-bytes", STEP2));
}

#[test]
fn typing_is_pushed_byte_for_byte() {
    let golden = Golden::load("typing");
    for label in ["insert", "surrogates", "delete", "big"] {
        let update = golden.push(&format!("{label}-bytes"), UPDATE);
        assert_eq!(golden.intent(label), update, "{label}");
    }
    assert!(golden.part("big-bytes").len() > 20_000);
}

#[test]
fn presence_is_sliced_and_not_parsed() {
    let golden = Golden::load("presence");
    let ada = r##"{"user":{"name":"Ada","color":"#c0ffee"}}"##;
    let field = ada.replace("}}", r#"},"cursor":{"anchor":0,"größe":"✎"}}"#);
    let (ben, eve) = (r#"{"user":{"name":"Ben"}}"#, r#"{"user":{"name":"Eve"}}"#);
    let everyone = vec![
        here(ADA, 4, r#"{"back":true}"#),
        here(BEN, 1, ben),
        here(EVE, 1, eve),
    ];
    for (label, entries) in [
        ("state", vec![here(ADA, 1, ada)]),
        ("field", vec![here(ADA, 2, &field)]),
        ("goodbye", vec![gone(ADA, 3)]),
        ("back", vec![here(ADA, 4, r#"{"back":true}"#)]),
        ("ben-sent-back", vec![here(BEN, 1, ben)]),
        ("eve-sent-back", vec![here(EVE, 1, eve)]),
        ("everyone", everyone),
        ("ben-gone-sent-back", vec![gone(BEN, 2)]),
    ] {
        assert_eq!(
            golden.intent(label),
            Intent::ShowPresence(entries),
            "{label}"
        );
    }
    let query = ywebsocket::decode(&golden.server["query"]).unwrap();
    assert_eq!(query, [Intent::QueryPresence]);
}

#[test]
fn addresses_arrive_as_the_client_wrote_them() {
    let golden = Golden::load("room");
    let address = golden.address.unwrap();
    assert_eq!(address, "/room/%C3%A9%20x?token=a%26b");
    let route = Route::parse(&address).unwrap();
    let document = route.document().expect("a document");
    assert_eq!(
        (document.workspace(), document.name()),
        ("default", "room/é x")
    );
}

#[test]
fn we_write_what_y_protocols_writes() {
    let golden = Golden::load("server");
    let have = golden.part("step1-bytes");
    golden.writes("step1", &Event::Have { have });
    let payload = golden.part("step2-bytes");
    golden.writes(
        "step2",
        &Event::Missing {
            payload: payload.clone(),
        },
    );
    golden.writes("update", &Event::Change { payload });
    let ben = here(BEN, 1, r#"{"user":{"name":"Ben ✎"}}"#);
    golden.writes("presence", &Event::Presence(vec![ben.clone()]));
    golden.writes(
        "presence-and-gone",
        &Event::Presence(vec![ben, gone(EVE, 300)]),
    );
    assert_eq!(ywebsocket::keepalive(), golden.server["presence-of-nobody"]);
    assert_eq!(ywebsocket::denied("not yours: é"), golden.server["denied"]);
}

#[test]
fn no_recorded_frame_can_be_cut_short() {
    for name in FILES {
        let golden = Golden::load(name);
        for (label, frame) in golden.client.iter().chain(&golden.server) {
            for length in 0..frame.len() {
                let cut = ywebsocket::decode(&frame.slice(..length));
                assert!(cut.is_err(), "{name}: {label} cut to {length}");
            }
        }
    }
}
