//! What no good client sends: it is refused with a word on where and what, costs little, and changes nothing.

use engine::ot::{Json, NESTING_MAX, Operation, OtError, OtType, Side, Snapshot, Work};
use proptest::prelude::*;

use crate::properties::config;

use OtType::{Json0, RichText, Text, TextUnicode};

#[test]
fn malformed_operations_are_refused_with_the_place() {
    for (ot_type, operation, error) in [
        (
            Json0,
            "{}",
            "malformed: op is an object, expected a list of components",
        ),
        (
            Json0,
            "[7]",
            "malformed: op[0] is a number, expected an object",
        ),
        (Json0, "[{}]", "malformed: op[0] has no path p"),
        (
            Json0,
            r#"[{"p":7}]"#,
            "malformed: op[0].p is a number, expected a list of steps",
        ),
        (
            Json0,
            r#"[{"p":[]}]"#,
            "malformed: op[0] has no edit, expected one of na, li, ld, lm, oi, od, si, sd, t",
        ),
        (
            Json0,
            r#"[{"p":["a"],"oi":1},{"p":["a",-1],"li":1}]"#,
            "malformed: op[1].p[1] is -1, expected a name or a list index",
        ),
        (
            Json0,
            r#"[{"p":["a",1.5],"li":1}]"#,
            "malformed: op[0].p[1] is 1.5, expected a name or a list index",
        ),
        (
            Json0,
            r#"[{"p":["__proto__"],"oi":1}]"#,
            r#"malformed: op[0].p[0] is "__proto__", which every JavaScript object has"#,
        ),
        (
            Json0,
            r#"[{"p":["a","constructor","b"],"oi":1}]"#,
            r#"malformed: op[0].p[1] is "constructor", which every JavaScript object has"#,
        ),
        (
            Json0,
            r#"[{"p":["a"],"li":1}]"#,
            "malformed: op[0].p does not end in a list index",
        ),
        (
            Json0,
            r#"[{"p":[],"ld":1}]"#,
            "malformed: op[0].p does not end in a list index",
        ),
        (
            Json0,
            r#"[{"p":[0],"lm":"1"}]"#,
            "malformed: op[0].lm is no list index",
        ),
        (
            Json0,
            r#"[{"p":[0],"na":"1"}]"#,
            "malformed: op[0].na is no number",
        ),
        (
            Json0,
            r#"[{"p":[0],"si":"a","sd":"b"}]"#,
            "malformed: op[0] needs a string, either si or sd",
        ),
        (
            Json0,
            r#"[{"p":["a"],"si":"a"}]"#,
            "malformed: op[0].p does not end in a position",
        ),
        (
            Json0,
            r#"[{"p":[0],"na":1,"li":2}]"#,
            "malformed: op[0] has several edits: na and li/ld",
        ),
        (
            Json0,
            r#"[{"p":[0],"t":"json1","o":[]}]"#,
            r#"malformed: op[0].t is "json1", expected text0, text, text-unicode or rich-text"#,
        ),
        (
            Json0,
            r#"[{"p":[0],"t":"text0","o":[{"p":0,"i":"a","d":"b"}]}]"#,
            "malformed: op[0].o[0] needs a string, either i or d",
        ),
        (Text, "[0]", "malformed: op[0] does nothing"),
        (
            Text,
            r#"["a",1,2,"b"]"#,
            "malformed: op[2] skips right after a skip",
        ),
        (
            Text,
            r#"["a","b"]"#,
            "malformed: op[1] inserts right after an insert",
        ),
        (Text, "[1]", "malformed: op[0] skips at the end"),
        (
            Text,
            "[-1]",
            "malformed: op[0] is -1, expected a whole number from 0 to 4294967295",
        ),
        (
            Text,
            r#"[{"d":"abc"}]"#,
            "malformed: op[0].d is a string, expected a whole number from 0 to 4294967295",
        ),
        (
            Text,
            "[null]",
            r#"malformed: op[0] is null, expected a number, a string or {"d": …}"#,
        ),
        (
            TextUnicode,
            r#"["a\ud83d"]"#,
            "malformed: op[0] has half of a character on its own",
        ),
        (
            TextUnicode,
            r#"[{"d":"\ude00"}]"#,
            "malformed: op[0].d has half of a character on its own",
        ),
        (
            RichText,
            "7",
            r#"malformed: op is a number, expected a list or {"ops": […]}"#,
        ),
        (
            RichText,
            r#"[{"insert":"a","delete":1}]"#,
            "malformed: op.ops[0] needs one of insert, retain and delete",
        ),
        (
            RichText,
            r#"[{"insert":""}]"#,
            "malformed: op.ops[0].insert is empty",
        ),
        (
            RichText,
            r#"[{"insert":null}]"#,
            "malformed: op.ops[0].insert is null",
        ),
        (
            RichText,
            r#"[{"retain":0}]"#,
            "malformed: op.ops[0].retain is 0, expected a whole number from 1 to 4294967295",
        ),
        (
            RichText,
            r#"[{"delete":1e300}]"#,
            "malformed: op.ops[0].delete is 1e+300, expected a whole number from 1 to 4294967295",
        ),
        (
            RichText,
            r#"[{"insert":"a","attributes":{"toString":1}}]"#,
            "malformed: op.ops[0].attributes has toString, which every JavaScript object has",
        ),
        (
            RichText,
            r#"[{"insert":"a","attributes":[1]}]"#,
            "malformed: op.ops[0].attributes is a list, expected an object",
        ),
    ] {
        let found = Operation::read(ot_type, operation).unwrap_err();
        assert_eq!(found.to_string(), error, "{operation}");
    }
}

