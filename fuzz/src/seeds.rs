//! The seeds: what fuzzing begins with. All are made here, so that whoever wonders what one is can read it.
//!
//! They are the golden frames of real clients, the recipes of attacks that were measured against the libraries, the
//! updates of writers, and for the targets that read decisions a few plans. `cargo run -p quire-fuzz --example seeds`
//! writes them to `fuzz/seeds/`.

mod automerge;
mod ordered;

use std::path::Path;

use bytes::Bytes;
use engine::{Dot, Event, ReplicaId, UpdateList, VectorClock};
use protocol::{hocuspocus, ywebsocket};

use crate::document::plan;
use crate::findings;
use crate::recipes;
use crate::script::write_chunk;
use crate::writer;

/// One seed.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target that it is for.
    pub target: &'static str,
    /// The name of its file.
    pub name: String,
    /// The input.
    pub input: Vec<u8>,
}

/// All seeds; the golden frames are read from this folder, and the kept cases of operational transform from theirs beside it.
///
/// # Panics
/// The golden frames are not there, or are not what they were.
pub fn all(golden: &Path) -> Vec<Seed> {
    let mut seeds = Seeds::default();
    seeds.golden(golden);
    seeds.providers(golden);
    seeds.recipes();
    seeds.edits();
    seeds.sockets();
    seeds.addresses();
    seeds.clocks();
    seeds.decisions();
    automerge::add(&mut seeds, golden);
    ordered::add(&mut seeds, &golden.join("../../../engine/tests/ot/vectors"));
    seeds.all
}

#[derive(Default)]
struct Seeds {
    all: Vec<Seed>,
}

impl Seeds {
    fn add(&mut self, target: &'static str, name: &str, input: &[u8]) {
        self.all.push(Seed {
            target,
            name: name.to_owned(),
            input: input.to_vec(),
        });
    }

    /// An update, for all that takes updates.
    fn update(&mut self, name: &str, update: &[u8]) {
        let payload = Bytes::copy_from_slice(update);
        let frame = ywebsocket::encode(&Event::Change { payload }).expect("updates have a frame");
        self.add("ywebsocket_frame", name, &frame);
        self.provider(name, update);
        self.add("update", name, update);
        self.updates(name, &[update]);
    }

    /// Updates one after the other, for all that takes several.
    fn updates(&mut self, name: &str, updates: &[&[u8]]) {
        let mut chunks = Vec::new();
        for update in updates.iter().filter(|update| update.len() < CHUNK_MAX) {
            write_chunk(&mut chunks, update);
        }
        if chunks.is_empty() {
            return;
        }
        self.add("updates", name, &chunks);
        self.add("document", name, &plan::of_updates(updates));
        self.stored(name, updates);
    }

    /// A snapshot and a change that hold these updates.
    fn stored(&mut self, name: &str, updates: &[&[u8]]) {
        let updates: Vec<_> = updates
            .iter()
            .map(|update| Bytes::copy_from_slice(update))
            .collect();
        let list = UpdateList::join(&updates);
        if list.len() < CHUNK_MAX {
            let mut input = vec![1];
            write_chunk(&mut input, &[1, 1]);
            write_chunk(&mut input, &list);
            input.push(2);
            write_chunk(&mut input, &list);
            self.add("stored", name, &input);
        }
    }

    fn golden(&mut self, folder: &Path) {
        for file in GOLDEN {
            let text = std::fs::read_to_string(folder.join(format!("{file}.txt")))
                .expect("the golden frames are there");
            let mut conversation = Vec::new();
            for line in text.lines() {
                let words: Vec<_> = line.split(' ').collect();
                let [mark, label, hex] = words[..] else {
                    continue;
                };
                let (name, name_only) = (format!("golden-{file}-{label}"), label);
                match mark {
                    ">" | "<" => {
                        let frame = recipes::unhex(hex);
                        self.add("ywebsocket_frame", &name, &frame);
                        self.awareness(&name, &frame);
                        conversation.push(frame);
                    }
                    "=" if name_only.contains("vector") => {
                        self.add("state_vector", &name, &recipes::unhex(hex));
                    }
                    "=" => self.add("update", &name, &recipes::unhex(hex)),
                    "@" => self.add("route", &name, hex.as_bytes()),
                    _ => {}
                }
            }
            let frames: Vec<_> = conversation.iter().map(Vec::as_slice).collect();
            self.add(
                "document",
                &format!("golden-{file}"),
                &plan::of_frames(&frames),
            );
        }
    }

    /// Conversations of providers, and each frame of them alone.
    fn providers(&mut self, folder: &Path) {
        for version in 2..=4 {
            let file = format!("hocuspocus-{version}");
            let text = std::fs::read_to_string(folder.join(format!("{file}.txt")))
                .expect("the golden frames are there");
            let mut conversation = Vec::new();
            for line in text.lines() {
                let [">", label, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
                    continue;
                };
                let mut alone = Vec::new();
                write_chunk(&mut alone, &recipes::unhex(hex));
                conversation.extend_from_slice(&alone);
                self.add("hocuspocus", &format!("golden-{file}-{label}"), &alone);
            }
            self.add("hocuspocus", &format!("golden-{file}"), &conversation);
        }
    }

