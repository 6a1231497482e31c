//! The command line, as a shell runs it: the built binary, its output and its exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{write, write_ordered};
use serde_json::{Value, json};
use server::config::SETTINGS;
use storage::{SqliteStore, Store};
use tempfile::TempDir;

/// A folder of its own for each test, so that no configuration of this machine plays a part.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with documents as a server leaves them.
    async fn with_documents() -> Self {
        let shell = Self::new();
        let store = SqliteStore::open(&shell.0.path().join("quire-data"))
            .await
            .unwrap();
        write(&store, "notes", &["The ", "quick ", "fox"]).await;
        write(&store, "stories/one two", &["x"]).await;
        Store::close(&store).await.unwrap();
        shell
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null());
        command.env("HOME", self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn prints(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// How a command fails: its exit code, and the one line that it says.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(output.stdout.is_empty());
        (output.status.code().unwrap(), said)
    }
}

#[test]
fn help_is_as_it_was_agreed() {
    let shell = Shell::new();
    for (args, golden) in [
        (vec!["--help"], "help.txt"),
        (vec!["serve", "--help"], "serve-help.txt"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(golden);
        assert_eq!(
            shell.prints(&args),
            fs::read_to_string(path).unwrap(),
            "{golden}"
        );
    }
}

#[test]
fn every_help_fits_a_screen_and_has_an_example() {
    let shell = Shell::new();
    let commands = [
        "",
        "serve",
        "doc",
        "doc list",
        "doc show",
        "doc log",
        "doc cat",
        "doc export",
        "import",
        "import hocuspocus",
        "import automerge-repo",
        "import automerge",
        "key new",
        "key add",
        "key list",
        "key show",
        "key revoke",
        "token new",
        "token inspect",
        "config",
        "config show",
    ];
    for command in commands {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let help = shell.prints(&args);
        assert!(help.lines().count() <= 40, "{command}: {help}");
        assert!(help.contains("Example: "), "{command}: {help}");
    }
}

#[test]
fn help_tells_the_variable_and_the_default_of_every_flag() {
    let help = Shell::new().prints(&["serve", "--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in [
        "listen",
        "data_dir",
        "store",
        "insecure_allow_anonymous",
        "log.format",
        "log.filter",
    ] {
        let setting = SETTINGS.iter().find(|setting| setting.key == key).unwrap();
        let told = format!(
            "[env: {}] [default: {}]",
            setting.variable(),
            setting.default
        );
        assert!(help.contains(&told), "no {told} in {help}");
    }
}

#[tokio::test]
async fn documents_are_listed_for_people_and_for_programs() {
    let shell = Shell::with_documents().await;
    let table = shell.prints(&["doc", "list"]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[0].starts_with("NAME"), "{table}");
    assert!(
        rows[1].starts_with("notes") && rows[1].contains("2026-11-20T09:30:02.000Z"),
        "{table}"
    );
    assert!(rows[2].starts_with("\"stories/one two\""), "{table}");
    let listed: Value =
        serde_json::from_str(&shell.prints(&["doc", "list", "-o", "json"])).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[1]["changes"]),
        (&json!("notes"), &json!(1))
    );
    let lines = shell.prints(&["doc", "list", "-o", "ndjson", "--prefix", "stories/"]);
    let shown = shell.prints(&["doc", "show", "stories/one two", "-o", "json"]);
    assert_eq!(lines, shown);
    assert_eq!(
        shell
            .prints(&["doc", "list", "--limit", "1"])
            .lines()
            .count(),
        2
    );
    assert_eq!(
        shell
            .prints(&["doc", "list", "--workspace", "other"])
            .lines()
            .count(),
        1
    );
}

