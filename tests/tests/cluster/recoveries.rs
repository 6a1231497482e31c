//! How long each fault is felt: from the moment at which it is over (or a node ended) until everybody was acknowledged
//! something that was sent after it. Figures, run with those of `figures.rs`.

use std::time::Duration;

use anyhow::{Context, Result};
use quire_tests::cluster::{Cluster, EDIT, Fault, Mood, Scene, Seats, Trap, fault_time};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and checks nothing but that all is as it has to be"]
async fn figures_of_recovery() -> Result<()> {
    let started = Cluster::start_with(3, |_, launch| {
        launch.variable("QUIRE_SHUTDOWN__SPREAD", "500ms")
    });
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let mut first = 10;
    let mut lines = Vec::new();
    for (name, fault) in faults() {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let scene = Scene::begin(&cluster, name, &Seats::usual(first)).await?;
            first += 20;
            let over = fault.happen(&mut cluster, fault_time()).await;
            let over = over.with_context(|| format!("{fault:?}"))?;
            times.push(scene.recovers(over).await?);
            scene.ends(&cluster).await?;
        }
        lines.push(line(name, times));
    }
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// In the order in which people ask about them.
fn faults() -> Vec<(&'static str, Fault)> {
    let slow = Mood::Late(Duration::from_millis(250));
    vec![
        ("a node is killed", Fault::Killed(0)),
        ("a node is replaced", Fault::Restarted(1)),
        ("a node stands still and goes on", Fault::Frozen(2)),
        ("Redis is stopped", Fault::RedisStopped),
        ("Redis stands still, then bursts", Fault::RedisPaused),
        ("Redis is emptied", Fault::RedisFlushed),
        ("a node is cut from Redis", Fault::ToRedis(0, Mood::Cut)),
        (
            "a node hears nothing from Redis",
            Fault::ToRedis(1, Mood::Silent),
        ),
        (
            "a node is cut from Postgres",
            Fault::ToPostgres(2, Mood::Cut),
        ),
        (
            "a node hears nothing from Postgres",
            Fault::ToPostgres(0, Mood::Silent),
        ),
        ("all are cut from Postgres", Fault::AllToPostgres(Mood::Cut)),
        (
            "all hear nothing from Postgres",
            Fault::AllToPostgres(Mood::Silent),
        ),
        (
            "Postgres answers half a second later",
            Fault::AllToPostgres(slow),
        ),
        (
            "the answer to a commit is lost",
            Fault::CutToPostgres(1, Trap::AnswerTo(EDIT)),
        ),
        ("all connections to Postgres are lost", Fault::ResetPostgres),
        (
            "Postgres crashes and starts again",
            Fault::PostgresRestarted,
        ),
    ]
}

fn line(name: &str, mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    format!("recovery: {name}: {middle:.2?}, at most {last:.2?} of {ROUNDS} times")
}

const ROUNDS: usize = 3;
