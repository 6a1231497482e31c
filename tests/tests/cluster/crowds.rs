//! A node dies, and all who were there come to the others at once.
//!
//! `QUIRE_CROWD` says how many they are, a thousand unless that is set.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quire_tests::cluster::Cluster;
use quire_tests::frames::{self, Frame};
use quire_tests::gauge::raise_open_files;
use quire_tests::socket::{Heard, Socket};
use quire_tests::wait::until;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_whose_node_dies_is_served_by_the_others() -> Result<()> {
    raise_open_files()?;
    let said = env::var("QUIRE_CROWD").ok();
    let people = said.and_then(|said| said.parse().ok()).unwrap_or(1_000);
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let joins = Arc::<AtomicUsize>::default();
    let mut crowd = JoinSet::new();
    for number in 0..people {
        let (nodes, joins) = (cluster.addresses(), joins.clone());
        crowd.spawn(stay(number, nodes, joins));
    }
    joined(&joins, people).await?;
    cluster.nodes[0].kill()?;
    let died = Instant::now();
    joined(&joins, 2 * people).await?;
    println!(
        "crowd: {people} were served elsewhere after {:.2?}",
        died.elapsed()
    );
    for (number, node) in cluster.running() {
        let here = node.server.metric("quire_connections").await?;
        println!("crowd: {here} are at node {number}");
    }
    crowd.abort_all();
    Ok(())
}

async fn joined(joins: &AtomicUsize, wanted: usize) -> Result<()> {
    let mut before = 0;
    // Each wait is for some more of them, so that a large crowd may take its time.
    while before < wanted {
        let next = (before + PORTION).min(wanted);
        let waiting = until("more of the crowd are served", async || {
            Ok(joins.load(Ordering::Relaxed) >= next)
        });
        let count = || format!("{} of {wanted}", joins.load(Ordering::Relaxed));
        waiting.await.with_context(count)?;
        before = joins.load(Ordering::Relaxed);
    }
    Ok(())
}

/// Joins the first node, and when that is gone one of the others; tries again as y-websocket does.
async fn stay(number: usize, nodes: Vec<SocketAddr>, joins: Arc<AtomicUsize>) -> Result<()> {
    let (mut node, mut failures) = (0, 0);
    loop {
        if let Ok(mut socket) = join(nodes[node], number).await {
            joins.fetch_add(1, Ordering::Relaxed);
            failures = 0;
            socket.closed_whenever().await;
        } else {
            failures += 1;
        }
        node = 1 + (number + failures as usize) % (nodes.len() - 1);
        let backoff = Duration::from_millis(100 << failures.min(5));
        sleep(backoff.min(BACKOFF_MAX)).await;
    }
}

/// Is in sync.
async fn join(address: SocketAddr, number: usize) -> Result<Socket> {
    let mut socket = Socket::connect(address, &format!("/crowd-{}", number % DOCUMENTS)).await?;
    socket.send(frames::have(&[0])).await?;
    loop {
        match socket.next().await? {
            Heard::Frame(frame) if matches!(Frame::read(&frame)?, Frame::Missing(_)) => {
                return Ok(socket);
            }
            Heard::Frame(_) | Heard::Pong => {}
            end => bail!("it ended with {end:?}"),
        }
    }
}

const DOCUMENTS: usize = 100;
const PORTION: usize = 100;
const BACKOFF_MAX: Duration = Duration::from_millis(2_500);
