//! The database and the bus, looked at without asking any server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use storage::{Bus, BusState, NodeEntry, Store, Topic, Word};
use tokio::time::sleep;

use super::{Part, Status};
use crate::cli::args::DataArgs;
use crate::cli::failure::Failure;
use crate::config::{Config, StoreChoice};
use crate::http::api::model::Replica;
use crate::stores;

/// How all nodes are.
pub(super) async fn status(data: &DataArgs) -> Result<Status, Failure> {
    let config = configured(data)?;
    let store = open(&config).await?;
    let bus = bus(&config).await?;
    let (store_part, nodes) = (store_part(&*store).await, registered(bus.as_ref()).await);
    let leases = store.leases(ENDED_WITHIN).await?.into_iter();
    let leases = leases.filter(|lease| lease.holder.is_some());
    let replica = |lease: storage::Lease| {
        let entry = nodes
            .iter()
            .find(|node| node.replicas().any(|own| own == lease.replica));
        let replica = Replica::new(lease, entry, false);
        serde_json::to_value(replica).expect("a replica has no maps with odd keys")
    };
    let replicas: Vec<Value> = leases.map(replica).collect();
    Ok(Status {
        store: store_part,
        bus: bus_part(bus.as_ref()),
        replicas,
    })
}

/// Tells a node to drain, or to take clients again, and waits until it says that it does.
pub(super) async fn drain(data: &DataArgs, node: &str, begins: bool) -> Result<(), Failure> {
    let config = configured(data)?;
    let bus = bus(&config).await?.ok_or_else(|| {
        Failure::usage(
            "nodes are told to drain over Redis; set REDIS_URL, or ask one with --server",
        )
    })?;
    let until = Instant::now() + TOLD_MAX;
    let mut was_there = false;
    while Instant::now() < until {
        let nodes = registered(Some(&bus)).await;
        let found = nodes.iter().find(|it| it.name == node);
        if found.is_some_and(|it| it.is_draining == begins) {
            return Ok(());
        }
        if found.is_some() {
            was_there = true;
            let node = node.to_owned();
            bus.say(&Topic::Cluster, Word::Drain { node, begins });
        }
        sleep(TELL_INTERVAL).await;
    }
    Err(match was_there {
        true => Failure::failed(format!("{node:?} was told, and has not answered")),
        false => Failure::not_found(format!(
            "there is no node {node:?} just now; `quire cluster status` lists those that there are"
        )),
    })
}

fn configured(data: &DataArgs) -> Result<Config, Failure> {
    let config = Config::load(&data.flags())?.config;
    if config.store != StoreChoice::Postgres {
        let sentence = "nodes share a Postgres database, and none is configured; set DATABASE_URL, or ask a server with --server";
        return Err(Failure::usage(sentence));
    }
    Ok(config)
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let opened = stores::open(config).await;
    opened.map_err(|error| Failure::unreachable(format!("{error:#}")))
}

async fn bus(config: &Config) -> Result<Option<Arc<dyn Bus>>, Failure> {
    let node = stores::node(config, "quire-cluster".to_owned());
    let node = node.map_err(|error| Failure::unreachable(format!("{error:#}")))?;
    Ok(node.and_then(|node| node.bus))
}

/// The nodes in the register; none if it cannot be read.
async fn registered(bus: Option<&Arc<dyn Bus>>) -> Vec<NodeEntry> {
    match bus {
        Some(bus) => bus.nodes().await.unwrap_or_default(),
        None => Vec::new(),
    }
}

async fn store_part(store: &dyn Store) -> Part {
    let asked = Instant::now();
    match store.check().await {
        Ok(()) => Part {
            status: "ok".to_owned(),
            latency_ms: Some(asked.elapsed().as_secs_f64() * 1_000.0),
        },
        Err(failure) => Part {
            status: failure.to_string(),
            latency_ms: None,
        },
    }
}

fn bus_part(bus: Option<&Arc<dyn Bus>>) -> Part {
    let status = match bus.map(|bus| bus.state()) {
        None => "none".to_owned(),
        Some(BusState::Up) => "up".to_owned(),
        Some(BusState::Down { reason }) => format!("down: {reason}"),
    };
    Part {
        status,
        latency_ms: None,
    }
}

/// Whoever ended longer ago is not listed.
const ENDED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// How long a node may take to say in the register that it does as it was told.
const TOLD_MAX: Duration = Duration::from_secs(5);
const TELL_INTERVAL: Duration = Duration::from_millis(200);
