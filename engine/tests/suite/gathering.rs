//! News of presence in rooms of all sizes: shown at once where that is cheap, else together, and nothing of it lost.

use bytes::Bytes;
use engine::{Event, Intent, Limits, PresenceEntry, PresenceId};

use crate::world::{World, world_with};

const LARGE: u64 = 100;
/// What a room of so many waits.
const WAIT_MS: u64 = LARGE / 2;

/// Clients that are connected, and of whom nothing was shown for long.
fn room(clients: u64) -> World {
    let mut world = world_with(clients, Limits::default());
    (0..clients as usize).for_each(|who| world.join(who));
    world.quiesce();
    world.pass(1_000);
    world.run();
    forget(&mut world);
    world
}

fn forget(world: &mut World) {
    let clients = world.clients.iter_mut();
    clients.for_each(|client| client.heard.clear());
}

fn show(world: &mut World, who: usize, version: u32, state: Option<&'static str>) {
    let entry = PresenceEntry {
        id: PresenceId(world.clients[who].editor.client()),
        version,
        state: state.map(|state| Bytes::from_static(state.as_bytes())),
    };
    world.say(who, Intent::ShowPresence(vec![entry]));
    world.run();
}

/// The versions that a client was shown of others, event by event; those who are gone are negative.
fn shown(world: &World, who: usize) -> Vec<Vec<i64>> {
    let events = world.clients[who].heard.iter();
    let entries = events.filter_map(|event| match event {
        Event::Presence(entries) => Some(entries),
        _ => None,
    });
    let version = |entry: &PresenceEntry| match entry.state {
        Some(_) => i64::from(entry.version),
        None => -i64::from(entry.version),
    };
    entries
        .map(|entries| entries.iter().map(version).collect())
        .collect()
}

#[test]
fn in_a_small_room_everything_is_shown_at_once() {
    let mut world = room(20);
    for version in 10..13 {
        show(&mut world, 0, version, Some("{}"));
    }
    assert_eq!(shown(&world, 1), [[10], [11], [12]]);
    assert!(shown(&world, 0).is_empty(), "not to who shows it");
}

#[test]
fn in_a_large_room_what_follows_waits_and_leaves_together() {
    let mut world = room(LARGE);
    show(&mut world, 0, 10, Some("{}"));
    assert_eq!(shown(&world, 1), [[10]], "after a silence, at once");
    for version in 11..20 {
        show(&mut world, 0, version, Some("{}"));
    }
    show(&mut world, 2, 50, Some("{}"));
    assert_eq!(shown(&world, 1), [[10]]);
    world.pass(WAIT_MS);
    world.run();
    assert_eq!(shown(&world, 1), [vec![10], vec![19, 50]], "the last words");
    assert_eq!(shown(&world, 0), [[19, 50]]);
    show(&mut world, 0, 20, Some("{}"));
    world.pass(WAIT_MS);
    world.run();
    assert_eq!(shown(&world, 0).len(), 1, "what it alone said, it knows");
    assert_eq!(shown(&world, 3).last(), Some(&vec![20]));
}

#[test]
fn who_leaves_meanwhile_is_gone_also_if_they_come_back() {
    let mut world = room(LARGE);
    show(&mut world, 5, 10, Some("{}"));
    show(&mut world, 0, 10, Some("{}"));
    world.leave(0);
    world.run();
    world.join(0);
    world.run();
    show(&mut world, 0, 11, Some("{}"));
    world.pass(WAIT_MS);
    world.run();
    assert_eq!(shown(&world, 1), [vec![10], vec![-10, 11]]);
    world.leave(0);
    world.pass(WAIT_MS);
    world.run();
    assert_eq!(shown(&world, 1).last(), Some(&vec![-11]));
}

#[test]
fn who_comes_meanwhile_is_shown_everyone() {
    let mut world = room(LARGE);
    world.leave(9);
    world.pass(1_000);
    show(&mut world, 0, 10, Some("{}"));
    show(&mut world, 1, 30, Some("{}"));
    world.join(9);
    world.run();
    let entries: Vec<_> = shown(&world, 9).concat();
    assert!(
        entries.contains(&10) && entries.contains(&30),
        "{entries:?}"
    );
}
