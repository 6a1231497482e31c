//! Automerge content, fed by real documents and compared with them.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{AutoCommit, Change, ExpandedChange, ObjType, ROOT, ReadDoc, ScalarValue};
use bytes::Bytes;
use engine::{Content, ContentError, Kind};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::contents::contract;
use crate::pen::Pen;

contract!(Kind::Automerge, few(), shuffled());

/// The library is slow where nothing is optimized.
fn few() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases / 5,
        ..usual
    }
}

/// One thing that one of three authors does.
#[derive(Clone, Debug)]
enum Deed {
    Type(Index, &'static str),
    Erase(Index, usize),
    Embolden(Index, usize),
    Put(&'static str, i64),
    Nest(&'static str),
    Remove(&'static str),
    List(Index, &'static str),
    Unlist(Index),
    Count(i64),
    Nothing,
    /// Takes over all that another author has.
    Meet(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let words = prop::sample::select(vec!["a", "bc", "\u{1f600}", "a word that is longer"]);
    let keys = prop::sample::select(vec!["k", "l"]);
    prop_oneof![
        4 => (any::<Index>(), words.clone()).prop_map(|(at, word)| Deed::Type(at, word)),
        3 => (any::<Index>(), 1..5usize).prop_map(|(at, length)| Deed::Erase(at, length)),
        1 => (any::<Index>(), 1..5usize).prop_map(|(at, length)| Deed::Embolden(at, length)),
        2 => (keys.clone(), any::<i64>()).prop_map(|(key, value)| Deed::Put(key, value)),
        1 => keys.clone().prop_map(Deed::Nest),
        1 => keys.prop_map(Deed::Remove),
        2 => (any::<Index>(), words).prop_map(|(at, word)| Deed::List(at, word)),
        1 => any::<Index>().prop_map(Deed::Unlist),
        1 => (-3..9i64).prop_map(Deed::Count),
        1 => Just(Deed::Nothing),
        3 => (0..AUTHORS).prop_map(Deed::Meet),
    ]
}

const AUTHORS: usize = 3;

fn act(pen: &mut Pen, deed: &Deed) -> Bytes {
    let units = pen.text().encode_utf16().count();
    let (map, list) = (pen.object("map"), pen.object("list"));
    match deed {
        Deed::Type(at, word) => pen.type_at(at.index(units + 1), word),
        Deed::Erase(at, length) => pen.erase(at.index(units + 1), *length),
        Deed::Embolden(at, length) => pen.embolden(at.index(units + 1), *length),
        Deed::Put(key, value) => pen.edit(|doc| doc.put(&map, *key, *value).unwrap()),
        Deed::Nest(key) => pen.edit(|doc| {
            let nested = doc.put_object(&map, *key, ObjType::Map).unwrap();
            doc.put(&nested, "when", ScalarValue::Timestamp(1_700_000_000_000))
                .unwrap();
        }),
        Deed::Remove(key) => pen.edit(|doc| doc.delete(&map, *key).unwrap()),
        Deed::List(at, word) => pen.edit(|doc| {
            let at = at.index(doc.length(&list) + 1);
            doc.insert(&list, at, *word).unwrap();
        }),
        Deed::Unlist(at) => pen.edit(|doc| {
            let length = doc.length(&list);
            if length > 0 {
                doc.delete(&list, at.index(length)).unwrap();
            }
        }),
        Deed::Count(by) => pen.edit(|doc| doc.increment(ROOT, "count", *by).unwrap()),
        Deed::Nothing | Deed::Meet(_) => pen.edit(|_| {}),
    }
}

/// What the authors hold in the end, and the payloads that come of it, in the order in which they were made.
fn history(deeds: &[(usize, Deed)]) -> (Vec<Pen>, Vec<Bytes>) {
    let (founder, founded) = Pen::founder(1);
    let mut authors = vec![founder];
    authors.extend((2..=AUTHORS as u8).map(|actor| {
        let mut pen = Pen::new(actor);
        pen.apply(&founded);
        pen
    }));
    let mut payloads = vec![founded];
    for (who, deed) in deeds {
        match deed {
            Deed::Meet(other) if other == who => {}
            Deed::Meet(other) => {
                let [met, author] = authors.get_disjoint_mut([*other, *who]).unwrap();
                let news = met.missing_from(author);
                author.apply(&news);
            }
            deed => payloads.push(act(&mut authors[*who], deed)),
        }
    }
    (authors, payloads)
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    vec((0..AUTHORS, deed()), 1..24)
}

/// Payloads in an order of their own, some twice.
fn shuffled() -> impl Strategy<Value = (Vec<Bytes>, Vec<Bytes>)> {
    deeds().prop_flat_map(|deeds| {
        let (_, payloads) = history(&deeds);
        let mut all = payloads.clone();
        all.extend(payloads.iter().step_by(3).cloned());
        (Just(payloads), Just(all).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn content_is_what_the_library_makes_of_it(deeds in deeds()) {
        let (mut authors, payloads) = history(&deeds);
        let content = content_of(&payloads);
        let (first, others) = authors.split_first_mut().unwrap();
        for other in others {
            let news = other.missing_from(first);
            first.apply(&news);
        }
        prop_assert_eq!(content.json(None).unwrap(), first.json());
        prop_assert_eq!(content.text(Some("text")).unwrap(), first.text());
        prop_assert_eq!(have(&content), first.have());
        let mut reader = Pen::new(9);
        reader.apply(&content.update().unwrap());
        prop_assert_eq!((reader.json(), reader.heads()), (first.json(), first.heads()));
    }

    /// Whoever damages changes can write a checksum that fits. Content that is damaged so may break when it is looked at;
    /// then whose change did it is known, and content without that one can be looked at.
    #[test]
    fn changes_with_repaired_checksums_are_contained(deeds in deeds(), damage in vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..3)) {
        let (_, mut payloads) = history(&deeds);
        for (which, at, value) in damage {
            let which = which.index(payloads.len());
            payloads[which] = damaged(&payloads[which], at, value);
        }
        loop {
            let mut content = content();
            for payload in &payloads {
                let _ = content.integrate(payload);
            }
            let state = content.state();
            let read = state.and_then(|state| {
                content.json(None)?;
                content.text(None)?;
                Ok(state)
            });
            let Err(error) = read else {
                break;
            };
            prop_assert!(error.breaks() && content.is_broken());
            // It may be one that only fails because of what a damaged one had done before.
            let culprit = content.culprit();
            let culprit = culprit.expect("one of the payloads is to blame");
            payloads.retain(|payload| payload != culprit);
        }
    }
}

/// A payload of one chunk with a byte changed and a checksum that fits; as it is if it is none any more.
fn damaged(payload: &Bytes, at: Index, value: u8) -> Bytes {
    let Ok(change) = Change::try_from(&payload[..]) else {
        return payload.clone();
    };
    let plain = change.raw_bytes();
    let data = 9 + plain[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let mut bytes = plain.to_vec();
    let at = data + at.index(bytes.len() - data);
    bytes[at] = value;
    let hash = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hash[..4]);
    bytes.into()
}

/// A founded document, and changes that build on each other.
fn a_row(length: usize) -> Vec<Bytes> {
    let (mut pen, founded) = Pen::founder(1);
    let text = pen.object("text");
    let mut row = vec![founded];
    row.resize_with(length + 1, || {
        pen.edit(|doc| doc.splice_text(&text, 0, 0, "x").unwrap())
    });
    row
}

#[test]
fn a_change_before_what_it_builds_on_waits_and_is_asked_for() {
    let row = a_row(2);
    let mut content = content_of(&row[..1]);
    let early = content.integrate(&row[2]).unwrap();
    assert!(early.news && early.missing);
    assert_eq!(content.waiting(), &row[2..]);
    assert_eq!(have(&content).len(), 32, "what waits is no head");
    assert!(
        !content.integrate(&row[2]).unwrap().news,
        "it waits already"
    );
    let filled = content.integrate(&row[1]).unwrap();
    assert!(filled.news && !filled.missing);
    assert_eq!(
        (
            content.text(None).unwrap().as_str(),
            content.waiting().len()
        ),
        ("xx", 0)
    );
}

#[test]
fn a_payload_may_have_changes_in_any_order_and_some_that_are_here() {
    let row = a_row(4);
    let mut content = content_of(&row[..2]);
    let backwards: Bytes = row.iter().rev().flatten().copied().collect();
    let integrated = content.integrate(&backwards).unwrap();
    assert!(integrated.news && !integrated.missing);
    assert_eq!(content.text(None).unwrap(), "xxxx");
    let fresh = integrated.fresh.expect("some of it was here");
    assert!(
        content_of(&row[..2])
            .integrate(&fresh)
            .unwrap()
            .fresh
            .is_none()
    );
}

#[test]
fn changes_from_the_last_to_the_first_wait_for_each_other() {
    let row = a_row(1_000);
    let mut content = content();
    for change in row.iter().rev() {
        content.integrate(change).unwrap();
    }
    assert!(content.waiting().is_empty());
    assert_eq!(content.text(None).unwrap().len(), 1_000);
}

#[test]
fn what_waits_is_bounded() {
    let row = a_row(10_002);
    let mut content = content_of(&row[..1]);
    for orphan in &row[2..10_002] {
        content.integrate(orphan).unwrap();
    }
    let last = &row[10_002];
    assert_eq!(content.integrate(last), Err(ContentError::TooMuchMissing));
    let (_, other) = Pen::founder(2);
    let both: Bytes = other.iter().chain(last).copied().collect();
    let part = content.integrate(&both).unwrap();
    assert!(part.news && part.let_go && !part.missing);
    assert_eq!(content.waiting().len(), 10_000);
    content.integrate(&row[1]).unwrap();
    assert!(content.waiting().is_empty());
}

#[test]
fn another_change_of_the_same_number_is_refused() {
    let (mut pen, founded) = Pen::founder(1);
    let mut twin = Pen::new(1);
    twin.apply(&founded);
    let (one, other) = (pen.type_at(0, "one"), twin.type_at(0, "other"));
    let mut content = content_of(&[founded, one]);
    let state = content.state().unwrap();
    let good = pen.type_at(0, "good");
    let both: Bytes = good.iter().chain(&other).copied().collect();
    let refused = ContentError::Refused(
        "change 2 of actor 01010101 is another than the one that is here".to_owned(),
    );
    for payload in [&other, &both] {
        assert_eq!(content.integrate(payload).unwrap_err(), refused);
        assert!(!content.is_broken());
    }
    assert_eq!(
        content.state().unwrap(),
        state,
        "nothing of it was taken in"
    );
    let early = twin.type_at(0, "later");
    assert!(content.integrate(&early).unwrap().missing);
    assert_eq!(content.integrate(&other).unwrap_err(), refused);
    content.integrate(&good).unwrap();
    assert_eq!(content.text(None).unwrap(), "goodone");
}

#[test]
fn bytes_that_are_no_changes_are_refused() {
    let row = a_row(1);
    let mut wrong = row[1].to_vec();
    wrong[4] ^= 1;
    let saved = AutoCommit::new().save();
    let bad: [&[u8]; 6] = [
        b"no chunk",
        &row[1][..row[1].len() - 1],
        &row[1][..9],
        &[&row[1], &b"more"[..]].concat(),
        &wrong,
        &saved,
    ];
    let mut content = content_of(&row[..1]);
    for bytes in bad {
        let refused = content.integrate(bytes);
        assert!(
            matches!(refused, Err(ContentError::Undecodable(_))),
            "{refused:?}"
        );
    }
    assert!(!content.is_broken());
    assert!(content.missing_from(&[1; 31]).is_err());
    assert!(!content.integrate(&[]).unwrap().news);
}

#[test]
fn every_sort_of_value_is_shown() {
    let mut pen = Pen::new(1);
    let payload = pen.edit(|doc| {
        doc.put(ROOT, "bytes", ScalarValue::Bytes(vec![0, 255]))
            .unwrap();
        doc.put(ROOT, "count", ScalarValue::counter(4)).unwrap();
        doc.put(ROOT, "when", ScalarValue::Timestamp(-1)).unwrap();
        doc.put(ROOT, "more", u64::MAX).unwrap();
        doc.put(ROOT, "part", 0.5).unwrap();
        doc.put(ROOT, "none", ()).unwrap();
        doc.put(ROOT, "odd", f64::NAN).unwrap();
        doc.put(ROOT, "name", "plain").unwrap();
        let list = doc.put_object(ROOT, "list", ObjType::List).unwrap();
        doc.insert(&list, 0, true).unwrap();
        let text = doc.insert_object(&list, 1, ObjType::Text).unwrap();
        doc.splice_text(&text, 0, 0, "within").unwrap();
        for name in ["b", "a"] {
            let text = doc.put_object(ROOT, name, ObjType::Text).unwrap();
            doc.splice_text(&text, 0, 0, name).unwrap();
        }
    });
    let content = content_of(&[payload]);
    let all = json!({
        "a": "a", "b": "b", "bytes": "AP8=", "count": 4, "when": -1, "more": u64::MAX, "part": 0.5, "none": null,
        "odd": null, "name": "plain", "list": [true, "within"],
    });
    assert_eq!(content.json(None).unwrap(), all);
    assert_eq!(content.json(Some("list")).unwrap(), json!([true, "within"]));
    assert_eq!(content.json(Some("absent")).unwrap(), json!(null));
    assert_eq!(content.text(None).unwrap(), "a\nb");
    assert_eq!(content.text(Some("b")).unwrap(), "b");
    assert_eq!(content.text(Some("name")).unwrap(), "");
}

#[test]
fn what_is_nested_too_deep_is_shown_as_null() {
    let mut pen = Pen::new(1);
    let payload = pen.edit(|doc| {
        let mut map = ROOT;
        for _ in 0..5_000 {
            map = doc.put_object(&map, "m", ObjType::Map).unwrap();
        }
    });
    let content = content_of(&[payload]);
    let shown = std::thread::Builder::new().stack_size(1024 * 1024);
    let shown = shown.spawn(move || content.json(None).unwrap().to_string().len());
    assert!(shown.unwrap().join().unwrap() < 1_000);
}

#[test]
fn a_change_that_makes_the_library_fail_is_found() {
    let (mut pen, founded) = Pen::founder(1);
    let mut payloads = vec![founded];
    payloads.extend((0..20).map(|_| pen.type_at(0, "x")));
    let poison = pen.type_at(0, "[[panic]]");
    payloads.push(poison.clone());
    payloads.extend((0..20).map(|_| pen.type_at(0, "y")));
    let mut content = content_of(&payloads);
    assert_eq!(have(&content), pen.have(), "it is told nevertheless");
    let failed = content.text(None).unwrap_err();
    assert!(failed.breaks() && content.is_broken());
    assert_eq!(content.culprit(), Some(&poison));
    assert!(content.integrate(&payloads[0]).is_err());
}

/// A change as its library writes it, but for what is different about it.
fn forged(change: &Change, forge: impl FnOnce(&mut ExpandedChange)) -> Bytes {
    let mut expanded = change.decode();
    forge(&mut expanded);
    Bytes::copy_from_slice(Change::from(expanded).raw_bytes())
}

#[test]
fn whatever_the_library_makes_is_taken() {
    let mut ann = AutoCommit::new().with_actor([1; 4].as_slice().into());
    let text = ann.put_object(ROOT, "text", ObjType::Text).unwrap();
    ann.splice_text(&text, 0, 0, "some words").unwrap();
    let old = ann.get_heads();
    let mut bob = ann.fork().with_actor([2; 4].as_slice().into());
    for at in 0..20 {
        ann.splice_text(&text, at, 0, "x").unwrap();
        ann.commit();
    }
    bob.splice_text(&text, 2, 3, "y").unwrap();
    bob.empty_change(CommitOptions::default());
    ann.merge(&mut bob).unwrap();
    ann.empty_change(CommitOptions::default());
    ann.isolate(&old);
    ann.splice_text(&text, 4, 2, "of an old state").unwrap();
    ann.empty_change(CommitOptions::default());
    ann.integrate();
    bob.merge(&mut ann).unwrap();
    bob.splice_text(&text, 0, 4, "").unwrap();
    let mut content = content();
    for change in bob.get_changes(&[]) {
        let taken = content.integrate(change.raw_bytes()).unwrap();
        assert!(taken.news && !taken.missing, "{:?}", change.decode());
    }
    let mut heads: Vec<_> = bob.get_heads().iter().map(|head| head.0).collect();
    heads.sort_unstable();
    assert_eq!(have(&content), heads.concat());
    assert_eq!(content.text(None).unwrap(), bob.text(&text).unwrap());
}

#[test]
fn operations_that_are_not_numbered_beyond_what_they_build_on_are_refused() {
    let (mut pen, founded) = Pen::founder(1);
    let mut other = Pen::new(2);
    other.apply(&founded);
    let typed = other.type_at(0, "typed");
    let change = Change::try_from(&typed[..]).unwrap();
    let early = forged(&change, |change| change.start_op = 1.try_into().unwrap());
    let waits = pen.type_at(0, "later");
    let mut content = content_of(std::slice::from_ref(&founded));
    let refused = content.integrate(&early).unwrap_err();
    assert!(matches!(refused, ContentError::Refused(_)), "{refused}");
    let both = [&waits[..], &early].concat();
    assert!(content.integrate(&both).is_err(), "beside a good one");
    assert!(content.integrate(&typed).unwrap().news, "as it was made");
    assert_eq!(content.text(None).unwrap(), "typed");
}

#[test]
fn a_change_that_names_who_has_made_nothing_waits_for_that() {
    let (_, founded) = Pen::founder(1);
    let mut other = Pen::new(2);
    other.apply(&founded);
    let typed = other.type_at(0, "typed");
    let change = Change::try_from(&typed[..]).unwrap();
    let rootless = forged(&change, |change| change.deps.clear());
    let mut content = content();
    assert!(content.integrate(&rootless).unwrap().missing);
    assert_eq!((have(&content).len(), content.waiting().len()), (0, 1));
    assert_eq!(
        content.text(None).unwrap(),
        "",
        "the library is not shown it"
    );
    content.integrate(&founded).unwrap();
    assert_eq!((have(&content).len(), content.waiting().len()), (64, 0));
    let mut at_once = content_of(&[[&rootless[..], &founded].concat().into()]);
    assert_eq!(have(&at_once), have(&content), "in whatever order");
    assert!(!at_once.integrate(&rootless).unwrap().news);
}

#[test]
fn a_state_that_is_not_what_it_says_does_not_restore() {
    let state = content_of(&a_row(3)).state().unwrap();
    for length in 0..state.len() {
        assert!(
            content().restore(&state.slice(..length)).is_err(),
            "{length}"
        );
    }
    let mut other_heads = state.to_vec();
    other_heads[10] ^= 1;
    assert!(content().restore(&other_heads.into()).is_err());
}
