//! Redis goes, comes back, forgets, or is told nonsense; it is only ever a matter of latency.

use anyhow::{Result, ensure};
use quire_tests::chance::Chance;
use quire_tests::cluster::{Cluster, Meddler, Mood, Scene, Seats, fault_time};
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_lost_but_latency() -> Result<()> {
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    stopped(&mut cluster).await?;
    flushed(&cluster).await?;
    paused(&cluster).await?;
    for (first, mood) in [(70, Mood::Cut), (90, Mood::Silent)] {
        one_node_without(&cluster, first, mood).await?;
    }
    Ok(())
}

async fn stopped(cluster: &mut Cluster) -> Result<()> {
    let scene = Scene::begin(cluster, "Redis stopped", &Seats::usual(10)).await?;
    cluster.redis.stop();
    scene.goes_on(|_| true).await?;
    scene.crosses(cluster, "without it").await?;
    sleep(fault_time()).await;
    scene.goes_on(|_| true).await?;
    cluster.redis.restart()?;
    scene.recovers(Instant::now()).await?;
    scene.ends(cluster).await
}

async fn flushed(cluster: &Cluster) -> Result<()> {
    let scene = Scene::begin(cluster, "FLUSHALL in a loop", &Seats::usual(30)).await?;
    let began = Instant::now();
    while began.elapsed() < fault_time() {
        cluster.redis.flush()?;
        tokio::task::yield_now().await;
    }
    scene.recovers(Instant::now()).await?;
    scene.crosses(cluster, "afterwards").await?;
    scene.ends(cluster).await
}

async fn paused(cluster: &Cluster) -> Result<()> {
    let scene = Scene::begin(cluster, "Redis paused, then bursting", &Seats::usual(50)).await?;
    cluster.redis.pause()?;
    sleep(fault_time()).await;
    scene.goes_on(|_| true).await?;
    cluster.redis.resume()?;
    scene.recovers(Instant::now()).await?;
    scene.crosses(cluster, "afterwards").await?;
    scene.ends(cluster).await
}

async fn one_node_without(cluster: &Cluster, first: u64, mood: Mood) -> Result<()> {
    let scene = Scene::begin(cluster, "a node without Redis", &Seats::usual(first)).await?;
    cluster.nodes[1].to_redis.set(mood);
    sleep(fault_time()).await;
    scene.goes_on(|_| true).await?;
    scene.crosses(cluster, "from and to it").await?;
    cluster.nodes[1].mend();
    scene.recovers(Instant::now()).await?;
    scene.crosses(cluster, "afterwards").await?;
    scene.ends(cluster).await
}

/// Everything that is said on the bus is said again: later, twice, in another order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_and_reordered_words_change_nothing() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let chance = Chance::of_test("meddler");
    let mut meddler = Meddler::begin(cluster.redis.port(), chance).await?;
    let scene = Scene::begin(&cluster, "meddler", &Seats::usual(10)).await?;
    sleep(fault_time()).await;
    scene.crosses(&cluster, "with a meddler on the bus").await?;
    scene.recovers(Instant::now()).await?;
    scene.ends(&cluster).await?;
    let said = meddler.said()?;
    println!("meddler: {said} words were said again");
    ensure!(said > 0, "the meddler heard nothing");
    Ok(())
}
