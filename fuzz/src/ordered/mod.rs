//! Ordered documents: whatever clients ask of one, and whatever becomes of what it asks of the store.
//!
//! The bytes are read as steps: three connections come, ask and go; the store answers, fails, or says after the fact that it
//! failed; another node is faster. The world ([`world`]) checks each effect, and in the end that what is stored, played from
//! its beginning, is what the document holds.

mod world;

use engine::ordered::{
    Deed, OperationName, OrderedInput, PresenceName, Request, RequestTag, ShownPresence,
};
use engine::ot::OtType;
use engine::{ConnectionId, ReplicaId};

use crate::script::Script;
use world::World;

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
    let connection = ConnectionId(u64::from(script.below(3)));
    match script.below(16) {
        0 => world.come(connection),
        1 => world.tell(OrderedInput::Left { connection }),
        2..7 => {
            let request = submit(world, script);
            world.ask(connection, request);
        }
        7..10 => {
            let request = question(world, script);
            world.ask(connection, request);
        }
        10 | 11 => world.answer(script.below(4)),
        12 => world.be_overtaken(script.one_of(&EDITS)),
        13 => match script.below(5) {
            0 => world.tell(OrderedInput::PresenceAsked),
            1 => world.tell(OrderedInput::OthersDoubted),
            2 => world.tell(OrderedInput::ReplicasGone([ReplicaId(2)].into())),
            3 => world.tell(OrderedInput::WayAsked(ReplicaId(2))),
            _ => world.tell_heads(),
        },
        14 => world.pass(script.number()),
        _ => world.tell(OrderedInput::Tick),
    }
}

fn submit(world: &World, script: &mut Script<'_>) -> Request {
    let name = OperationName {
        source: script.one_of(&SOURCES).into(),
        number: u64::from(script.below(8)),
    };
    Request::Submit {
        tag: RequestTag(script.number()),
        name,
        made_on: world.version(script),
        deed: deed(script),
        skips_noop: script.flag(),
    }
}

fn deed(script: &mut Script<'_>) -> Deed {
    match script.below(8) {
        0 => Deed::Create {
            ot_type: script.one_of(&OtType::ALL),
            data: script.flag().then(|| text(script)),
        },
        1 => Deed::Delete,
        2 => Deed::Edit(text(script)),
        _ => Deed::Edit(script.one_of(&EDITS).into()),
    }
}

fn question(world: &World, script: &mut Script<'_>) -> Request {
    let tag = RequestTag(script.number());
    match script.below(6) {
        0 => Request::Fetch {
            tag,
            from: world.version(script),
        },
        1 => Request::Subscribe {
            tag,
            from: world.version(script),
        },
        2 => Request::Unsubscribe { tag },
        3 => Request::SubscribePresence { tag },
        4 => Request::UnsubscribePresence { tag },
        _ => Request::ShowPresence {
            tag,
            shown: ShownPresence {
                name: PresenceName {
                    source: script.one_of(&SOURCES).into(),
                    id: script.one_of(&SOURCES).into(),
                },
                number: u64::from(script.below(8)),
                made_on: world.version(script),
                value: script.flag().then(|| script.one_of(&PLACES).into()),
            },
        },
    }
}

fn text(script: &mut Script<'_>) -> Box<str> {
    String::from_utf8_lossy(script.chunk()).into()
}

const STEPS_MAX: usize = 300;
const SOURCES: [&str; 3] = ["one", "two", ""];
/// Operations of all types, most of which fit what is begun with.
const EDITS: [&str; 10] = [
    r#"["x"]"#,
    r#"[1,"y"]"#,
    r#"[{"d":1}]"#,
    r#"[]"#,
    r#"[{"insert":"z"}]"#,
    r#"[{"retain":1,"attributes":{"bold":true}}]"#,
    r#"[{"p":[0],"li":1}]"#,
    r#"[{"p":["a"],"oi":"b"}]"#,
    r#"[{"p":[],"od":null,"oi":[1,2]}]"#,
    r#"[{"p":[0],"ld":1}]"#,
];
const PLACES: [&str; 4] = [
    r#"{"index":1,"length":2}"#,
    "3",
    r#"{"p":[0]}"#,
    r#"["a",0]"#,
];
