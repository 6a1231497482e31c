//! Postgres goes, comes back, is slow, or takes its answer with it: nothing is acknowledged that it does not have.

use std::time::Duration;

use anyhow::{Result, ensure};
use quire_tests::cluster::{Cluster, EDIT, Mood, Scene, Seats, Trap, fault_time};
use services::Postgres;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_nothing_is_acknowledged_and_nothing_is_lost() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    for (first, mood) in [(10, Mood::Cut), (30, Mood::Silent)] {
        away_for_all(&cluster, first, mood).await?;
    }
    for (first, mood) in [(50, Mood::Cut), (70, Mood::Silent)] {
        away_for_one(&cluster, first, mood).await?;
    }
    // Half a second for each answer, and half a second each way.
    for (first, late) in [(90, 250), (110, 500)] {
        slow(&cluster, first, Duration::from_millis(late)).await?;
    }
    answers_lost(&cluster).await?;
    restarted(&cluster, 150, Postgres::crash).await?;
    restarted(&cluster, 170, Postgres::stop).await
}

async fn away_for_all(cluster: &Cluster, first: u64, mood: Mood) -> Result<()> {
    let scene = Scene::begin(cluster, "Postgres away", &Seats::usual(first)).await?;
    let lines = || cluster.nodes.iter().map(|node| &node.to_postgres);
    lines().for_each(|line| line.set(mood));
    let away = Instant::now();
    sleep(fault_time()).await;
    let back = Instant::now();
    scene.withheld(away, back, |_| true)?;
    lines().for_each(|line| line.set(Mood::Passing));
    scene.recovers(back).await?;
    scene.crosses(cluster, "afterwards").await?;
    scene.ends(cluster).await
}

async fn away_for_one(cluster: &Cluster, first: u64, mood: Mood) -> Result<()> {
    let scene = Scene::begin(cluster, "a node without Postgres", &Seats::usual(first)).await?;
    cluster.nodes[2].to_postgres.set(mood);
    let away = Instant::now();
    scene.goes_on(|node| node != 2).await?;
    sleep(fault_time()).await;
    scene.goes_on(|node| node != 2).await?;
    let back = Instant::now();
    scene.withheld(away, back, |node| node == 2)?;
    cluster.nodes[2].mend();
    scene.recovers(back).await?;
    scene.crosses(cluster, "afterwards").await?;
    scene.ends(cluster).await
}

/// Of nodes that append to one order only one goes on at a time, and lets the others go next.
async fn slow(cluster: &Cluster, first: u64, late: Duration) -> Result<()> {
    let scene = Scene::begin(cluster, "Postgres slow", &Seats::usual(first)).await?;
    let lines = || cluster.nodes.iter().map(|node| &node.to_postgres);
    lines().for_each(|line| line.set(Mood::Late(late)));
    sleep(fault_time()).await;
    scene.goes_on(|_| true).await?;
    lines().for_each(|line| line.set(Mood::Passing));
    scene.recovers(Instant::now()).await?;
    scene.ends(cluster).await
}

/// Each node commits, and the connection is cut before it hears of that, again and again.
async fn answers_lost(cluster: &Cluster) -> Result<()> {
    let scene = Scene::begin(cluster, "answers lost", &Seats::usual(130)).await?;
    let (began, mut lost) = (Instant::now(), 0);
    while began.elapsed() < fault_time() {
        for node in &cluster.nodes {
            lost += u64::from(!node.to_postgres.is_laid());
            node.to_postgres.lay(Trap::AnswerTo(EDIT));
        }
        sleep(BETWEEN_TRAPS).await;
    }
    cluster.nodes.iter().for_each(|node| node.mend());
    println!("answers lost: the answer to {lost} commits");
    ensure!(lost > cluster.nodes.len() as u64, "no commit was met");
    scene.recovers(Instant::now()).await?;
    scene.ends(cluster).await
}

async fn restarted(
    cluster: &Cluster,
    first: u64,
    end: impl Fn(&Postgres) -> Result<()>,
) -> Result<()> {
    let scene = Scene::begin(cluster, "Postgres restarted", &Seats::usual(first)).await?;
    end(&cluster.postgres)?;
    cluster.postgres.start_again()?;
    scene.recovers(Instant::now()).await?;
    scene.crosses(cluster, "afterwards").await?;
    scene.ends(cluster).await
}

const BETWEEN_TRAPS: Duration = Duration::from_millis(150);
