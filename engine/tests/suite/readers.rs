//! Readers that are too slow: what they were sent is dropped, and one difference brings them up to date.

use engine::{Event, Input, Intent, Kind};

use crate::world::{Fault, World, world};

fn joined(clients: u64) -> World {
    let mut world = world(clients);
    (0..clients as usize).for_each(|who| world.join(who));
    world.quiesce();
    world
}

#[test]
fn who_reads_again_and_repeats_something_at_once_is_told_all_the_same() {
    let mut world = joined(2);
    let typed = world.types(1, "a");
    world.quiesce();
    world.lag(1);
    world.types(0, "b");
    world.quiesce();
    world.push(1, typed);
    world.drained(1);
    world.run();
    assert_eq!(world.clients[1].text(), world.clients[0].text());
}

#[test]
fn a_slow_reader_catches_up_by_one_difference() {
    let mut world = joined(2);
    world.types(0, "seen ");
    world.quiesce();
    let heard = world.clients[1].changes().len();
    world.lag(1);
    for text in ["a", "b", "c"] {
        world.types(0, text);
        world.commit();
        world.settle();
    }
    world.drained(1);
    world.types(0, "d");
    world.quiesce();
    assert_eq!(world.clients[1].text(), "seen abcd");
    assert_eq!(
        world.clients[1].changes().len(),
        heard + 2,
        "the difference, and what came after"
    );
}

#[test]
fn a_slow_reader_with_unsaved_edits_waits_for_them() {
    let mut world = joined(2);
    world.types(1, "mine ");
    world.lag(1);
    world.types(0, "theirs ");
    world.settle();
    world.drained(1);
    world.run();
    assert_eq!(
        world.clients[1].text(),
        "mine ",
        "its own edit must not be shown to it before it is stored"
    );
    world.quiesce();
    assert_eq!(world.clients[1].text(), world.clients[0].text());
    assert!(!world.clients[1].editor.waits());
}

/// Edits of the same batch, and such that are made after it asked, hold it up as well.
#[test]
fn a_slow_reader_waits_for_edits_of_the_same_batch() {
    let mut world = joined(2);
    world.lag(1);
    world.types(0, "theirs ");
    world.types(1, "mine ");
    world.drained(1);
    world.run();
    assert!(world.clients[1].line.as_ref().unwrap().dropped);
    world.commit();
    world.run();
    assert_eq!(world.clients[1].text(), world.clients[0].text());
}

/// What a client is known to have seen begins with the content that it asked for. If that was dropped, nothing counts,
/// though an edit made in between did get through.
#[test]
fn a_slow_reader_that_lost_what_it_had_asked_for_is_sent_everything() {
    let mut world = joined(2);
    world.types(0, "before ");
    world.quiesce();
    world.leave(1);
    world.clients[1].editor = crate::world::Editor::new(9);
    world.connect(1, Kind::Yjs);
    world.types(0, "between ");
    world.settle();
    world.read(1);
    let have = world.clients[1].editor.have();
    world.say(1, Intent::Pull { have });
    world.settle();
    world.lag(1);
    world.drained(1);
    world.quiesce();
    assert_eq!(world.clients[1].text(), "before between ");
    assert!(!world.clients[1].editor.waits());
}

#[test]
fn a_reader_that_was_slow_before_it_was_sent_anything_is_sent_everything() {
    let mut world = joined(2);
    world.types(0, "before ");
    world.quiesce();
    world.leave(1);
    world.clients[1].editor = crate::world::Editor::new(9);
    world.join(1);
    world.lag(1);
    world.types(0, "after");
    world.quiesce();
    world.drained(1);
    world.quiesce();
    assert_eq!(world.clients[1].text(), "before after");
    world.types(0, "!");
    world.quiesce();
    assert_eq!(world.clients[1].text(), "before after!");
}

/// What it was asked on joining may have been dropped too, and with it its edits from before.
#[test]
fn a_slow_reader_is_asked_again_for_what_it_has() {
    let mut world = world(2);
    world.join(0);
    world.types(1, "offline");
    world.join(1);
    world.lag(1);
    world.drained(1);
    world.quiesce();
    assert_eq!(world.clients[0].text(), "offline");
}

#[test]
fn a_slow_reader_learns_what_was_deleted_meanwhile() {
    let mut world = joined(2);
    world.types(0, "hello");
    world.quiesce();
    world.lag(1);
    let erased = world.clients[0].editor.erase(1, 3);
    world.push(0, erased);
    world.quiesce();
    world.drained(1);
    world.quiesce();
    assert_eq!(world.clients[1].text(), "ho");
}

#[test]
fn a_slow_reader_sees_who_is_here() {
    let mut world = joined(3);
    world.lag(1);
    world.leave(2);
    world.join(2);
    world.quiesce();
    world.clients[1].sees.clear();
    world.drained(1);
    world.quiesce();
    assert_eq!(world.clients[1].sees.len(), 3);
}

#[test]
fn a_slow_reader_that_leaves_is_forgotten() {
    let mut world = joined(2);
    world.store.fault = Fault::Before;
    world.types(1, "unsaved");
    world.lag(1);
    world.drained(1);
    let connection = world.clients[1].connection();
    world.leave(1);
    world.store.fault = Fault::None;
    world.commit();
    world.pass(5_000);
    world.quiesce();
    world.tell(Input::Drained {
        connection,
        seen: None,
    });
    world.quiesce();
    assert_eq!(world.clients[0].text(), "unsaved");
}

/// Several at once are served in the same order every time.
#[test]
fn slow_readers_are_served_in_order() {
    let order = || {
        let mut world = joined(9);
        (1..9).for_each(|who| {
            world.types(who, "own ");
        });
        (1..9).for_each(|who| world.lag(who));
        world.settle();
        (1..9).for_each(|who| world.drained(who));
        world.commit();
        world.resumed.clone()
    };
    let first = order();
    assert_eq!(first.len(), 8);
    assert!(first.is_sorted());
    assert_eq!(first, order());
}

#[test]
fn a_pull_is_answered_with_what_is_missing() {
    let mut world = joined(2);
    world.types(0, "hello");
    world.quiesce();
    let have = world.clients[1].editor.have();
    world.say(1, Intent::Pull { have });
    world.settle();
    let queue = &world.clients[1].line.as_ref().unwrap().queue;
    assert!(
        matches!(&queue[0], (Event::Missing { payload }, Some(1)) if payload[..] == [0, 0]),
        "{queue:?}"
    );
}

/// The edits may have been made over an earlier connection: who repeats them waits for them as their author does.
#[test]
fn a_slow_reader_waits_for_edits_of_its_former_connection() {
    let mut world = joined(2);
    world.types(1, "mine ");
    world.settle();
    world.leave(1);
    world.join(1);
    world.run();
    world.lag(1);
    world.types(0, "theirs ");
    world.settle();
    world.drained(1);
    world.run();
    assert_eq!(world.clients[1].text(), "mine ");
    world.commit();
    world.commit();
    world.run();
    assert_eq!(world.clients[1].text(), world.clients[0].text());
}
