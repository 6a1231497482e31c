//! Seeds for documents of operational transform: the kept cases of the npm originals, messages as `sharedb` sends them, and what
//! a store has.

use std::path::Path;

use engine::VectorClock;
use engine::ordered::{Action, OperationName, Record, State};
use engine::ot::{Json, OtType, Snapshot};

use super::Seeds;
use crate::script::write_chunk;

/// Adds them; the kept cases are read from this folder.
pub(super) fn add(seeds: &mut Seeds, vectors: &Path) {
    for (at, ot_type) in OtType::ALL.into_iter().enumerate() {
        let file = vectors.join(format!("{ot_type}.jsonl"));
        let cases = std::fs::read_to_string(file).expect("the kept cases are there");
        for (number, line) in cases.lines().take(CASES).enumerate() {
            let case = Json::read(line).expect("a kept case is JSON");
            let input = operations(at as u8, &case);
            seeds.add("operation", &format!("{ot_type}-{number}"), &input);
        }
        seeds.add(
            "record",
            &format!("state-{ot_type}"),
            &state(ot_type).to_bytes(),
        );
    }
    for (name, text) in MESSAGES {
        seeds.add("sharedb", name, text.as_bytes());
    }
    for (name, action) in actions() {
        seeds.add("record", name, &record(action).to_bytes());
    }
    seeds.add("record", "state-of-none", &State::default().to_bytes());
}

/// A case as the target reads it.
fn operations(ot_type: u8, case: &Json) -> Vec<u8> {
    let mut input = vec![ot_type];
    let member = |name: &str| case.as_object()?.get(&name.into());
    let cursor = member("u").and_then(|cursors| cursors.as_array()?.first()?.as_array()?.first());
    for part in [member("s"), member("a"), member("b"), member("c"), cursor] {
        let text = part.map_or_else(|| CURSOR.to_owned(), Json::write);
        write_chunk(&mut input, text.as_bytes());
    }
    input
}

fn state(ot_type: OtType) -> State {
    let data = match ot_type {
        OtType::Json0 => r#"{"a":[1,"b",null],"c":{"d":"\ud83d"}}"#,
        OtType::Text | OtType::TextUnicode => r#""aé😀""#,
        OtType::RichText => {
            r#"[{"insert":"a","attributes":{"bold":true}},{"insert":{"image":"b"}}]"#
        }
    };
    State {
        version: 300,
        content: Some(Snapshot::create(ot_type, Some(data)).expect("the document fits its type")),
        clock: VectorClock::default(),
    }
}

fn actions() -> [(&'static str, Action); 3] {
    let edit = Action::Edit {
        received: r#"["a"]"#.into(),
        committed: Some(r#"[1,"a"]"#.into()),
    };
    let create = Action::Create {
        ot_type: OtType::RichText,
        data: Some("[]".into()),
    };
    [
        ("edit", edit),
        ("create", create),
        ("delete", Action::Delete),
    ]
}

fn record(action: Action) -> Record {
    Record {
        version: 300,
        made_on: Some(299),
        name: OperationName {
            source: "0123456789abcdef0123456789abcdef".into(),
            number: 7,
        },
        action,
    }
}

const CASES: usize = 16;
const CURSOR: &str = r#"{"p":["a",0]}"#;
/// What clients send, and what they should not.
const MESSAGES: [(&str, &str); 24] = [
    (
        "handshake",
        r#"{"a":"hs","id":null,"protocol":1,"protocolMinor":2}"#,
    ),
    (
        "handshake-again",
        r#"{"a":"hs","id":"0123456789abcdef0123456789abcdef","protocol":"1","protocolMinor":"1"}"#,
    ),
    ("fetch", r#"{"a":"f","c":"c","d":"d","v":null}"#),
    ("subscribe", r#"{"a":"s","c":"a/b%","d":"d.e/f","v":7}"#),
    ("unsubscribe", r#"{"a":"u","c":"c","d":"d"}"#),
    ("bulk", r#"{"a":"bs","c":"c","b":["d","e","d"]}"#),
    (
        "bulk-since",
        r#"{"a":"bf","c":"c","b":{"d":6,"e":0,"f":null}}"#,
    ),
    ("bulk-unsubscribe", r#"{"a":"bu","c":"c","b":["d"]}"#),
    (
        "edit",
        r#"{"a":"op","c":"c","d":"d","v":1,"seq":2,"x":{},"op":[{"p":["s",0],"si":"X"}]}"#,
    ),
    (
        "create",
        r#"{"a":"op","c":"c","d":"d","v":null,"seq":1,"create":{"type":"rich-text","data":{"ops":[]}}}"#,
    ),
    (
        "delete",
        r#"{"a":"op","c":"c","d":"d","v":3,"seq":4,"src":"0123","del":true}"#,
    ),
    (
        "several-deeds",
        r#"{"a":"op","c":"c","d":"d","v":3,"seq":4,"op":[],"del":true}"#,
    ),
    ("by-version", r#"{"a":"nf","id":1,"c":"c","d":"d","v":3}"#),
    (
        "by-time",
        r#"{"a":"nt","id":2,"c":"c","d":"d","ts":1700000000000}"#,
    ),
    ("ping", r#"{"a":"pp"}"#),
    (
        "presence",
        r#"{"a":"p","ch":"c.d","id":"u1","p":{"index":1,"length":0},"pv":0,"c":"c","d":"d","v":2,"t":"json0"}"#,
    ),
    (
        "presence-gone",
        r#"{"a":"p","ch":"c","id":"u1","p":null,"pv":3}"#,
    ),
    ("presence-subscribe", r#"{"a":"ps","ch":"c","seq":1}"#),
    ("presence-query", r#"{"a":"pr","ch":"c"}"#),
    (
        "query",
        r#"{"a":"qs","id":3,"c":"c","q":{"a":1},"r":[["d",1]]}"#,
    ),
    ("query-end", r#"{"a":"qu","id":3}"#),
    (
        "prototype",
        r#"{"a":"f","c":"__proto__","d":"constructor","v":1e9}"#,
    ),
    ("numbers", r#"{"a":"f","c":"c","d":"d","v":-1.5e300}"#),
    (
        "halves",
        r#"{"a":"op","c":"c","d":"\ud83d","seq":1,"v":0,"op":["\udc00"]}"#,
    ),
];
