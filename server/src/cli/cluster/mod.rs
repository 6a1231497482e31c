//! `quire cluster`: which nodes share a store and how they are, and having one drain.
//!
//! As `quire doc` does, it looks for itself: into the database that the configuration names, and at the bus if there is one.
//! With `--server` it asks a running node instead, which needs nothing but an address and a token.

mod direct;
mod remote;
mod table;

use serde::Serialize;
use serde_json::Value;

use super::args::{ClusterCommand, ClusterDrainArgs, ClusterStatusArgs, Output};
use super::failure::Failure;
use super::{output, serve};
use crate::telemetry::logs::{self, LogFormat};
use remote::Remote;

/// What is told of all nodes.
#[derive(Debug, Serialize)]
struct Status {
    store: Part,
    bus: Part,
    /// As `GET /api/v1/replicas` tells them.
    replicas: Vec<Value>,
}

/// How the store is, or the bus.
#[derive(Debug, Serialize)]
struct Part {
    /// `ok` or `up`, `none`, or what is wrong.
    status: String,
    /// How long it took to answer, in milliseconds; null if it did not.
    latency_ms: Option<f64>,
}

pub(super) fn run(command: ClusterCommand) -> Result<(), Failure> {
    logs::init(LogFormat::Pretty, "warn").map_err(|error| Failure::failed(error.to_string()))?;
    serve::runtime()?.block_on(async {
        match command {
            ClusterCommand::Status(args) => status(args).await,
            ClusterCommand::Drain(args) => drain(args).await,
        }
    })
}

async fn status(args: ClusterStatusArgs) -> Result<(), Failure> {
    let status = match &args.at.server {
        Some(server) => Remote::new(server, args.at.token.clone())?.status().await?,
        None => direct::status(&args.at.data).await?,
    };
    match args.output {
        Output::Table => output::print(&table::of(&status)),
        Output::Json => output::print(&output::json(&status)),
        Output::Ndjson => {
            let lines = status.replicas.iter().map(output::json);
            output::print(&lines.collect::<String>())
        }
    }
}

async fn drain(args: ClusterDrainArgs) -> Result<(), Failure> {
    let begins = !args.undo;
    match &args.at.server {
        Some(server) => {
            let remote = Remote::new(server, args.at.token.clone())?;
            remote.drain(args.node.as_deref(), begins).await?;
        }
        None => {
            let sentence = "name the node that is to drain, or a server with --server; `quire cluster status` lists the nodes";
            let node = args.node.as_deref();
            let node = node.ok_or_else(|| Failure::usage(sentence))?;
            direct::drain(&args.at.data, node, begins).await?;
        }
    }
    let whom = args
        .node
        .map_or_else(|| "the node".to_owned(), |node| output::name(&node));
    output::remark(&match begins {
        true => format!("{whom} drains: it is not ready, and lets its clients go"),
        false => format!("{whom} takes clients again"),
    });
    Ok(())
}
