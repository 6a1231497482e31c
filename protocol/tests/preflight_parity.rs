//! Pre-flight reads an update exactly as yrs does. Where the two read on at different places, an attacker could hide in
//! what one takes for text what the other takes for items, and all other checks would be void. So: what pre-flight lets
//! through, yrs decodes, and finds in it what pre-flight has counted.

use proptest::prelude::*;
use protocol::FrameError;
use protocol::preflight::{Bounds, Weight, check_update};
use yrs::Update;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;

fn check(bytes: &[u8]) -> Result<Weight, FrameError> {
    check_update(bytes, &Bounds::default())
}

/// yrs counts one text more than there is, and takes the item that follows for it.
#[test]
fn kind_2_is_refused_because_yrs_reads_it_differently() {
    let two_items = [
        1, 2, 7, 0, 2, 1, 1, b't', 1, 1, b'1', 0x84, 7, 0, 1, b'a', 0,
    ];
    assert!(matches!(
        check(&two_items),
        Err(FrameError::Unknown { value: 2, .. })
    ));
    assert!(Update::decode_v1(&two_items).is_err());
}

/// yjs writes the name of an XML hook, and yrs takes it for what follows; here, for deletions.
#[test]
fn xml_hooks_are_refused_because_yrs_does_not_read_their_name() {
    let hook = [
        1, 1, 4, 0, 7, 1, 1, b'a', 5, 1, b'p', // a hook of the name "p"
        1, 3, 0,
    ];
    let refused = Err(FrameError::Unknown {
        field: "shared type",
        at: 8,
        value: 5,
    });
    assert_eq!(check(&hook), refused);
    let read = Update::decode_v1(&hook).unwrap();
    assert!(!read.delete_set().is_empty(), "there are none in it");
}

/// A number may be padded, but yrs takes only a byte here.
#[test]
fn what_a_type_is_is_one_byte() {
    let array = |kind: &[u8]| [&[1, 1, 4, 0, 7, 1, 1, b'a'], kind, &[0]].concat();
    assert!(check(&array(&[0])).is_ok());
    assert!(matches!(
        check(&array(&[0x80, 0])),
        Err(FrameError::Unknown { value: 0x80, .. })
    ));
}

/// 2^32 + 1 is 1 where numbers are cut to 32 bits, and so a name follows there and an id elsewhere.
#[test]
fn what_a_parent_is_has_one_meaning() {
    let parent = |kind: &[u8]| [&[1, 1, 7, 0, 4][..], kind, &[1, b't', 1, b'a', 0]].concat();
    assert!(check(&parent(&[1])).is_ok());
    assert!(check(&parent(&[0x81, 0])).is_ok(), "an over-long one");
    for kind in [&[0x81, 0x80, 0x80, 0x80, 0x10][..], &[2], &[0x80, 0x40]] {
        assert!(
            matches!(check(&parent(kind)), Err(FrameError::Unknown { .. })),
            "{kind:?}"
        );
    }
}

/// Bytes that are often right: an update of a few items, with a few of its bytes changed.
fn nearly_updates() -> impl Strategy<Value = Vec<u8>> {
    let item = (any::<u8>(), prop::collection::vec(byte(), 0..12));
    let section = (1..9u8, prop::collection::vec(item, 1..5));
    let sections = prop::collection::vec(section, 0..4);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), byte()), 0..3);
    (sections, changes).prop_map(|(sections, changes)| {
        let mut bytes = vec![sections.len() as u8];
        for (client, items) in sections {
            bytes.extend([items.len() as u8, client, 0]);
            items
                .iter()
                .for_each(|(kind, body)| put(&mut bytes, *kind, body));
        }
        bytes.push(0);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// Numbers at which encodings turn, tags of values, and anything.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(vec![0, 1, 2, 3, 0x10, 0x7f, 0x80, 0x81, 0xff]),
        2 => 116..=127u8,
        1 => any::<u8>(),
    ]
}

/// An item of some kind whose content is right but for its values, which are `body`.
fn put(bytes: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let kind = kind % 11;
    bytes.push(kind);
    if matches!(kind, 0 | 10) {
        return bytes.push(body.len() as u8 + 1);
    }
    bytes.extend([1, 1, b't']);
    let texts: &[&[u8]] = match kind {
        5 => &[b"[1]"],
        6 => &[b"b", b"true"],
        3 | 4 | 9 => &[b"abc"],
        _ => &[],
    };
    for text in texts {
        bytes.push(text.len() as u8);
        bytes.extend(*text);
    }
    match kind {
        1 | 2 | 7 => bytes.push(body.len() as u8 + 1),
        8 | 9 => {
            if kind == 8 {
                bytes.push(1);
            }
            bytes.extend(body);
        }
        _ => {}
    }
}

/// How many clocks an update fills, holes included, as yrs has read it.
fn clients(update: &Update) -> usize {
    update.state_vector().iter().count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_let_through_yrs_reads_to_its_end(bytes in nearly_updates()) {
        if let Ok(weight) = check(&bytes) {
            let update = Update::decode_v1(&bytes);
            prop_assert!(update.is_ok(), "{:?}: {:02x?}", update.err(), bytes);
            let update = update.unwrap();
            prop_assert!(clients(&update) as u64 <= weight.clients);
            let again = update.encode_v1();
            let counted = check(&again);
            prop_assert!(counted.is_ok(), "{:?}: {:02x?} from {:02x?}", counted, again, bytes);
            let counted = counted.unwrap();
            prop_assert!(counted.structs <= weight.structs);
            prop_assert_eq!(counted.documents, weight.documents);
            prop_assert_eq!(counted.types, weight.types);
        }
    }
}
