//! The y-websocket dialect against frames that nobody recorded: what is refused and where, what is echoed, and, for
//! arbitrary bytes, that reading neither panics nor makes more of a frame than is in it.

use bytes::{Bytes, BytesMut};
use engine::{Event, Intent, PresenceEntry, PresenceId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::FrameError;
use protocol::wire::{VAR_UINT_MAX, Writer};
use protocol::yjs::{PRESENCES_PER_FRAME_MAX, STEP2, UPDATE};
use protocol::ywebsocket::{MESSAGES_PER_FRAME_MAX, decode, denied, encode, keepalive};

fn refused(frame: &'static [u8]) -> FrameError {
    decode(&Bytes::from_static(frame)).unwrap_err()
}

/// An awareness frame that declares a number of entries and has these bytes for them.
fn awareness(declared: u64, entries: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    let mut count = Writer::default();
    count.var_uint(declared);
    body.extend_from_slice(&count.finish());
    body.extend_from_slice(entries);
    let mut frame = Writer::default();
    frame.var_uint(1);
    frame.var_bytes(&body);
    frame.finish()
}

#[test]
fn frames_of_something_else_are_refused_with_the_place() {
    for (frame, fault) in [
        (&[][..], "frame is empty"),
        (&[102, 1, 2], "message type 102 at byte 0 is unknown"),
        (&[0, 9], "sync message type 9 at byte 1 is unknown"),
        (&[0], "sync message type is cut off at byte 1"),
        (
            &[0, 2, 5, 1, 2],
            "update at byte 3 declares 5 bytes, 2 are left",
        ),
        (&[0, 0, 0x80], "state vector is cut off at byte 3"),
        (&[1, 2, 0, 7], "awareness goes on after its end at byte 3"),
        (&[1, 1, 1, 7], "awareness client is cut off at byte 3"),
        (
            &[1, 5, 1, 7, 0, 2, 65],
            "awareness state at byte 6 declares 2 bytes, 1 are left",
        ),
        (
            &[1, 5, 1, 7, 0, 1, 0xff],
            "awareness state is not utf-8 at byte 6",
        ),
        (&[2, 1, 0], "auth message type 1 at byte 1 is unknown"),
        (&[3, 3, 200], "message type is cut off at byte 3"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            "message type at byte 0 is out of range",
        ),
    ] {
        let message = refused(frame).to_string();
        assert!(message.starts_with(fault), "{frame:?}: {message}");
    }
}

#[test]
fn clocks_have_32_bits_and_ids_53() {
    let id = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let clock = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let state = [2, b'{', b'}'];
    let largest = awareness(1, &[&id[..], &clock, &state].concat());
    let entry = PresenceEntry {
        id: PresenceId(VAR_UINT_MAX),
        version: u32::MAX,
        state: Some(Bytes::from_static(b"{}")),
    };
    assert_eq!(
        decode(&largest),
        Ok(vec![Intent::ShowPresence(vec![entry])])
    );
    let beyond = [0x80, 0x80, 0x80, 0x80, 0x10];
    let fault = decode(&awareness(1, &[&id[..], &beyond, &state].concat()));
    let field = "awareness clock";
    assert_eq!(fault, Err(FrameError::OutOfRange { field, at: 11 }));
}

#[test]
fn a_declared_count_costs_nothing() {
    let frame = awareness(VAR_UINT_MAX, &[]);
    let field = "awareness client";
    assert_eq!(
        decode(&frame),
        Err(FrameError::Truncated {
            field,
            at: frame.len()
        })
    );
}

#[test]
fn one_frame_holds_so_many_messages_and_no_more() {
    let queries = vec![3; MESSAGES_PER_FRAME_MAX];
    assert_eq!(
        decode(&Bytes::from(queries)).unwrap().len(),
        MESSAGES_PER_FRAME_MAX
    );
    assert_eq!(
        decode(&Bytes::from(vec![3; MESSAGES_PER_FRAME_MAX + 1])),
        Err(FrameError::TooMany {
            field: "messages",
            at: MESSAGES_PER_FRAME_MAX,
            max: MESSAGES_PER_FRAME_MAX
        })
    );
}

#[test]
fn one_frame_holds_so_many_awareness_entries_over_all_its_messages() {
    let half = PRESENCES_PER_FRAME_MAX as u64 / 2;
    let message = awareness(half, &[7, 0, 0].repeat(half as usize));
    let both = Bytes::from([&message[..], &message].concat());
    assert_eq!(decode(&both).unwrap().len(), 2);
    let and_one = Bytes::from([&both[..], &awareness(1, &[7, 0, 0])].concat());
    assert!(matches!(
        decode(&and_one),
        Err(FrameError::TooMany {
            max: PRESENCES_PER_FRAME_MAX,
            ..
        })
    ));
}

#[test]
fn many_messages_in_one_frame_are_all_read() {
    let frame = Bytes::from_static(&[0, 0, 1, 0, 3, 0, 2, 2, 8, 9, 1, 1, 0]);
    let have = Bytes::from_static(&[0]);
    let payload = Bytes::from_static(&[8, 9]);
    assert_eq!(
        decode(&frame).unwrap(),
        [
            Intent::Pull { have },
            Intent::QueryPresence,
            Intent::Push {
                payload,
                tag: UPDATE
            },
            Intent::ShowPresence(vec![]),
        ]
    );
}

#[test]
fn what_a_client_says_about_permission_is_ignored() {
    assert_eq!(decode(&denied("why")), Ok(vec![]));
}

#[test]
fn the_echo_tells_an_author_what_is_stored() {
    let ack = |payload: &'static [u8], tag, news| {
        let payload = Bytes::from_static(payload);
        encode(&Event::Ack { tag, payload, news })
    };
    let echo = |payload: &'static [u8]| {
        let payload = Bytes::from_static(payload);
        encode(&Event::Change { payload })
    };
    let (edit, empty) = (&[1, 2, 3][..], &[0, 0][..]);
    assert_eq!(ack(edit, UPDATE, true), echo(edit));
    assert_eq!(ack(edit, UPDATE, false), echo(edit));
    assert_eq!(ack(edit, STEP2, true), echo(edit));
    assert_eq!(ack(edit, STEP2, false), None);
    assert_eq!(ack(empty, STEP2, true), None);
    assert_eq!(ack(empty, UPDATE, true), echo(empty));
}

