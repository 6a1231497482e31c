//! Kept cases: what the npm originals made of them when `tests/js/ot/record.mjs` was last run, a line each.
//!
//! They need no Node. `node record.mjs --check` says whether the originals still make the same of them.

use std::fs;
use std::path::PathBuf;

use engine::ordered::State;
use engine::ot::{Json, Snapshot, Work};

use crate::case::{self, field};

#[test]
fn kept_cases_come_out_as_in_the_originals() {
    for name in ["json0", "json0-lists", "text", "text-unicode", "rich-text"] {
        let differing = differing(name, &Work::default());
        assert!(differing.is_empty(), "{name}:\n{}", differing.join("\n"));
    }
}

#[test]
fn kept_documents_have_the_hashes_that_clients_compute() {
    for line in read("hashes").lines() {
        let said = Json::read(line).expect("a kept case is JSON");
        let text = |name| {
            let text = field(&said, name).and_then(Json::as_text);
            text.map(ToString::to_string)
        };
        let content = text("t").map(|uri| {
            let ot_type = uri.parse().expect("it is the URI of a type");
            let data = field(&said, "s").expect("s").write();
            Snapshot::create(ot_type, Some(&data)).expect("the document fits its type")
        });
        let state = State {
            content,
            ..State::default()
        };
        assert_eq!(Some(state.hash().to_string()), text("h"), "{line}");
    }
}

/// The cases that come out differently, and how.
pub(crate) fn differing(name: &str, work: &Work) -> Vec<String> {
    let cases = read(name);
    let differing = cases.lines().filter_map(|line| {
        let case = Json::read(line).expect("a kept case is JSON");
        let differences = case::differences(&case, work);
        let differs = !differences.is_empty();
        differs.then(|| format!("{line}\n  {}", differences.join("\n  ")))
    });
    differing.collect()
}

fn read(name: &str) -> String {
    let file = format!("tests/ot/vectors/{name}.jsonl");
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let cases = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    assert!(cases.lines().count() > 50, "{name} has too few cases");
    cases
}
