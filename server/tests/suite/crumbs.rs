//! Crumbs, on the real binary: what the process before left is tried at start, and only what does harm is kept out.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::write;
use bytes::Bytes;
use engine::{DocumentKey, PayloadHash};
use storage::{QuarantineQuery, SqliteStore, Store};
use tempfile::TempDir;

/// A slot as it is described in `server/src/breadcrumb/slot.rs`.
fn slot(
    what: u8,
    document: &DocumentKey,
    counter: u64,
    payload: Option<&[u8]>,
    trials: u8,
) -> Vec<u8> {
    let mut body = vec![what];
    for text in [document.workspace(), document.name(), "yjs"] {
        put(&mut body, text.as_bytes());
    }
    body.extend(u32::MAX.to_le_bytes());
    body.extend(7_u64.to_le_bytes());
    body.extend(1_u32.to_le_bytes());
    body.extend(counter.to_le_bytes());
    body.push(u8::from(payload.is_some()));
    if let Some(payload) = payload {
        put(&mut body, payload);
    }
    let mut slot = vec![1, trials, 0, 0];
    slot.extend(crc32fast::hash(&body).to_le_bytes());
    slot.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    slot.extend(body);
    slot.resize(17 * 4096, 0);
    slot
}

fn put(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    body.extend(bytes);
}

/// A data folder with a document of three changes.
async fn folder() -> (TempDir, DocumentKey) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    let notes = write(&store, "notes", &["The ", "quick ", "fox"]).await;
    store.close().await.unwrap();
    fs::create_dir(folder.path().join("crumbs")).unwrap();
    (folder, notes)
}

fn leave(folder: &Path, slots: &[Vec<u8>]) {
    fs::write(folder.join("crumbs/slots"), slots.concat()).unwrap();
}

/// Starts a server, waits until it serves, and stops it.
fn start_and_stop(folder: &Path) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder)
        .env_clear()
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(said.contains("is listening on"), "{said}");
    server.kill().unwrap();
    server.wait().unwrap();
}

/// The hashes in the quarantine and the dots that belong to them.
async fn quarantined(folder: &Path) -> Vec<(PayloadHash, Option<String>)> {
    let store = SqliteStore::open_read_only(folder).await.unwrap();
    let query = QuarantineQuery {
        limit: 99,
        ..QuarantineQuery::default()
    };
    let entries = store.quarantined(query).await.unwrap();
    let entries = entries.into_iter().map(|entry| entry.quarantined);
    entries
        .map(|it| (it.hash, it.dot.map(|dot| dot.to_string())))
        .collect()
}

#[tokio::test]
async fn what_does_no_harm_is_innocent() {
    let (folder, notes) = folder().await;
    let never = DocumentKey::new("default", "never").unwrap();
    leave(
        folder.path(),
        &[
            slot(1, &notes, 0, Some(&[0, 0]), 0),
            slot(1, &never, 0, Some(b"no update at all"), 1),
            slot(2, &notes, 2, None, 0),
            slot(3, &notes, 0, None, 0),
            slot(5, &notes, 0, None, 0),
        ],
    );
    start_and_stop(folder.path());
    assert_eq!(quarantined(folder.path()).await, []);
    let left = fs::read(folder.path().join("crumbs/slots")).unwrap();
    assert!(left.iter().all(|byte| *byte == 0), "the slots were cleared");
}

#[tokio::test]
async fn what_cannot_be_tried_is_kept_out() {
    let (folder, notes) = folder().await;
    leave(
        folder.path(),
        &[
            slot(1, &notes, 0, Some(b"killer"), 2),
            slot(2, &notes, 2, None, 2),
            slot(5, &notes, 0, None, 2),
        ],
    );
    start_and_stop(folder.path());
    let store = SqliteStore::open_read_only(folder.path()).await.unwrap();
    let changes = store.load(notes.clone()).await.unwrap().changes;
    let second = &changes[1].change;
    let mut wanted = vec![
        (PayloadHash::of(b"killer"), None),
        (
            PayloadHash::of(&second.payload),
            Some(second.dot.to_string()),
        ),
    ];
    let mut found = quarantined(folder.path()).await;
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
    let killer = store
        .quarantined_payload(notes, PayloadHash::of(b"killer"))
        .await;
    let killer = killer.unwrap().unwrap().quarantined;
    assert_eq!(killer.payload, Bytes::from_static(b"killer"));
    assert_eq!(killer.connection.map(|id| id.0), Some(7));
}

/// The crumb may tell of something else: whatever ends the trial is found, with its place in the log.
#[tokio::test]
async fn what_ends_the_trial_is_guilty() {
    for what in [1, 2, 5] {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).await.unwrap();
        let notes = write(&store, "notes", &["x", "[[replay-abort]]", "y"]).await;
        let changes = store.load(notes.clone()).await.unwrap().changes;
        store.close().await.unwrap();
        fs::create_dir(folder.path().join("crumbs")).unwrap();
        leave(folder.path(), &[slot(what, &notes, 2, None, 0)]);
        start_and_stop(folder.path());
        let culprit = &changes[1].change;
        let hash = PayloadHash::of(&culprit.payload);
        assert_eq!(
            quarantined(folder.path()).await,
            [(hash, Some(culprit.dot.to_string()))]
        );
    }
}

/// An edit that is in no log ends the trial: it is kept out with its bytes and its connection.
#[tokio::test]
async fn an_edit_that_ends_the_trial_is_guilty() {
    let (folder, _) = folder().await;
    let killer = crate::common::edit(9, "[[abort]]");
    let never = DocumentKey::new("default", "never").unwrap();
    leave(folder.path(), &[slot(1, &never, 0, Some(&killer), 0)]);
    start_and_stop(folder.path());
    let hash = PayloadHash::of(&killer);
    assert_eq!(quarantined(folder.path()).await, [(hash, None)]);
}

#[tokio::test]
async fn garbage_in_the_place_of_crumbs_is_no_error() {
    for garbage in [vec![], vec![1; 1000], vec![0xa5; 200_000]] {
        let (folder, _) = folder().await;
        leave(folder.path(), &[garbage]);
        start_and_stop(folder.path());
        assert_eq!(quarantined(folder.path()).await, []);
    }
}

/// A trial's process says each step before it takes it, and ends well.
#[tokio::test]
async fn a_trial_names_its_steps() {
    let (folder, notes) = folder().await;
    let mut child = trial(folder.path());
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(&slot(1, &notes, 0, Some(&[0, 0]), 0))
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let steps: Vec<_> = said
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(steps, ["change", "change", "change", "push", "reading"]);
    let mut child = trial(folder.path());
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(1), "there is no crumb");
}

fn trial(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(["try-crumb", "--data-dir"])
        .arg(folder)
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