#[test]
fn nobody_is_not_worth_a_frame_unless_it_keeps_the_client_alive() {
    assert_eq!(encode(&Event::Presence(vec![])), None);
    assert_eq!(decode(&keepalive()), Ok(vec![Intent::ShowPresence(vec![])]));
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn any_state() -> impl Strategy<Value = Bytes> {
    let not_null = |state: &String| state != "null";
    ".{0,40}"
        .prop_filter("null means gone", not_null)
        .prop_map(Bytes::from)
}

prop_compose! {
    fn any_presence()(
        id in 0..=VAR_UINT_MAX,
        version in any::<u32>(),
        state in option::of(any_state()),
    ) -> PresenceEntry {
        PresenceEntry { id: PresenceId(id), version, state }
    }
}

/// An event that a client could as well have sent to us, and how we would read it.
fn any_mirrored() -> impl Strategy<Value = (Event, Intent)> {
    prop_oneof![
        any_bytes().prop_map(|have| (Event::Have { have: have.clone() }, Intent::Pull { have })),
        any_bytes().prop_map(|payload| {
            let missing = Event::Missing {
                payload: payload.clone(),
            };
            (
                missing,
                Intent::Push {
                    payload,
                    tag: STEP2,
                },
            )
        }),
        any_bytes().prop_map(|payload| {
            let change = Event::Change {
                payload: payload.clone(),
            };
            (
                change,
                Intent::Push {
                    payload,
                    tag: UPDATE,
                },
            )
        }),
        vec(any_presence(), 1..20).prop_map(|entries| {
            (
                Event::Presence(entries.clone()),
                Intent::ShowPresence(entries),
            )
        }),
    ]
}

/// Bytes that look like a frame for a while: valid ones with a few bytes changed, or anything.
fn any_frame() -> impl Strategy<Value = Bytes> {
    let valid = vec(any_mirrored(), 1..4).prop_map(|mirrored| frames(&mirrored).concat());
    let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let damaged = (valid, damage).prop_map(|(mut frame, damage)| {
        for (index, byte) in damage {
            let at = index.index(frame.len());
            frame[at] = byte;
        }
        Bytes::from(frame)
    });
    prop_oneof![damaged, any_bytes()]
}

fn frames(mirrored: &[(Event, Intent)]) -> Vec<Bytes> {
    let events = mirrored.iter().map(|(event, _)| event);
    events.map(|event| encode(event).unwrap()).collect()
}

/// How many bytes of a frame an intent refers to, at the least.
fn weight(intent: &Intent) -> usize {
    match intent {
        Intent::Pull { have } => have.len(),
        Intent::Push { payload, .. } => payload.len(),
        Intent::ShowPresence(entries) => {
            assert!(entries.capacity() <= (2 * entries.len()).max(4));
            entries.iter().map(entry_weight).sum()
        }
        Intent::PullKept | Intent::QueryPresence | Intent::Signal(_) | Intent::Announce { .. } => 1,
    }
}

/// An entry has an id, a clock and a length besides its state.
fn entry_weight(entry: &PresenceEntry) -> usize {
    3 + entry.state.as_ref().map_or(4, Bytes::len)
}

proptest! {
    #[test]
    fn what_is_written_reads_back(mirrored in vec(any_mirrored(), 1..8)) {
        let frame = Bytes::from(frames(&mirrored).concat());
        let intents: Vec<_> = mirrored.into_iter().map(|(_, intent)| intent).collect();
        prop_assert_eq!(decode(&frame), Ok(intents));
    }

    #[test]
    fn a_truncated_message_is_refused((event, _) in any_mirrored(), cut in any::<prop::sample::Index>()) {
        let frame = encode(&event).unwrap();
        let length = cut.index(frame.len());
        prop_assert!(decode(&frame.slice(..length)).is_err());
    }

    #[test]
    fn no_frame_becomes_more_than_it_was(frame in any_frame()) {
        if let Ok(intents) = decode(&frame) {
            prop_assert!(intents.capacity() <= (2 * intents.len()).max(4));
            prop_assert!(intents.iter().map(weight).sum::<usize>() <= frame.len());
        }
    }

    #[test]
    fn a_fault_is_within_the_frame(frame in any_frame()) {
        let at = match decode(&frame) {
            Ok(_) => 0,
            Err(FrameError::Empty | FrameError::NotJson { .. } | FrameError::Missing { .. }) => 0,
            Err(
                FrameError::Truncated { at, .. }
                | FrameError::TooLong { at, .. }
                | FrameError::OutOfRange { at, .. }
                | FrameError::NotUtf8 { at, .. }
                | FrameError::Unknown { at, .. }
                | FrameError::Trailing { at, .. }
                | FrameError::TooMany { at, .. }
                | FrameError::TooDeep { at, .. }
                | FrameError::Repeated { at, .. }
                | FrameError::Wrong { at, .. },
            ) => at,
        };
        prop_assert!(at <= frame.len());
    }
}
