//! The tree polices itself: the arrows between crates, what the architecture page names, and a few habits of the house.
//!
//! Whoever adds a crate, an arrow or an oversized file meets this test, and decides with open eyes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use quire_tests::server::workspace;

/// Each crate and those that it may know. `protocol` and `storage` do not know each other.
const ARROWS: [(&str, &[&str]); 8] = [
    ("engine", &[]),
    ("protocol", &["engine"]),
    ("storage", &["engine", "services"]),
    ("server", &["engine", "protocol", "storage"]),
    (
        "tests",
        &["engine", "protocol", "services", "storage", "server"],
    ),
    ("services", &[]),
    ("fuzz", &["engine", "protocol"]),
    ("bench", &["engine", "protocol", "storage", "server"]),
];

/// Crates without clock, randomness, I/O or task, and what would bring these in.
const PURE: [&str; 2] = ["engine", "protocol"];
const IMPURE: [&str; 10] = [
    "axum",
    "fs4",
    "futures-util",
    "getrandom",
    "metrics",
    "rand",
    "sqlx",
    "time",
    "tokio",
    "tracing",
];

/// The only crates that know SQL: the store, and the tests that damage rows behind its back.
const KNOW_SQL: [&str; 2] = ["storage", "tests"];

const INVARIANTS: [&str; 8] = [
    "Pure core",
    "Said is stored",
    "The log is the truth",
    "Lanes have no holes",
    "Replicas agree",
    "Nothing grows without a bound",
    "Slow or hostile harms only itself",
    "Wire stops at the adapter",
];

#[test]
fn crates_know_each_other_only_along_the_arrows() -> Result<()> {
    let members = members()?;
    let listed: BTreeSet<_> = ARROWS
        .iter()
        .map(|(member, _)| (*member).to_owned())
        .collect();
    ensure!(
        members == listed,
        "the members are {members:?}; put each with its arrows into the table of this test"
    );
    for (member, allowed) in ARROWS {
        let known = dependencies(member)?;
        let ours: Vec<_> = known
            .iter()
            .filter(|name| is_ours(name, &members) && short(name) != member)
            .collect();
        let added = ours.iter().find(|name| !allowed.contains(&short(name)));
        ensure!(
            added.is_none(),
            "{member} must not know {}",
            added.map_or("", |name| name.as_str())
        );
    }
    Ok(())
}

#[test]
fn pure_crates_depend_on_nothing_impure() -> Result<()> {
    for member in PURE {
        let known = dependencies(member)?;
        let impure = IMPURE.iter().find(|name| known.contains(**name));
        ensure!(
            impure.is_none(),
            "{member} is pure and must not know {}",
            impure.unwrap_or(&"")
        );
    }
    Ok(())
}

#[test]
fn only_the_store_knows_sql() -> Result<()> {
    for (member, _) in ARROWS {
        let knows = dependencies(member)?.contains("sqlx");
        ensure!(
            !knows || KNOW_SQL.contains(&member),
            "{member} must not know SQL"
        );
    }
    Ok(())
}

#[test]
fn the_architecture_page_names_what_exists() -> Result<()> {
    let page = architecture()?;
    for path in paths_in(&page) {
        ensure!(
            workspace().join(path).exists(),
            "docs/architecture.md names {path}, which is not there"
        );
    }
    for member in members()? {
        ensure!(
            page.contains(&format!("`{member}/`")),
            "docs/architecture.md does not name the crate {member}"
        );
    }
    Ok(())
}

#[test]
fn the_architecture_page_names_every_invariant() -> Result<()> {
    let page = architecture()?;
    for invariant in INVARIANTS {
        ensure!(
            page.contains(&format!("**{invariant}.**")),
            "docs/architecture.md does not name {invariant:?}"
        );
    }
    Ok(())
}

#[test]
fn every_file_says_what_it_is() -> Result<()> {
    let dumb = sources(&["rs"])?
        .into_iter()
        .find(|(_, text)| !text.starts_with("//! "));
    ensure!(
        dumb.is_none(),
        "{:?} does not begin with a module doc",
        dumb.map(|(path, _)| path)
    );
    Ok(())
}

#[test]
fn no_file_is_a_drawer_for_everything() -> Result<()> {
    for (path, text) in sources(&["rs", "ts", "mjs", "js", "sql", "css"])? {
        let lines = text.lines().count();
        ensure!(
            lines <= LINES_MAX,
            "{} has {lines} lines; split it by noun",
            path.display()
        );
    }
    Ok(())
}

