//! The bounds of one document: how deep shared types may be nested, and how much memory the content may come to.

use std::collections::BTreeSet;
use std::thread;

use bytes::Bytes;
use engine::{CloseReason, Content, ContentError, Kind, Limits, Phase, history};
use yrs::encoding::write::Write;

use crate::world::{Editor, World, unopened, world, world_with};

fn joined_with(clients: u64, limits: Limits) -> World {
    let mut world = world_with(clients, limits);
    (0..clients as usize).for_each(|who| world.join(who));
    world.quiesce();
    world
}

/// Lists in lists: client 7 puts list `clock` into list `clock - 1`, and list 0 into the root `t`.
fn nest(clocks: std::ops::Range<u32>) -> Bytes {
    nest_of(&[0], false, clocks)
}

/// Shared types of one kind in each other, in maps under the key `k`.
fn nest_of(kind: &[u8], in_maps: bool, clocks: std::ops::Range<u32>) -> Bytes {
    let mut update = vec![1];
    update.write_var(clocks.len() as u32);
    update.write_var(7_u32);
    update.write_var(clocks.start);
    for clock in clocks {
        update.write_u8(if in_maps { 0x27 } else { 7 });
        if clock == 0 {
            update.extend([1, 1, b't']);
        } else {
            update.extend([0, 7]);
            update.write_var(clock - 1);
        }
        if in_maps {
            update.extend([1, b'k']);
        }
        update.extend(kind);
    }
    update.write_u8(0);
    update.into()
}

/// The root list and all in it is deleted.
const DELETE_ROOT: &[u8] = &[0, 1, 7, 1, 0, 1];

/// Runs on a stack as small as any thread here has.
fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(run).unwrap().join().unwrap()
}

fn stored(updates: &[Bytes]) -> Content {
    let mut content = Content::new(Kind::Yjs).unwrap();
    for update in updates {
        content.integrate(update).unwrap();
    }
    content
}

fn refused<T: std::fmt::Debug>(result: &Result<T, ContentError>) {
    assert!(
        matches!(
            result,
            Err(ContentError::TooDeep | ContentError::Refused(_))
        ),
        "{result:?}"
    );
}

#[test]
fn nesting_is_bounded_however_it_is_sent() {
    for piece in [1, 7, 512] {
        let mut world = joined_with(2, Limits::default());
        for start in (0..511).step_by(piece) {
            let end = 511.min(start + piece as u32);
            world.push(0, nest(start..end));
            world.settle();
        }
        world.push(0, nest(511..512));
        world.quiesce();
        assert_eq!(
            world.clients[0].closed, None,
            "512 levels in pieces of {piece}"
        );
        world.push(0, nest(512..513));
        world.quiesce();
        assert_eq!(world.clients[0].closed, Some(CloseReason::TooDeep));
        assert!(world.clients[1].line.is_some() && world.quarantined.is_empty());
        assert_eq!(world.document.phase(), Phase::Open);
    }
    let mut world = joined_with(1, Limits::default());
    world.push(0, nest(0..200_000));
    world.settle();
    assert_eq!(world.clients[0].closed, Some(CloseReason::TooDeep));
}

#[test]
fn a_document_knows_its_levels_after_a_restart() {
    let limits = Limits {
        snapshot_changes: 1,
        snapshot_bytes: 1,
        ..Limits::default()
    };
    for keep_snapshots in [true, false] {
        let mut past = joined_with(1, limits);
        past.push(0, nest(0..500));
        past.quiesce();
        assert!(!past.store.snapshots.is_empty());
        if !keep_snapshots {
            past.store.snapshots.clear();
        }
        let mut world = unopened(1, limits, past.store);
        world.open();
        world.join(0);
        world.push(0, nest(500..512));
        world.quiesce();
        assert_eq!(world.clients[0].closed, None);
        world.push(0, nest(512..513));
        world.quiesce();
        assert_eq!(world.clients[0].closed, Some(CloseReason::TooDeep));
    }
}

