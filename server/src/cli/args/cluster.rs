//! What can be typed after `quire cluster`.

use clap::{Args, Subcommand};

use super::{DataArgs, Output};

/// `quire cluster`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire cluster status")]
pub struct ClusterArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ClusterCommand,
}

/// The commands under `quire cluster`.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// List the nodes that share a store, and how they are
    Status(ClusterStatusArgs),
    /// Have a node take no new clients, and let go of those that it has
    Drain(ClusterDrainArgs),
}

/// `quire cluster status`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire cluster status --server http://127.0.0.1:1234 -o json")]
pub struct ClusterStatusArgs {
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Whom to ask.
    #[command(flatten)]
    pub at: ClusterAtArgs,
}

/// `quire cluster drain`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire cluster drain node-2")]
pub struct ClusterDrainArgs {
    /// Name of the node; the one at --server if not given
    pub node: Option<String>,
    /// Have it take clients again
    #[arg(long)]
    pub undo: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub at: ClusterAtArgs,
}

/// Whom to ask about nodes.
#[derive(Debug, Args)]
pub struct ClusterAtArgs {
    /// Server to ask; looks into the configured database, and at Redis, if not given
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Token to show it, with admin for all documents
    #[arg(
        long,
        value_name = "TOKEN",
        env = "QUIRE_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Where the configuration is.
    #[command(flatten)]
    pub data: DataArgs,
}
