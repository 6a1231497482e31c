//! Cases from a Node process in which the npm originals run, as many as one likes.
//!
//! `QUIRE_OT_PAIRS=N` plays N random pairs of operations of each type, `QUIRE_OT_FIRST=S` begins at seed S, and
//! `QUIRE_OT_TYPE=json0` (`text`, `text-unicode`, `rich-text`, or `rich-text-5` for the delta of Quill 2) plays only one.
//! Each seed is one case; a failure names it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use engine::ot::{Json, Work};

use crate::case;

#[test]
fn random_pairs() {
    let first = env::var("QUIRE_OT_FIRST").unwrap_or_else(|_| "1".to_owned());
    let pairs = env::var("QUIRE_OT_PAIRS").unwrap_or_else(|_| DEFAULT_PAIRS.to_owned());
    let only = env::var("QUIRE_OT_TYPE").ok();
    for name in TYPES {
        if only.as_deref().is_none_or(|only| only == name) {
            compare(&["--type", name, "--first", &first, "--count", &pairs]);
        }
    }
}

#[test]
fn random_pairs_with_values_that_are_not_there() {
    let first = env::var("QUIRE_OT_FIRST").unwrap_or_else(|_| "1".to_owned());
    let pairs = env::var("QUIRE_OT_PAIRS").unwrap_or_else(|_| DEFAULT_PAIRS.to_owned());
    compare(&["--loose", "--first", &first, "--count", &pairs]);
}

#[test]
fn every_pair_of_single_edits_of_a_list_of_up_to_three_items() {
    compare(&["--small", "1", "1", "3"]);
}

#[test]
fn every_pair_of_two_edits_against_one_of_a_list_of_up_to_two_items() {
    compare(&["--small", "2", "1", "2"]);
    compare(&["--small", "1", "2", "2"]);
}

/// Some 290,000 pairs.
#[test]
#[ignore = "takes minutes: `cargo test --profile bench -p engine --test ot -- --ignored every`"]
fn every_pair_of_two_edits_of_a_list_of_up_to_three_items() {
    compare(&["--small", "2", "1", "3"]);
    compare(&["--small", "1", "2", "3"]);
    compare(&["--small", "2", "2", "2"]);
}

/// Plays what the oracle prints, and fails with what differs.
fn compare(arguments: &[&str]) {
    let Some(scripts) = scripts() else {
        return println!("skipped: node or tests/js/ot/node_modules is missing");
    };
    let mut oracle = Command::new("node")
        .arg(scripts.join("oracle.mjs"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let output = oracle.stdout.take().expect("stdout is piped");
    let (mut pairs, mut failures) = (0_u64, Vec::new());
    for line in BufReader::new(output).lines() {
        let line = line.expect("the oracle prints text");
        let said = Json::read(&line).expect("the oracle prints JSON");
        let differences = case::differences(&said, &Work::default());
        if !differences.is_empty() && failures.len() < FAILURES_SHOWN {
            failures.push(format!("{line}\n  {}", differences.join("\n  ")));
        }
        pairs += 1;
    }
    assert!(oracle.wait().expect("the oracle ends").success());
    println!("{}: {pairs} pairs", arguments.join(" "));
    assert!(pairs > 0, "the oracle printed nothing");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Where the oracle is, if it can run.
fn scripts() -> Option<PathBuf> {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/js/ot");
    let is_ready = scripts.join("node_modules").is_dir()
        && Command::new("node")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok();
    let is_required = env::var("QUIRE_TEST_REQUIRE")
        .is_ok_and(|list| list.split(',').any(|name| name.trim() == "node"));
    assert!(
        is_ready || !(is_required || env::var_os("CI").is_some()),
        "node or tests/js/ot/node_modules is missing; run `npm ci` in tests/js/ot"
    );
    is_ready.then_some(scripts)
}

const TYPES: [&str; 5] = ["json0", "text", "text-unicode", "rich-text", "rich-text-5"];

const DEFAULT_PAIRS: &str = "300";

const FAILURES_SHOWN: usize = 5;
