//! A log that a crash left behind, whole and damaged: what recovery would lose without a word is noticed before.

use std::fs::{self, File};
use std::path::Path;

use super::super::recovery::{self, Broken, look_apart};
use super::{Fixture, REPLICA, meddle};
use crate::SqliteStore;
use crate::contract::document;
use crate::store::Store;

/// A log with a commit for each of some changes.
async fn written() -> Fixture {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    for counter in 1..=CHANGES {
        fixture.append(&notes, counter, counter).await;
    }
    fixture
}

/// What is in a log, with a few of the zeros that stand behind.
fn log(folder: &Path) -> Vec<u8> {
    let mut log = fs::read(folder.join(LOG)).unwrap();
    let end = end(&log);
    log.resize(end + 10_000, 0);
    log
}

/// Where frames end commits: the second word of their heads is not 0.
fn commits(log: &[u8]) -> Vec<usize> {
    let frames = (32..end(log)).step_by(FRAME);
    let ends_commit = |frame: &usize| log[frame + 4..frame + 8] != [0; 4];
    frames
        .filter(ends_commit)
        .map(|frame| frame + FRAME)
        .collect()
}

fn broken(log: &[u8]) -> Option<Broken> {
    recovery::broken(log).unwrap()
}

/// Where the frames end that SQLite would recover: behind them are zeros.
fn end(log: &[u8]) -> usize {
    log.iter().rposition(|byte| *byte > 0).unwrap() + 1
}

#[tokio::test]
async fn an_end_that_a_crash_leaves_is_no_damage() {
    let fixture = written().await;
    let log = log(fixture.crashed().path());
    assert_eq!(broken(&log), None);
    for end in (0..end(&log)).step_by(100) {
        assert_eq!(broken(&log[..end]), None, "cut off at {end}");
        let mut zeroed = log.clone();
        zeroed[end..].fill(0);
        let found = broken(&zeroed);
        assert!(found.is_none_or(|it| it.commits < 2), "zeros from {end}");
    }
}

#[tokio::test]
async fn older_frames_behind_the_end_are_no_damage() {
    let fixture = written().await;
    meddle(fixture.path(), "PRAGMA wal_checkpoint(RESTART)").await;
    let notes = document("notes");
    fixture.append(&notes, CHANGES + 1, CHANGES + 2).await;
    assert_eq!(broken(&log(fixture.crashed().path())), None);
}

#[tokio::test]
async fn damage_anywhere_before_the_last_commit_is_noticed() {
    let fixture = written().await;
    let whole = log(fixture.crashed().path());
    let commits = commits(&whole);
    assert!(commits.len() > CHANGES as usize);
    for at in (0..end(&whole)).step_by(BLOCK) {
        let mut blank = whole.clone();
        blank[at..at + BLOCK].fill(0);
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        let lost = commits.iter().filter(|end| **end > at).count();
        for damaged in [blank, flipped].iter().filter(|it| **it != whole) {
            let found = broken(damaged).map_or(0, |found| found.commits);
            // The head of a frame tells whether it ends a commit, and what the next one goes on from.
            assert!(
                (lost.saturating_sub(2)..=lost).contains(&found),
                "at {at}: {found} of {lost}"
            );
        }
    }
}

#[tokio::test]
async fn a_damaged_log_is_kept_and_met_once() {
    let fixture = written().await;
    let crashed = fixture.crashed();
    let path = crashed.path().join(LOG);
    let mut damaged = log(crashed.path());
    let at = end(&damaged) / 2;
    damaged[at] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let store = SqliteStore::open(crashed.path()).await.unwrap();
    let copy = crashed.path().join("quire.sqlite-wal.damaged-1");
    assert!(fs::read(&copy).unwrap() == damaged, "the log is kept");
    let left = store.load(document("notes")).await.unwrap();
    let lost = left.heads.get(REPLICA) + 1..=CHANGES;
    assert!(!lost.is_empty(), "SQLite does not read beyond the damage");
    let again = crate::contract::changes(&document("notes"), REPLICA, *lost.start(), CHANGES);
    let stored = store.append(document("notes"), engine::Kind::Yjs, again);
    stored.await.unwrap();
    assert_eq!(broken(&log(crashed.path())), None);
    assert!(!look_apart(&crashed.path().join(super::FILE_NAME)).await);
}

#[tokio::test]
async fn a_database_without_a_log_has_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!look_apart(&folder.path().join(super::FILE_NAME)).await);
    File::create(folder.path().join(LOG)).unwrap();
    assert!(!look_apart(&folder.path().join(super::FILE_NAME)).await);
}

const LOG: &str = "quire.sqlite-wal";
const CHANGES: u64 = 12;
/// As a disk loses them, bytes.
const BLOCK: usize = 512;
/// A head and a page.
const FRAME: usize = 24 + 4_096;
