//! The load generator: sockets, edits, and what arrives of them.

use anyhow::{Result, bail};

use crate::spec::Workload;

/// What the generator is told by hand.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    workload: Option<Workload>,
}

/// Runs one workload.
///
/// # Errors
/// It could not be run, or what arrived is not what was sent.
pub(crate) fn main(args: &Args) -> Result<()> {
    bail!("{:?} can not be run yet", args.workload)
}
