//! Three nodes behave as one: what is asked of one of them has its effect on the clients of all.

use anyhow::{Result, ensure};
use quire_tests::client::Client;
use quire_tests::cluster::Cluster;
use quire_tests::hocuspocus::{Hocuspocus, Said};
use quire_tests::http;
use quire_tests::socket::Heard;
use quire_tests::wait::until;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_one_node_reaches_the_clients_of_all() -> Result<()> {
    let Some(cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    created_anywhere_it_is_there_everywhere(&cluster).await?;
    signals_reach_all(&cluster).await?;
    deleted_anywhere_it_is_gone_everywhere(&cluster).await
}

async fn created_anywhere_it_is_there_everywhere(cluster: &Cluster) -> Result<()> {
    let body = json!({"name": "made", "kind": "yjs"});
    let documents = "/api/v1/workspaces/default/documents";
    let made = http::request(cluster.nodes[0].address(), "POST", documents, Some(&body)).await?;
    ensure!(made.status == 201, "{}", made.text()?);
    for node in &cluster.nodes {
        ensure!(node.server.knows("made").await?, "a node does not know it");
    }
    Ok(())
}

async fn signals_reach_all(cluster: &Cluster) -> Result<()> {
    let mut listeners = Vec::new();
    for (number, node) in cluster.running() {
        let mut listener = Hocuspocus::open(node.address()).await?;
        listener.join("signals", 20 + number as u64).await?;
        listeners.push(listener);
    }
    let body = json!({"payload": "hello all"});
    let path = "/api/v1/workspaces/default/documents/signals/signal";
    let told = http::request(cluster.nodes[2].address(), "POST", path, Some(&body)).await?;
    ensure!(told.status < 300, "{}", told.text()?);
    for listener in &mut listeners {
        while listener.said_to("signals").await? != Said::Stateless("hello all".to_owned()) {}
    }
    Ok(())
}

async fn deleted_anywhere_it_is_gone_everywhere(cluster: &Cluster) -> Result<()> {
    let mut clients = Vec::new();
    for (number, node) in cluster.running() {
        clients.push(Client::join(node.address(), "gone", 30 + number as u64).await?);
    }
    let update = clients[0].editor.append("soon gone");
    clients[0].save(update).await?;
    clients[2].reads(|text| text == "soon gone").await?;
    let path = "/api/v1/workspaces/default/documents/gone";
    let deleted = http::request(cluster.nodes[1].address(), "DELETE", path, None).await?;
    ensure!(deleted.status == 204, "{}", deleted.text()?);
    for client in &mut clients {
        let end = client.socket.closed().await?;
        let told = matches!(end, Heard::Closed(code, _) if code >= 4000);
        ensure!(told, "a client of a deleted document was told {end:?}");
    }
    for node in &cluster.nodes {
        let gone = async || Ok(node.server.get(path).await?.status == 410);
        until("every node knows that it is gone", gone).await?;
    }
    Ok(())
}
