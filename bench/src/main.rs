//! Measures Quire and its peers: loads a server and verifies what arrives, starts the servers that are compared, and writes
//! down what was seen.
//!
//! The generator (`load`) is a process of its own with one thread, so that it can be pinned apart from the server and its
//! own processor time is known.

mod ceiling;
mod load;
mod peers;
mod plan;
mod process;
mod record;
mod report;
mod run;
mod spec;
mod stats;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about = "Measures Quire and its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Loads one server: by the workload given here, or by a specification read from standard input (one line of JSON)
    Load(load::Args),
    /// Measures Quire beside its peers, and shows a table
    Run(run::Args),
    /// Writes docs/benchmarks.md and its plots from a record
    Report(report::Args),
    /// Serves as a ceiling: copies frames and nothing else
    Ceiling(ceiling::Args),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Load(args) => load::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Report(args) => report::main(&args),
        Command::Ceiling(args) => ceiling::main(&args),
    }
}
