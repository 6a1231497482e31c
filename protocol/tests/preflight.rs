//! Pre-flight: the measured attacks are refused, all that real editors write is let through, and nothing panics.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use engine::{PresenceEntry, PresenceId};
use proptest::prelude::*;
use protocol::FrameError;
use protocol::preflight::{Bounds, Weight, check_presence, check_state_vector, check_update};
use yrs::types::Attrs;
use yrs::updates::encoder::Encode;
use yrs::{
    Any, Array, ArrayPrelim, ClientID, Doc, Map, MapPrelim, OffsetKind, Options, ReadTxn,
    StateVector, Text, Transact, XmlElementPrelim, XmlFragment, XmlTextPrelim,
};

fn update(bytes: &[u8]) -> Result<(), FrameError> {
    check_update(bytes, &Bounds::default()).map(drop)
}

/// One item in the root `t` of client 7, holding one value; then no deletions.
fn holding_value(value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 1, 7, 0, 8, 1, 1, b't', 1];
    bytes.extend_from_slice(value);
    bytes.push(0);
    bytes
}

fn nested_arrays(depth: usize) -> Vec<u8> {
    let mut value = [117, 1].repeat(depth);
    value.push(126);
    holding_value(&value)
}

#[test]
fn values_are_nested_as_deeply_as_a_stack_bears_and_no_deeper() {
    assert_eq!(update(&nested_arrays(128)), Ok(()));
    for depth in [129, 10_000, 1_000_000] {
        assert!(matches!(
            update(&nested_arrays(depth)),
            Err(FrameError::TooDeep { max: 128, .. })
        ));
    }
    let maps = [&[118, 1, 1, b'k'][..]; 129].concat();
    assert!(matches!(
        update(&holding_value(&[&maps[..], &[126]].concat())),
        Err(FrameError::TooDeep { .. })
    ));
}

#[test]
fn json_texts_are_nested_as_deeply_as_their_parser_bears() {
    let embed = |text: &str| {
        let mut bytes = vec![1, 1, 7, 0, 5, 1, 1, b't'];
        bytes.extend([text.len() as u8 | 0x80, (text.len() >> 7) as u8]);
        bytes.extend(text.as_bytes());
        bytes.push(0);
        bytes
    };
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(update(&embed(&nested(128))), Ok(()));
    assert!(matches!(
        update(&embed(&nested(129))),
        Err(FrameError::TooDeep { .. })
    ));
    let quoted = format!("\"{}\\\"{}\"", "[".repeat(200), "{".repeat(200));
    assert_eq!(
        update(&embed(&quoted)),
        Ok(()),
        "brackets in a string do not nest"
    );
}

#[test]
fn counts_are_bounded_by_the_bytes_that_are_there() {
    let hundred_million = [0x80, 0xc2, 0xd7, 0x2f];
    assert!(matches!(
        update(&hundred_million),
        Err(FrameError::TooLong { .. })
    ));
    let state_vector = check_state_vector(&hundred_million, &Bounds::default());
    assert!(matches!(state_vector, Err(FrameError::TooLong { .. })));
    let items = [&[1][..], &hundred_million, &[7, 0]].concat();
    assert!(matches!(update(&items), Err(FrameError::TooLong { .. })));
    let deletions = [&[0, 1, 7][..], &hundred_million].concat();
    assert!(matches!(
        update(&deletions),
        Err(FrameError::TooLong { .. })
    ));
    let members = [&[117][..], &hundred_million].concat();
    assert!(matches!(
        update(&holding_value(&members)),
        Err(FrameError::TooLong { .. })
    ));
}

