//! Figures rather than checks: how long an edit takes to others at its own node and at another one, how much one, two and
//! three nodes acknowledge and in how many commits; `recoveries.rs` has how long each fault is felt. Run by `cargo test --profile bench -p quire-tests --test cluster figures --
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
use quire_tests::wait::until;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::hot;

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
        let over = Arc::<AtomicBool>::default();
        let acknowledged = Arc::<AtomicU64>::default();
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            let node = cluster.nodes[number as usize % nodes].address();
            let document = format!("throughput-{nodes}-{number}");
            writers.spawn(write(node, document, over.clone(), acknowledged.clone()));
        }
        sleep(WARM_UP).await;
        let (before, began) = (
            Stored::until_now(&cluster, &acknowledged).await?,
            Instant::now(),
        );
        sleep(MEASURED).await;
        let after = Stored::until_now(&cluster, &acknowledged).await?;
        let seconds = began.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        while let Some(ended) = writers.join_next().await {
            ended??;
        }
        println!(
            "throughput: {nodes} nodes, {}",
            after.since(&before, seconds)
        );
    }
    Ok(())
}

/// With a snapshot in Redis and without, by turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and checks nothing but that all is there"]
async fn figures_of_opening() -> Result<()> {
    let Some(cluster) = Cluster::start_with(2, hot::restless).await? else {
        return Ok(());
    };
    for (document, bytes) in [
        ("hundred", 100 << 10),
        ("mega", 1 << 20),
        ("three", 3 << 20),
    ] {
        let mut writer = Client::join(cluster.nodes[0].address(), document, 10).await?;
        let update = writer
            .editor
            .append(&"0123456789abcde\n".repeat(bytes / 16));
        writer.save(update).await?;
        drop(writer);
        let key = format!("quire:0:{{7:default/{}:{document}}}:hot", document.len());
        let (kept, aside) = (key.as_bytes(), format!("{key}:aside"));
        let is_kept = async || {
            Ok(cluster
                .redis
                .command(&[b"PERSIST", kept])?
                .starts_with(b":1"))
        };
        until("its snapshot is kept", is_kept).await?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..OPENINGS {
            with.push(opened(&cluster, document, bytes).await?);
            cluster
                .redis
                .command(&[b"RENAME", kept, aside.as_bytes()])?;
            without.push(opened(&cluster, document, bytes).await?);
            cluster
                .redis
                .command(&[b"RENAME", aside.as_bytes(), kept])?;
        }
        println!(
            "opening {bytes} bytes: from Redis {}, from Postgres {}",
            percentiles(with),
            percentiles(without)
        );
    }
    let used = "quire_hot_snapshots_total{outcome=\"used\"}";
    let used = cluster.nodes[1].server.metric(used).await?;
    anyhow::ensure!(
        used == 3.0 * OPENINGS as f64,
        "{used} were opened from Redis"
    );
    Ok(())
}

/// How long a document that is not in memory takes to come, all of it.
async fn opened(cluster: &Cluster, document: &str, bytes: usize) -> Result<Duration> {
    let node = &cluster.nodes[1];
    hot::put_away(node).await?;
    let began = Instant::now();
    let mut socket = Socket::connect(node.address(), &format!("/{document}")).await?;
    socket.send(frames::have(&[0])).await?;
    loop {
        match socket.next().await? {
            Heard::Frame(frame) if frame.len() >= bytes => return Ok(began.elapsed()),
            Heard::Frame(_) | Heard::Pong => {}
            end => bail!("the reader is closed: {end:?}"),
        }
    }
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

/// What was stored until a moment.
struct Stored {
    edits: f64,
    /// By the nodes' own count.
    changes: f64,
    /// Transactions that wrote: the database gives no number to others.
    commits: f64,
}

impl Stored {
    async fn until_now(cluster: &Cluster, acknowledged: &AtomicU64) -> Result<Self> {
        let mut changes = 0.0;
        for (_, node) in cluster.running() {
            changes += node.server.metric("quire_changes_stored_total").await?;
        }
        let sql = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
        Ok(Self {
            edits: acknowledged.load(Ordering::Relaxed) as f64,
            changes,
            commits: cluster.postgres.query(&cluster.database, sql)?.parse()?,
        })
    }

    /// For people.
    fn since(&self, before: &Self, seconds: f64) -> String {
        let edits = self.edits - before.edits;
        let changes = self.changes - before.changes;
        let commits = self.commits - before.commits;
        format!(
            "{:.0} edits acknowledged a second, stored as {:.0} changes in {:.0} commits a second: {:.1} changes \
             and {:.1} edits a commit",
            edits / seconds,
            changes / seconds,
            commits / seconds,
            changes / commits,
            edits / commits
        )
    }
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    format!("p50 {:.2?}, p99 {:.2?}", at(500), at(990))
}

const ROUNDS: usize = 1_000;
const OPENINGS: usize = 60;
const WRITERS: u64 = 24;
const AT_ONCE: usize = 32;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);
