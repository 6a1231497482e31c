//! Runs of one client: an update in which each letter or value is an item of its own gives the same content as the same
//! items one by one, and costs no more than it should. The updates are written by hand, for editors join what they write.

use bytes::Bytes;
use engine::{Content, Kind};
use proptest::prelude::*;

/// One item of client 1, after its item before, and before item 0 of client 2 if it is bounded there.
#[derive(Clone, Copy, Debug)]
struct Item {
    kind: Kinds,
    bounded: bool,
    /// Whether it comes after the first item rather than the one before.
    elsewhere: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kinds {
    Letter,
    Wide,
    Value,
    Embed,
    Gone,
}

impl Kinds {
    fn length(self) -> u64 {
        match self {
            Self::Wide => 2,
            _ => 1,
        }
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn write(out: &mut Vec<u8>, item: Item, clock: u64) {
    let (kind, content): (u8, &[u8]) = match item.kind {
        Kinds::Letter => (4, b"\x01a"),
        Kinds::Wide => (4, "\x04😀".as_bytes()),
        Kinds::Value => (8, &[1, 125, 7]),
        Kinds::Embed => (5, b"\x011"),
        Kinds::Gone => (1, &[1]),
    };
    let right = if item.bounded && clock > 0 { 0x40 } else { 0 };
    if clock == 0 {
        out.extend([kind, 1, 1, b't']);
    } else {
        out.extend([kind | 0x80 | right, 1]);
        number(out, if item.elsewhere { 0 } else { clock - 1 });
    }
    if right != 0 {
        out.extend([2, 0]);
    }
    out.extend(content);
}

/// Items from a clock on, as one update that deletes the range `gone`.
fn update(items: &[Item], mut clock: u64, gone: Option<(u64, u64)>) -> Bytes {
    let mut out = vec![1];
    number(&mut out, items.len() as u64);
    out.push(1);
    number(&mut out, clock);
    for item in items {
        write(&mut out, *item, clock);
        clock += item.kind.length();
    }
    match gone {
        None => out.push(0),
        Some((from, length)) => {
            out.extend([1, 1, 1]);
            number(&mut out, from);
            number(&mut out, length);
        }
    }
    out.into()
}

fn one_by_one(items: &[Item], gone: Option<(u64, u64)>) -> Vec<Bytes> {
    let mut clock = 0;
    let mut updates: Vec<_> = items
        .iter()
        .map(|item| {
            let update = update(&[*item], clock, None);
            clock += item.kind.length();
            update
        })
        .collect();
    updates.push(update(&[], clock, gone));
    updates
}

/// A neighbour on the right, and then these.
fn content_of(updates: &[Bytes]) -> Content {
    let mut content = Content::new(Kind::Yjs).expect("Yjs is served");
    let neighbour = Bytes::from_static(&[1, 1, 2, 0, 4, 1, 1, b't', 1, b'z', 0]);
    for update in [&neighbour].into_iter().chain(updates) {
        let integrated = content.integrate(update).expect("it is an update");
        assert!(!integrated.missing);
    }
    content
}

#[test]
fn a_long_run_costs_no_more_than_its_length() {
    for kind in [Kinds::Letter, Kinds::Value] {
        let item = Item {
            kind,
            bounded: false,
            elsewhere: false,
        };
        // One by one, yrs would copy 20,000² / 2 of them, which for values is 5 GB.
        let content = content_of(&[update(&[item; 20_000], 0, None)]);
        let whole = content.update().expect("it is sound");
        assert!(whole.len() < 60_100, "{} bytes", whole.len());
    }
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let kind = prop_oneof![
        8 => Just(Kinds::Letter),
        2 => Just(Kinds::Wide),
        8 => Just(Kinds::Value),
        1 => Just(Kinds::Embed),
        1 => Just(Kinds::Gone),
    ];
    let run = (kind, 1..60usize, any::<bool>(), prop::bool::weighted(0.2));
    let items = |(kind, length, bounded, elsewhere)| {
        let item = |n| Item {
            kind,
            bounded,
            elsewhere: elsewhere && n == 0,
        };
        (0..length).map(item).collect::<Vec<_>>()
    };
    prop::collection::vec(run.prop_map(items), 10..40).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_is_its_parts_in_a_row(items in items(), from in 0..300u64, length in 1..200u64) {
        let end: u64 = items.iter().map(|item| item.kind.length()).sum();
        let gone = (from + length < end).then_some((from, length));
        let whole = content_of(&[update(&items, 0, gone)]);
        let parts = content_of(&one_by_one(&items, gone));
        prop_assert_eq!(whole.text(None), parts.text(None));
        prop_assert_eq!(whole.json(None), parts.json(None));
        prop_assert_eq!(whole.have(std::iter::empty()), parts.have(std::iter::empty()));
        prop_assert!(parts.matches(&whole.state().expect("it is sound")).expect("it is sound"));
    }
}