#[test]
fn clocks_stay_where_a_client_can_go_on_writing() {
    let collected = [1, 1, 7, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    assert!(matches!(
        update(&collected),
        Err(FrameError::OutOfRange { .. })
    ));
    let deleted = [0, 1, 7, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(matches!(
        update(&deleted),
        Err(FrameError::OutOfRange { .. })
    ));
    let nothing_collected = [1, 1, 7, 0, 0, 0, 0];
    assert!(matches!(
        update(&nothing_collected),
        Err(FrameError::OutOfRange { .. })
    ));
    let huge_client = [
        1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0, 1, 0,
    ];
    assert!(matches!(
        update(&huge_client),
        Err(FrameError::OutOfRange { .. })
    ));
}

/// In yrs 0.28.1, reading the document after such an update follows pointers into freed memory.
#[test]
fn each_client_has_one_section() {
    let twice: [&[u8]; 2] = [
        &[
            2, 1, 2, 0, 4, 1, 1, b't', 1, b'a', 2, 2, 1, 0x87, 1, 0, 0, 8, 0, 1, 3, 2, 125, 1, 125,
            2, 0,
        ],
        &[
            2, 1, 2, 1, 0x28, 1, 1, b'm', 1, b'p', 1, 125, 5, 1, 2, 1, 0x88, 1, 0, 1, 125, 5, 0,
        ],
    ];
    for update_with_two in twice {
        assert!(matches!(
            update(update_with_two),
            Err(FrameError::Repeated { .. })
        ));
    }
    assert!(matches!(
        update(&[0, 2, 7, 1, 0, 1, 7, 1, 3, 1]),
        Err(FrameError::Repeated { .. })
    ));
    assert_eq!(update(&[0, 2, 7, 1, 0, 1, 8, 1, 3, 1]), Ok(()));
}

/// yrs 0.28.1 needs minutes for as many ranges in no order as it takes in milliseconds in order.
#[test]
fn deleted_ranges_lie_in_order_and_apart() {
    assert_eq!(update(&[0, 1, 7, 2, 0, 2, 2, 1]), Ok(()), "they may touch");
    for ranges in [[3, 1, 0, 1], [0, 3, 2, 2], [1, 1, 1, 1], [0, 1, 4, 0]] {
        let bytes = [&[0, 1, 7, 2][..], &ranges].concat();
        assert!(
            matches!(update(&bytes), Err(FrameError::OutOfRange { .. })),
            "{ranges:?}"
        );
    }
}

/// Nobody has seen what he has not made yet. yrs would keep such items waiting for ever.
#[test]
fn items_build_on_what_was_there_before_them() {
    let inserted =
        |at: [u8; 2], flag: u8| [&[1, 2, 7, 5, 4 | flag][..], &at, b"\x01a", &[0, 1, 0]].concat();
    for flag in [0x80, 0x40] {
        assert_eq!(update(&inserted([7, 4], flag)), Ok(()));
        assert_eq!(update(&inserted([8, 9], flag)), Ok(()), "somebody else's");
        for own in [5, 6, 90] {
            let refused = update(&inserted([7, own], flag));
            assert!(matches!(refused, Err(FrameError::OutOfRange { at: 5, .. })));
        }
    }
    let within_itself = [1, 1, 7, 0, 0x27, 0, 7, 0, 1, b'k', 1, 0];
    assert!(matches!(
        update(&within_itself),
        Err(FrameError::OutOfRange { .. })
    ));
}

#[test]
fn embeds_and_formats_are_json_that_clients_can_parse() {
    let embed = |text: &str| {
        let mut bytes = vec![1, 1, 7, 0, 5, 1, 1, b't', text.len() as u8];
        bytes.extend(text.as_bytes());
        bytes.push(0);
        bytes
    };
    for text in ["1", "\"a\"", "null", "{\"image\":\"<b>\"}"] {
        assert_eq!(update(&embed(text)), Ok(()), "{text}");
    }
    for text in ["", "undefined", "{a:1}", "[1,]", "1 2", "NaN"] {
        assert!(
            matches!(update(&embed(text)), Err(FrameError::NotJson { .. })),
            "{text}"
        );
    }
    let format = [1, 1, 7, 0, 6, 1, 1, b't', 1, b'b', 3, b't', b'r', b'u', 0];
    assert!(matches!(update(&format), Err(FrameError::NotJson { .. })));
}

#[test]
fn what_an_update_weighs_is_bounded() {
    let bounds = Bounds::default();
    let whole = [
        2, 2, 7, 0, 7, 1, 1, b't', 1, 0x89, 7, 0, 1, b'g', 118, 1, 1, b'a', 126, 1, 9, 0, 0, 3, 1,
        7, 2, 0, 1, 4, 2,
    ];
    let weight = check_update(&whole, &bounds).unwrap();
    let counted = Weight {
        bytes: whole.len() as u64,
        structs: 3,
        clients: 2,
        ranges: 3,
        types: 1,
        documents: 1,
        roots: 1,
        keys: 0,
        values: 2,
        containers: 1,
    };
    assert_eq!(weight, counted);
    let held = |bounds| check_update(&whole, &bounds).map(drop);
    let too_many = |bounds, field| matches!(held(bounds), Err(FrameError::TooMany { field: found, .. }) if found == field);
    let memory_max = weight.memory();
    assert_eq!(
        held(Bounds {
            memory_max,
            ..bounds
        }),
        Ok(())
    );
    let memory_max = memory_max - 1;
    assert!(too_many(
        Bounds {
            memory_max,
            ..bounds
        },
        "bytes of memory"
    ));
    assert!(too_many(
        Bounds {
            structs_max: 2,
            ..bounds
        },
        "items"
    ));
    assert!(too_many(
        Bounds {
            clients_max: 1,
            ..bounds
        },
        "clients"
    ));
}

/// Ten thousand people have written in it, and somebody brings all of it at once.
#[test]
fn an_old_document_of_many_writers_is_let_through() {
    let clients: u64 = 10_000;
    let mut bytes = Vec::new();
    number(&mut bytes, clients);
    for client in 1..=clients {
        bytes.push(1);
        number(&mut bytes, client);
        bytes.extend([0, 4, 1, 1, b't', 1, b'a']);
    }
    bytes.push(0);
    assert_eq!(update(&bytes), Ok(()));
}

/// A subdocument is a few bytes and takes a kilobyte.
#[test]
fn a_hundred_thousand_subdocuments_pass_and_a_million_do_not() {
    let subdocuments = |count: u64| {
        let mut bytes = vec![1];
        number(&mut bytes, count);
        bytes.extend([7, 0]);
        for clock in 0..count {
            if clock == 0 {
                bytes.extend([9, 1, 1, b't']);
            } else {
                bytes.extend([0x89, 7]);
                number(&mut bytes, clock - 1);
            }
            bytes.extend([1, b'g', 126]);
        }
        bytes.push(0);
        bytes
    };
    assert_eq!(update(&subdocuments(100_000)), Ok(()));
    assert!(matches!(
        update(&subdocuments(1_000_000)),
        Err(FrameError::TooMany {
            field: "bytes of memory",
            ..
        })
    ));
}

fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[test]
fn a_state_vector_has_as_many_entries_as_an_update_items() {
    let bounds = Bounds {
        structs_max: 2,
        ..Bounds::default()
    };
    assert_eq!(check_state_vector(&[2, 7, 1, 8, 1], &bounds), Ok(()));
    assert!(matches!(
        check_state_vector(&[3, 7, 1, 8, 1, 9, 1], &bounds),
        Err(FrameError::TooMany { .. })
    ));
}

#[test]
fn what_is_unknown_cut_off_or_too_long_is_refused() {
    assert!(matches!(update(&[]), Err(FrameError::Truncated { .. })));
    assert!(matches!(
        update(&[0, 0, 0]),
        Err(FrameError::Trailing { .. })
    ));
    assert!(matches!(
        update(&[1, 1, 7, 0, 11, 1, 1, b't', 0]),
        Err(FrameError::Unknown { value: 11, .. })
    ));
    assert!(matches!(
        update(&[1, 1, 7, 0, 7, 1, 1, b't', 33, 0]),
        Err(FrameError::Unknown { value: 33, .. })
    ));
    assert!(matches!(
        update(&holding_value(&[1])),
        Err(FrameError::Unknown { value: 1, .. })
    ));
    let not_utf8 = [1, 1, 7, 0, 4, 1, 1, b't', 3, 0xff, 0xfe, 0xc0, 0];
    assert!(matches!(
        update(&not_utf8),
        Err(FrameError::NotUtf8 { at: 9, .. })
    ));
}

#[test]
fn presence_is_json_that_clients_can_parse() {
    let shown = |state: String| {
        let state = Some(Bytes::from(state));
        let entry = PresenceEntry {
            id: PresenceId(1),
            version: 1,
            state,
        };
        check_presence(&[entry], &Bounds::default())
    };
    assert_eq!(
        shown(r#"{"user":{"name":"\ud800 <b>","x":1e999}}"#.to_owned()),
        Ok(())
    );
    for odd in [
        r#"{"user":1,"user":2,"__proto__":{"a":1}}"#,
        r#""</script><img src=x onerror=alert(1)>""#,
        "-1e999",
    ] {
        assert_eq!(shown(odd.to_owned()), Ok(()), "it passes as it came");
    }
    assert_eq!(shown(format!("\"{}\"", "x".repeat(1 << 20))), Ok(()));
    assert!(shown("not json".to_owned()).is_err());
    assert!(shown(String::new()).is_err());
    assert!(shown(format!("{}{}", "[".repeat(30_000), "]".repeat(30_000))).is_err());
}

/// An edit that some editor makes.
#[derive(Clone, Debug)]
enum Edit {
    Type(u8, String),
    Format(u8, u8),
    Delete(u8),
    Set(String, bool),
    Push(Vec<i64>),
    Nest(String),
    Xml(String),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<u8>(), "[a-zé-ü✎]{0,9}").prop_map(|(at, text)| Edit::Type(at, text)),
        (any::<u8>(), any::<u8>()).prop_map(|(at, length)| Edit::Format(at, length)),
        any::<u8>().prop_map(Edit::Delete),
        ("[a-c]", any::<bool>()).prop_map(|(key, value)| Edit::Set(key, value)),
        prop::collection::vec(any::<i64>(), 0..4).prop_map(Edit::Push),
        "[a-c]".prop_map(Edit::Nest),
        "\\PC{0,5}".prop_map(Edit::Xml),
    ];
    prop::collection::vec(edit, 1..25)
}

fn make(doc: &Doc, edit: Edit) {
    let (text, map, array, xml) = (
        doc.get_or_insert_text("text"),
        doc.get_or_insert_map("map"),
        doc.get_or_insert_array("array"),
        doc.get_or_insert_xml_fragment("xml"),
    );
    let mut txn = doc.transact_mut();
    let length = text.len(&txn);
    match edit {
        Edit::Type(at, typed) => text.insert(&mut txn, u32::from(at).min(length), &typed),
        Edit::Format(at, run) => {
            let start = u32::from(at).min(length);
            let bold: Attrs = HashMap::from([(Arc::from("bold"), Any::Bool(true))]);
            text.format(&mut txn, start, u32::from(run).min(length - start), bold);
        }
        Edit::Delete(at) if length > 0 => text.remove_range(&mut txn, u32::from(at) % length, 1),
        Edit::Delete(_) => {}
        Edit::Set(key, value) => drop(map.insert(&mut txn, key, value)),
        Edit::Push(values) => drop(array.push_back(&mut txn, ArrayPrelim::from(values))),
        Edit::Nest(key) => {
            let nested: MapPrelim = [("in", Any::from("deep"))].into_iter().collect();
            map.insert(&mut txn, key, nested);
        }
        Edit::Xml(typed) => {
            let paragraph = XmlElementPrelim::new("p", [XmlTextPrelim::new(typed).into()]);
            xml.push_back(&mut txn, paragraph);
        }
    }
}

proptest! {
    #[test]
    fn what_editors_write_is_let_through_and_cut_off_it_is_not(edits in edits(), client in 1..(1u64 << 53)) {
        let mut options = Options::with_client_id(ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        let doc = Doc::with_options(options);
        for edit in edits {
            make(&doc, edit);
        }
        let txn = doc.transact();
        let whole = txn.encode_state_as_update_v1(&StateVector::default());
        prop_assert_eq!(update(&whole), Ok(()));
        let vector = txn.state_vector().encode_v1();
        prop_assert_eq!(check_state_vector(&vector, &Bounds::default()), Ok(()));
        for end in 0..whole.len() {
            prop_assert!(update(&whole[..end]).is_err(), "cut off at {}", end);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = update(&bytes);
        let _ = check_state_vector(&bytes, &Bounds::default());
    }
}
