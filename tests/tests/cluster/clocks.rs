//! Nodes whose clocks are an hour apart, by `libfaketime`: nothing is decided by what time it is.

use std::fs;

use anyhow::{Result, ensure};
use quire_tests::cluster::{Cluster, Scene, Seats, fault_time};
use quire_tests::require;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_an_hour_apart_change_nothing() -> Result<()> {
    let Some(faketime) = faketime() else {
        return require::missing("faketime", "there is no libfaketime");
    };
    let started = Cluster::start_with(3, |number, launch| {
        launch
            .variable("LD_PRELOAD", &faketime)
            .variable("DONT_FAKE_MONOTONIC", "1")
            .variable("FAKETIME", ["-1h", "+0", "+1h"][number])
    });
    let Some(cluster) = started.await? else {
        return Ok(());
    };
    let scene = Scene::begin(&cluster, "clocks apart", &Seats::usual(10)).await?;
    sleep(fault_time()).await;
    scene.crosses(&cluster, "with clocks apart").await?;
    scene.recovers(Instant::now()).await?;
    let document = scene.crowd.documents()[0].clone();
    let hours = hours_of(&cluster.nodes[0].server.changes(&document).await?);
    ensure!(hours > 1, "the clocks are not apart");
    scene.ends(&cluster).await
}

/// In how many different hours changes were made.
fn hours_of(changes: &[serde_json::Value]) -> usize {
    let times = changes.iter().filter_map(|change| change["time"].as_str());
    let mut hours: Vec<_> = times.filter_map(|time| time.get(..13)).collect();
    hours.sort_unstable();
    hours.dedup();
    hours.len()
}

/// Where Debian keeps it, on whatever machine.
fn faketime() -> Option<String> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    let libraries = folders.flatten().map(|folder| folder.path().join(FAKETIME));
    let library = libraries.into_iter().find(|library| library.exists());
    library.map(|library| library.display().to_string())
}

const FAKETIME: &str = "faketime/libfaketime.so.1";
