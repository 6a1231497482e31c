//! Nodes that end, stop in their tracks, and are replaced while people type.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quire_tests::client::Client;
use quire_tests::cluster::{Cluster, Crowd, Scene, Seats, fault_time};
use quire_tests::http;
use quire_tests::socket::Heard;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_under_load_takes_nothing_with_it() -> Result<()> {
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    for (round, node) in [1, 2, 0].into_iter().enumerate() {
        let seats = Seats::usual(10 + 20 * round as u64);
        let scene = Scene::begin(&cluster, "kill -9", &seats).await?;
        cluster.nodes[node].kill()?;
        scene.recovers(Instant::now()).await?;
        // While it is down nobody is shown who was there and has not come back.
        cluster.settles(&scene.crowd).await?;
        scene.crowd.go_on();
        cluster.nodes[node].start().await?;
        scene.crosses(&cluster, "with a new process").await?;
        scene.ends(&cluster).await?;
    }
    Ok(())
}

/// Its lease runs out meanwhile, and nobody may be harmed by what it still believes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_stopped_for_longer_than_its_lease_does_no_harm() -> Result<()> {
    let started = Cluster::start_with(3, |_, launch| launch.variable("QUIRE_CLUSTER__LEASE", "3s"));
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let scene = Scene::begin(&cluster, "zombie", &Seats::usual(10)).await?;
    cluster.nodes[0].freeze()?;
    let frozen = Instant::now();
    scene.goes_on(|node| node != 0).await?;
    sleep(fault_time().max(LEASE * 2)).await;
    let thawed = Instant::now();
    scene.withheld(frozen, thawed, |node| node == 0)?;
    cluster.nodes[0].thaw()?;
    scene.recovers(thawed).await?;
    if cluster.nodes[0].has_ended()? {
        let log = cluster.nodes[0].server.log();
        ensure!(
            log.contains("replica"),
            "it does not say why it ended:\n{log}"
        );
        cluster.nodes[0].start().await?;
    }
    scene.crosses(&cluster, "when it goes on").await?;
    scene.ends(&cluster).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_replaced_one_after_the_other_while_people_type() -> Result<()> {
    let started = Cluster::start_with(3, |_, launch| {
        launch.variable("QUIRE_SHUTDOWN__SPREAD", "500ms")
    });
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let scene = Scene::begin(&cluster, "rolling restart", &Seats::usual(10)).await?;
    let began = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || began.elapsed() < fault_time() {
        for node in 0..cluster.nodes.len() {
            cluster.nodes[node].stop().await?;
            cluster.nodes[node].start().await?;
            scene.goes_on(|_| true).await?;
        }
        rounds += 1;
    }
    println!(
        "rolling restart: {rounds} rounds in {:.1?}; the longest that anybody was not served was {:.2?}",
        began.elapsed(),
        longest_gap(&scene.crowd, began),
    );
    scene.recovers(Instant::now()).await?;
    scene.ends(&cluster).await
}

/// As when the database was put back to an earlier day and has given the id to another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_replica_id_another_process_holds_ends_and_says_why() -> Result<()> {
    let started = Cluster::start_with(3, |_, launch| launch.variable("QUIRE_CLUSTER__LEASE", "3s"));
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let scene = Scene::begin(&cluster, "replica id lost", &Seats::usual(10)).await?;
    let node = cluster.nodes[0].address();
    let mut client = Client::join(node, "left-alone", 1_000).await?;
    let ready = http::get(node, "/readyz?verbose").await?.json()?;
    let replica = ready["node"]["replica"]
        .as_u64()
        .context("a node has a replica id")?;
    let taken = format!("UPDATE replicas SET incarnation = '\\x00' WHERE id = {replica}");
    cluster.postgres.query(&cluster.database, &taken)?;
    let end = client.socket.closed().await?;
    ensure!(
        matches!(end, Heard::Closed(1012 | 1013, _)),
        "its clients are told {end:?}"
    );
    let status = cluster.nodes[0].server.ended().await?;
    ensure!(status.code() == Some(1), "it ended with {status}");
    let log = cluster.nodes[0].server.log();
    let said = "another process holds the replica id of this one";
    ensure!(log.contains(said), "it does not say why it ended:\n{log}");
    let last = last_of(&cluster, replica)?;
    cluster.nodes[0].start().await?;
    scene.recovers(Instant::now()).await?;
    ensure!(last_of(&cluster, replica)? == last, "its lane goes on");
    scene.crosses(&cluster, "with a new process").await?;
    scene.ends(&cluster).await
}

/// How many changes are stored under a replica id.
fn last_of(cluster: &Cluster, replica: u64) -> Result<String> {
    let count = format!("SELECT count(*) FROM changes WHERE replica = {replica}");
    cluster.postgres.query(&cluster.database, &count)
}

/// The longest time between two acknowledgements of anybody.
fn longest_gap(crowd: &Crowd, since: Instant) -> Duration {
    let mut acks = crowd.acks_between(since, Instant::now());
    acks.sort_by_key(|ack| (ack.writer, ack.came));
    let gaps = acks.windows(2).filter(|two| two[0].writer == two[1].writer);
    gaps.map(|two| two[1].came - two[0].came)
        .max()
        .unwrap_or_default()
}

const LEASE: Duration = Duration::from_secs(3);
