//! An Automerge document, whatever its clients say: frames as they come over sockets, read and checked as a connection does, and
//! handed to the document that they are about.
//!
//! The bytes are read as steps: two connections come, speak and go; the store answers, fails, or says after the fact that it
//! failed; the process dies. The world ([`world`]) checks that nobody is told of a change that is not stored, and in the end
//! that the log played from its beginning has the heads that the document has. What changes come to is not looked at: the library
//! may fail there, which is contained.

mod world;

use protocol::automerge::{Message, Said, SyncMessage, decode};

use crate::automerge::repaired;
use crate::script::{Script, write_chunk};
use bytes::Bytes;
use world::{Fate, World};

/// Plays the steps that the bytes are.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let mut world = World::open(&mut script);
    for _ in 0..STEPS_MAX {
        if script.is_done() {
            break;
        }
        step(&mut world, &mut script);
    }
    world.end();
}

fn step(world: &mut World, script: &mut Script<'_>) {
    let seat = usize::from(script.below(2));
    match script.byte() % STEPS {
        JOIN => world.join(seat),
        LEAVE => world.leave(seat),
        FRAME => frame(world, seat, script.chunk()),
        MESSAGE => sync(world, seat, script.chunk()),
        CHANGE => change(world, seat, script.chunk()),
        COMMIT => world.commit(Fate::Stored),
        FAIL => world.commit(Fate::Failed),
        LOSE => world.commit(Fate::Unknown),
        PASS => world.pass(script.number()),
        LAG => world.lag(seat),
        _ => world.crash(),
    }
}

fn frame(world: &mut World, seat: usize, bytes: &[u8]) {
    match decode(&Bytes::copy_from_slice(bytes)) {
        Ok(Message::Document {
            said: Said::Request(data) | Said::Sync(data),
            ..
        }) => sync(world, seat, &data),
        Ok(Message::Document {
            said: Said::Ephemeral { .. },
            ..
        }) => world.show(seat, Bytes::copy_from_slice(bytes)),
        Ok(_) => {}
        Err(_) => world.leave(seat),
    }
}

fn sync(world: &mut World, seat: usize, bytes: &[u8]) {
    match SyncMessage::read(&Bytes::copy_from_slice(bytes)) {
        Ok(message) => world.hear(seat, &message),
        Err(_) => world.leave(seat),
    }
}

/// A change with this body and the checksum that it should have.
fn change(world: &mut World, seat: usize, body: &[u8]) {
    let message = SyncMessage {
        changes: vec![repaired(CHANGE_KIND, body)],
        ..SyncMessage::default()
    };
    world.hear(seat, &message);
}

/// Writes steps in which a client says these frames and makes these changes, and all is stored.
pub fn write_steps(frames: &[Vec<u8>], bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut script = vec![0, 0, JOIN, 1, JOIN];
    for (kind, bytes) in frames
        .iter()
        .map(|frame| (FRAME, frame))
        .chain(bodies.iter().map(|body| (CHANGE, body)))
    {
        script.extend([0, kind]);
        write_chunk(&mut script, bytes);
        script.extend([0, COMMIT]);
    }
    script
}

const STEPS_MAX: usize = 200;
const JOIN: u8 = 0;
const LEAVE: u8 = 1;
const FRAME: u8 = 2;
const MESSAGE: u8 = 3;
const CHANGE: u8 = 4;
const COMMIT: u8 = 5;
const FAIL: u8 = 6;
const LOSE: u8 = 7;
const PASS: u8 = 8;
const LAG: u8 = 9;
const STEPS: u8 = 11;
const CHANGE_KIND: u8 = 1;
