//! Writers: somebody who uses another's number does not silence him, and nobody who means well is kept out for good.

use bytes::Bytes;
use engine::{
    Author, CloseReason, ConnectionId, Document, Effect, Effects, Event, Input, Intent, Joining,
    Kind, Limits, Loaded, Now, PresenceEntry, PresenceId, PushTag, ReplicaId, WriterPolicy,
};

use crate::world::{Editor, key};

const VICTIM: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);
/// The victim's number.
const NUMBER: u64 = 7;

struct Room {
    document: Document,
    now_ms: u64,
}

/// What became of an edit.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    /// It was taken, and told of.
    Told,
    Refused,
}

impl Room {
    fn new(writers: WriterPolicy) -> Self {
        let limits = Limits {
            writers,
            ..Limits::default()
        };
        let document = Document::open(key(), Kind::Yjs, ReplicaId(1), limits, &mut Effects::new());
        let mut room = Self {
            document: document.expect("Yjs is served"),
            now_ms: 1_000_000,
        };
        room.hand(Input::Opened(Loaded::default()));
        room
    }

    /// A room with the victim, who announced itself, and somebody else.
    fn with_both(writers: WriterPolicy) -> Self {
        let mut room = Self::new(writers);
        room.join(VICTIM, None);
        room.announce(VICTIM, NUMBER);
        room.join(OTHER, None);
        room
    }

    fn hand(&mut self, input: Input) -> Effects {
        let mut effects = Effects::new();
        let now = Now {
            monotonic_ms: self.now_ms,
            wall_ms: self.now_ms,
        };
        self.document.handle(input, now, &mut effects);
        while self.document.next_replay().is_some() {
            self.document.replay(now, &mut effects);
        }
        self.document.settle(now, &mut effects);
        effects
    }

    fn join(&mut self, connection: ConnectionId, author: Option<&str>) {
        let author = author.map(Author::new);
        self.hand(Input::Joined(Joining::freely(
            connection,
            Kind::Yjs,
            author,
        )));
    }

    fn says(&mut self, connection: ConnectionId, intent: Intent) -> Effects {
        self.hand(Input::Intent {
            connection,
            intent,
            seen: None,
        })
    }

    fn announce(&mut self, connection: ConnectionId, number: u64) {
        let entry = PresenceEntry {
            id: PresenceId(number),
            version: 1,
            state: Some(Bytes::from_static(b"{}")),
        };
        self.says(connection, Intent::ShowPresence(vec![entry]));
    }

    fn push(&mut self, connection: ConnectionId, payload: &Bytes) -> Fate {
        let intent = Intent::Push {
            payload: payload.clone(),
            tag: PushTag(0),
        };
        let effects = self.says(connection, intent);
        let closed = effects.iter().find_map(|effect| match effect {
            Effect::Close { reason, .. } => Some(*reason),
            _ => None,
        });
        let told = effects.iter().find_map(|effect| match effect {
            Effect::ForeignEdit { refused, .. } => Some(*refused),
            _ => None,
        });
        let shown = effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::Send {
                    event: Event::Change { .. },
                    ..
                }
            )
        });
        match (closed, told) {
            (None, None) => Fate::Taken,
            (None, Some(false)) => Fate::Told,
            (Some(CloseReason::ForeignWriter), Some(true)) if !shown => Fate::Refused,
            other => panic!("{other:?}"),
        }
    }

    fn text(&self) -> String {
        self.document
            .content()
            .text(Some("text"))
            .expect("it is sound")
    }
}

/// A run of so many clocks that hold nothing, of a kind.
fn hollow(kind: u8, length: u8) -> Bytes {
    let mut update = vec![1, 1, NUMBER as u8, 0, kind];
    if kind == 1 {
        update.extend([1, 4, b't', b'e', b'x', b't']);
    }
    update.extend([length, 0]);
    update.into()
}

#[test]
fn nobody_is_silenced_by_a_run_that_holds_nothing() {
    for kind in [0, 1, 10] {
        for policy in [WriterPolicy::Warn, WriterPolicy::Strict] {
            let mut room = Room::with_both(policy);
            assert_eq!(room.push(OTHER, &hollow(kind, 100)), Fate::Refused);
            let victim = Editor::new(NUMBER);
            assert_eq!(room.push(VICTIM, &victim.append("still here")), Fate::Taken);
            assert_eq!(room.text(), "still here");
        }
    }
    let mut room = Room::with_both(WriterPolicy::Off);
    assert_eq!(room.push(OTHER, &hollow(0, 100)), Fate::Taken);
    let victim = Editor::new(NUMBER);
    room.push(VICTIM, &victim.append("silenced"));
    assert_eq!(room.text(), "", "this is what the policy is for");
}

#[test]
fn content_under_anothers_number_is_told_of_or_refused() {
    for (policy, fate) in [
        (WriterPolicy::Off, Fate::Taken),
        (WriterPolicy::Warn, Fate::Told),
        (WriterPolicy::Strict, Fate::Refused),
    ] {
        let mut room = Room::with_both(policy);
        let spoof = Editor::new(NUMBER).append("spoof");
        assert_eq!(room.push(OTHER, &spoof), fate);
    }
}

