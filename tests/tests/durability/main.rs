//! *Said is stored*, hunted with `kill -9`: whatever was echoed to its author is there after the crash.
//!
//! Writers type without pause into several documents of one server, which is killed at a random moment and started again,
//! `QUIRE_KILL_ROUNDS` times (200 unless told otherwise). At each start a fresh client and the API have to show every edit
//! that was ever acknowledged; at the end the log on disk is read without the server and has to hold every one of them,
//! byte for byte. Writers come back with their documents as a browser does, so lost edits are offered again. The seed is
//! printed.
//!
//! Of Automerge documents ([`heads`]) it is the heads that a client is told which have to be there.

mod heads;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quire_tests::chance::Chance;
use quire_tests::client::{Client, Noticed};
use quire_tests::server::{Launch, Server};
use quire_tests::trial::{How, Trial};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed() -> Result<()> {
    let rounds = rounds_or(200);
    let mut trial = Trial::begin("killed", 3, 2, Ok).await?;
    let began = Instant::now();
    for round in 0..rounds {
        trial.round(round, How::Killed).await?;
    }
    println!(
        "killed: {rounds} rounds in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    trial.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_told_to_stop() -> Result<()> {
    let mut trial = Trial::begin("stopped", 3, 2, Ok).await?;
    for round in 0..STOP_ROUNDS {
        trial.round(round, How::Stopped).await?;
    }
    trial.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_the_very_first_edit_leaves_a_server_that_starts() -> Result<()> {
    let mut chance = Chance::of_test("first edit");
    let mut stored = 0;
    for round in 0..FIRST_EDIT_ROUNDS {
        stored += u64::from(
            first_edit(&mut chance)
                .await
                .with_context(|| format!("round {round}"))?,
        );
    }
    println!("first edit: {stored} of {FIRST_EDIT_ROUNDS} were acknowledged before the kill");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_the_very_first_start_leaves_a_folder_that_serves() -> Result<()> {
    let mut chance = Chance::of_test("first start");
    let folder = TempDir::new()?;
    let mut server = Launch::new(folder.path())?.spawn()?;
    for _ in 0..FIRST_START_ROUNDS {
        tokio::time::sleep(Duration::from_millis(chance.below(30))).await;
        server.kill()?;
        server.respawn()?;
    }
    server.ready().await?;
    let mut client = Client::join(server.address(), "first", 1).await?;
    let update = client.editor.append("after many beginnings");
    client.save(update).await
}

/// How often a server is killed.
fn rounds_or(usual: u64) -> u64 {
    let rounds = env::var("QUIRE_KILL_ROUNDS").ok();
    rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(usual)
}

/// Kills a new server while the first edit of its life is on its way. Returns whether that was acknowledged.
async fn first_edit(chance: &mut Chance) -> Result<bool> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path()).await?;
    let mut client = Client::join(server.address(), "first", 1).await?;
    let update = client.editor.append("first words");
    client.send(update).await?;
    tokio::time::sleep(Duration::from_micros(chance.below(6_000))).await;
    server.kill()?;
    while !matches!(client.notice().await?, Noticed::Ended(_)) {}
    server.restart().await?;
    let found = Client::join(server.address(), "first", 2)
        .await?
        .editor
        .text();
    let acknowledged = client.stored() > 0;
    ensure!(
        found == "first words" || !acknowledged && found.is_empty(),
        "acknowledged: {acknowledged}, found {found:?}"
    );
    Ok(acknowledged)
}

const STOP_ROUNDS: u64 = 10;
const FIRST_EDIT_ROUNDS: u64 = 20;
const FIRST_START_ROUNDS: u64 = 20;
