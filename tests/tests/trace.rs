//! A real paper, typed keystroke by keystroke through one real socket: 259,778 updates of the automerge-paper trace.
//!
//! Each keystroke is one Yjs update. When all were echoed, the text has to be the one that the trace ends with: live, as the
//! API gives it, and after a restart. Three changes in between are replayed from the log, and compared with the trace at the
//! keystroke at which each change ends.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use quire_tests::client::Client;
use quire_tests::require;
use quire_tests::server::Server;
use quire_tests::traces::{Trace, Typist};
use serde_json::Value;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paper_is_typed_through_a_socket() -> Result<()> {
    let path = Trace::path("automerge-paper");
    if !path.is_file() {
        return require::missing(
            "traces",
            &format!(
                "there is no {}; QUIRE_TRACES names their folder",
                path.display()
            ),
        );
    }
    let trace = Trace::load(&path)?;
    ensure!(
        trace.text_after(trace.keystrokes.len()) == trace.end,
        "the trace does not end as it says"
    );
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path()).await?;
    type_all(&server, &trace).await?;
    check_end(&server, &trace, "live").await?;
    check_replays(&server, &trace).await?;
    server.stop().await?;
    let began = Instant::now();
    server.restart().await?;
    check_end(&server, &trace, "after a restart").await?;
    println!(
        "trace: started again and read in {:.2} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn type_all(server: &Server, trace: &Trace) -> Result<()> {
    let mut client = Client::join(server.address(), DOCUMENT, 1).await?;
    let mut typist = Typist::default();
    let began = Instant::now();
    for keystroke in &trace.keystrokes {
        let update = typist.make(keystroke, &client.editor);
        client.send(update).await?;
        while client.unstored() >= UNSTORED_MAX {
            client.notice().await?;
        }
        while client.try_notice().await?.is_some() {}
    }
    client.all_stored().await?;
    let (count, seconds) = (trace.keystrokes.len(), began.elapsed().as_secs_f64());
    println!(
        "trace: {count} updates stored in {seconds:.1} s, {:.0} a second",
        count as f64 / seconds
    );
    ensure!(
        client.editor.text() == trace.end,
        "the typist's own text is not the trace's"
    );
    Ok(())
}

async fn check_end(server: &Server, trace: &Trace, when: &str) -> Result<()> {
    let fresh = Client::join(server.address(), DOCUMENT, 2).await?;
    ensure!(
        fresh.editor.text() == trace.end,
        "a fresh client does not read the end of the trace {when}"
    );
    ensure!(
        server.text(DOCUMENT).await? == trace.end,
        "the API does not read the end of the trace {when}"
    );
    Ok(())
}

/// Compares the content at three changes in between with the trace as far as they go.
async fn check_replays(server: &Server, trace: &Trace) -> Result<()> {
    let changes = server.changes(DOCUMENT).await?;
    let ends = ends(&changes)?;
    ensure!(
        ends.last() == Some(&trace.keystrokes.len()),
        "the timeline ends at {:?}",
        ends.last()
    );
    for quarter in [1, 2, 3] {
        let index = changes.len() * quarter / 4;
        let order = changes[index]["order"]
            .as_u64()
            .context("a change has an order")?;
        let began = Instant::now();
        let path = format!("/content?format=text&field=text&at={order}");
        let at = server.document(DOCUMENT, &path).await?;
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "trace: change {index} of {} read in {seconds:.2} s",
            changes.len()
        );
        ensure!(
            at.header("quire-order") == Some(&order.to_string()),
            "this is another change"
        );
        let wanted = trace.text_after(ends[index]);
        ensure!(
            at.text()? == wanted,
            "the text at change {index} is not the trace's"
        );
    }
    Ok(())
}

/// At which keystroke each change ends: it may carry several.
fn ends(changes: &[Value]) -> Result<Vec<usize>> {
    let mut keystrokes = 0;
    let end = |change: &Value| {
        let updates = change["updates"].as_u64().context("a change has updates")?;
        keystrokes += usize::try_from(updates)?;
        Ok(keystrokes)
    };
    changes.iter().map(end).collect()
}

const DOCUMENT: &str = "paper";
/// Edits on the way at once: fewer than an outbox holds, so that every one of them is echoed by itself.
const UNSTORED_MAX: usize = 500;