#[test]
fn a_hollow_run_does_not_hide_behind_content_or_among_others() {
    let mut room = Room::with_both(WriterPolicy::Warn);
    let behind: &[u8] = &[
        2, 1, 9, 0, 4, 1, 4, b't', b'e', b'x', b't', 1, b'o', 2, 7, 0, 4, 1, 4, b't', b'e', b'x',
        b't', 1, b'a', 0, 100, 0,
    ];
    assert_eq!(room.push(OTHER, &Bytes::from_static(behind)), Fate::Refused);
    assert_eq!(room.text(), "");
}

/// A reader brings after a crash what its writer has not brought yet, and succeeds once he has.
#[test]
fn what_another_brings_is_a_repetition_once_its_writer_has_brought_it() {
    let mut room = Room::with_both(WriterPolicy::Strict);
    let victim = Editor::new(NUMBER);
    let edit = victim.append("before the crash");
    assert_eq!(room.push(OTHER, &edit), Fate::Refused);
    assert_eq!(room.push(VICTIM, &edit), Fate::Taken);
    room.join(OTHER, None);
    assert_eq!(room.push(OTHER, &edit), Fate::Taken);
    let erased = victim.erase(0, 7);
    assert_eq!(
        room.push(OTHER, &erased),
        Fate::Taken,
        "deletions are anybody's"
    );
    assert_eq!(room.text(), "the crash");
}

#[test]
fn who_is_gone_owns_nothing() {
    let mut room = Room::with_both(WriterPolicy::Strict);
    room.hand(Input::Left { connection: VICTIM });
    room.join(ConnectionId(3), None);
    let edit = Editor::new(NUMBER).append("for one who has left");
    assert_eq!(room.push(OTHER, &edit), Fate::Taken);
}

/// Nobody has announced the number: it belongs to whoever wrote under it first, alone.
#[test]
fn without_presence_the_first_to_write_owns_the_number() {
    let mut room = Room::new(WriterPolicy::Strict);
    room.join(VICTIM, None);
    room.join(OTHER, None);
    let victim = Editor::new(NUMBER);
    assert_eq!(room.push(VICTIM, &victim.append("a")), Fate::Taken);
    assert_eq!(room.push(OTHER, &victim.append("b")), Fate::Refused);
}

/// Presence says more than who was first: a reader that brought the edits of one who then comes back owns nothing.
#[test]
fn presence_takes_a_number_back() {
    let mut room = Room::new(WriterPolicy::Strict);
    room.join(OTHER, None);
    room.join(ConnectionId(3), None);
    let victim = Editor::new(NUMBER);
    assert_eq!(room.push(OTHER, &victim.append("a")), Fate::Taken);
    room.join(VICTIM, None);
    room.announce(VICTIM, NUMBER);
    assert_eq!(room.push(VICTIM, &victim.append("b")), Fate::Taken);
    assert_eq!(room.push(OTHER, &victim.append("c")), Fate::Refused);
}

/// A browser's tabs pass on each other's presence, but not each other's edits; and each announces itself.
#[test]
fn two_tabs_of_one_browser_write_each_under_their_own_number() {
    let mut room = Room::with_both(WriterPolicy::Strict);
    room.announce(OTHER, 8);
    room.announce(VICTIM, 8);
    let (one, two) = (Editor::new(NUMBER), Editor::new(8));
    let first = one.append("one");
    two.apply(&first);
    assert_eq!(room.push(VICTIM, &first), Fate::Taken);
    assert_eq!(room.push(OTHER, &two.append(" two")), Fate::Taken);
    assert_eq!(room.text(), "one two");
}

/// Each edit comes over both, and whichever is later is a repetition.
#[test]
fn one_editor_on_two_sockets_is_fine_unless_the_policy_is_strict() {
    let mut room = Room::with_both(WriterPolicy::Warn);
    let editor = Editor::new(NUMBER);
    for (sockets, fate) in [
        ([VICTIM, OTHER], Fate::Taken),
        ([OTHER, VICTIM], Fate::Told),
    ] {
        let edit = editor.append("x");
        assert_eq!(room.push(sockets[0], &edit), fate);
        assert_eq!(room.push(sockets[1], &edit), Fate::Taken);
    }
    assert_eq!(room.text(), "xx");
}

#[test]
fn connections_of_one_known_author_share() {
    let mut room = Room::new(WriterPolicy::Strict);
    room.join(VICTIM, Some("ada"));
    room.announce(VICTIM, NUMBER);
    room.join(OTHER, Some("ada"));
    room.join(ConnectionId(3), Some("ben"));
    let editor = Editor::new(NUMBER);
    assert_eq!(room.push(OTHER, &editor.append("a")), Fate::Taken);
    assert_eq!(
        room.push(ConnectionId(3), &editor.append("b")),
        Fate::Refused
    );
}

/// The old socket of one who comes back may seem alive for long.
#[test]
fn an_owner_who_is_silent_loses_the_number() {
    let mut room = Room::with_both(WriterPolicy::Strict);
    let editor = Editor::new(NUMBER);
    let edit = editor.append("back again");
    assert_eq!(room.push(OTHER, &edit), Fate::Refused);
    room.now_ms += 30_000;
    room.join(OTHER, None);
    assert_eq!(room.push(OTHER, &edit), Fate::Taken);
}
