//! The vector clocks that the API shows explain every ordering that the history shows.
//!
//! Writers note which words they saw whenever they typed one, which is what really came before what, whatever Quire says. The
//! words are then looked for in the changes that the database holds.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quire_tests::chance::Chance;
use quire_tests::client::Client;
use quire_tests::cluster::{Cluster, Dot, Fault, History, Mood, Scene, Seats, Sight, read_clock};
use quire_tests::wait::until;
use serde_json::Value;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_explain_what_three_nodes_wrote_during_faults() -> Result<()> {
    let mut chance = Chance::of_test("causality");
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let seats = Seats {
        documents: vec![DOCUMENT.to_owned()],
        wandering: true,
        noting: true,
        ..Seats::usual(10)
    };
    let scene = Scene::begin(&cluster, "causality", &seats).await?;
    for _ in 0..FAULTS {
        let fault = Fault::draw(&mut chance, cluster.nodes.len());
        println!("causality: {fault:?}");
        fault.happen(&mut cluster, LASTING).await?;
    }
    scene.recovers(Instant::now()).await?;
    cluster.settles(&scene.crowd).await?;
    let sights = scene.crowd.sights();
    let words = words(&cluster, DOCUMENT)?;
    let mut pairs = 0;
    for (number, node) in cluster.running() {
        let history = History::read(&node.server.changes(DOCUMENT).await?)?;
        let explained = history
            .check()
            .and_then(|()| explained(&history, &words, &sights));
        pairs = explained.with_context(|| format!("as node {number} tells it"))?;
        let concurrent = concurrent(&history);
        ensure!(concurrent > 0, "nothing was written at the same time");
        println!(
            "causality: {} changes, {concurrent} times two at once",
            history.len()
        );
        told_by_replicas(&cluster, number, &history).await?;
    }
    println!("causality: {pairs} times a word came after one that was seen");
    scene.ends(&cluster).await
}

/// Whoever had seen a word when they typed another has a change with the former in the context of each with the latter, or
/// both are in it. Returns how many such pairs there are.
fn explained(history: &History, words: &Words, sights: &[Sight]) -> Result<usize> {
    let mut pairs = 0;
    for Sight { word, seen } in sights {
        for later in words.get(word).into_iter().flatten() {
            let before = seen.iter().flat_map(|(writer, last)| {
                let all = (0..=*last).map(|number| (*writer, number));
                all.filter_map(|it| Some((it, words.get(&it)?)))
            });
            for (earlier, dots) in before {
                let knows = |dot: &Dot| dot == later || history.came_after(*later, *dot);
                ensure!(
                    dots.iter().any(knows),
                    "{word:?} was typed by somebody who saw {earlier:?}; {} came after none of {dots:?}",
                    history.about(*later)
                );
                pairs += 1;
            }
        }
    }
    Ok(pairs)
}

/// How many changes follow one of another node that came neither before nor after them.
fn concurrent(history: &History) -> usize {
    let neighbours = history.timeline().windows(2);
    let apart = |two: &&[Dot]| two[0].0 != two[1].0 && !history.came_after(two[1], two[0]);
    neighbours.filter(apart).count()
}

/// What `/api/v1/replicas` says at a node is what the timeline says.
async fn told_by_replicas(cluster: &Cluster, number: usize, history: &History) -> Result<()> {
    let (stored, count) = (history.heads(), history.len() as u64);
    let is_told = async || {
        let path = format!("/api/v1/replicas?document={DOCUMENT}");
        let page = cluster.nodes[number].server.get(&path).await?.json()?;
        let told = &page["documents"][0];
        ensure!(
            read_clock(&told["clock"])? == stored,
            "another clock: {told}"
        );
        ensure!(
            told["changes"].as_u64() == Some(count),
            "another count: {told}"
        );
        let replicas = told["replicas"].as_array().context("replicas are listed")?;
        let open = || replicas.iter().filter(|it| it["open"] == true);
        let is_even = |it: &Value| {
            let clock = read_clock(&it["clock"]).is_ok_and(|clock| clock == stored);
            clock && it["lag_changes"] == 0 && it["held"] == 0
        };
        // Replicas that have ended are listed while their leases last, and do not answer.
        Ok(open().count() == cluster.nodes.len() && open().all(is_even))
    };
    until("every replica lacks nothing", is_told).await
}

/// Two who could not know of each other: their nodes were cut off from Postgres and Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_apart_came_neither_before_nor_after() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let mut writers = Vec::new();
    for (number, node) in cluster.running() {
        let join = |of: u64| Client::join(node.address(), DOCUMENT, of + number as u64);
        writers.push((join(10).await?, join(20).await?));
    }
    for node in &cluster.nodes[..2] {
        node.to_postgres.set(Mood::Silent);
        node.to_redis.set(Mood::Silent);
    }
    for (writer, neighbour) in &mut writers[..2] {
        let update = writer
            .editor
            .append(&format!("<w{}n1>", writer.editor.client()));
        writer.send(update).await?;
        neighbour.reads(|text| !text.is_empty()).await?;
    }
    cluster.nodes.iter().for_each(|node| node.mend());
    for (writer, _) in &mut writers[..2] {
        writer.all_stored().await?;
    }
    let (third, _) = &mut writers[2];
    third.reads(|text| text.matches('<').count() == 2).await?;
    third.save(third.editor.append("<w12n1>")).await?;
    let words = words(&cluster, DOCUMENT)?;
    let [one, other, both] = [10, 11, 12].map(|writer| words[&(writer, 1)][0]);
    for (_, node) in cluster.running() {
        let history = History::read(&node.server.changes(DOCUMENT).await?)?;
        history.check()?;
        ensure!(!history.came_after(one, other) && !history.came_after(other, one));
        ensure!(history.came_after(both, one) && history.came_after(both, other));
    }
    Ok(())
}

/// In which changes each word of a text is.
type Words = HashMap<(u64, u64), Vec<Dot>>;

fn words(cluster: &Cluster, document: &str) -> Result<Words> {
    let sql = format!(
        "SELECT replica, counter, word[1], word[2] FROM changes JOIN documents ON documents.id = document, \
         regexp_matches(encode(payload, 'escape'), '<w([0-9]+)n([0-9]+)>', 'g') AS word \
         WHERE name = '{document}' ORDER BY ord"
    );
    let mut words = Words::new();
    for row in cluster.postgres.query(&cluster.database, &sql)?.lines() {
        let fields: Vec<u64> = row.split('|').map(str::parse).collect::<Result<_, _>>()?;
        let [replica, counter, writer, number] = fields[..] else {
            anyhow::bail!("a row of four columns is {row}");
        };
        words
            .entry((writer, number))
            .or_default()
            .push((replica, counter));
    }
    Ok(words)
}

const DOCUMENT: &str = "history";
const FAULTS: usize = 8;
const LASTING: Duration = Duration::from_millis(300);