#[tokio::test]
async fn the_log_runs_both_ways() {
    let shell = Shell::with_documents().await;
    let counters = |args: &[&str]| -> Vec<u64> {
        let lines = shell.prints(&[&["doc", "log", "notes", "-o", "ndjson"], args].concat());
        let change = |line| serde_json::from_str::<Value>(line).unwrap();
        lines
            .lines()
            .map(|line| change(line)["counter"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(counters(&[]), [1, 2, 3]);
    assert_eq!(counters(&["--backward", "--limit", "2"]), [3, 2]);
    let table = shell.prints(&["doc", "log", "notes"]);
    assert!(
        table.starts_with("ORDER") && table.lines().count() == 4,
        "{table}"
    );
}

#[tokio::test]
async fn content_is_printed_and_exported_at_any_place() {
    let shell = Shell::with_documents().await;
    assert_eq!(shell.prints(&["doc", "cat", "notes"]), "The quick fox");
    assert_eq!(
        shell.prints(&["doc", "cat", "notes", "--at", "2026-11-20T09:30:01Z"]),
        "The quick "
    );
    assert_eq!(
        shell.prints(&["doc", "cat", "notes", "--format", "json"]),
        "{\"text\":\"The quick fox\"}"
    );
    assert_eq!(
        shell.prints(&["doc", "export", "notes", "--format", "text", "--at", "0"]),
        ""
    );

    let export = [
        "doc",
        "export",
        "notes",
        "--format",
        "binary",
        "--output",
        "notes.yjs",
    ];
    assert_eq!(shell.prints(&export), "");
    let exported = fs::read(shell.0.path().join("notes.yjs")).unwrap();
    let mut copy = engine::Content::new(engine::Kind::Yjs).unwrap();
    copy.integrate(&exported).unwrap();
    assert_eq!(copy.text(None).unwrap(), "The quick fox");
    let (code, said) = shell.fails(&export);
    assert_eq!(code, 1);
    assert!(said.contains("notes.yjs exists"), "{said}");
}

#[tokio::test]
async fn ordered_documents_are_looked_back_at_like_all_others() {
    let shell = Shell::new();
    let store = SqliteStore::open(&shell.0.path().join("quire-data"))
        .await
        .unwrap();
    write_ordered(&store, "forms/one", 2).await;
    Store::close(&store).await.unwrap();
    let log = shell.prints(&["doc", "log", "forms/one", "-o", "ndjson"]);
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let actions: Vec<_> = log.iter().map(|it| &it["operation"]["action"]).collect();
    assert_eq!(actions, ["create", "op", "op"]);
    let cat = |args: &[&str]| shell.prints(&[&["doc", "cat", "forms/one"], args].concat());
    assert_eq!(cat(&[]), r#"{"n":2}"#);
    assert_eq!(cat(&["--at", &log[1]["order"].to_string()]), r#"{"n":1}"#);
    assert_eq!(cat(&["--field", "n", "--format", "json"]), "2");
    let (code, said) = shell.fails(&["doc", "export", "forms/one", "--format", "binary"]);
    assert!(code == 2 && said.contains("no binary form"), "{said}");
    let shown = shell.prints(&["doc", "show", "forms/one", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["kind"], &shown["changes"]),
        (&json!("json0"), &json!(3))
    );
}

#[tokio::test]
async fn what_is_not_there_has_its_own_exit_code() {
    let shell = Shell::with_documents().await;
    let missing = [
        (vec!["doc", "show", "nothing"], "quire doc list"),
        (
            vec!["doc", "cat", "notes", "--at", "9999.1"],
            "quire doc log",
        ),
        (vec!["doc", "list", "--data-dir", "elsewhere"], "--data-dir"),
    ];
    for (args, advice) in missing {
        let (code, said) = shell.fails(&args);
        assert_eq!(code, 3, "{args:?}: {said}");
        assert!(said.contains(advice), "{args:?}: {said}");
    }
}

#[test]
fn a_mistake_in_typing_is_exit_code_2() {
    let shell = Shell::new();
    for args in [["doc", "lst"], ["doc", "show"], ["serve", "--lisen"]] {
        assert_eq!(shell.run(&args).status.code(), Some(2), "{args:?}");
    }
    let refused = [
        (
            vec!["serve", "--listen", "0.0.0.0:0"],
            "--insecure-allow-anonymous",
        ),
        (
            vec!["serve", "--listen", "localhost"],
            "flag --listen: listen is \"localhost\", expected an IP address and a port",
        ),
        (
            vec!["serve", "--store", "mysql"],
            "expected sqlite, memory or postgres",
        ),
        (vec!["doc", "show", "a\u{1b}[31m"], "control character"),
        (
            vec!["doc", "list", "--config", "missing.toml"],
            "missing.toml",
        ),
    ];
    for (args, advice) in refused {
        let (code, said) = shell.fails(&args);
        assert_eq!(code, 2, "{args:?}: {said}");
        assert!(said.contains(advice), "{args:?}: {said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    let place = shell.run(&["doc", "cat", "notes", "--at", "yesterday"]);
    assert!(String::from_utf8_lossy(&place.stderr).contains("no place in a timeline"));
}

#[test]
fn every_setting_is_shown_with_its_origin() {
    let shell = Shell::new();
    fs::write(
        shell.0.path().join("quire.toml"),
        "\n[document]\nidle = '5s'\n",
    )
    .unwrap();
    let args = [
        "config",
        "show",
        "--origin",
        "--log-format",
        "json",
        "-o",
        "json",
    ];
    let output = shell
        .command(&args)
        .env("PORT", "8080")
        .env("REDIS_URL", "redis://:secret@x")
        .env("QUIRE_LISTN", "127.0.0.1:9")
        .output()
        .unwrap();
    let shown: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown.len(), SETTINGS.len());
    let find = |key: &str| {
        shown
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap()
            .clone()
    };
    let setting = |key, value, origin| json!({"key": key, "value": value, "origin": origin});
    assert_eq!(
        find("listen"),
        setting("listen", "127.0.0.1:8080", "environment PORT")
    );
    assert_eq!(
        find("document.idle"),
        setting("document.idle", "5s", "quire.toml:3")
    );
    assert_eq!(
        find("log.format"),
        setting("log.format", "json", "flag --log-format")
    );
    assert_eq!(find("store"), setting("store", "sqlite", "default"));
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(
        warned.starts_with("warning: QUIRE_LISTN is not a setting"),
        "{warned}"
    );
    assert_eq!(
        find("redis_url"),
        setting(
            "redis_url",
            "redis://… (not shown)",
            "environment REDIS_URL"
        )
    );
    let table = shell.prints(&["config", "show"]);
    assert!(
        table.starts_with("KEY") && !table.contains("default\n"),
        "{table}"
    );
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let shell = Shell::with_documents().await;
    let mut quire = shell
        .command(&["doc", "log", "notes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(quire.stdout.take());
    let output = quire.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_version_is_told_both_ways() {
    let shell = Shell::new();
    assert_eq!(shell.prints(&["version"]), shell.prints(&["--version"]));
}

#[tokio::test]
async fn what_is_quarantined_is_listed_shown_and_forgotten() {
    let shell = Shell::with_documents().await;
    let payload: Vec<u8> = (0..=255).cycle().take(300).collect();
    let bad = crate::common::quarantined("notes", &payload);
    let shown_as = crate::common::quarantined("show", b"x");
    let folder = shell.0.path().join("quire-data");
    let store = SqliteStore::open(&folder).await.unwrap();
    store.quarantine(bad.clone()).await.unwrap();
    store.quarantine(shown_as.clone()).await.unwrap();
    Store::close(&store).await.unwrap();
    let hash = bad.hash.to_string();
    let quarantine = ["doc", "quarantine"];
    let listed = |args: &[&str]| {
        let args = [&quarantine[..], args, &["-o", "json"]].concat();
        let items: Value = serde_json::from_str(&shell.prints(&args)).unwrap();
        let items = items.as_array().unwrap().iter();
        items
            .map(|item| item["document"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["show", "notes"]);
    assert_eq!(listed(&["--limit", "1"]), ["show"]);
    assert_eq!(listed(&["notes"]), ["notes"]);
    assert_eq!(listed(&["-w", "default", "show"]), ["show"]);
    assert_eq!(listed(&["nothing"]), [""; 0]);
    assert!(shell.prints(&quarantine).contains(&hash[..16]));
    let shown = shell.prints(&[
        "doc",
        "quarantine",
        "show",
        "notes",
        &hash[..8],
        "--payload",
        "bad.yjs",
    ]);
    assert!(
        shown.contains(&hash) && shown.contains("\n00000010  10 11 12 13"),
        "{shown}"
    );
    assert_eq!(fs::read(shell.0.path().join("bad.yjs")).unwrap(), payload);
    let (code, said) = shell.fails(&["doc", "quarantine", "show", "notes", "not-hex"]);
    assert_eq!(code, 2, "{said}");
    let (code, said) = shell.fails(&["doc", "quarantine", "forget", "stories/one two", &hash]);
    assert_eq!(code, 3, "{said}");
    let forget = ["doc", "quarantine", "forget", "notes", &hash];
    assert!(shell.prints(&forget).contains("is forgotten"));
    assert_eq!(listed(&["notes"]), [""; 0]);
    assert_eq!(shell.fails(&forget).0, 3);
}
