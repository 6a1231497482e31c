//! Seeds of the wire of automerge-repo: the frames of a real client, what is in them, and attacks that were measured.

use std::path::Path;

use bytes::Bytes;
use protocol::automerge::{Message, Said, SyncMessage, decode};

use super::Seeds;
use crate::automerge_document::write_steps;
use crate::recipes::unhex;

/// Adds them; the golden frames are read from this folder.
pub(super) fn add(seeds: &mut Seeds, golden: &Path) {
    let text = std::fs::read_to_string(golden.join("automerge.txt"));
    let (mut frames, mut bodies) = (Vec::new(), Vec::new());
    for line in text.expect("the golden frames are there").lines() {
        let [mark, label, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let (name, bytes) = (format!("golden-{label}"), unhex(hex));
        match mark {
            ">" | "<" => {
                frame(seeds, &name, &bytes);
                frames.push(bytes);
            }
            "=" => {
                chunk(seeds, &name, &bytes);
                bodies.push(bytes[10..].to_vec());
            }
            _ => {}
        }
    }
    let unlikely = BODIES.map(|(_, body)| body.to_vec());
    for (name, frames, bodies) in [
        ("golden", &frames[..], &bodies[..]),
        ("changes-alone", &[], &bodies),
        ("unlikely", &frames, &unlikely),
    ] {
        seeds.add("automerge_document", name, &write_steps(frames, bodies));
    }
    for (name, frame) in FRAMES {
        seeds.add("automerge_frame", name, frame);
    }
    for (name, message) in MESSAGES {
        seeds.add("automerge_sync", name, message);
    }
    for (name, body) in BODIES {
        seeds.add("automerge_chunk", name, body);
    }
}

fn frame(seeds: &mut Seeds, name: &str, bytes: &[u8]) {
    seeds.add("automerge_frame", name, bytes);
    let message = decode(&Bytes::copy_from_slice(bytes)).expect("a golden frame");
    if let Message::Document {
        said: Said::Request(data) | Said::Sync(data),
        ..
    } = message
    {
        SyncMessage::read(&data).expect("a golden message");
        seeds.add("automerge_sync", name, &data);
    }
}

/// A change that is shorter than 128 bytes, as the target has it: its kind and its body.
fn chunk(seeds: &mut Seeds, name: &str, bytes: &[u8]) {
    let input = [&bytes[8..9], &bytes[10..]].concat();
    seeds.add("automerge_chunk", name, &input);
}

const FRAMES: [(&str, &[u8]); 5] = [
    (
        "nested",
        &[
            0xa1, 0x61, b'x', 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81,
            0x81, 0x81, 0x81, 0x81, 0x81, 0x81,
        ],
    ),
    ("endless", &[0xbf, 0x61, b'x', 0x9f, 0x01]),
    (
        "bytes-of-2-to-the-63",
        &[0xa1, 0x61, b'x', 0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ),
    ("repeated", b"\xa2\x64type\x61a\x64type\x61b"),
    ("nothing", &[0xf6]),
];

/// A filter that would be asked a hundred million times, one of no bits, lists that are not there, and a bomb.
const MESSAGES: [(&str, &[u8]); 5] = [
    (
        "probes",
        &[0x42, 0, 0, 1, 0, 8, 1, 10, 0x80, 0xc2, 0xd7, 0x2f, 0, 0, 0],
    ),
    ("no-bits", &[0x42, 0, 0, 1, 0, 3, 1, 0, 7, 0]),
    ("heads", &[0x42, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    ("flags", &[0x43, 0, 0, 0, 0, 2, 2, 0x87]),
    (
        "deflated",
        &[
            0x43, 0, 0, 0, 1, 21, 0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2, 11, 0xed, 0xc1, 1, 1, 0,
            0, 0, 0x80, 0x90, 0xfe, 0xaf,
        ],
    ),
];

/// An empty document, and changes that say of themselves what can not be: a last operation near 2^63, a negative
/// counter, an action that there is not, an actor that is not there, a billion operations.
const BODIES: [(&str, &[u8]); 6] = [
    ("empty-document", &[0, 0, 0, 0, 0]),
    (
        "last-operation",
        &[
            1, 0, 1, 7, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 1, 0x42,
            2, 1, 1,
        ],
    ),
    (
        "negative-counter",
        &[
            1, 0, 1, 7, 1, 1, 0, 0, 0, 2, 0x13, 2, 0x42, 2, 1, 0x7f, 1, 1,
        ],
    ),
    (
        "action-48",
        &[
            1, 0, 1, 7, 1, 1, 0, 0, 0, 2, 0x15, 3, 0x42, 2, 1, 1, b'a', 1, 48,
        ],
    ),
    (
        "no-such-actor",
        &[
            1, 0, 1, 7, 1, 3, 0, 0, 0, 4, 0x01, 2, 0x02, 2, 0x15, 3, 0x42, 2, 1, 9, 1, 1, 1, 1,
            b'a', 1, 1,
        ],
    ),
    (
        "many-operations",
        &[
            1, 0, 1, 7, 1, 1, 0, 0, 0, 1, 0x42, 6, 0x80, 0x94, 0xeb, 0xdc, 3, 1,
        ],
    ),
];
