//! Measures Quire and its peers: loads a server and verifies what arrives, starts the servers that are compared, and writes
//! down what was seen.
//!
//! The generator (`load`) is a process of its own with one thread, so that it can be pinned apart from the server and its
//! own processor time is known.

mod load;
mod process;
mod spec;

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
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Load(args) => load::main(&args),
    }
}
