//! `quire import automerge-repo` and `quire import automerge`, as a shell runs them: what can be taken is, once, and the rest is named.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use automerge::AutoCommit;
use engine::PayloadHash;
use protocol::automerge::DocumentId;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::automerge_files::{ID, bomb, heads, type_in, typed};

/// A folder of its own for each test.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        let command = command.args(args).current_dir(self.path()).env_clear();
        let command = command.env("HOME", self.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What became of each document, and the exit code.
    fn import(&self, args: &[&str]) -> (Vec<Value>, i32) {
        let output = self.run(&[&["import"], args, &["-o", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        let items = serde_json::from_slice(&output.stdout);
        let items = items.unwrap_or_else(|error| panic!("{error}: {said}"));
        (items, output.status.code().unwrap())
    }

    /// How a command fails, and what it says.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    }

    fn prints(&self, args: &[&str]) -> Vec<u8> {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        output.stdout
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.prints(args)).unwrap()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes a file of a document as the stock server does.
    fn keep(&self, id: &str, part: &str, hash: &str, bytes: &[u8]) {
        let (first, rest) = id.split_at(2);
        self.write(&format!("theirs/{first}/{rest}/{part}/{hash}"), bytes);
    }

    /// Writes what came later under its hash.
    fn keep_later(&self, id: &str, bytes: &[u8]) {
        let hash = PayloadHash::of(bytes).to_string();
        self.keep(id, "incremental", &hash, bytes);
    }

    /// The heads of a document as it is exported.
    fn heads(&self, id: &str) -> Vec<String> {
        let file = self.prints(&["doc", "export", id, "--format", "binary"]);
        heads(&mut AutoCommit::load(&file).unwrap())
    }
}

fn outcome(item: &Value) -> &str {
    item["outcome"].as_str().unwrap()
}

/// Ids that are in order as their numbers are.
fn id(number: u8) -> String {
    DocumentId::new(&[number + 100; 16]).unwrap().to_string()
}

const FOLDER: &[&str] = &["automerge-repo", "theirs"];
const SNAPSHOT: &str = "5f1d";

#[test]
fn a_folder_is_taken_over_once_and_what_came_later_is_added() {
    let shell = Shell::new();
    let (mut one, mut two) = (typed(&["a"]), typed(&["x", "y"]));
    shell.write("theirs/st/orage-adapter-id", b"0f8fad5b");
    shell.write("theirs/ke/ys/of-an-application", b"nothing");
    shell.keep(&id(1), "snapshot", SNAPSHOT, &one.save());
    shell.keep(&id(1), "sync-state", "peer", b"what a peer has");
    shell.keep(&id(2), "snapshot", SNAPSHOT, &two.save());
    let empty = AutoCommit::new().save();
    shell.keep(&id(3), "snapshot", SNAPSHOT, &empty);
    let (dry, code) = shell.import(&[FOLDER, &["--dry-run"]].concat());
    let outcomes = |items: &[Value]| items.iter().map(outcome).collect::<Vec<_>>().join(" ");
    assert_eq!((&*outcomes(&dry), code), ("imported imported empty", 0));
    assert!(
        !shell.path().join("quire-data").exists(),
        "a dry run stores"
    );

    let (first, code) = shell.import(FOLDER);
    assert_eq!((&*outcomes(&first), code), ("imported imported empty", 0));
    assert_eq!(first[0]["document"], id(1));
    let (again, code) = shell.import(FOLDER);
    assert_eq!((&*outcomes(&again), code), ("exists exists empty", 0));
    assert_eq!(shell.heads(&id(1)), heads(&mut one));
    assert_eq!(shell.heads(&id(2)), heads(&mut two));

    for key in ["b", "c"] {
        let before = one.get_heads();
        type_in(&mut one, key);
        shell.keep_later(&id(1), &one.save_after(&before));
    }
    let (dry, _) = shell.import(&[FOLDER, &["--dry-run"]].concat());
    assert_eq!(outcomes(&dry), "added exists empty");
    let (later, code) = shell.import(FOLDER);
    assert_eq!((&*outcomes(&later), code), ("added exists empty", 0));
    assert_eq!(shell.heads(&id(1)), heads(&mut one));
    let log = shell.json(&["doc", "log", &id(1), "-o", "json"]);
    let authors: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["author"])
        .collect();
    assert_eq!(authors, ["import", "import"]);
    let (again, _) = shell.import(FOLDER);
    assert_eq!(outcomes(&again), "exists exists empty");
}

#[test]
fn what_lies_in_several_files_comes_to_what_the_stock_server_makes_of_them() {
    let shell = Shell::new();
    let mut ann = typed(&["a"]);
    shell.keep(&id(1), "snapshot", SNAPSHOT, &ann.save());
    let mut bob = ann.fork();
    let before = ann.get_heads();
    type_in(&mut ann, "b");
    type_in(&mut bob, "c");
    shell.keep_later(&id(1), &ann.save_after(&before));
    shell.keep_later(&id(1), &bob.save_after(&before));
    // As another implementation calls it: by the hash of the change.
    ann.merge(&mut bob).unwrap();
    let before = ann.get_heads();
    type_in(&mut ann, "d");
    let (last, name) = (ann.save_after(&before), heads(&mut ann)[0].clone());
    shell.keep(&id(1), "incremental", &name, &last);
    // A state of all that, and an older one that was not cleared away.
    shell.keep(&id(1), "snapshot", "77", &ann.save());
    let (items, code) = shell.import(FOLDER);
    assert_eq!((outcome(&items[0]), code), ("imported", 0), "{items:?}");
    assert_eq!(shell.heads(&id(1)), heads(&mut ann));
    let json = shell.json(&["doc", "cat", &id(1), "--format", "json"]);
    assert_eq!(json, json!({"a": 1, "b": 1, "c": 1, "d": 1}));
}

#[test]
fn each_bad_file_is_named_and_keeps_nothing_else_out() {
    let shell = Shell::new();
    let good = typed(&["a", "b"]).save();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (number, bytes) in [
        (1, good[..good.len() - 1].to_vec()),
        (2, flipped),
        (3, bomb()),
        (4, b"SQLite format 3\0".to_vec()),
        (5, Vec::new()),
        (6, good.clone()),
    ] {
        shell.keep(&id(number), "snapshot", SNAPSHOT, &bytes);
    }
    // Beside what is good.
    shell.keep(
        &id(6),
        "incremental",
        &"0".repeat(64),
        &typed(&["foreign"]).save(),
    );
    shell.keep_later(&id(6), b"garbage");
    fs::create_dir_all(shell.path().join(format!(
        "theirs/{}/{}/snapshot/folder",
        &id(6)[..2],
        &id(6)[2..]
    )))
    .unwrap();
    shell.keep("notanid", "snapshot", SNAPSHOT, &good);
    let (items, code) = shell.import(FOLDER);
    assert_eq!((items.len(), code), (7, 1), "{items:?}");
    let of = |name: &str| {
        let item = items.iter().find(|item| item["document"] == name).unwrap();
        (outcome(item), item["reason"].as_str().unwrap().to_owned())
    };
    for (number, reason) in [
        (1, "117 are left"),
        (2, "checksum"),
        (3, "inflated bytes"),
        (4, "magic"),
        (5, "nothing is in it"),
    ] {
        let (outcome, said) = of(&id(number));
        assert_eq!(outcome, "refused");
        assert!(
            said.starts_with(&format!("snapshot/{SNAPSHOT}: ")),
            "{said}"
        );
        assert!(said.contains(reason), "{said}");
    }
    let (partly, said) = of(&id(6));
    assert_eq!(partly, "partly");
    for reason in [
        format!("incremental/{}: its name is not the hash", "0".repeat(64)),
        format!("incremental/{}: ", PayloadHash::of(b"garbage")),
        "snapshot/folder: it is not a file".to_owned(),
    ] {
        assert!(said.contains(&reason), "{said}");
    }
    let (refused, said) = of("notanid");
    assert_eq!(refused, "refused");
    assert!(said.contains("not named by the id of a document"), "{said}");
    let json = shell.json(&["doc", "cat", &id(6), "--format", "json"]);
    assert_eq!(json, json!({"a": 1, "b": 1}));
    let listed = shell.json(&["doc", "list", "-o", "json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn what_builds_on_what_is_lost_waits_for_it() {
    let shell = Shell::new();
    let mut doc = typed(&["a"]);
    shell.keep(&id(1), "snapshot", SNAPSHOT, &doc.save());
    type_in(&mut doc, "lost");
    let before = doc.get_heads();
    type_in(&mut doc, "c");
    shell.keep_later(&id(1), &doc.save_after(&before));
    let (items, code) = shell.import(FOLDER);
    assert_eq!((outcome(&items[0]), code), ("partly", 1));
    let said = items[0]["reason"].as_str().unwrap();
    assert!(
        said.contains("1 changes build on what is not there"),
        "{said}"
    );
    shell.write("whole.automerge", &doc.save());
    let (items, code) = shell.import(&["automerge", "whole.automerge", "--document", &id(1)]);
    assert_eq!((outcome(&items[0]), code), ("added", 0));
    assert_eq!(shell.heads(&id(1)), heads(&mut doc));
}

#[test]
fn a_file_goes_out_and_in_again_by_name_or_by_address() {
    let shell = Shell::new();
    let mut doc = typed(&["a", "b"]);
    let (address, file) = (format!("automerge:{ID}"), format!("{ID}.automerge"));
    shell.write("story.automerge", &doc.save());
    let unnamed = shell.fails(&["import", "automerge", "story.automerge"]);
    assert_eq!(unnamed.0, 2);
    assert!(unnamed.1.contains("--document"), "{}", unnamed.1);
    let (items, code) = shell.import(&["automerge", "story.automerge", "--document", &address]);
    assert_eq!((outcome(&items[0]), code), ("imported", 0));
    shell.prints(&[
        "doc", "export", &address, "--format", "binary", "--output", &file,
    ]);
    let (items, _) = shell.import(&["automerge", &file]);
    assert_eq!(outcome(&items[0]), "exists");
    let (items, _) = shell.import(&["automerge", &file, "--workspace", "team"]);
    assert_eq!(outcome(&items[0]), "imported");
    for args in [&["doc", "show", &address][..], &["doc", "log", &address]] {
        shell.prints(args);
    }
    assert_eq!(shell.heads(&address), heads(&mut doc));
    let log = shell.json(&["doc", "log", ID, "-o", "json"]);
    let order = log[0]["order"].to_string();
    let at = shell.prints(&["doc", "cat", &address, "--at", &order, "--format", "json"]);
    assert_eq!(
        serde_json::from_slice::<Value>(&at).unwrap(),
        json!({"a": 1, "b": 1})
    );

    shell.write("bad.automerge", b"garbage");
    let (items, code) = shell.import(&["automerge", "bad.automerge", "--document", ID]);
    assert_eq!((outcome(&items[0]), code), ("refused", 1));
    assert_eq!(
        shell
            .fails(&["import", "automerge", "none.automerge", "--document", ID])
            .0,
        3
    );
}

#[test]
fn what_is_no_folder_of_automerge_repo_is_refused() {
    let shell = Shell::new();
    assert_eq!(shell.fails(&["import", "automerge-repo", "theirs"]).0, 3);
    shell.write("theirs/a/b.txt", b"text");
    let (code, said) = shell.fails(&["import", "automerge-repo", "theirs"]);
    assert_eq!(code, 1);
    assert!(said.contains("it holds no documents"), "{said}");
    assert!(
        !shell.path().join("quire-data").exists(),
        "a folder was made for nothing"
    );
}