    /// An update, as a provider sends it again and again.
    fn provider(&mut self, name: &str, update: &[u8]) {
        let payload = Bytes::copy_from_slice(update);
        let event = Event::Change { payload };
        let frame = hocuspocus::encode("fuzz", &event).expect("updates have a frame");
        if frame.len() < CHUNK_MAX {
            let mut input = Vec::new();
            write_chunk(&mut input, &frame);
            write_chunk(&mut input, &frame);
            self.add("hocuspocus", name, &input);
        }
    }

    /// What a frame says of presence, said by one connection and then by another.
    fn awareness(&mut self, name: &str, frame: &[u8]) {
        let (Some(1), Some(length)) = (frame.first(), frame.get(1)) else {
            return;
        };
        let Some(body) = frame
            .get(2..)
            .filter(|body| body.len() == usize::from(*length))
        else {
            return;
        };
        let mut input = Vec::new();
        for (connection, wait) in [(0, 0), (1, 3)] {
            input.extend_from_slice(&[connection, wait, 3]);
            write_chunk(&mut input, body);
        }
        self.add("presence", name, &input);
    }

    fn recipes(&mut self) {
        for (name, update) in recipes::updates() {
            self.update(name, &update);
        }
        for (name, updates) in recipes::sequences() {
            let updates: Vec<_> = updates.iter().map(Vec::as_slice).collect();
            self.updates(name, &updates);
        }
        for (name, frame) in recipes::frames() {
            self.add("ywebsocket_frame", name, &frame);
            self.add("document", name, &plan::of_frames(&[&frame]));
        }
        for (name, vector) in recipes::state_vectors() {
            self.add("state_vector", name, &vector);
        }
        for (name, deletions) in recipes::deletions() {
            self.add("delete_set", name, &deletions);
        }
    }

    fn edits(&mut self) {
        let history = writer::history();
        for (index, update) in history.iter().enumerate() {
            self.add("update", &format!("edit-{index}"), update);
        }
        let updates: Vec<_> = history.iter().map(|update| &update[..]).collect();
        self.updates("edits", &updates);
        let backwards: Vec<_> = updates.iter().copied().rev().collect();
        self.updates("edits-backwards", &backwards);
        let whole = writer::document();
        self.update("edits-whole", &findings::expect(whole.update()));
        self.add("state_vector", "edits", &whole.have(std::iter::empty()));
        self.add("delete_set", "edits", &[1, 1, 2, 0, 2, 5, 3]);
    }

    /// What comes over a socket, behind the lengths of the pieces in which it comes.
    fn sockets(&mut self) {
        for (name, frames) in SOCKETS {
            let input = [&[1, 7, 60, 3], frames].concat();
            self.add("websocket", name, &input);
        }
    }

    fn addresses(&mut self) {
        for (name, address) in recipes::ADDRESSES {
            self.add("route", name, address.as_bytes());
        }
    }

    fn clocks(&mut self) {
        let clock = |lanes: &[(u32, u64)]| {
            let dots = lanes
                .iter()
                .map(|&(replica, counter)| Dot::new(ReplicaId(replica), counter));
            dots.collect::<VectorClock>().to_bytes()
        };
        let clocks = [
            clock(&[]),
            clock(&[(1, 1)]),
            clock(&[(1, 300), (2, 7), (70_000, u64::MAX)]),
            clock(&[(0, 5), (u32::MAX, 1)]),
            [1, 0].to_vec(),
            [1, 1, 0, 1].to_vec(),
            [0x81, 0, 1].to_vec(),
        ];
        for (at, ours) in clocks.iter().enumerate() {
            let mut input = Vec::new();
            write_chunk(&mut input, ours);
            write_chunk(&mut input, &clocks[(at + 1) % clocks.len()]);
            self.add("vector_clock", &format!("clocks-{at}"), &input);
        }
    }

    /// Decisions that follow one another as the digits of a number do, for the targets that read decisions.
    fn decisions(&mut self) {
        for seed in 0..DECISIONS {
            let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let decisions: Vec<u8> = (0..300)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 24) as u8
                })
                .collect();
            for target in ["crafted", "document", "presence", "ordered"] {
                self.add(target, &format!("decisions-{seed}"), &decisions);
            }
        }
    }
}

const GOLDEN: [&str; 6] = [
    "connect",
    "presence",
    "reconnect",
    "room",
    "server",
    "typing",
];
/// What clients may send and what they may not, under the mask 1, 2, 3, 4.
const SOCKETS: [(&str, &[u8]); 7] = [
    ("binary", b"\x82\x83\x01\x02\x03\x04abc"),
    ("text", b"\x81\x82\x01\x02\x03\x04\xc2\xab"),
    (
        "ping-between-fragments",
        b"\x02\x81\x01\x02\x03\x04a\x89\x81\x01\x02\x03\x04b\x80\x81\x01\x02\x03\x04c",
    ),
    ("close", b"\x88\x82\x01\x02\x03\x04\x02\xea"),
    ("length-of-16-bits", b"\x82\xfe\x00\x7e\x01\x02\x03\x04"),
    (
        "length-of-64-bits",
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
    ),
    ("compressed", b"\xc2\x84\x01\x02\x03\x04\xaa\x06\x00\x00"),
];
const CHUNK_MAX: usize = 1 << 16;
const DECISIONS: u64 = 12;
