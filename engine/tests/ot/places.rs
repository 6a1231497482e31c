//! Cursors in JSON: a place leads to the same thing before and after an operation, or nowhere once that is gone.
//!
//! Checked against plain search: every item of a list of lists is a number of its own, so where it went can be seen.

use engine::ot::{Json, Operation, OtType, Snapshot, Work};

use crate::case::field;
use crate::plan::object;

#[test]
fn a_place_leads_to_the_same_item_after_any_two_edits() {
    let document = "[[1,2],[3,4],5]";
    let mut places = 0;
    for first in edits(&Json::read(document).unwrap()) {
        for second in edits(&played(document, &[&first])) {
            places += check(document, &[&first, &second]);
        }
    }
    assert!(places > 1_000, "{places} places");
}

fn check(document: &str, edits: &[&Json]) -> usize {
    let after = played(document, edits);
    let operation = operation(edits);
    let before = found(&Json::read(document).unwrap(), &mut Vec::new());
    let moved = found(&after, &mut Vec::new());
    for (number, path) in &before {
        let expected = moved.iter().find(|(other, _)| other == number);
        let expected = expected.map_or(Json::Null, |(_, path)| path.clone());
        let place = object([("p", path.clone()), ("who", "N".into())]);
        let place = operation.transform_presence(&place, false).unwrap();
        let path = field(&place, "p").cloned().unwrap_or(Json::Null);
        assert_eq!(path, expected, "{number} after {}", operation.write());
    }
    before.len()
}

/// All numbers and where they are.
fn found(json: &Json, path: &mut Vec<Json>) -> Vec<(u64, Json)> {
    if let Some(number) = json.as_count() {
        return vec![(number, path.clone().into())];
    }
    let items = json.as_array().unwrap_or_default().iter().enumerate();
    items
        .flat_map(|(at, item)| {
            path.push((at as u64).into());
            let found = found(item, path);
            path.pop();
            found
        })
        .collect()
}

/// All edits of the outer list and of the list that comes first in it.
fn edits(document: &Json) -> Vec<Json> {
    let outer = document.as_array().unwrap();
    let inner = outer.first().and_then(Json::as_array);
    let inner = inner.map_or(Vec::new(), |inner| edits_of(inner, &[0]));
    edits_of(outer, &[]).into_iter().chain(inner).collect()
}

fn edits_of(items: &[Json], above: &[u64]) -> Vec<Json> {
    let path = |at: usize| {
        let steps = above.iter().copied().chain([at as u64]);
        ("p", Json::from(steps.map(Json::from).collect::<Vec<_>>()))
    };
    let mut edits = vec![object([path(items.len()), ("li", Json::Null)])];
    for (at, item) in items.iter().enumerate() {
        edits.push(object([path(at), ("li", Json::Null)]));
        edits.push(object([path(at), ("ld", item.clone())]));
        let to = (0..items.len()).map(|to| object([path(at), ("lm", (to as u64).into())]));
        edits.extend(to);
    }
    edits
}

fn operation(edits: &[&Json]) -> Operation {
    let edits = edits.iter().map(|edit| (*edit).clone());
    let json = Json::from(edits.collect::<Vec<_>>());
    Operation::read(OtType::Json0, &json.write()).unwrap()
}

fn played(document: &str, edits: &[&Json]) -> Json {
    let mut document = Snapshot::create(OtType::Json0, Some(document)).unwrap();
    document
        .apply(&operation(edits), &mut Work::default())
        .unwrap();
    Json::read(&document.write()).unwrap()
}

#[test]
fn what_happens_to_a_place_in_json() {
    for (place, operation, after) in [
        (
            r#"["a","b"]"#,
            r#"[{"p":["a","c"],"oi":1}]"#,
            r#"["a","b"]"#,
        ),
        (r#"["a","b"]"#, r#"[{"p":["a","b"],"od":1}]"#, "null"),
        (
            r#"["a","b"]"#,
            r#"[{"p":["a","b"],"od":1,"oi":2}]"#,
            r#"["a","b"]"#,
        ),
        (r#"["a","b"]"#, r#"[{"p":["a"],"od":{},"oi":{}}]"#, "null"),
        (r#"["a","b"]"#, r#"[{"p":[],"od":{},"oi":{}}]"#, "null"),
        (r#"[1]"#, r#"[{"p":[1],"ld":1,"li":2}]"#, r#"[1]"#),
        (r#"[1,0]"#, r#"[{"p":[1],"ld":[],"li":2}]"#, "null"),
        (r#"["s",3]"#, r#"[{"p":["s",1],"si":"😀"}]"#, r#"["s",5]"#),
        (r#"["s",3]"#, r#"[{"p":["s",3],"si":"x"}]"#, r#"["s",3]"#),
        (r#"["s",3]"#, r#"[{"p":["s",1],"sd":"abc"}]"#, r#"["s",1]"#),
        (
            r#"["s",3]"#,
            r#"[{"p":["s"],"t":"text0","o":[{"p":0,"i":"xy"}]}]"#,
            r#"["s",5]"#,
        ),
        (
            r#"["s",3]"#,
            r#"[{"p":["s"],"t":"rich-text","o":{"ops":[{"insert":"x"}]}}]"#,
            r#"["s",4]"#,
        ),
        (r#"["s",3]"#, r#"[{"p":["t",1],"si":"x"}]"#, r#"["s",3]"#),
    ] {
        let operation = Operation::read(OtType::Json0, operation).unwrap();
        let place = Json::read(place).unwrap();
        let found = operation.transform_presence(&place, false).unwrap();
        assert_eq!(
            found.write(),
            after,
            "{} after {}",
            place.write(),
            operation.write()
        );
    }
}

#[test]
fn ones_own_insert_takes_the_cursor_along() {
    let operation = Operation::read(OtType::Json0, r#"[{"p":["s",3],"si":"x"}]"#).unwrap();
    let place = Json::read(r#"{"p":["s",3],"name":"N"}"#).unwrap();
    let found = operation.transform_presence(&place, true).unwrap();
    assert_eq!(found.write(), r#"{"p":["s",4],"name":"N"}"#);
}
