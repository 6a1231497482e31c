//! Rights: who is let in, whose edits are taken, who is told, and what happens when rights end, change or are taken away.

use bytes::Bytes;
use engine::{
    Access, Capabilities, CloseReason, ConnectionId, Event, Input, Intent, Joining, Kind, Rights,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{World, world};

fn may(words: &str) -> Capabilities {
    words.parse().unwrap()
}

fn access(words: &str) -> Access {
    Access {
        may: may(words),
        editors_max: None,
    }
}

fn rights(words: &str) -> Rights {
    Rights {
        access: access(words),
        ..Rights::all(None)
    }
}

/// Lets a client in that counts its edits, or does not.
fn join(world: &mut World, who: usize, rights: Rights, counts: bool) {
    let joining = |connection| Joining {
        connection,
        kind: Kind::Yjs,
        rights,
        counts,
    };
    world.connect_as(who, joining);
    let have = world.clients[who].editor.have();
    world.say(who, Intent::Pull { have });
    world.run();
}

fn counting(world: &mut World, who: usize, words: &str) {
    join(world, who, rights(words), true);
}

fn granted(connection: ConnectionId, access: Access) -> Input {
    Input::Granted {
        connection,
        access,
        until_ms: None,
    }
}

/// How many of its edits a client was told are stored, and how many refused.
fn told(world: &World, who: usize) -> (usize, usize) {
    let heard = |wanted: fn(&Event) -> bool| {
        let heard = world.clients[who].heard.iter();
        heard.filter(|event| wanted(event)).count()
    };
    (
        heard(|event| matches!(event, Event::Ack { .. })),
        heard(|event| matches!(event, Event::Refused { .. })),
    )
}

fn scopes(world: &World, who: usize) -> Vec<bool> {
    let scope = |event: &Event| match event {
        Event::Rights { may_write } => Some(*may_write),
        _ => None,
    };
    world.clients[who].heard.iter().filter_map(scope).collect()
}

#[test]
fn who_may_not_read_is_not_let_in() {
    for words in ["", "write presence history admin comment"] {
        let mut world = world(1);
        join(&mut world, 0, rights(words), true);
        assert_eq!(
            world.clients[0].closed,
            Some(CloseReason::Forbidden),
            "{words}"
        );
    }
    let mut world = world(1);
    let ended = Rights {
        until_ms: Some(world.now_ms),
        ..Rights::all(None)
    };
    join(&mut world, 0, ended, true);
    assert_eq!(world.clients[0].closed, Some(CloseReason::Expired));
}

#[test]
fn a_reader_who_counts_is_told_of_each_edit_that_is_refused_and_stays() {
    let mut world = world(2);
    counting(&mut world, 0, "read");
    counting(&mut world, 1, "read write");
    world.types(1, "theirs");
    world.quiesce();
    // Its answer to the question brought nothing, which is nobody's to refuse.
    assert_eq!((told(&world, 0), scopes(&world, 0)), ((1, 0), vec![false]));
    world.types(0, "mine");
    world.types(0, "more");
    world.quiesce();
    assert_eq!(told(&world, 0), (1, 2));
    assert_eq!(world.clients[1].text(), "theirs");
    assert!(
        world.clients[0].text().contains("theirs"),
        "it goes on reading"
    );
}

#[test]
fn a_reader_who_does_not_count_is_closed_when_it_edits() {
    let mut world = world(1);
    join(&mut world, 0, rights("read presence"), false);
    world.quiesce();
    assert_eq!(world.clients[0].closed, None, "it answers as everyone does");
    world.types(0, "mine");
    world.quiesce();
    assert_eq!(world.clients[0].closed, Some(CloseReason::Forbidden));
    assert!(world.store.load_log().changes.is_empty());
}

#[test]
fn presence_is_shown_by_those_who_may() {
    let mut world = world(3);
    for (who, words) in [(0, "read presence"), (1, "read write"), (2, "read")] {
        counting(&mut world, who, words);
        world.show_presence(who);
    }
    world.quiesce();
    let seen: Vec<_> = world.clients[2].sees.keys().map(|id| id.0).collect();
    assert_eq!(seen, [world.clients[0].editor.client()]);
}

#[test]
fn signals_are_passed_on_for_those_who_may_write_or_comment() {
    let mut world = world(4);
    for (who, words) in [
        (0, "read write"),
        (1, "read comment"),
        (2, "read"),
        (3, "read"),
    ] {
        counting(&mut world, who, words);
    }
    for who in 0..3 {
        world.say(who, Intent::Signal(vec![b'0' + who as u8].into()));
    }
    world.tell(Input::Signal(b"all"[..].into()));
    world.run();
    let heard = |who: usize| -> Vec<String> {
        let signal = |event: &Event| match event {
            Event::Signal(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            _ => None,
        };
        world.clients[who].heard.iter().filter_map(signal).collect()
    };
    assert_eq!(heard(0), ["1", "all"]);
    assert_eq!(heard(3), ["0", "1", "all"]);
}

#[test]
fn rights_end_by_themselves_and_can_be_renewed() {
    let mut world = world(2);
    for who in 0..2 {
        let until_ms = Some(world.now_ms + 1_000);
        join(
            &mut world,
            who,
            Rights {
                until_ms,
                ..Rights::all(None)
            },
            true,
        );
    }
    let connection = world.clients[1].connection();
    world.tell(granted(connection, access("read write")));
    world.pass(1_000);
    assert_eq!(world.clients[0].closed, Some(CloseReason::Expired));
    assert_eq!(world.clients[1].closed, None);
    world.types(1, "still here");
    world.quiesce();
    assert_eq!(told(&world, 1).0, 2);
}

#[test]
fn an_edit_that_comes_after_the_end_is_not_taken_even_before_the_tick() {
    let mut world = world(1);
    let until_ms = Some(world.now_ms + 10);
    join(
        &mut world,
        0,
        Rights {
            until_ms,
            ..Rights::all(None)
        },
        true,
    );
    world.now_ms += 10;
    world.types(0, "late");
    world.quiesce();
    assert_eq!(world.clients[0].closed, Some(CloseReason::Expired));
    assert!(world.store.load_log().changes.is_empty());
}

#[test]
fn who_may_write_again_comes_back_with_what_was_refused() {
    let mut world = world(1);
    counting(&mut world, 0, "read write");
    let connection = world.clients[0].connection();
    world.tell(granted(connection, access("read")));
    world.types(0, "refused");
    world.quiesce();
    assert_eq!(scopes(&world, 0), [true, false]);
    world.tell(granted(connection, access("read write")));
    assert_eq!(world.clients[0].closed, Some(CloseReason::NotReady));
    counting(&mut world, 0, "read write");
    world.quiesce();
    assert_eq!(world.document.content().text(None).unwrap(), "refused");
}

#[test]
fn revoked_and_forbidden_clients_are_closed() {
    let mut world = world(2);
    (0..2).for_each(|who| counting(&mut world, who, "read write"));
    let connection = world.clients[0].connection();
    world.tell(Input::Revoked { connection });
    world.tell(granted(world.clients[1].connection(), access("write")));
    assert_eq!(world.clients[0].closed, Some(CloseReason::Revoked));
    assert_eq!(world.clients[1].closed, Some(CloseReason::Forbidden));
    // Nobody is left whom it could be about.
    world.tell(Input::Revoked { connection });
}

#[test]
fn only_so_many_edit_at_the_same_time() {
    let mut world = world(3);
    let limited = Rights {
        access: Access {
            editors_max: Some(2),
            ..access("read write")
        },
        ..Rights::all(None)
    };
    for who in 0..3 {
        join(&mut world, who, limited.clone(), true);
    }
    assert_eq!(scopes(&world, 2), [true], "nobody edits yet");
    (0..2).for_each(|who| drop(world.types(who, "edits")));
    world.types(2, "one too many");
    world.quiesce();
    assert_eq!((told(&world, 2), told(&world, 0)), ((1, 1), (2, 0)));
    assert_eq!(scopes(&world, 2), [true, false]);
    world.leave(0);
    world.quiesce();
    assert_eq!(
        world.clients[2].closed,
        Some(CloseReason::NotReady),
        "there is room now"
    );
    join(&mut world, 2, limited, true);
    world.quiesce();
    assert!(
        world
            .document
            .content()
            .text(None)
            .unwrap()
            .contains("one too many")
    );
}

#[test]
fn a_viewer_is_told_when_there_is_room_to_edit() {
    let mut world = world(2);
    let limited = Rights {
        access: Access {
            editors_max: Some(1),
            ..access("read write")
        },
        ..Rights::all(None)
    };
    join(&mut world, 0, limited.clone(), true);
    world.types(0, "edits");
    world.quiesce();
    join(&mut world, 1, limited, true);
    assert_eq!(scopes(&world, 1), [false]);
    world.leave(0);
    world.run();
    assert_eq!(scopes(&world, 1), [false, true]);
}

#[test]
fn a_client_that_asks_again_is_asked_again_and_its_answer_is_told_of() {
    let mut world = world(2);
    counting(&mut world, 0, "read write");
    join(&mut world, 1, Rights::all(None), false);
    world.quiesce();
    for _ in 0..2 {
        for who in 0..2 {
            let have = world.clients[who].editor.have();
            world.say(who, Intent::Pull { have });
        }
        world.quiesce();
    }
    let asked = |who: usize| {
        let heard = world.clients[who].heard.iter();
        heard
            .filter(|event| matches!(event, Event::Have { .. }))
            .count()
    };
    assert_eq!((asked(0), told(&world, 0)), (3, (3, 0)));
    assert_eq!(asked(1), 1, "others do not count on it");
}

#[test]
fn a_client_whose_queue_was_dropped_can_count_again_when_it_asks() {
    let mut world = world(1);
    counting(&mut world, 0, "read write");
    world.quiesce();
    let have = world.clients[0].editor.have();
    world.say(0, Intent::Pull { have: have.clone() });
    world.settle();
    world.lag(0);
    world.drained(0);
    world.quiesce();
    let before = told(&world, 0).0;
    world.say(0, Intent::Pull { have });
    world.quiesce();
    assert_eq!(told(&world, 0).0, before + 1);
}

/// What a client that counts its edits shows its author: one when it begins to sync, one more for each edit, one less for
/// each acknowledgement.
struct Counter {
    unsynced: usize,
    acks: usize,
    sent: Vec<Bytes>,
}

impl Counter {
    fn begin(&mut self) {
        self.unsynced = 1;
    }

    /// At zero all that the client has sent must be stored.
    fn look(&mut self, world: &mut World) {
        let acks = told(world, 0).0;
        let new = acks - std::mem::replace(&mut self.acks, acks);
        self.unsynced = self.unsynced.saturating_sub(new);
        let stored = self.sent.iter().all(|edit| world.store.covers(edit));
        assert!(
            self.unsynced > 0 || stored,
            "an edit counts as stored too early"
        );
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Type,
    TypeUnsent,
    Read,
    Commit,
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Type),
        1 => Just(Step::TypeUnsent),
        3 => Just(Step::Read),
        2 => Just(Step::Commit),
        1 => Just(Step::Reconnect),
    ];
    vec(step, 1..40)
}

proptest! {
    /// Whatever is typed, lost on the way to the server, committed late and read late: the counter is at zero only when all
    /// that was sent is stored, and when all is quiet.
    #[test]
    fn the_counter_of_a_client_returns_to_zero(steps in steps()) {
        let mut world = world(1);
        let mut counter = Counter { unsynced: 1, acks: 0, sent: Vec::new() };
        counting(&mut world, 0, "read write");
        for step in steps {
            take(step, &mut world, &mut counter);
            counter.look(&mut world);
        }
        world.quiesce();
        counter.look(&mut world);
        prop_assert_eq!(counter.unsynced, 0);
    }
}

fn take(step: Step, world: &mut World, counter: &mut Counter) {
    match step {
        Step::Type => {
            counter.sent.push(world.types(0, "x"));
            counter.unsynced += 1;
        }
        Step::TypeUnsent => drop(world.clients[0].editor.append("lost")),
        Step::Read => world.read(0),
        Step::Commit => {
            world.settle();
            world.commit();
        }
        Step::Reconnect => {
            world.settle();
            world.leave(0);
            counter.look(world);
            counter.begin();
            counting(world, 0, "read write");
        }
    }
}
