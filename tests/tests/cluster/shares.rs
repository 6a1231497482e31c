//! Limits that nodes keep together by way of a real Redis: what a node has counts at the others, until it dies or Redis does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use quire_tests::client::Client;
use quire_tests::cluster::Cluster;
use quire_tests::server::Launch;
use quire_tests::wait::{until, within};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_places_of_a_node_that_died_are_free_again() -> Result<()> {
    let Some(mut cluster) = Cluster::start_with(2, narrow).await? else {
        return Ok(());
    };
    let (one, two) = (cluster.nodes[0].address(), cluster.nodes[1].address());
    let refused = async || Ok(join(two, 12).await.is_err());
    let let_in = async || Ok(join(two, 12).await.is_ok());

    let full = [join(one, 10).await?, join(one, 11).await?];
    until("the other node refuses a third", refused).await?;
    cluster.nodes[0].kill()?;
    drop(full);
    until("the places of the dead are free", let_in).await?;

    cluster.nodes[0].start().await?;
    let full = [comes(one, 10).await?, comes(one, 11).await?];
    until("the other node refuses a third", refused).await?;
    cluster.redis.stop();
    until("the other node goes by its own count", let_in).await?;
    let own = [comes(two, 12).await?, comes(two, 13).await?];
    ensure!(join(two, 14).await.is_err(), "by its own count it is full");
    drop((full, own));
    Ok(())
}

/// Two connections to a document.
fn narrow(_: usize, launch: Launch) -> Launch {
    launch.variable("QUIRE_LIMITS__CONNECTIONS_PER_DOCUMENT", "2")
}

async fn join(node: SocketAddr, number: u64) -> Result<Client> {
    Client::join(node, "full", number).await
}

/// Comes back until there is room.
async fn comes(node: SocketAddr, number: u64) -> Result<Client> {
    let comes = async {
        loop {
            match join(node, number).await {
                Ok(client) => return client,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    within("there is room", comes).await
}
