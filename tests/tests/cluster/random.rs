//! Faults drawn from a printed seed, one after the other, with a look at everything after every few.
//!
//! `QUIRE_FAULTS` says how many, 25 unless that is set; `QUIRE_SEED` has the same ones drawn again.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result};
use quire_tests::chance::Chance;
use quire_tests::cluster::{Cluster, Fault, Scene, Seats};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_change_is_lost_in_random_faults() -> Result<()> {
    let mut chance = Chance::of_test("random faults");
    let said = env::var("QUIRE_FAULTS").ok();
    let faults = said.and_then(|said| said.parse().ok()).unwrap_or(25);
    let started = Cluster::start_with(3, |_, launch| {
        let launch = launch.variable("QUIRE_SHUTDOWN__SPREAD", "100ms");
        launch.variable("QUIRE_DOCUMENT__SNAPSHOT_CHANGES", "100")
    });
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let (began, mut acknowledged) = (Instant::now(), 0);
    let mut happened = Vec::new();
    while happened.len() < faults {
        let seats = Seats {
            writers: 4,
            wandering: chance.one_in(2),
            ..Seats::usual(10 + 20 * happened.len() as u64)
        };
        let scene = Scene::begin(&cluster, "random faults", &seats).await?;
        for _ in 0..FAULTS_PER_SCENE.min(faults - happened.len()) {
            let fault = Fault::draw(&mut chance, cluster.nodes.len());
            let lasting = Duration::from_millis(chance.below(LONGEST_MS));
            println!(
                "random faults: {} {fault:?} for {lasting:?}",
                happened.len()
            );
            happened.push(fault.clone());
            fault
                .happen(&mut cluster, lasting)
                .await
                .with_context(|| format!("{fault:?}"))?;
        }
        let tail = &happened[happened.len().saturating_sub(FAULTS_PER_SCENE)..];
        let after = || format!("after {} faults, the last ones {tail:?}", happened.len());
        scene.recovers(Instant::now()).await.with_context(after)?;
        acknowledged += scene.crowd.acknowledged();
        scene.ends(&cluster).await.with_context(after)?;
    }
    println!(
        "random faults: {faults} in {:.1?}, {acknowledged} edits acknowledged, none lost",
        began.elapsed()
    );
    Ok(())
}

const FAULTS_PER_SCENE: usize = 5;
const LONGEST_MS: u64 = 600;
