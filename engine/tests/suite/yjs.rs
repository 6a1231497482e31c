//! Yjs content, fed by real editors: whatever comes in whatever order, the same set of updates gives the same content.

use bytes::Bytes;
use engine::{Content, ContentError, Kind, UpdateList};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::contents::contract;
use crate::world::Editor;

contract!(Kind::Yjs, ProptestConfig::default(), shuffled());

/// All orders of a few things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..things.len() {
        let mut rest = things.to_vec();
        let chosen = rest.remove(first);
        for mut order in orders(&rest) {
            order.insert(0, chosen.clone());
            all.push(order);
        }
    }
    all
}

/// Two authors who build on each other, and a deletion.
fn a_conversation() -> Vec<Bytes> {
    let (ada, ben) = (Editor::new(1), Editor::new(2));
    let hello = ada.append("hello");
    ben.apply(&hello);
    let world = ben.append(" world");
    ada.apply(&world);
    let shorter = ada.erase(3, 4);
    let louder = ada.append("!");
    ben.apply(&shorter);
    let first = ben.type_at(0, "> ");
    vec![hello, world, shorter, louder, first]
}

#[test]
fn every_order_gives_the_same_content() {
    let updates = a_conversation();
    let in_order = content_of(&updates);
    for order in orders(&updates) {
        let content = content_of(&order);
        assert_eq!(content.text(None).unwrap(), "> helorld!");
        assert_eq!(content.update().unwrap(), in_order.update().unwrap());
        assert_eq!(have(&content), have(&in_order));
        assert!(content.waiting().is_empty());
    }
}

#[test]
fn a_repeated_update_is_no_news() {
    let updates = a_conversation();
    let mut content = content_of(&updates);
    let state = content.state().unwrap();
    for update in &updates {
        let again = content.integrate(update).unwrap();
        assert!(!again.news && !again.missing);
    }
    assert_eq!(content.state().unwrap(), state);
}

#[test]
fn an_update_behind_a_hole_waits_and_is_asked_for() {
    let ada = Editor::new(1);
    let (one, two, three) = (ada.append("a"), ada.append("b"), ada.append("c"));
    let mut content = content();
    let early = content.integrate(&three).unwrap();
    assert!(early.news && early.missing);
    assert_eq!(content.waiting(), std::slice::from_ref(&three));
    assert_eq!(
        (content.text(None).unwrap(), have(&content)),
        (String::new(), Bytes::from_static(&[0]))
    );
    let again = content.integrate(&three).unwrap();
    assert!(!again.news, "it waits already");
    assert!(content.integrate(&one).unwrap().news);
    assert_eq!(
        (
            content.text(None).unwrap().as_str(),
            content.waiting().len()
        ),
        ("a", 1)
    );
    let filled = content.integrate(&two).unwrap();
    assert!(filled.news && !filled.missing);
    assert_eq!(
        (
            content.text(None).unwrap().as_str(),
            content.waiting().len()
        ),
        ("abc", 0)
    );
    assert_eq!(have(&content), ada.have());
}

#[test]
fn only_what_waits_itself_is_missing_something() {
    let (ada, ben) = (Editor::new(1), Editor::new(2));
    ada.append("lost");
    let mut content = content_of(&[ada.append("early")]);
    let innocent = content.integrate(&ben.append("fine")).unwrap();
    assert!(innocent.news);
    assert!(
        !innocent.missing,
        "ben's update builds on nothing that is missing"
    );
}

#[test]
fn deletions_wait_for_what_they_delete() {
    let ada = Editor::new(1);
    let text = ada.append("hello");
    let erased = ada.erase(1, 3);
    let mut content = content();
    let early = content.integrate(&erased).unwrap();
    assert!(early.news && early.missing);
    assert!(
        !content.integrate(&erased).unwrap().news,
        "they wait already"
    );
    content.integrate(&text).unwrap();
    assert_eq!(
        (
            content.text(None).unwrap().as_str(),
            content.waiting().len()
        ),
        ("ho", 0)
    );
    assert!(!content.integrate(&erased).unwrap().news);
    assert_eq!(
        content.state().unwrap(),
        content_of(&[text, erased]).state().unwrap()
    );
}

