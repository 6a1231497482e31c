//! The process ends at each step on the way of an edit, and nothing acknowledged is lost.

use std::fs;

use anyhow::{Result, ensure};
use quire_tests::chance::Chance;
use quire_tests::server::{Launch, binary, faulty_binary};
use quire_tests::trial::{How, Trial};
use storage::Failpoint;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_at_any_failpoint() -> Result<()> {
    let mut chance = Chance::of_test("failpoints");
    let mut trial = Trial::begin("failpoints", 2, 2, |launch| {
        let launch = launch.variable("QUIRE_DOCUMENT__SNAPSHOT_CHANGES", "10");
        launch.faulty()
    })
    .await?;
    let points = Failpoint::ALL
        .into_iter()
        .filter(|point| *point != Failpoint::QuarantineStored);
    let mut round = 0;
    for point in points {
        let late = match point {
            Failpoint::BeforeSnapshot | Failpoint::SnapshotStored => 2,
            _ => 10 + chance.below(60),
        };
        for nth in [1, 2, late] {
            trial.round(round, How::At(point, nth)).await?;
            round += 1;
        }
    }
    println!("failpoints: ended {round} times");
    trial.end().await
}

#[test]
fn the_binary_that_people_run_has_no_failpoints() -> Result<()> {
    let has = |path| anyhow::Ok(contains(&fs::read(path)?, b"QUIRE_FAILPOINT"));
    ensure!(!has(binary()?)?, "failpoints are in the release binary");
    ensure!(has(faulty_binary()?)?, "this check would find failpoints");
    Ok(())
}

#[test]
fn the_binary_that_people_run_has_no_traps() -> Result<()> {
    let has = |path| anyhow::Ok(contains(&fs::read(path)?, b"[[replay-abort]]"));
    ensure!(!has(binary()?)?, "traps are in the release binary");
    ensure!(has(faulty_binary()?)?, "this check would find traps");
    Ok(())
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// The binary with failpoints files changes a few at a time and all the time, so the kill comes in the middle of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed_while_changes_are_filed() -> Result<()> {
    let mut trial = Trial::begin("killed while filing", 3, 2, Launch::faulty).await?;
    for round in 0..KILLED_WHILE_FILING_ROUNDS {
        trial.round(round, How::Killed).await?;
    }
    trial.end().await
}

const KILLED_WHILE_FILING_ROUNDS: u64 = 40;
