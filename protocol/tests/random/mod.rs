//! Documents as the crate `automerge` makes them, of random steps of three people.

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ReadDoc, ScalarValue};
use proptest::collection::vec;
use proptest::prelude::*;

/// What one of three people does next.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    who: usize,
    deed: Deed,
}

#[derive(Clone, Debug)]
enum Deed {
    Put(String, Value),
    Delete(String),
    Nest(String, u8),
    Increment(i8),
    Splice(usize, usize, String),
    Mark(usize, usize, String),
    Commit(Option<String>, i64),
    Merge(usize),
    Begin,
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Truth(bool),
    Whole(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Time(i64),
}

/// Random steps.
pub(crate) fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(
        (0..3_usize, deed()).prop_map(|(who, deed)| Step { who, deed }),
        0..max,
    )
}

fn deed() -> impl Strategy<Value = Deed> {
    let key = || "[a-cé]{1,2}";
    let at = || 0..12_usize;
    prop_oneof![
        3 => (key(), value()).prop_map(|(key, value)| Deed::Put(key, value)),
        1 => key().prop_map(Deed::Delete),
        1 => (key(), any::<u8>()).prop_map(|(key, kind)| Deed::Nest(key, kind)),
        1 => any::<i8>().prop_map(Deed::Increment),
        4 => (at(), 0..4_usize, "[a-z😀]{0,9}").prop_map(|(at, away, text)| Deed::Splice(at, away, text)),
        1 => (at(), at(), "[a-b]").prop_map(|(from, to, name)| Deed::Mark(from, to, name)),
        2 => (proptest::option::of("[a-zé]{0,5}"), -1_i64 << 53..1 << 53).prop_map(|(text, time)| Deed::Commit(text, time)),
        2 => (0..3_usize).prop_map(Deed::Merge),
        1 => Just(Deed::Begin),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Truth),
        any::<u64>().prop_map(Value::Whole),
        any::<i64>().prop_map(Value::Signed),
        any::<f64>().prop_map(Value::Float),
        // Long enough to be compressed, sometimes.
        prop_oneof!["[a-zé]{0,9}", "x{300,900}"].prop_map(Value::Text),
        vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        any::<i64>().prop_map(Value::Time),
    ]
}

impl From<Value> for ScalarValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Truth(value) => Self::Boolean(value),
            Value::Whole(value) => Self::Uint(value),
            Value::Signed(value) => Self::Int(value),
            Value::Float(value) => Self::F64(value),
            Value::Text(value) => Self::Str(value.into()),
            Value::Bytes(value) => Self::Bytes(value),
            Value::Time(value) => Self::Timestamp(value),
        }
    }
}

/// What three people have after these steps.
pub(crate) fn played(steps: Vec<Step>) -> Vec<AutoCommit> {
    let mut first = AutoCommit::new().with_actor(ActorId::from([9; 16]));
    first.put_object(ROOT, "text", ObjType::Text).unwrap();
    first.put(ROOT, "count", ScalarValue::counter(3)).unwrap();
    first.commit();
    let mut people = vec![first];
    for number in 1..3_u8 {
        let person = people[0].fork();
        people.push(person.with_actor(ActorId::from([number; 16])));
    }
    for Step { who, deed } in steps {
        play(&mut people, who, deed);
    }
    people.iter_mut().for_each(|person| {
        person.commit();
    });
    people
}

fn play(people: &mut [AutoCommit], who: usize, deed: Deed) {
    let person = &mut people[who];
    match deed {
        Deed::Put(key, value) => person.put(ROOT, key, ScalarValue::from(value)).unwrap(),
        Deed::Delete(key) => {
            let _ = person.delete(ROOT, key);
        }
        Deed::Nest(key, kind) => nest(person, &key, kind),
        Deed::Increment(by) => person.increment(ROOT, "count", by.into()).unwrap(),
        Deed::Splice(at, away, text) => splice(person, at, away, &text),
        Deed::Mark(from, to, name) => mark(person, from, to, name),
        Deed::Commit(message, time) => {
            let mut options = CommitOptions::default().with_time(time);
            if let Some(message) = message {
                options.set_message(message);
            }
            person.commit_with(options);
        }
        Deed::Merge(other) if other != who => {
            let mut other = people[other].fork();
            people[who].merge(&mut other).unwrap();
        }
        Deed::Merge(_) => {}
        Deed::Begin => {
            person.commit();
            let next = person.get_actor().to_bytes()[0].wrapping_add(10);
            person.set_actor(ActorId::from([next; 16]));
        }
    }
}

fn nest(person: &mut AutoCommit, key: &str, kind: u8) {
    let kinds = [ObjType::Map, ObjType::List, ObjType::Table, ObjType::Text];
    let kind = kinds[usize::from(kind) % kinds.len()];
    let object = person.put_object(ROOT, key, kind).unwrap();
    match kind {
        ObjType::Map => person.put(&object, "deep", 1).unwrap(),
        // Of an old kind that nothing is put into any more.
        ObjType::Table => {}
        ObjType::List => {
            person.insert(&object, 0, "one").unwrap();
            person.insert(&object, 1, 2).unwrap();
            person.put(&object, 0, "other").unwrap();
        }
        ObjType::Text => person.splice_text(&object, 0, 0, "nested").unwrap(),
    }
}

fn splice(person: &mut AutoCommit, at: usize, away: usize, text: &str) {
    let (_, object) = person.get(ROOT, "text").unwrap().unwrap();
    let length = person.length(&object);
    let at = at.min(length);
    let away = away.min(length - at) as isize;
    // What is within a character of several units is not deleted.
    let _ = person.splice_text(&object, at, away, text);
}

fn mark(person: &mut AutoCommit, from: usize, to: usize, name: String) {
    let (_, object) = person.get(ROOT, "text").unwrap().unwrap();
    let length = person.length(&object);
    let (from, to) = (from.min(length), to.min(length));
    if from < to {
        let mark = Mark::new(name, true, from, to);
        person.mark(&object, mark, ExpandMark::Both).unwrap();
    }
}