#[test]
fn deletions_that_come_in_part_are_not_repeated_in_full() {
    let ada = Editor::new(1);
    let (one, two) = (ada.append("ab"), ada.append("cd"));
    let erased = ada.erase(1, 2);
    let mut content = content_of(&[one, erased.clone()]);
    assert_eq!(content.text(None).unwrap(), "a");
    assert!(
        !content.integrate(&erased).unwrap().news,
        "what can be deleted is, the rest waits already"
    );
    content.integrate(&two).unwrap();
    assert_eq!(
        (
            content.text(None).unwrap().as_str(),
            content.waiting().len()
        ),
        ("ad", 0)
    );
}

#[test]
fn collected_garbage_counts_as_there() {
    let ada = Editor::new(1);
    for n in 0..4 {
        ada.nest("key", &n.to_string());
    }
    ada.unset("key");
    let everything = ada.everything();
    let mut content = content_of(&[everything]);
    assert_eq!(have(&content), ada.have());
    let more = content.integrate(&ada.append("on")).unwrap();
    assert!(more.news && !more.missing);
    assert_eq!(content.text(None).unwrap(), "on");
}

#[test]
fn a_surrogate_pair_may_be_cut_in_two() {
    let ada = Editor::new(1);
    let mut content = content_of(&[ada.append("a\u{1f600}b")]);
    // No structs; one client, 1, with one range: one unit from clock 2, which is the second half of the pair.
    content.integrate(&[0, 1, 1, 1, 2, 1]).unwrap();
    assert_eq!(content.text(None).unwrap(), "a\u{fffd}b");
    assert_eq!(
        restored(&content.state().unwrap()).state().unwrap(),
        content.state().unwrap()
    );
}

