//! Figures rather than checks: how long an edit takes to others at its own node and at another one, and how much is
//! acknowledged by one, two and three nodes. Run by `cargo test --profile bench -p quire-tests --test cluster figures --
//! --ignored --nocapture` on a machine that does nothing else.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use quire_tests::client::Client;
use quire_tests::cluster::Cluster;
use quire_tests::editor::Editor;
use quire_tests::frames::{self, Frame};
use quire_tests::socket::{Heard, Socket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and checks nothing but that all arrives"]
async fn figures_of_latency() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let (own, other) = (cluster.nodes[0].address(), cluster.nodes[1].address());
    let mut writer = Client::join(own, "latency", 10).await?;
    let mut neighbour = Client::join(own, "latency", 11).await?;
    let mut stranger = Client::join(other, "latency", 12).await?;
    let (mut near, mut far, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let word = format!("<{round}>");
        let began = Instant::now();
        let update = writer.editor.append(&word);
        writer.send(update).await?;
        let near_by = async {
            let read = neighbour.reads(|text| text.ends_with(&word)).await;
            read.map(|()| began.elapsed())
        };
        let far_away = async {
            let read = stranger.reads(|text| text.ends_with(&word)).await;
            read.map(|()| began.elapsed())
        };
        let saved = async { writer.all_stored().await.map(|()| began.elapsed()) };
        let took = tokio::try_join!(near_by, far_away, saved)?;
        near.push(took.0);
        far.push(took.1);
        stored.push(took.2);
        sleep(Duration::from_millis(5)).await;
    }
    for (what, times) in [
        ("shown at its own node", near),
        ("shown at another node", far),
        ("acknowledged", stored),
    ] {
        println!("latency: {what} {}", percentiles(times));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and checks nothing but that all is acknowledged"]
async fn figures_of_throughput() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    for nodes in 1..=3 {
        let before = committed(&cluster).await?;
        let over = Arc::<AtomicBool>::default();
        let acknowledged = Arc::<AtomicU64>::default();
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            let node = cluster.nodes[number as usize % nodes].address();
            let document = format!("throughput-{nodes}-{number}");
            writers.spawn(write(node, document, over.clone(), acknowledged.clone()));
        }
        sleep(WARM_UP).await;
        let (began, at_first) = (Instant::now(), acknowledged.load(Ordering::Relaxed));
        sleep(MEASURED).await;
        let count = acknowledged.load(Ordering::Relaxed) - at_first;
        let seconds = began.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        while let Some(ended) = writers.join_next().await {
            ended??;
        }
        let after = committed(&cluster).await?;
        println!(
            "throughput: {nodes} nodes, {:.0} edits acknowledged a second; {} commits of the database meanwhile",
            count as f64 / seconds,
            after - before,
        );
    }
    Ok(())
}

/// Writes into a document of its own, so many edits at once, until it is over.
async fn write(
    node: SocketAddr,
    document: String,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Result<()> {
    let mut socket = Socket::connect(node, &format!("/{document}")).await?;
    let editor = Editor::new(10);
    let mut waiting: HashSet<Bytes> = HashSet::new();
    while !over.load(Ordering::Relaxed) {
        while waiting.len() < AT_ONCE {
            let update = editor.append("a");
            socket.send(frames::update(&update)).await?;
            waiting.insert(update);
        }
        match socket.next().await? {
            Heard::Frame(frame) => {
                if let Frame::Update(update) = Frame::read(&frame)?
                    && waiting.remove(&update)
                {
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            }
            Heard::Pong => {}
            end => bail!("the writer is closed: {end:?}"),
        }
    }
    Ok(())
}

/// How many transactions the database has committed.
async fn committed(cluster: &Cluster) -> Result<u64> {
    // It counts with some delay.
    sleep(Duration::from_millis(1_100)).await;
    let sql = format!(
        "SELECT xact_commit FROM pg_stat_database WHERE datname = '{}'",
        cluster.database
    );
    Ok(cluster.postgres.query("postgres", &sql)?.parse()?)
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    format!("p50 {:.2?}, p99 {:.2?}", at(500), at(990))
}

const ROUNDS: usize = 1_000;
const WRITERS: u64 = 24;
const AT_ONCE: usize = 32;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);
