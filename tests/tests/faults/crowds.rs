//! Many at once: a storm of connections, and a crowd that joins one large document.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, ensure};
use quire_tests::bystanders::Bystanders;
use quire_tests::client::Client;
use quire_tests::drain::Drain;
use quire_tests::frames::{self, Frame};
use quire_tests::gauge::{Gauge, raise_open_files};
use quire_tests::server::Server;
use quire_tests::socket::{Heard, Socket};
use quire_tests::wait::until;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_connections_is_served_and_passes() -> Result<()> {
    raise_open_files()?;
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    let address = server.address();
    let pair = Bystanders::begin(address, "bystanders").await?;
    let gauge = Gauge::begin(server.pid())?;
    let mut storm = JoinSet::new();
    for number in 0..STORM {
        storm.spawn(join(address, number));
    }
    let mut joined = Vec::with_capacity(STORM);
    while let Some(socket) = storm.join_next().await {
        joined.push(socket??);
    }
    let spent = gauge.end()?;
    let slowest = pair.go_on().await?;
    println!(
        "storm: {STORM} joined in {:.1} s, {} MiB more ({} KiB each), bystanders {slowest:?}",
        spent.wall.as_secs_f64(),
        spent.memory >> 20,
        spent.memory / 1024 / STORM as u64,
    );
    ensure!(spent.memory < STORM_MEMORY_MAX, "{spent:?}");
    drop(joined);
    all_gone(&server).await?;

    let began = Instant::now();
    for _ in 0..STORM {
        drop(TcpStream::connect(address).await?);
    }
    let mut leaving = JoinSet::new();
    for number in 0..STORM {
        leaving.spawn(async move { Socket::connect(address, &path(number)).await.map(drop) });
    }
    while let Some(left) = leaving.join_next().await {
        left??;
    }
    all_gone(&server).await?;
    pair.go_on().await?;
    println!(
        "storm: {STORM} came and went in {:.1} s, {} MiB in the end",
        began.elapsed().as_secs_f64(),
        server.memory()? >> 20
    );
    pair.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_joins_a_large_document_shares_one_answer() -> Result<()> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    let address = server.address();
    write_large(address).await?;
    let pair = Bystanders::begin(address, "bystanders").await?;
    let mut editor = Client::join(address, LARGE, 2).await?;
    let gauge = Gauge::begin(server.pid())?;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(Drain::open(address, &format!("/{LARGE}")).await?);
    }
    for member in &mut crowd {
        member.ask().await?;
    }
    // Nobody reads yet, and somebody types: the answers wait in the server, and must be one.
    for round in 0..10 {
        let update = editor.editor.append(&format!("{round};"));
        editor.save(update).await?;
    }
    let waiting = gauge.end()?;
    let mut reading = JoinSet::new();
    for mut member in crowd {
        reading.spawn(async move { member.read(LARGE_BYTES).await });
    }
    while let Some(read) = reading.join_next().await {
        read??;
    }
    let spent = gauge.end()?;
    let slowest = pair.go_on().await?;
    println!(
        "crowd: {CROWD} joined {} MiB in {:.1} s, {:.1} s of processor; {} MiB more while nobody read, {} MiB at most; bystanders {slowest:?}",
        LARGE_BYTES >> 20,
        spent.wall.as_secs_f64(),
        spent.busy.as_secs_f64(),
        waiting.memory >> 20,
        spent.memory >> 20,
    );
    ensure!(spent.memory < CROWD_MEMORY_MAX, "{spent:?}");
    pair.end().await.map(drop)
}

/// Joins and is in sync.
async fn join(address: SocketAddr, number: usize) -> Result<Socket> {
    let mut socket = Socket::connect(address, &path(number)).await?;
    socket.send(frames::have(&[0])).await?;
    loop {
        match socket.next().await? {
            Heard::Frame(frame) if matches!(Frame::read(&frame)?, Frame::Missing(_)) => {
                return Ok(socket);
            }
            Heard::Frame(_) | Heard::Pong => {}
            end => anyhow::bail!("it ended with {end:?}"),
        }
    }
}

fn path(number: usize) -> String {
    format!("/storm-{}", number % DOCUMENTS)
}

/// Waits until only the bystanders are connected.
async fn all_gone(server: &Server) -> Result<()> {
    until("the storm has passed", async || {
        Ok(server.metric("quire_connections").await? <= 2.0)
    })
    .await
}

async fn write_large(address: SocketAddr) -> Result<()> {
    let mut writer = Client::join(address, LARGE, 1).await?;
    for piece in 0..LARGE_BYTES >> 20 {
        let update = writer.editor.append(&format!("{piece:04}").repeat(1 << 18));
        writer.save(update).await?;
    }
    writer.socket.close().await
}

const STORM: usize = 5_000;
const DOCUMENTS: usize = 50;
/// 64 KiB for each.
const STORM_MEMORY_MAX: u64 = 320 << 20;
const LARGE: &str = "large";
const LARGE_BYTES: u64 = 20 << 20;
const CROWD: usize = 150;
/// A tenth of what an answer for each would take.
const CROWD_MEMORY_MAX: u64 = 300 << 20;