#[test]
fn a_client_may_have_the_servers_own_number() {
    let (nobody, ada) = (Editor::new(0), Editor::new(1));
    let first = nobody.append("zero");
    ada.apply(&first);
    let updates = [first, ada.append(" one"), nobody.append("!")];
    for order in orders(&updates) {
        let mut content = content_of(&order);
        assert_eq!(content.text(None).unwrap(), "zero! one");
        assert_eq!(have(&content).len(), 5, "two clients");
        let all = content_of(&updates).update().unwrap();
        assert!(!content.integrate(&all).unwrap().news);
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let updates: Vec<_> = (1..40)
        .map(|client| Editor::new(client * 7919).append("x"))
        .collect();
    let one = content_of(&updates);
    for _ in 0..4 {
        let other = content_of(&updates);
        assert_eq!(have(&one), have(&other));
        assert_eq!(one.state().unwrap(), other.state().unwrap());
    }
}

/// The smallest content whose bytes change when it is restored: an insertion that cut an item and then went elsewhere.
#[test]
fn pieces_that_are_joined_again_are_the_same_content() {
    let (ada, ben) = (Editor::new(1), Editor::new(3));
    let first = ada.append("a");
    ben.apply(&first);
    let content = content_of(&[first, ada.append("b"), ben.append("c")]);
    assert_eq!(content.text(None).unwrap(), "abc");
    let restored = restored(&content.state().unwrap());
    assert_ne!(restored.state().unwrap(), content.state().unwrap());
    assert!(
        restored.matches(&content.state().unwrap()).unwrap()
            && content.matches(&restored.state().unwrap()).unwrap()
    );
}

#[test]
fn a_state_with_more_or_less_does_not_match() {
    let updates = a_conversation();
    let content = content_of(&updates);
    assert!(content.matches(&content.state().unwrap()).unwrap());
    for less in 0..updates.len() {
        assert!(
            !content
                .matches(&content_of(&updates[..less]).state().unwrap())
                .unwrap(),
            "{less}"
        );
    }
    let mut waits = content_of(&updates);
    let nobody = Editor::new(9);
    nobody.append("lost");
    waits.integrate(&nobody.append("waits")).unwrap();
    assert!(
        !content.matches(&waits.state().unwrap()).unwrap()
            && !waits.matches(&content.state().unwrap()).unwrap()
    );
    assert!(
        !content.matches(&Bytes::new()).unwrap()
            && !content.matches(&Bytes::from_static(&[1])).unwrap()
    );
}

#[test]
fn bytes_that_are_no_update_change_nothing() {
    let ada = Editor::new(1);
    let good = ada.append("good");
    let mut content = content_of(std::slice::from_ref(&good));
    let state = content.state().unwrap();
    let longer = [&good[..], &[0]].concat();
    for bad in [&[][..], &[1], &[0xff; 9], &good[..good.len() - 1], &longer] {
        assert!(
            matches!(content.integrate(bad), Err(ContentError::Undecodable(_))),
            "{bad:?}"
        );
        assert!(content.missing_from(&[9]).is_err());
    }
    assert_eq!(content.state().unwrap(), state);
}

/// What waits is bounded, whatever it waits for: an earlier update of the same author, of another one, or what it deletes.
#[test]
fn no_more_waits_than_may() {
    let long = "x".repeat(100_000);
    let own = |client: u64| {
        let author = Editor::new(client);
        author.append("lost");
        author.append(&long)
    };
    let foreign = |client: u64| {
        let (lost, author) = (Editor::new(1), Editor::new(client));
        author.apply(&lost.append("lost"));
        author.append(&long)
    };
    let deletes = |client: u64| {
        let ranges = (0..20_000u32).flat_map(|n| number(n * 2).into_iter().chain([1]));
        let head = [
            vec![0, 1],
            number(u32::try_from(client).unwrap()),
            number(20_000),
        ]
        .concat();
        Bytes::from(head.into_iter().chain(ranges).collect::<Vec<_>>())
    };
    let kinds: [(&str, &dyn Fn(u64) -> Bytes); 3] =
        [("own", &own), ("foreign", &foreign), ("deletes", &deletes)];
    for (what, make) in kinds {
        let mut content = content();
        let refused = (2..60).find(|client| content.integrate(&make(*client)).is_err());
        assert!(refused.is_some(), "{what}");
        let bytes: usize = content.waiting().iter().map(Bytes::len).sum();
        assert!(bytes <= 1024 * 1024, "{what}: {bytes} bytes wait");
        let state = content.state().unwrap();
        let too_much = content.integrate(&make(60));
        assert_eq!(
            too_much.unwrap_err(),
            ContentError::TooMuchMissing,
            "{what}"
        );
        assert_eq!(
            content.state().unwrap(),
            state,
            "{what}: what is refused changes nothing"
        );
        assert!(
            content
                .integrate(&Editor::new(99).append("fine"))
                .unwrap()
                .news,
            "{what}"
        );
        assert_eq!(
            restored(&content.state().unwrap()).state().unwrap(),
            content.state().unwrap(),
            "{what}"
        );
    }
}

/// An update that can be taken in part is: what is left of it, if it may not wait, is let go and said to be.
#[test]
fn what_may_not_wait_is_let_go() {
    let (lost, full) = (Editor::new(1), "x".repeat(1024 * 1024 - 100));
    let text = lost.append("lost");
    let builds_on_it = |client: u64, first: &str, then: &str| {
        let author = Editor::new(client);
        let first = author.append(first);
        author.apply(&text);
        author.type_at(2, then);
        (first, author.missing_from(&lost.have()))
    };
    let mut content = content_of(&[builds_on_it(2, "", &full).1]);
    let (first, both) = builds_on_it(3, "first", &"y".repeat(200));
    let integrated = content.integrate(&both).unwrap();
    assert!(integrated.let_go && integrated.news);
    assert_eq!(content.waiting().len(), 1);
    assert!(
        !content.integrate(&first).unwrap().news,
        "that part was taken"
    );
    content.integrate(&text).unwrap();
    assert!(
        content.integrate(&both).unwrap().news,
        "its author sends it again"
    );
    assert!(content.text(None).unwrap().contains("yyy") && content.waiting().is_empty());
}

fn number(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// One thing that one of three authors does.
#[derive(Clone, Debug)]
enum Deed {
    Type(Index, &'static str),
    Erase(Index, u32),
    Embolden(Index, u32),
    Nest(&'static str),
    Unset(&'static str),
    /// Takes over all that another author has.
    Meet(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let words = prop::sample::select(vec!["a", "bc", "\u{1f600}", "long word"]);
    let keys = prop::sample::select(vec!["k", "l"]);
    prop_oneof![
        4 => (any::<Index>(), words).prop_map(|(at, word)| Deed::Type(at, word)),
        3 => (any::<Index>(), 1..5u32).prop_map(|(at, length)| Deed::Erase(at, length)),
        1 => (any::<Index>(), 1..5u32).prop_map(|(at, length)| Deed::Embolden(at, length)),
        1 => keys.clone().prop_map(Deed::Nest),
        1 => keys.prop_map(Deed::Unset),
        2 => (0..AUTHORS).prop_map(Deed::Meet),
    ]
}

const AUTHORS: usize = 3;

/// The updates that come of it, in the order in which they were made.
fn history(deeds: &[(usize, Deed)]) -> Vec<Bytes> {
    let authors: Vec<_> = (1..=AUTHORS as u64).map(Editor::new).collect();
    let mut updates = Vec::new();
    for (who, deed) in deeds {
        let author = &authors[*who];
        let at = |index: &Index| index.index(author.text().encode_utf16().count() + 1) as u32;
        match deed {
            Deed::Type(index, word) => updates.push(author.type_at(at(index), word)),
            Deed::Erase(index, length) => updates.push(author.erase(at(index), *length)),
            Deed::Embolden(index, length) => updates.push(author.embolden(at(index), *length)),
            Deed::Nest(key) => updates.push(author.nest(key, "value")),
            Deed::Unset(key) => updates.push(author.unset(key)),
            Deed::Meet(other) => {
                let news = authors[*other].missing_from(&author.have());
                author.apply(&news);
            }
        }
    }
    updates
}

fn histories() -> impl Strategy<Value = Vec<Bytes>> {
    vec((0..AUTHORS, deed()), 1..24).prop_map(|deeds| history(&deeds))
}

/// Updates in an order of their own, some twice.
fn shuffled() -> impl Strategy<Value = (Vec<Bytes>, Vec<Bytes>)> {
    histories().prop_flat_map(|updates| {
        let mut all = updates.clone();
        all.extend(updates.iter().step_by(3).cloned());
        (Just(updates), Just(all).prop_shuffle())
    })
}

#[test]
fn a_state_that_is_cut_short_does_not_restore() {
    let state = content_of(&a_conversation()).state().unwrap();
    for length in 1..state.len() {
        assert!(
            content().restore(&state.slice(..length)).is_err(),
            "{length}"
        );
    }
    let waiting = UpdateList::join(&[Bytes::from_static(&[9])]);
    assert!(content().restore(&waiting).is_err());
}

/// A client that uses its id twice, first for a map entry and then for a text that begins at the same clock. The text's
/// rest continues what is here. Cutting it by its own parent put it under two parents in yrs, and once one of them was
/// deleted, the next insertion followed a pointer into freed memory.
#[test]
fn an_id_with_two_contents_does_no_harm() {
    let updates: [&[u8]; 5] = [
        &[
            1, 2, 1, 0, 0x27, 1, 1, b'm', 1, b'n', 1, 0x28, 0, 1, 0, 2, b'i', b'n', 1, 119, 1,
            b'v', 0,
        ],
        &[
            1, 1, 1, 0, 4, 1, 1, b't', 5, b'a', b'b', b'c', 0xc3, 0xa9, 0,
        ],
        &[
            1, 1, 1, 2, 4, 1, 1, b't', 5, b'a', b'b', b'c', 0xc3, 0xa9, 1, 1, 1, 0, 2,
        ],
        &[0, 1, 2, 0, 2, 3, 3],
        &[
            1, 1, 3, 0, 0x44, 1, 2, 5, b'a', b'b', b'c', 0xc3, 0xa9, 1, 1, 2, 0, 2, 3, 3,
        ],
    ];
    let mut content = content();
    for update in updates {
        let _ = content.integrate(update);
        content.text(None).unwrap();
        content.json(None).unwrap();
        content.state().unwrap();
    }
}

#[test]
fn what_is_here_already_is_cut_off_in_front() {
    let ada = Editor::new(1);
    let first = ada.append("a😀");
    ada.append("b");
    let whole = ada.everything();
    let mut content = content_of(&[first]);
    let integrated = content.integrate(&whole).unwrap();
    assert!(integrated.news && !integrated.missing);
    assert_eq!(content.text(None).unwrap(), "a😀b");
    assert!(!content.integrate(&whole).unwrap().news);
}
