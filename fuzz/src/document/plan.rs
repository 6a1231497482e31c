//! The plan: each step is a byte that says what happens, and the bytes that it needs.

use bytes::Bytes;
use engine::{Input, Intent, Limits, PresenceEntry, PresenceId, WriterPolicy};
use protocol::ywebsocket;

use super::store::Fault;
use super::world::{SEATS, World};
use crate::crafted;
use crate::script::{Script, write_chunk};

/// The bounds under which the plan is played.
pub(super) fn limits(script: &mut Script<'_>) -> Limits {
    let modes = script.byte();
    let policies = [WriterPolicy::Off, WriterPolicy::Warn, WriterPolicy::Strict];
    Limits {
        shared: modes & 1 == 1,
        writers: policies[usize::from(modes >> 1) % policies.len()],
        unsaved_bytes_max: script.one_of(&[1 << 20, 2_000]),
        updates_per_change_max: 1 + usize::from(script.below(4)),
        changes_per_append_max: 1 + usize::from(script.below(6)),
        snapshot_changes: 2 + u64::from(script.below(30)),
        ..Limits::default()
    }
}

/// Plays the next step.
pub(super) fn step(world: &mut World, script: &mut Script<'_>) {
    match script.byte() % STEPS {
        JOIN => world.join(seat(script)),
        LEAVE => world.leave(seat(script)),
        FRAME => {
            let (seat, frame) = (seat(script), script.chunk());
            world.honest = false;
            world.frame(seat, frame);
        }
        CRAFTED => {
            let seat = seat(script);
            let update = crafted::craft(script, &mut world.clocks);
            world.honest = false;
            world.push(seat, update.into());
        }
        EDIT => {
            let seat = seat(script);
            let update = world.seats[seat].writer.edit(script);
            world.push(seat, update);
        }
        MUTANT => {
            let seat = seat(script);
            let update = world.seats[seat].writer.edit(script);
            let mutant = mutant(&update, script);
            world.honest = false;
            world.push(seat, mutant);
        }
        AGAIN => again(world, script),
        PULL => pull(world, script),
        PRESENCE => presence(world, script),
        QUERY => world.say(seat(script), Intent::QueryPresence),
        SETTLE => world.settle(),
        COMMIT => world.commit(Fault::None),
        FAIL => {
            let fault = script.one_of(&[Fault::Before, Fault::After]);
            world.commit(fault);
        }
        SNAPSHOT => world.keep_snapshot(script.below(4) != 0),
        READ => world.read(seat(script)),
        LAG => world.lag(seat(script)),
        DRAINED => world.drained(seat(script)),
        PASS => world.pass(script.one_of(&[0, 50, 500, 5_000, 31_000, 91_000])),
        CRASH => world.crash(),
        OTHER_EDITS => world.other_edits(script),
        HEARD => world.hears(script),
        PULLED => world.pulled(script.below(4) != 0),
        HEADS => world.heads(),
        HEARD_PRESENCE => world.hears_presence(script),
        PRESENCE_ASKED => world.presence_asked(),
        ENDING => world.tell(script.one_of(&[Ending::Drain, Ending::Refuse]).input()),
        _ => world.settle(),
    }
}

/// How a document may end besides being forgotten in a crash.
#[derive(Clone, Copy)]
enum Ending {
    Drain,
    Refuse,
}

impl Ending {
    fn input(self) -> Input {
        match self {
            Self::Drain => Input::Drain,
            Self::Refuse => Input::AppendRefused,
        }
    }
}

fn seat(script: &mut Script<'_>) -> usize {
    usize::from(script.byte()) % SEATS
}

/// A good update with a few bytes changed, taken out, or put in.
fn mutant(update: &[u8], script: &mut Script<'_>) -> Bytes {
    let mut bytes = update.to_vec();
    for _ in 0..=script.below(4) {
        let at = usize::from(script.byte()) % bytes.len();
        match script.below(4) {
            0 => bytes[at] = script.byte(),
            1 => bytes[at] = bytes[at].wrapping_add(1),
            2 if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, script.byte()),
        }
    }
    bytes.into()
}

/// Someone sends what was sent before, by anyone, or all that it has.
fn again(world: &mut World, script: &mut Script<'_>) {
    let seat = seat(script);
    let which = usize::from(script.byte());
    let update = match world.pushed.len() {
        0 => world.seats[seat].writer.everything(),
        pushed => world.pushed[which % pushed].clone(),
    };
    world.push(seat, update);
}

fn pull(world: &mut World, script: &mut Script<'_>) {
    let seat = seat(script);
    let have = match script.below(3) {
        0 => Bytes::from_static(&[0]),
        1 => world.seats[seat].writer.have(),
        _ => Bytes::copy_from_slice(script.chunk()),
    };
    world.say(seat, Intent::Pull { have });
}

fn presence(world: &mut World, script: &mut Script<'_>) {
    let seat = seat(script);
    let entries = (0..script.below(4)).map(|_| PresenceEntry {
        id: PresenceId(script.number()),
        version: script.byte().into(),
        state: script.flag().then(|| Bytes::from_static(b"{}")),
    });
    let entries = entries.collect();
    world.say(seat, Intent::ShowPresence(entries));
}

/// A plan in which two clients come, one of them sends frames, and all is stored: what each frame is a seed of.
pub fn of_frames(frames: &[&[u8]]) -> Vec<u8> {
    let mut plan = vec![0; 5];
    plan.extend_from_slice(&[JOIN, 0, JOIN, 1, SETTLE]);
    for frame in frames {
        plan.extend_from_slice(&[FRAME, 0]);
        write_chunk(&mut plan, frame);
        plan.extend_from_slice(&[SETTLE, COMMIT]);
    }
    plan.extend_from_slice(&[PULL, 1, 0, SETTLE, READ, 1, CRASH, JOIN, 1, SETTLE]);
    plan
}

/// A plan in which someone sends these updates.
pub fn of_updates(updates: &[&[u8]]) -> Vec<u8> {
    let frames = updates.iter().map(|update| {
        let payload = Bytes::copy_from_slice(update);
        ywebsocket::encode(&engine::Event::Change { payload }).expect("updates have a frame")
    });
    let frames: Vec<_> = frames.collect();
    of_frames(&frames.iter().map(|frame| &frame[..]).collect::<Vec<_>>())
}

// What a step does. New ones are added behind the last, so that kept plans stay what they are.
const JOIN: u8 = 0;
const LEAVE: u8 = 1;
const FRAME: u8 = 2;
const CRAFTED: u8 = 3;
const EDIT: u8 = 4;
const MUTANT: u8 = 5;
const AGAIN: u8 = 6;
const PULL: u8 = 7;
const PRESENCE: u8 = 8;
const QUERY: u8 = 9;
const SETTLE: u8 = 10;
const COMMIT: u8 = 11;
const FAIL: u8 = 12;
const SNAPSHOT: u8 = 13;
const READ: u8 = 14;
const LAG: u8 = 15;
const DRAINED: u8 = 16;
const PASS: u8 = 17;
const CRASH: u8 = 18;
const OTHER_EDITS: u8 = 19;
const HEARD: u8 = 20;
const PULLED: u8 = 21;
const HEADS: u8 = 22;
const HEARD_PRESENCE: u8 = 23;
const PRESENCE_ASKED: u8 = 24;
const ENDING: u8 = 31;
/// How many there may be; a byte stands for the step that is left when it is divided by this.
const STEPS: u8 = 32;
