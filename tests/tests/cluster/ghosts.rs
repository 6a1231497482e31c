//! People who do not come back: how long the other nodes show them when their node dies, is cut off from Redis, or stands
//! still; and that they are shown again as soon as it is back.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use quire_tests::client::Client;
use quire_tests::cluster::{Cluster, Mood};
use quire_tests::frames::{self, Presence};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_shown_whose_node_is_gone() -> Result<()> {
    // These clients do not renew what they show.
    let started = Cluster::start_with(3, |_, launch| {
        launch.variable("QUIRE_PRESENCE__TIMEOUT", "1h")
    });
    let Some(mut cluster) = started.await? else {
        return Ok(());
    };
    let _people = [at(&cluster, 0, STAYS).await?, at(&cluster, 1, GOES).await?];
    for fault in [Fault::Cut, Fault::StandsStill, Fault::Killed] {
        shows(&cluster, &[STAYS, GOES], "everybody").await?;
        fault.begin(&mut cluster)?;
        shows(&cluster, &[STAYS], &format!("without a node: {fault:?}")).await?;
        fault.end(&cluster)?;
    }
    Ok(())
}

/// What makes it that nobody hears of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Cut,
    StandsStill,
    Killed,
}

impl Fault {
    fn begin(self, cluster: &mut Cluster) -> Result<()> {
        let node = &mut cluster.nodes[1];
        match self {
            Self::Cut => node.to_redis.set(Mood::Silent),
            Self::StandsStill => node.freeze()?,
            Self::Killed => node.kill()?,
        }
        Ok(())
    }

    fn end(self, cluster: &Cluster) -> Result<()> {
        match self {
            Self::Cut => cluster.nodes[1].mend(),
            Self::StandsStill => cluster.nodes[1].thaw()?,
            Self::Killed => {}
        }
        Ok(())
    }
}

/// Waits until the nodes whose people stay show exactly these, and says how long that took.
async fn shows(cluster: &Cluster, people: &[u64], what: &str) -> Result<()> {
    let began = Instant::now();
    let people: BTreeSet<_> = people.iter().copied().collect();
    for node in [0, 2] {
        let shown = cluster.shows_at(node, DOCUMENT, &people).await;
        shown.with_context(|| what.to_owned())?;
    }
    println!(
        "ghosts: {people:?} are shown, {what}, after {:.2?}",
        began.elapsed()
    );
    Ok(())
}

/// Somebody who is at a node and shows itself.
async fn at(cluster: &Cluster, node: usize, number: u64) -> Result<Client> {
    let mut client = Client::join(cluster.nodes[node].address(), DOCUMENT, number).await?;
    let entry = Presence {
        client: number,
        clock: 1,
        state: "{}".to_owned(),
    };
    client.socket.send(frames::presence(&[entry])).await?;
    Ok(client)
}

const DOCUMENT: &str = "ghosts";
const STAYS: u64 = 7;
const GOES: u64 = 8;