#[test]
fn nothing_is_left_for_later() -> Result<()> {
    // Taken apart, so that this file is no find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!"),
        concat!("db", "g!"),
        concat!("unimpl", "emented!"),
    ];
    for (path, text) in sources(&["rs", "ts", "mjs", "js", "sql", "css", "toml"])? {
        let mark = marks.iter().find(|mark| text.contains(**mark));
        ensure!(
            mark.is_none(),
            "{} says {}",
            path.display(),
            mark.unwrap_or(&"")
        );
    }
    Ok(())
}

/// Whether a line of code has the keyword. Behind a hyphen it is a word of a content security policy.
fn is_unsafe(line: &str) -> bool {
    let mut found = line.match_indices(UNSAFE);
    found.any(|(at, _)| !line[..at].ends_with('-'))
}

#[test]
fn only_the_map_of_the_crumbs_is_unsafe() -> Result<()> {
    for (path, text) in sources(&["rs"])? {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let says = code
            .into_iter()
            .any(|line| is_unsafe(line) && !line.starts_with(FORBIDS));
        ensure!(
            !says || path.ends_with(MAY_BE_UNSAFE) || path.ends_with(file!()),
            "{} speaks of {UNSAFE}; only {MAY_BE_UNSAFE} may",
            path.display()
        );
    }
    let map = fs::read_to_string(workspace().join(MAY_BE_UNSAFE))?;
    let marks = ["// SAFETY: ", "reason = "];
    ensure!(
        marks.iter().all(|mark| map.contains(mark)),
        "{MAY_BE_UNSAFE} does not say why it may"
    );
    Ok(())
}

#[test]
fn the_checks_bite() {
    let page = "see `engine/src/lib.rs`, `README.md`, `/readyz`, `limits.mailbox`, `a b/c`, `Document::handle`";
    assert_eq!(paths_in(page), ["engine/src/lib.rs", "README.md"]);
    let members = BTreeSet::from(["engine".to_owned()]);
    assert!(
        is_ours("quire-engine", &members)
            && is_ours("engine", &members)
            && !is_ours("engines", &members)
    );
}

fn architecture() -> Result<String> {
    fs::read_to_string(workspace().join("docs/architecture.md")).context("docs/architecture.md")
}

/// What stands in backticks and reads like a path within the tree.
fn paths_in(page: &str) -> Vec<&str> {
    let code = page.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let looks = word.contains('/') || word.ends_with(".rs") || word.ends_with(".md");
        looks && !word.starts_with('/') && !word.contains(char::is_whitespace)
    };
    code.filter(is_path).collect()
}

fn members() -> Result<BTreeSet<String>> {
    let manifest = manifest(&workspace())?;
    let members = manifest["workspace"]["members"]
        .as_array()
        .context("the workspace has members")?;
    Ok(members
        .iter()
        .filter_map(|member| member.as_str().map(str::to_owned))
        .collect())
}

/// Every crate that a member names, for building and for tests alike.
fn dependencies(member: &str) -> Result<BTreeSet<String>> {
    let manifest = manifest(&workspace().join(member))?;
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = sections
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table());
    let named = tables
        .flatten()
        .map(|(name, value)| (name.clone(), renamed(value)));
    Ok(named
        .map(|(name, renamed)| renamed.unwrap_or(name))
        .collect())
}

fn renamed(dependency: &toml::Value) -> Option<String> {
    dependency.get("package")?.as_str().map(str::to_owned)
}

fn manifest(folder: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(folder.join("Cargo.toml"))?;
    text.parse()
        .with_context(|| format!("{}/Cargo.toml", folder.display()))
}

fn is_ours(name: &str, members: &BTreeSet<String>) -> bool {
    members.contains(short(name))
}

fn short(name: &str) -> &str {
    name.strip_prefix("quire-").unwrap_or(name)
}

/// All files of ours with one of these extensions, and what they say.
fn sources(extensions: &[&str]) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![workspace()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !is_foreign(&path) {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|is| extensions.iter().any(|wanted| is == *wanted))
            {
                found.insert(path.clone(), fs::read_to_string(&path)?);
            }
        }
    }
    ensure!(!found.is_empty(), "there are no files with {extensions:?}");
    Ok(found)
}

/// Built, installed or hidden.
fn is_foreign(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || ["target", "node_modules"].contains(&&*name)
        || folder.ends_with("server/assets")
}

/// The one file with code that the compiler cannot vouch for.
const MAY_BE_UNSAFE: &str = "server/src/breadcrumb/map.rs";
const UNSAFE: &str = concat!("un", "safe");
/// How a crate says that none of its files may.
const FORBIDS: &str = "#![forbid(";

const LINES_MAX: usize = 700;