/// An item beside another is as deep as that, and what it holds is deeper; whoever writes it, wherever it stands.
#[test]
fn neighbours_are_as_deep_as_their_neighbours() {
    let mut content = stored(&[nest(0..639)]);
    // Client 3 puts a list behind (9, 0), and client 9 puts (9, 0) into the deepest list. Sections come in any order.
    let beside = b"\x01\x03\x00\x87\x09\x00\x00";
    let mut within = b"\x01\x09\x00\x07\x00\x07".to_vec();
    within.write_var(638_u32);
    within.write_u8(0);
    for (one, two) in [(&beside[..], &within[..]), (&within[..], &beside[..])] {
        let update = [&[2], one, two, &[0]].concat();
        content = stored(&[nest(0..639)]);
        assert!(content.integrate(&update).unwrap().news);
        // Each of the two is at the last level that there may be.
        refused(&content.integrate(b"\x01\x01\x05\x00\x07\x00\x03\x00\x00\x00"));
        refused(&content.integrate(b"\x01\x01\x05\x00\x07\x00\x09\x00\x00\x00"));
        assert!(!content.is_broken());
    }
    // A map entry or a character may be there.
    assert!(
        content
            .integrate(b"\x01\x01\x05\x00\x04\x00\x03\x00\x01x\x00")
            .unwrap()
            .news
    );
}

/// Lists of so many clients, each within that of the one before, the first within list (7, `within`): one update.
fn chain(clients: u32, within: u32, from_the_last: bool) -> Bytes {
    let number = |client| 100 + client;
    let section = |client: u32| {
        let (holder, clock) = match client {
            0 => (7, within),
            _ => (number(client - 1), 0),
        };
        let mut section = vec![1];
        section.write_var(number(client));
        section.extend([0, 7, 0]);
        section.write_var(holder);
        section.write_var(clock);
        section.write_u8(0);
        section
    };
    let mut sections: Vec<_> = (0..clients).map(section).collect();
    if from_the_last {
        sections.reverse();
    }
    let mut update = Vec::new();
    update.write_var(clients);
    update.extend(sections.concat());
    update.write_u8(0);
    update.into()
}

#[test]
fn levels_are_known_across_few_clients_and_many() {
    for (clients, from_the_last) in [2, 8, 9, 40]
        .into_iter()
        .flat_map(|n| [(n, false), (n, true)])
    {
        let room = 640 - clients;
        let mut content = stored(&[nest(0..room)]);
        assert!(
            content
                .integrate(&chain(clients, room - 1, from_the_last))
                .unwrap()
                .news
        );
        let mut content = stored(&[nest(0..room)]);
        refused(&content.integrate(&chain(clients + 1, room - 1, from_the_last)));
        assert!(!content.is_broken());
    }
}

#[test]
fn what_waits_is_measured_when_it_is_taken_in() {
    let mut world = joined_with(2, Limits::default());
    world.push(0, nest(300..513));
    world.settle();
    assert_eq!(world.document.content().waiting().len(), 1);
    world.push(1, nest(0..300));
    world.quiesce();
    assert!(
        world.clients[1].closed.is_none(),
        "who brings the rest is not to blame"
    );
    assert!(world.document.content().waiting().is_empty());
    assert_eq!(world.document.phase(), Phase::Open);
    let text = world.document.content().json(None).unwrap().to_string();
    assert_eq!(
        text.matches('[').count(),
        301,
        "what nests too deep is not there"
    );
    world.crash();
    assert_eq!(world.document.phase(), Phase::Open);
    assert!(!world.document.is_read_only());
}

/// As deep as may be in a log, and at the bottom a value as deep as pre-flight lets in.
#[test]
fn the_deepest_document_is_read_and_deleted_on_a_small_stack() {
    let kinds = [
        (&[0_u8][..], false),
        (&[1], true),
        (&[3, 1, b'p'], false),
        (&[4], false),
    ];
    for (kind, in_maps) in kinds {
        let nested = nest_of(kind, in_maps, 0..STORED_NESTING_MAX);
        let mut value = b"\x01\x01\x08\x00\x08\x00\x07".to_vec();
        value.write_var(STORED_NESTING_MAX - 1);
        value.extend(
            [1].into_iter()
                .chain([0x75, 1].repeat(128))
                .chain([0x7e, 0]),
        );
        on_a_small_stack(move || {
            let mut content = stored(&[nested, value.into()]);
            content.json(None).unwrap();
            content.text(None).unwrap();
            let state = content.state().unwrap();
            let mut restored = Content::new(Kind::Yjs).unwrap();
            restored.restore(&state).unwrap();
            assert!(content.matches(&state).unwrap());
            assert!(content.integrate(DELETE_ROOT).unwrap().news);
            assert!(restored.integrate(DELETE_ROOT).unwrap().news);
            assert_eq!(content.json(None).unwrap(), restored.json(None).unwrap());
        });
    }
    let mut content = Content::new(Kind::Yjs).unwrap();
    refused(&content.integrate(&nest(0..STORED_NESTING_MAX + 1)));
}

