//! Containment, against a binary whose engine fails on purpose (feature `sabotage`): an edit that makes a library panic, end
//! the process or run for ever closes its sender and is kept out; whoever else has the document open goes on; a document
//! whose log is poisoned opens read-only; and nothing of it makes a server that starts and ends for ever.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use quire_tests::bystanders::Bystanders;
use quire_tests::client::Client;
use quire_tests::editor::Editor;
use quire_tests::frames;
use quire_tests::server::{Launch, Server, faulty_binary};
use quire_tests::socket::Heard;
use quire_tests::wait::until;
use serde_json::Value;
use storage::Failpoint;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_panics_closes_its_sender_alone() -> Result<()> {
    let (folder, mut server) = faulty(|launch| launch).await?;
    let address = server.address();
    let others = Bystanders::begin(address, "ward").await?;
    let strangers = Bystanders::begin(address, "strangers").await?;
    let poison = typed("[[panic]]");
    for _ in 0..3 {
        ensure!(
            push(address, "ward", &poison).await? == BAD_UPDATE,
            "the sender is closed for good"
        );
        others.go_on().await?;
        strangers.go_on().await?;
    }
    let kept = quarantine(&server, "ward").await?;
    ensure!(kept.len() == 1, "kept out: {kept:?}");
    ensure!(
        server.metric(&quarantined("edit")).await? == 1.0,
        "the second and third time it is not tried"
    );
    let hash = kept[0]["hash"].as_str().context("it has a hash")?;
    let listed = listed_by_command(&server, "ward")?;
    ensure!(listed.contains(hash), "the command lists {listed}");
    let (_, text) = others.end().await?;
    strangers.end().await?;
    server.kill()?;
    server.restart().await?;
    ensure!(
        server.text("ward").await? == text,
        "others' edits are there"
    );
    ensure!(
        push(server.address(), "ward", &poison).await? == BAD_UPDATE,
        "it is kept out after a restart"
    );
    drop(folder);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_ends_the_process_does_so_once() -> Result<()> {
    let (_folder, mut server) = faulty(|launch| launch).await?;
    save(server.address(), "ward", "before").await?;
    let poison = typed("[[abort]]");
    // The process ends under it.
    let _ = push(server.address(), "ward", &poison).await;
    let status = server.ended().await?;
    ensure!(!status.success(), "the process ended with {status}");
    let began = Instant::now();
    server.restart().await?;
    println!("ready {} ms after an abort", began.elapsed().as_millis());
    let kept = quarantine(&server, "ward").await?;
    ensure!(kept.len() == 1, "kept out: {kept:?}");
    let pair = Bystanders::begin(server.address(), "strangers").await?;
    for _ in 0..3 {
        ensure!(
            push(server.address(), "ward", &poison).await? == BAD_UPDATE,
            "it is refused at once"
        );
        pair.go_on().await?;
    }
    ensure!(
        server.text("ward").await? == "before",
        "the document is whole"
    );
    save(server.address(), "ward", "after").await?;
    pair.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_log_opens_read_only() -> Result<()> {
    for (mark, ends_at_most) in [("[[replay-panic]]", 0), ("[[replay-abort]]", 2)] {
        let (_folder, mut server) = faulty(|launch| launch).await?;
        save(server.address(), "ward", "before;").await?;
        save(server.address(), "ward", mark).await?;
        save(server.address(), "ward", ";after").await?;
        server.kill()?;
        server.restart().await?;
        let ends = open_until_it_stays(&mut server, "ward").await?;
        ensure!(
            ends <= ends_at_most,
            "{mark}: the process ended {ends} times"
        );
        let pair = Bystanders::begin(server.address(), "strangers").await?;
        let reader = Client::join(server.address(), "ward", 77).await?;
        let text = reader.editor.text();
        ensure!(
            text.contains("before;") && !text.contains(mark),
            "{mark}: the document reads {text:?}"
        );
        ensure!(
            push(server.address(), "ward", &typed("more")).await? == READ_ONLY,
            "{mark}: edits are refused"
        );
        // What is kept out goes to the store beside the document.
        until("it is kept out", async || {
            Ok(quarantine(&server, "ward").await?.len() == 1)
        })
        .await?;
        ensure!(
            server.log().contains("takes no more edits"),
            "{mark}: the alarm is logged"
        );
        pair.go_on().await?;
        pair.end().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_never_ends_is_given_up() -> Result<()> {
    let (_folder, server) = faulty(|launch| {
        let launch = launch.variable("QUIRE_LIMITS__STEP_WARN", "200ms");
        launch.variable("QUIRE_LIMITS__STEP_MAX", "1s")
    })
    .await?;
    let address = server.address();
    save(address, "ward", "before").await?;
    let strangers = Bystanders::begin(address, "strangers").await?;
    let poison = typed("[[spin]]");
    let code = push(address, "ward", &poison).await?;
    let slowest = strangers.go_on().await?;
    println!("an edit that never ends: closed {code}, slowest round of others {slowest:?}");
    until("it is kept out", async || {
        Ok(quarantine(&server, "ward").await?.len() == 1)
    })
    .await?;
    ensure!(
        push(address, "ward", &poison).await? == BAD_UPDATE,
        "it is refused the second time"
    );
    ensure!(
        server.text("ward").await? == "before",
        "the document is whole"
    );
    save(address, "ward", "after").await?;
    strangers.go_on().await?;
    strangers.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_out_stays_so_when_the_process_ends_then() -> Result<()> {
    let point = format!("{:?}:1", Failpoint::QuarantineStored);
    let (_folder, mut server) = faulty(|launch| launch).await?;
    server.kill()?;
    server.respawn_with("QUIRE_FAILPOINT", &point)?;
    server.ready().await?;
    let poison = typed("[[panic]]");
    // It may be told before the process ends, or not.
    let _ = push(server.address(), "ward", &poison).await;
    server.ended().await?;
    server.restart().await?;
    ensure!(
        push(server.address(), "ward", &poison).await? == BAD_UPDATE,
        "it is refused"
    );
    ensure!(
        server.metric(&quarantined("edit")).await? == 0.0,
        "it is not tried again"
    );
    Ok(())
}

async fn faulty(settings: impl FnOnce(Launch) -> Launch) -> Result<(TempDir, Server)> {
    let folder = TempDir::new()?;
    let launch = settings(Launch::new(folder.path())?.faulty()?);
    Ok((folder, launch.start().await?))
}

/// An edit by somebody new.
fn typed(text: &str) -> Bytes {
    Editor::new(4_242).append(text)
}

async fn save(address: SocketAddr, document: &str, text: &str) -> Result<()> {
    let number = 100 + text.len() as u64;
    let mut client = Client::join(address, document, number).await?;
    let update = client.editor.append(text);
    client.save(update).await
}

/// Sends an edit, and returns the code with which its sender is closed.
async fn push(address: SocketAddr, document: &str, update: &Bytes) -> Result<u16> {
    let mut sender = Client::join(address, document, 4_242).await?.socket;
    sender.send(frames::update(update)).await?;
    match sender.closed().await? {
        Heard::Closed(code, _) => Ok(code),
        other => anyhow::bail!("the connection ended without a code: {other:?}"),
    }
}

/// Opens a document, and starts the server again as often as that ends it, but not for ever.
async fn open_until_it_stays(server: &mut Server, document: &str) -> Result<usize> {
    for ends in 0..5 {
        if Client::join(server.address(), document, 77).await.is_ok() {
            return Ok(ends);
        }
        server.ended().await?;
        server.restart().await?;
    }
    anyhow::bail!("the server ends whenever {document} is opened")
}

async fn quarantine(server: &Server, document: &str) -> Result<Vec<Value>> {
    let page = server.document(document, "/quarantine").await?.json()?;
    let items = page["items"].as_array().context("a page has items")?;
    Ok(items.clone())
}

fn listed_by_command(server: &Server, document: &str) -> Result<String> {
    let mut command = Command::new(faulty_binary()?);
    command.args(["doc", "quarantine", document, "--data-dir"]);
    let output = command
        .arg(server.data_dir())
        .args(["-o", "json"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the command says {complaint}");
    Ok(said)
}

fn quarantined(cause: &str) -> String {
    format!("quire_quarantined_total{{cause=\"{cause}\"}}")
}

const BAD_UPDATE: u16 = 4422;
const READ_ONLY: u16 = 4423;
