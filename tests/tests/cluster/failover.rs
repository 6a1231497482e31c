//! A standby takes the place of Postgres, without the last of what was acknowledged: the nodes that live give it that again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quire_tests::client::Client;
use quire_tests::cluster::{Cluster, Node, Scene, Seats, Standby, fault_time};
use quire_tests::editor::Editor;
use quire_tests::http;
use quire_tests::wait::until;
use serde_json::json;
use tokio::time::{Instant, sleep};

/// Documents that the standby knows, one whose creation it lost, and people in all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_lacks_is_given_to_it_by_those_who_have_it() -> Result<()> {
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let known = Scene::begin(&cluster, "failover", &Seats::usual(10)).await?;
    let standby = Standby::beside(&cluster).await?;
    known.goes_on(|_| true).await?;
    standby.hold_back(&cluster)?;
    let begun = known.crowd.acknowledged();
    let new = Scene::begin(
        &cluster,
        "failover, a new document",
        &Seats::usual(NEW_FIRST),
    )
    .await?;
    sleep(fault_time()).await;
    known.goes_on(|_| true).await?;
    standby.stand_in(&cluster)?;
    println!(
        "failover: {} acknowledged edits are lost with the primary",
        known.crowd.acknowledged() - begun + new.crowd.acknowledged()
    );
    // What was said before may still be acknowledged; nothing that was said to the standby is.
    sleep(SETTLE).await;
    let refused = Instant::now();
    sleep(fault_time().min(REFUSED_MAX)).await;
    let over = Instant::now();
    known.withheld(refused, over, |_| true)?;
    standby.take_over(&mut cluster)?;
    let over = Instant::now();
    known.recovers(over).await?;
    new.recovers(over).await?;
    known.crosses(&cluster, "afterwards").await?;
    known.ends(&cluster).await?;
    new.ends(&cluster).await
}

/// The node that had made some of what is lost is gone as well; the others had it open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_with_the_primary_has_its_lanes_given_back_by_the_others() -> Result<()> {
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let scene = Scene::begin(&cluster, "failover without a node", &Seats::usual(10)).await?;
    let standby = Standby::beside(&cluster).await?;
    standby.hold_back(&cluster)?;
    sleep(fault_time()).await;
    scene.goes_on(|_| true).await?;
    standby.stand_in(&cluster)?;
    cluster.nodes[1].kill()?;
    standby.take_over(&mut cluster)?;
    scene.recovers(Instant::now()).await?;
    cluster.nodes[1].start().await?;
    scene.crosses(&cluster, "with a new process").await?;
    scene.ends(&cluster).await
}

/// What the standby lacks of a document that nobody has open is lost, until its author comes back with it. Until then, and for
/// ever, its names are given to nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has_open_comes_back_with_its_author() -> Result<()> {
    let started = Cluster::start_with(3, |_, launch| {
        launch.variable("QUIRE_DOCUMENT__IDLE", "200ms")
    });
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let standby = Standby::beside(&cluster).await?;
    let mut author = Client::join(cluster.nodes[0].address(), AWAY, 10).await?;
    type_word(&mut author, "<kept>").await?;
    standby.hold_back(&cluster)?;
    let kept = names(&cluster.nodes[0]).await?;
    revoke(&cluster.nodes[0], "mallory").await?;
    for word in ["<lost>", "<too>"] {
        type_word(&mut author, word).await?;
    }
    let lost: BTreeSet<_> = &names(&cluster.nodes[0]).await? - &kept;
    ensure!(!lost.is_empty(), "something is stored");
    author.socket.close().await?;
    let away = async || is_put_away(&cluster.nodes[0]).await;
    until("nobody has the document open", away).await?;
    standby.stand_in(&cluster)?;
    standby.take_over(&mut cluster)?;

    let mut other = joins(&cluster.nodes[0], Editor::new(11)).await?;
    ensure!(other.editor.text() == "<kept>", "{}", other.editor.text());
    type_word(&mut other, "<new>").await?;
    let reused = &names(&cluster.nodes[0]).await? & &lost;
    ensure!(reused.is_empty(), "{reused:?} are given anew");
    let author = joins(&cluster.nodes[1], author.editor).await?;
    let is_all = |text: &str| {
        let mut words = ["<kept>", "<lost>", "<too>", "<new>"].into_iter();
        words.all(|word| text.matches(word).count() == 1)
    };
    other.reads(is_all).await?;
    let stored = async || Ok(is_all(&cluster.nodes[2].server.text(AWAY).await?));
    until("all of it is stored", stored).await?;
    let reused = &names(&cluster.nodes[0]).await? & &lost;
    ensure!(reused.is_empty(), "{reused:?} are given anew");
    drop(author);
    let is_shut_out = async || {
        let count = "SELECT count(*) FROM revocations";
        Ok(cluster.postgres.query(&cluster.database, count)? == "1")
    };
    until("who was shut out still is", is_shut_out).await
}

async fn revoke(node: &Node, user: &str) -> Result<()> {
    let body = json!({ "user": user });
    let made = http::request(node.address(), "POST", REVOCATIONS, Some(&body)).await?;
    ensure!(made.status == 201, "{}", made.text()?);
    Ok(())
}

async fn type_word(client: &mut Client, word: &str) -> Result<()> {
    let update = client.editor.append(word);
    client.save(update).await
}

/// Comes in, again and again while the node refuses it.
async fn joins(node: &Node, editor: Editor) -> Result<Client> {
    let (editor, joined) = (RefCell::new(Some(editor)), RefCell::new(None));
    let joining = until("the node lets a client in", async || {
        let Some(own) = editor.take() else {
            return Ok(true);
        };
        let mut client = Client::open(node.address(), AWAY, own).await?;
        match client.sync().await {
            Ok(()) => drop(joined.replace(Some(client))),
            Err(_) => drop(editor.replace(Some(client.editor))),
        }
        Ok(joined.borrow().is_some())
    });
    joining.await?;
    joined.take().context("it was let in")
}

/// The replica and the counter of each change in the document's timeline.
async fn names(node: &Node) -> Result<BTreeSet<(u64, u64)>> {
    let changes = node.server.changes(AWAY).await?;
    let number = |change: &serde_json::Value, field: &str| {
        let number = change[field].as_u64();
        number.with_context(|| format!("a change has {field}: {change}"))
    };
    let names = changes
        .iter()
        .map(|change| Ok((number(change, "replica")?, number(change, "counter")?)));
    names.collect()
}

/// Whether no node has the document in memory.
async fn is_put_away(node: &Node) -> Result<bool> {
    let path = format!("/api/v1/replicas?document={AWAY}");
    let page = node.server.get(&path).await?.json()?;
    let replicas = page["documents"][0]["replicas"].as_array();
    let replicas = replicas.context("the replicas are listed")?;
    Ok(replicas.len() == 3 && replicas.iter().all(|it| it["open"] == false))
}

const REVOCATIONS: &str = "/api/v1/revocations";
const AWAY: &str = "put-away";
const NEW_FIRST: u64 = 50;
/// What is on its way when the primary ends.
const SETTLE: Duration = Duration::from_millis(100);
/// A caller of the store waits for ten seconds at most, and edits gather meanwhile.
const REFUSED_MAX: Duration = Duration::from_secs(5);
