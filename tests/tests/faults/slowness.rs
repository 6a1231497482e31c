//! A process that is stopped and goes on, and a client that writes a byte a second.

use std::time::Duration;

use anyhow::{Result, ensure};
use quire_tests::bystanders::Bystanders;
use quire_tests::frames::{self, Frame};
use quire_tests::server::Server;
use quire_tests::socket::{Heard, Socket};
use rustix::process::Signal;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_under_load_goes_on() -> Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path()).await?;
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        pairs.push(Bystanders::begin(server.address(), &format!("stopped-{number}")).await?);
    }
    for _ in 0..3 {
        server.signal(Signal::STOP)?;
        tokio::time::sleep(STOPPED).await;
        server.signal(Signal::CONT)?;
        for pair in &pairs {
            pair.go_on().await?;
        }
    }
    let mut wanted = Vec::new();
    for pair in pairs {
        wanted.push(pair.end().await?.1);
    }
    let stuck = server
        .metric("quire_quarantined_total{cause=\"stuck\"}")
        .await?;
    ensure!(stuck == 0.0, "time that nothing ran counts as being stuck");
    server.kill()?;
    server.restart().await?;
    for (number, wanted) in wanted.iter().enumerate() {
        let text = server.text(&format!("stopped-{number}")).await?;
        ensure!(text == *wanted, "stopped-{number} reads {text:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_at_a_byte_a_second_is_answered_and_holds_up_nobody() -> Result<()> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    let pair = Bystanders::begin(server.address(), "slow").await?;
    let mut slow = Socket::connect(server.address(), "/slow").await?;
    for byte in masked(&frames::have(&[0])) {
        slow.send_raw(&[byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.go_on().await?;
    }
    loop {
        match slow.next().await? {
            Heard::Frame(frame) if matches!(Frame::read(&frame)?, Frame::Missing(_)) => break,
            Heard::Frame(_) | Heard::Pong => {}
            end => anyhow::bail!("the slow one is closed: {end:?}"),
        }
    }
    pair.end().await.map(drop)
}

/// A binary message of a few bytes as a client writes it, under the mask of zeros.
fn masked(message: &[u8]) -> Vec<u8> {
    let head = [0x82, 0x80 | message.len() as u8, 0, 0, 0, 0];
    head.iter().chain(message).copied().collect()
}

const PAIRS: usize = 8;
const STOPPED: Duration = Duration::from_secs(2);