/// What a log may hold, see `engine/src/content/yjs/mod.rs`.
const STORED_NESTING_MAX: u32 = 640;

/// yrs would notice only after half of the update was taken in.
#[test]
fn what_can_hold_nothing_is_no_parent() {
    let mut content = stored(&[Bytes::from_static(
        b"\x01\x01\x01\x00\x04\x01\x01t\x01x\x00",
    )]);
    let state = content.state().unwrap();
    let within: &[u8] = b"\x01\x02\x09\x00\x04\x01\x01u\x01y\x04\x00\x01\x00\x01z\x00";
    refused(&content.integrate(within));
    assert_eq!(content.state().unwrap(), state, "nothing of it was taken");
    refused(&content.integrate(b"\x01\x02\x02\x00\x08\x01\x01a\x01}\x01\x04\x00\x02\x00\x01x\x00"));
    content.integrate(b"\x00\x01\x01\x01\x00\x01").unwrap();
    let collected = content.integrate(within).unwrap();
    assert!(collected.news, "what is deleted may have held something");
}

#[test]
fn a_full_document_takes_only_deletions() {
    let limits = Limits {
        document_weight_max: 20_000,
        ..Limits::default()
    };
    let mut world = joined_with(3, limits);
    let mut typed = 0;
    while world.clients[0].closed.is_none() && typed < 1_000 {
        world.types(0, &"x".repeat(100));
        world.quiesce();
        typed += 1;
    }
    assert_eq!(world.clients[0].closed, Some(CloseReason::DocumentFull));
    assert!((20..200).contains(&typed), "{typed}");
    assert!(world.document.weight() <= 20_000);
    let erased = world.clients[1].editor.erase(0, 1_000);
    world.push(1, erased);
    world.quiesce();
    assert!(world.clients[1].line.is_some());
    let text = world.document.content().text(None).unwrap();
    assert_eq!(text.len(), (typed - 1) * 100 - 1_000);
    world.types(2, "more than there is room for, after all this");
    world.push(2, Editor::new(50).append(&"x".repeat(30_000)));
    world.quiesce();
    assert_eq!(world.clients[2].closed, Some(CloseReason::DocumentFull));
}

/// The log says what was taken in once, and is replayed whatever the bounds are now.
#[test]
fn a_document_that_is_beyond_its_bounds_opens() {
    let mut past = world(1);
    past.join(0);
    past.push(0, nest(0..512));
    past.types(0, &"x".repeat(10_000));
    past.quiesce();
    let limits = Limits {
        document_weight_max: 1_000,
        nesting_max: 3,
        ..Limits::default()
    };
    let mut world = unopened(1, limits, past.store);
    world.open();
    assert_eq!(world.document.phase(), Phase::Open);
    assert!(world.skipped.is_empty() && world.document.weight() > 10_000);
    let log = &world.store.changes;
    let replayed = history::replay(Kind::Yjs, None, log, &BTreeSet::new()).unwrap();
    assert_eq!(replayed.skipped, 0);
}

/// What is typed at the end of a text is joined, and is weighed anew with the next snapshot.
#[test]
fn a_snapshot_weighs_the_document_anew() {
    let limits = Limits {
        snapshot_changes: 50,
        snapshot_bytes: 1,
        document_weight_max: 20_000,
        ..Limits::default()
    };
    let mut world = joined_with(1, limits);
    for _ in 0..500 {
        world.types(0, "x");
        world.quiesce();
    }
    assert!(world.clients[0].line.is_some());
    assert!(world.document.weight() < 20_000);
    assert_eq!(world.document.content().text(None).unwrap().len(), 500);
}