#[test]
fn operations_that_do_not_fit_change_nothing() {
    for (ot_type, document, operation, error) in [
        (
            Json0,
            "[1]",
            r#"[{"p":[2],"li":1}]"#,
            "op[0] at [2] is at item 2, but the list ends before",
        ),
        (
            Json0,
            "[1]",
            r#"[{"p":[1],"ld":1}]"#,
            "op[0] at [1] is at item 1, but the list ends before",
        ),
        (
            Json0,
            "[1]",
            r#"[{"p":[0],"lm":1}]"#,
            "op[0] at [0] is at item 1, but the list ends before",
        ),
        (
            Json0,
            "[1]",
            r#"[{"p":["0"],"oi":1}]"#,
            r#"op[0] at ["0"] expects an object, but a list is there"#,
        ),
        (
            Json0,
            "[[1]]",
            r#"[{"p":["0",0],"ld":1}]"#,
            r#"op[0] at ["0",0] has a name as p[0], but a list is there"#,
        ),
        (
            Json0,
            r#"{"0":{}}"#,
            r#"[{"p":[0,"a"],"oi":1}]"#,
            r#"op[0] at [0,"a"] has a list index as p[0], but an object is there"#,
        ),
        (
            Json0,
            "{}",
            r#"[{"p":[0],"oi":1}]"#,
            "op[0] at [0] names a member of an object by a number",
        ),
        (
            Json0,
            "{}",
            r#"[{"p":["a","b"],"oi":1}]"#,
            r#"op[0] at ["a","b"] finds nothing at p[0]"#,
        ),
        (
            Json0,
            r#"{"constructor":1}"#,
            r#"[{"p":["a"],"oi":1}]"#,
            r#"op[0] at ["a"] is in an object with a member named constructor, which no client can edit"#,
        ),
        (
            Json0,
            r#"["a"]"#,
            r#"[{"p":[0],"na":1}]"#,
            "op[0] at [0] expects a number, but a string is there",
        ),
        (
            Json0,
            "[1e308]",
            r#"[{"p":[0],"na":1e308}]"#,
            "op[0] at [0] adds up to more than a number can hold",
        ),
        (
            Json0,
            r#"["a"]"#,
            r#"[{"p":[0,2],"si":"b"}]"#,
            "op[0] at [0] is at position 2 of a string that is 1 long",
        ),
        (
            Json0,
            r#"["a"]"#,
            r#"[{"p":[0,0],"sd":"b"}]"#,
            "op[0] at [0] deletes what is not there at position 0",
        ),
        (
            Json0,
            "[1,2]",
            r#"[{"p":[0],"ld":1},{"p":[0],"na":1},{"p":["x"],"od":1}]"#,
            r#"op[2] at ["x"] expects an object, but a list is there"#,
        ),
        (
            Json0,
            "[{}]",
            r#"[{"p":[0],"t":"text","o":["a"]}]"#,
            "op[0] at [0] is of type text, but an object is there",
        ),
        (
            Text,
            r#""ab""#,
            r#"[3,"x"]"#,
            "op[0] goes past the end of the text, which is 2 long",
        ),
        (
            Text,
            r#""ab""#,
            r#"[1,{"d":2}]"#,
            "op[1] goes past the end of the text, which is 2 long",
        ),
        (
            TextUnicode,
            r#""😀""#,
            r#"[{"d":2}]"#,
            "op[0] goes past the end of the text, which is 1 long",
        ),
        (
            RichText,
            r#"[{"insert":"ab"}]"#,
            r#"[{"retain":1},{"delete":2}]"#,
            "op goes past the end of the document, which is 2 long",
        ),
        (
            RichText,
            r#"[{"insert":"ab"}]"#,
            r#"[{"retain":3,"attributes":{"bold":true}}]"#,
            "op goes past the end of the document, which is 2 long",
        ),
        (
            RichText,
            r#"[{"insert":{"image":"x"}}]"#,
            r#"[{"retain":{"image":1}}]"#,
            r#"nobody knows how to change the inside of "image""#,
        ),
        (
            RichText,
            r#"[{"insert":"ab"}]"#,
            r#"[{"retain":{"image":1}}]"#,
            r#"changes the inside of "image" where text is"#,
        ),
    ] {
        let mut snapshot = Snapshot::create(ot_type, Some(document)).unwrap();
        let before = snapshot.clone();
        let operation = Operation::read(ot_type, operation).unwrap();
        let found = snapshot
            .apply(&operation, &mut Work::default())
            .unwrap_err();
        assert_eq!(found.to_string(), format!("does not fit: {error}"));
        assert_eq!(snapshot, before, "{}", operation.write());
    }
}

