//! Somebody who goes from node to node in mid-sentence, and finds at each what was acknowledged at any.

use anyhow::{Result, ensure};
use quire_tests::chance::Chance;
use quire_tests::client::Client;
use quire_tests::cluster::{Cluster, Scene, Seats};
use quire_tests::ledger::{Entry, Ledger, Token};
use tokio::time::Instant;

/// Each time with an empty document, so that only the node can know what was typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_roams_reads_all_that_was_acknowledged_to_anybody() -> Result<()> {
    let mut chance = Chance::of_test("roaming");
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    // Somebody stays at each node, so that the document is never opened anew from the store.
    let mut stays = Vec::new();
    for (number, node) in cluster.running() {
        stays.push(Client::join(node.address(), DOCUMENT, 10 + number as u64).await?);
    }
    let mut ledger = Ledger::default();
    for hop in 0..HOPS {
        let node = &cluster.nodes[chance.below(3) as usize];
        let mut client = Client::join(node.address(), DOCUMENT, 100 + hop).await?;
        let (text, keys) = (client.editor.text(), client.editor.keys());
        let lost = ledger.lost(DOCUMENT, &text, &keys);
        ensure!(lost.is_empty(), "after {hop} hops it does not see {lost:?}");
        let token = Token::new(100, hop);
        let update = token.write(&client.editor, hop);
        client.save(update.clone()).await?;
        ledger.note(DOCUMENT, Entry { token, update });
    }
    println!("roaming: {HOPS} hops, and at each everything was there");
    Ok(())
}

/// People who keep what they have typed and change nodes all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_wanders_stays_in_agreement() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let seats = Seats {
        wandering: true,
        ..Seats::usual(10)
    };
    let scene = Scene::begin(&cluster, "wandering", &seats).await?;
    tokio::time::sleep(quire_tests::cluster::fault_time()).await;
    scene.recovers(Instant::now()).await?;
    scene.ends(&cluster).await
}

const DOCUMENT: &str = "roaming";
const HOPS: u64 = 200;
