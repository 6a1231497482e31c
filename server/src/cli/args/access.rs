//! What can be typed about keys and tokens.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use engine::Capabilities;

use super::{DEFAULT_WORKSPACE, DataArgs, Output};
use crate::auth::keys::Algorithm;

/// `quire key`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire key new --alg ES256 --kid app-2026")]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// The commands under `quire key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key; a running server knows it within a second
    New(KeyNewArgs),
    /// Add the public key of somebody else who signs, or a secret that they sign with
    Add(KeyAddArgs),
    /// List the keys
    List(KeyListArgs),
    /// Print the public part of a key, for whoever checks its tokens
    Show(KeyShowArgs),
    /// Revoke a key: none of its tokens is good any more, and whoever is connected with one is closed
    Revoke(KeyRevokeArgs),
}

/// `quire key new`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire key new --alg ES256 --kid app-2026")]
pub struct KeyNewArgs {
    /// Algorithm: HS256 (who checks can sign), ES256 or EdDSA
    #[arg(long, value_name = "ALGORITHM", default_value_t = Algorithm::Hs256)]
    pub alg: Algorithm,
    /// Name of the key; a random one if not given
    #[arg(long, value_name = "NAME")]
    pub kid: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire key add`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire key add --public app.pem --kid app-2026")]
pub struct KeyAddArgs {
    /// What is added.
    #[command(flatten)]
    pub source: KeySource,
    /// Name of the key, as tokens have it in kid; a random one if not given
    #[arg(long, value_name = "NAME")]
    pub kid: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Where a key comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct KeySource {
    /// File with a public key in PEM: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)
    #[arg(long, value_name = "FILE")]
    pub public: Option<PathBuf>,
    /// File with a secret of 32 bytes or more (HS256); a newline at its end is not part of it
    #[arg(long, value_name = "FILE")]
    pub secret: Option<PathBuf>,
}

/// `quire key list`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire key list -o json")]
pub struct KeyListArgs {
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire key show`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire key show app-2026")]
pub struct KeyShowArgs {
    /// Name of the key
    pub kid: String,
    /// Print what signs instead: the secret, or the private key in PEM
    #[arg(long)]
    pub secret: bool,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire key revoke`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire key revoke app-2025")]
pub struct KeyRevokeArgs {
    /// Name of the key
    pub kid: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire token`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire token new --sub ada --may read,write,presence")]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// The commands under `quire token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it
    New(TokenNewArgs),
    /// Tell what a token says, and whether this server takes it; exit code 4 if not
    Inspect(TokenInspectArgs),
}

/// `quire token new`
#[derive(Debug, Args)]
#[command(
    after_help = "Example: quire token new --sub ada --may read,write,presence --document 'stories/*' --expires 8h"
)]
pub struct TokenNewArgs {
    /// Key to sign with; the only one that can if not given
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Who it is for
    #[arg(long, value_name = "USER")]
    pub sub: String,
    /// What may be done: words of read, comment, write, presence, history, admin with commas between them
    #[arg(long, value_name = "WORDS", value_parser = may)]
    pub may: Capabilities,
    /// In which workspaces; * stands for any text
    #[arg(short, long, value_name = "PATTERN", default_value = DEFAULT_WORKSPACE)]
    pub workspace: String,
    /// With which documents; * stands for any text
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    pub document: String,
    /// How many may edit one document at the same time, this one included; any number if not given
    #[arg(long, value_name = "N")]
    pub editors_max: Option<u32>,
    /// How long it is good
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub expires: Duration,
    /// Its id (jti), by which it alone can be revoked; a random one if not given
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire token inspect`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire token new --sub ada --may read | quire token inspect")]
pub struct TokenInspectArgs {
    /// The token; standard input if it is - or not given, which keeps it out of the shell's history
    #[arg(default_value = "-", hide_default_value = true)]
    pub token: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

fn may(words: &str) -> Result<Capabilities, &'static str> {
    let may: Option<Capabilities> = words.parse().ok();
    may.filter(|may| !may.is_empty()).ok_or(
        "expected words of read, comment, write, presence, history, admin with commas between them",
    )
}