#[test]
fn halves_of_characters_come_through() {
    for (ot_type, document, operation, after) in [
        (Text, r#""😀""#, r#"[1,"x"]"#, r#""\ud83dx\ude00""#),
        (
            Json0,
            r#"["😀"]"#,
            r#"[{"p":[0,0],"sd":"\ud83d"}]"#,
            r#"["\ude00"]"#,
        ),
        (
            RichText,
            r#"[{"insert":"😀"}]"#,
            r#"[{"retain":1},{"insert":"x"}]"#,
            r#"{"ops":[{"insert":"\ud83dx\ude00"}]}"#,
        ),
    ] {
        let mut snapshot = Snapshot::create(ot_type, Some(document)).unwrap();
        let operation = Operation::read(ot_type, operation).unwrap();
        snapshot.apply(&operation, &mut Work::default()).unwrap();
        assert_eq!(snapshot.write(), after);
        assert_eq!(Snapshot::create(ot_type, Some(after)), Ok(snapshot));
    }
}

#[test]
fn eight_hundred_components_against_as_many_are_within_the_work_granted() {
    let operation = repeated(r#"{"p":["a",0],"li":1}"#, 800);
    let operation = Operation::read(Json0, &operation).unwrap();
    let mut work = Work::default();
    let before = work.left();
    operation
        .transform(&operation, Side::Left, &mut work)
        .unwrap();
    println!(
        "800 against 800 components take {} steps",
        before - work.left()
    );
}

#[test]
fn what_takes_too_much_work_is_given_up() {
    let long_key = format!(r#"{{"p":["{}",0],"li":1}}"#, "k".repeat(20_000));
    let attributes = (0..2_000).map(|at| format!("\"{at}\":1"));
    let attributes = attributes.collect::<Vec<_>>().join(",");
    let many = format!(r#"{{"retain":2000,"attributes":{{{attributes}}}}}"#);
    for (ot_type, one, other) in [
        (Json0, repeated(r#"{"p":["a",0],"li":1}"#, 20_000), None),
        (Json0, repeated(&long_key, 200), None),
        (
            RichText,
            repeated(r#"{"retain":1,"attributes":{"a":1}}"#, 2_000),
            Some(format!("[{many}]")),
        ),
    ] {
        let read = |text: &str| Operation::read(ot_type, text).unwrap();
        let (one, other) = (read(&one), read(other.as_ref().unwrap_or(&one)));
        let given_up = one.transform(&other, Side::Left, &mut Work::default());
        assert_eq!(given_up, Err(OtError::TooMuchWork));
    }
}

/// Each of the inserts parts the deletion of the other once more: where the original recurses, and runs out of stack.
#[test]
fn a_deletion_that_comes_apart_many_times_does_not_go_deep() {
    let text = "ab".repeat(1_000);
    let inserts = (0..1_000).map(|at| format!(r#"{{"p":[{}],"si":"x"}}"#, at * 3 + 1));
    let inserts = format!("[{}]", inserts.collect::<Vec<_>>().join(","));
    let inserts = Operation::read(Json0, &inserts).unwrap();
    let deletion = format!(r#"[{{"p":[0],"sd":"{text}"}},{{"p":[0],"si":"y"}}]"#);
    let deletion = Operation::read(Json0, &deletion).unwrap();
    let work = || Work::steps(100_000_000);
    let mut one = Snapshot::create(Json0, Some(&format!("\"{text}\""))).unwrap();
    let mut other = one.clone();
    let after = deletion
        .transform(&inserts, Side::Left, &mut work())
        .unwrap();
    one.apply(&inserts, &mut work()).unwrap();
    one.apply(&after, &mut work()).unwrap();
    let after = inserts
        .transform(&deletion, Side::Right, &mut work())
        .unwrap();
    other.apply(&deletion, &mut work()).unwrap();
    other.apply(&after, &mut work()).unwrap();
    assert_eq!(one, other);
}

#[test]
fn nothing_grows_deeper_than_can_be_read() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let mut document = Snapshot::create(Json0, Some("[]")).unwrap();
    let insert = |path: &str, depth| format!(r#"[{{"p":{path},"li":{}}}]"#, deep(depth));
    let first = Operation::read(Json0, &insert("[0]", 60)).unwrap();
    document.apply(&first, &mut Work::default()).unwrap();
    let below = format!("[{}]", vec!["0"; 61].join(","));
    let second = Operation::read(Json0, &insert(&below, 60)).unwrap();
    let refused = document.apply(&second, &mut Work::default()).unwrap_err();
    assert!(refused.to_string().contains("nested deeper"), "{refused}");
    assert!(Json::read(&deep(NESTING_MAX + 1)).is_err());
    let rich = format!(r#"[{{"insert":{}}}]"#, deep(NESTING_MAX - 2));
    assert!(Operation::read(RichText, &rich).is_err());
}

#[test]
fn operations_of_another_type_are_refused() {
    let text = Operation::read(Text, r#"["a"]"#).unwrap();
    let unicode = Operation::read(TextUnicode, r#"["a"]"#).unwrap();
    let wrong = OtError::WrongType {
        expected: TextUnicode,
        found: Text,
    };
    let mut document = Snapshot::create(TextUnicode, None).unwrap();
    assert_eq!(
        document.apply(&text, &mut Work::default()),
        Err(wrong.clone())
    );
    assert_eq!(unicode.compose(&text, &mut Work::default()), Err(wrong));
}

fn repeated(component: &str, count: usize) -> String {
    format!("[{}]", vec![component; count].join(","))
}

proptest! {
    #![proptest_config(config())]

    /// Fragments of operations in any order: whatever reads as two operations and a document goes through everything.
    #[test]
    fn nothing_panics(picks in prop::collection::vec(prop::collection::vec(0..FRAGMENTS.len(), 0..12), 3)) {
        let texts = picks.iter().map(|picks| fragments(picks)).collect::<Vec<_>>();
        for ot_type in OtType::ALL {
            let document = Snapshot::create(ot_type, Some(&texts[0]));
            let _ = Operation::normalise(ot_type, &texts[1], &mut Work::default());
            let (Ok(a), Ok(b)) = (Operation::read(ot_type, &texts[1]), Operation::read(ot_type, &texts[2])) else {
                continue;
            };
            try_everything(&a, &b, document.ok());
        }
    }
}

fn try_everything(a: &Operation, b: &Operation, document: Option<Snapshot>) {
    for side in [Side::Left, Side::Right] {
        if let Ok(after) = a.transform(b, side, &mut Work::default()) {
            Json::read(&after.write()).expect("what is written can be read");
        }
    }
    if let Ok(both) = a.compose(b, &mut Work::default()) {
        Json::read(&both.write()).expect("what is written can be read");
    }
    let _ = a.invert();
    for cursor in ["3", "[0,1]", r#"{"index":2,"length":1}"#, r#"{"p":[0,0]}"#] {
        let cursor = Json::read(cursor).expect("it is JSON");
        let _ = a.transform_presence(&cursor, true);
    }
    let Some(mut document) = document else { return };
    let before = document.clone();
    let _ = a.invert_over(&document, &mut Work::default());
    if document.apply(a, &mut Work::default()).is_err() {
        assert_eq!(document, before);
    }
    Json::read(&document.write()).expect("what is written can be read");
}

/// A list of these; a lone one stands for itself.
fn fragments(picks: &[usize]) -> String {
    let picked = picks.iter().map(|pick| FRAGMENTS[*pick]);
    match picks {
        [only] => FRAGMENTS[*only].to_owned(),
        _ => format!("[{}]", picked.collect::<Vec<_>>().join(",")),
    }
}

const FRAGMENTS: [&str; 40] = [
    "1",
    "2",
    r#""a""#,
    r#""😀b""#,
    r#""\ud83d""#,
    "null",
    "[]",
    "{}",
    "[1,[2]]",
    r#"{"a":[1,"x"]}"#,
    r#"{"d":1}"#,
    r#"{"d":3}"#,
    r#"{"d":"a"}"#,
    r#"{"insert":"ab"}"#,
    r#"{"insert":{"i":1}}"#,
    r#"{"retain":1}"#,
    r#"{"retain":2,"attributes":{"b":null}}"#,
    r#"{"retain":{"i":1}}"#,
    r#"{"delete":1}"#,
    r#"{"delete":4294967295}"#,
    r#"{"p":[0],"li":1}"#,
    r#"{"p":[1],"ld":2}"#,
    r#"{"p":[0],"lm":1}"#,
    r#"{"p":[1],"lm":0}"#,
    r#"{"p":[0],"ld":1,"li":2}"#,
    r#"{"p":[],"oi":[1]}"#,
    r#"{"p":[],"od":[1]}"#,
    r#"{"p":[],"od":1,"oi":[2]}"#,
    r#"{"p":[0,"a"],"oi":1}"#,
    r#"{"p":[0,"a"],"od":1}"#,
    r#"{"p":[0,0],"si":"x"}"#,
    r#"{"p":[0,0],"sd":"a"}"#,
    r#"{"p":[0],"na":1}"#,
    r#"{"p":[],"na":-1}"#,
    r#"{"p":[0,0],"li":1}"#,
    r#"{"p":[4294967295],"lm":4294967295}"#,
    r#"{"p":[0],"t":"text0","o":[{"p":0,"i":"x"},{"p":0,"d":"a"}]}"#,
    r#"{"p":[0],"t":"text","o":["x"]}"#,
    r#"{"p":[0],"t":"rich-text","o":[{"insert":"x"}]}"#,
    r#"{"p":[0],"t":"text-unicode","o":[{"d":"a"}]}"#,
];
