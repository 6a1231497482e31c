//! A document goes from node to node with a snapshot that Redis has, and without one when Redis has none that is right.

use anyhow::{Result, ensure};
use quire_tests::client::Client;
use quire_tests::cluster::{Cluster, Node};
use quire_tests::server::Launch;
use quire_tests::wait::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_moves_with_its_snapshot() -> Result<()> {
    let Some(cluster) = Cluster::start_with(3, restless).await? else {
        return Ok(());
    };
    let text = "what was typed at the first node ".repeat(1_000);
    let mut writer = Client::join(cluster.nodes[0].address(), DOCUMENT, 10).await?;
    let update = writer.editor.append(&text);
    writer.save(update).await?;
    drop(writer);
    let kept = async || Ok(cluster.redis.command(&[b"EXISTS", KEY])?.starts_with(b":1"));
    until("the snapshot is in Redis", kept).await?;
    reads(&cluster.nodes[1], &text, "used").await?;
    cluster.redis.command(&[b"SET", KEY, b"nonsense"])?;
    reads(&cluster.nodes[1], &text, "none").await?;
    cluster.redis.flush()?;
    reads(&cluster.nodes[2], &text, "none").await?;
    for node in &cluster.nodes {
        ensure!(node.server.metric("quire_damaged_rows_total").await? == 0.0);
    }
    Ok(())
}

/// Has the document opened, and put away again.
async fn reads(node: &Node, text: &str, outcome: &str) -> Result<()> {
    let metric = format!("quire_hot_snapshots_total{{outcome=\"{outcome}\"}}");
    let before = node.server.metric(&metric).await?;
    let client = Client::join(node.address(), DOCUMENT, 11).await?;
    ensure!(client.editor.text() == text, "it reads something else");
    let after = node.server.metric(&metric).await?;
    ensure!(after == before + 1.0, "not counted as {outcome}");
    drop(client);
    put_away(node).await
}

pub(super) async fn put_away(node: &Node) -> Result<()> {
    let is_empty = async || Ok(node.server.metric("quire_documents_open").await? == 0.0);
    until("no document is in memory", is_empty).await
}

/// A snapshot after each change, and nothing stays in memory.
pub(super) fn restless(_: usize, launch: Launch) -> Launch {
    launch
        .variable("QUIRE_DOCUMENT__SNAPSHOT_CHANGES", "1")
        .variable("QUIRE_DOCUMENT__IDLE", "20ms")
}

const DOCUMENT: &str = "moved";
const KEY: &[u8] = b"quire:0:{7:default/5:moved}:hot";
