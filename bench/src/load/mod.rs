//! The load generator: many clients in one thread, edits that are prepared, and books of what arrives.
//!
//! It is told what to do on the command line, by hand, or as one line of JSON on standard input, by the runner
//! (`crate::spec`). [`swarm`] holds the sockets, [`run`] paces the edits, [`ledger`] knows what everyone must get, and
//! [`verify`] compares the texts.

mod account;
mod author;
mod automerge;
mod beat;
mod chance;
mod crowd;
mod cursors;
mod echoes;
mod frames;
mod hand;
mod http;
mod ledger;
mod opening;
mod ordered;
mod plan;
mod poll;
mod run;
mod solo;
mod speech;
mod stream;
mod swarm;
mod tally;
mod trace;
mod unsettled;
mod update;
mod verify;
mod wire;
mod writer;

use std::io;
use std::net::SocketAddrV4;
use std::path::Path;
use std::process;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use hand::Args;

use crate::spec::{Dialect, LoadResult, LoadSpec, Progress, Workload};
use plan::Plan;
use solo::Script;

/// Who wants to know how far a run is.
pub(crate) trait Watch {
    /// All are connected and equal; returns when the run may begin.
    fn ready(&mut self) -> Result<()>;
    /// The first edit is about to leave.
    fn begin(&mut self) -> Result<()>;
    /// The last one arrived, or was waited for in vain.
    fn end(&mut self) -> Result<()>;
}

/// Runs one workload, as the arguments or standard input say.
///
/// # Errors
/// It could not be run, or what arrived is not what was sent.
pub(crate) fn main(args: &Args) -> Result<()> {
    raise_file_limit()?;
    let result = match hand::spec(args)? {
        Some(spec) => hand::run(args, &spec)?,
        None => piped()?,
    };
    if result.faults.is_empty() {
        return Ok(());
    }
    for fault in &result.faults {
        eprintln!("fault: {fault}");
    }
    // The result was told; whoever started this looks at the code.
    process::exit(1)
}

/// Runs a specification.
///
/// # Errors
/// It could not be run.
pub(crate) fn load(spec: &LoadSpec, watch: &mut impl Watch) -> Result<LoadResult> {
    match &spec.workload {
        Workload::Trace {
            file,
            document,
            window,
            times,
            keystrokes,
        } => {
            let script = Script::of_trace(Path::new(file), *times, *keystrokes)?;
            solo::run(spec, &script, document, *window, watch)
        }
        Workload::Open {
            clients,
            document,
            bytes,
        } => opening::run(spec, *clients, document, *bytes, watch),
        Workload::Ordered {
            documents,
            clients_each,
        } => ordered::run(spec, *documents, *clients_each, watch),
        Workload::Automerge(deed) => automerge::run(spec, deed, watch),
        _ => run::run(spec, Plan::new(spec), watch),
    }
}

/// Reads the specification from standard input, and tells of progress on standard output.
fn piped() -> Result<LoadResult> {
    let spec = serde_json::from_str(&line()?).context("the specification")?;
    let result = load(&spec, &mut Piped)?;
    tell(&Progress::Result(Box::new(result.clone())))?;
    Ok(result)
}

/// The runner at the other end of standard input and output.
struct Piped;

impl Watch for Piped {
    fn ready(&mut self) -> Result<()> {
        tell(&Progress::Ready)?;
        line().map(drop)
    }

    fn begin(&mut self) -> Result<()> {
        tell(&Progress::Begin)
    }

    fn end(&mut self) -> Result<()> {
        tell(&Progress::End)
    }
}

fn line() -> Result<String> {
    let mut line = String::new();
    let count = io::stdin().read_line(&mut line)?;
    anyhow::ensure!(count > 0, "standard input ended");
    Ok(line)
}

/// Each line leaves at once, as standard output is buffered by line.
fn tell(progress: &Progress) -> Result<()> {
    println!("{}", serde_json::to_string(progress)?);
    Ok(())
}

/// Where the server is.
fn server(spec: &LoadSpec) -> Result<SocketAddrV4> {
    let address = spec.url.strip_prefix("ws://").unwrap_or(&spec.url);
    address
        .trim_end_matches('/')
        .parse()
        .with_context(|| format!("{} is not ws:// and an address with a port", spec.url))
}

/// Makes a document known where it does not come into being by itself.
fn create(spec: &LoadSpec, document: &str) -> Result<()> {
    if spec.dialect == Dialect::YSweet {
        let body = format!(r#"{{"docId":"{document}"}}"#);
        http::request(server(spec)?, "POST", "/doc/new", &body, spec.patience())?;
    }
    Ok(())
}

/// As many sockets as the kernel allows, or at least this process.
fn raise_file_limit() -> Result<()> {
    let allowed = getrlimit(Resource::Nofile).maximum;
    let limit = |files| Rlimit {
        current: files,
        maximum: files,
    };
    setrlimit(Resource::Nofile, limit(Some(FILES)))
        .or_else(|_| setrlimit(Resource::Nofile, limit(allowed)))
        .context("raise the number of open files")
}

/// What the kernel allows a process at most, if nothing else is set.
const FILES: u64 = 1 << 20;
