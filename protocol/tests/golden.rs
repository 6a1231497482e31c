//! Frames as the unmodified y-websocket client sent them, and as y-protocols writes them, held against this crate.
//!
//! The files under `golden/` are written by `tests/js/record_golden.mjs`, which explains their lines. What a client sent
//! must read as the intents that it meant; what we write must be the very bytes that the JavaScript libraries write.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use engine::{Event, Intent, PresenceEntry, PresenceId, PushTag};
use protocol::route::Route;
use protocol::yjs::{STEP2, UPDATE};
use protocol::ywebsocket;

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

/// One recorded conversation: its address, its frames, and the bytes that they are made of.
struct Golden {
    address: Option<String>,
    client: HashMap<String, Bytes>,
    server: HashMap<String, Bytes>,
    parts: HashMap<String, Bytes>,
}

impl Golden {
    fn load(name: &str) -> Self {
        let mut golden = Self {
            address: None,
            client: HashMap::new(),
            server: HashMap::new(),
            parts: HashMap::new(),
        };
        for line in text(name).lines().filter(|line| !line.starts_with('#')) {
            golden.line(line);
        }
        golden
    }

    fn line(&mut self, line: &str) {
        let fields: Vec<_> = line.splitn(3, ' ').collect();
        let [mark, label, value] = fields[..] else {
            panic!("odd line: {line}");
        };
        let frames = match mark {
            "@" => return self.address = Some(value.to_owned()),
            ">" => &mut self.client,
            "<" => &mut self.server,
            "=" => &mut self.parts,
            _ => panic!("odd mark: {line}"),
        };
        assert!(frames.insert(label.to_owned(), unhex(value)).is_none());
    }

    /// The only intent of a client's frame.
    fn intent(&self, label: &str) -> Intent {
        let mut intents = ywebsocket::decode(&self.client[label]).unwrap();
        assert_eq!(intents.len(), 1, "{label}");
        intents.remove(0)
    }

    fn part(&self, label: &str) -> Bytes {
        self.parts[label].clone()
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

fn text(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read_to_string(directory.join(format!("{name}.txt"))).unwrap()
}

fn unhex(hex: &str) -> Bytes {
    let digit = |character: u8| char::from(character).to_digit(16).unwrap() as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
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
    let document = Route::parse(&address).unwrap().document;
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
