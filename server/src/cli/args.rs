//! Everything that can be typed.
//!
//! Settings are taken as text and handed to the configuration, which knows the defaults and what is allowed, so that a
//! wrong value is reported in the same words whether it stood in a flag, a variable or the file.

mod cluster;
pub(super) use cluster::{ClusterArgs, ClusterCommand, ClusterDrainArgs, ClusterStatusArgs};

mod access;
pub(super) use access::{
    KeyAddArgs, KeyArgs, KeyCommand, KeyListArgs, KeyNewArgs, KeyRevokeArgs, KeyShowArgs,
    TokenArgs, TokenCommand, TokenInspectArgs, TokenNewArgs,
};

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::breadcrumb::trial;
use crate::config::Flags;
use crate::place::{At, Format};

/// Collaboration server for documents that many people edit at once
#[derive(Debug, Parser)]
#[command(name = "quire", version, max_term_width = 100)]
#[command(after_help = "Without a command, quire serves on 127.0.0.1:1234.\n\n\
    Example: quire serve --data-dir ./quire-data\n\n\
    Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 not found, 4 denied, 5 unreachable")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve documents until told to stop
    Serve(ServeArgs),
    /// Look at documents and their history, also while a server runs
    Doc(DocArgs),
    /// Take over the documents of another server
    Import(ImportArgs),
    /// Make, list and revoke the keys that tokens are checked with
    Key(KeyArgs),
    /// Make tokens, and look at them
    Token(TokenArgs),
    /// Look at the nodes that share a store, and have one drain
    Cluster(ClusterArgs),
    /// Look at the configuration
    Config(ConfigArgs),
    /// Do again what a crumb on standard input tells of; a starting server asks for this
    #[command(name = trial::COMMAND, hide = true)]
    TryCrumb(DataArgs),
    /// Print the version
    Version,
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(ServeArgs::default())
    }
}

/// `quire serve`
#[derive(Debug, Default, Args)]
#[command(after_help = "Example: quire serve --listen 127.0.0.1:8080 --data-dir /var/lib/quire")]
pub struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

/// Everything about the configuration that can be said in flags.
#[derive(Debug, Default, Args)]
struct SettingArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Address and port to listen on [env: QUIRE_LISTEN] [default: 127.0.0.1:1234]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// sqlite, memory, which forgets everything at the end, or postgres, which DATABASE_URL implies
    /// [env: QUIRE_STORE] [default: sqlite]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Let everybody who reaches a non-loopback address read and write everything
    /// [env: QUIRE_INSECURE_ALLOW_ANONYMOUS] [default: false]
    #[arg(long)]
    insecure_allow_anonymous: bool,
    /// How logs look: auto, pretty or json [env: QUIRE_LOG__FORMAT] [default: auto]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged, such as info,server=debug [env: QUIRE_LOG__FILTER] [default: info]
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

/// Where the data is.
#[derive(Debug, Default, Args)]
pub struct DataArgs {
    /// Folder that holds the data [env: QUIRE_DATA_DIR] [default: ./quire-data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Configuration file [env: QUIRE_CONFIG] [default: the first of ./quire.toml,
    /// $XDG_CONFIG_HOME/quire/quire.toml and /etc/quire/quire.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// `quire doc`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc log notes --backward --limit 10")]
pub struct DocArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DocCommand,
}

/// The commands under `quire doc`.
#[derive(Debug, Subcommand)]
pub enum DocCommand {
    /// List the documents of a workspace
    List(ListArgs),
    /// Describe a document
    Show(ShowArgs),
    /// List the changes of a document
    Log(LogArgs),
    /// Print the content of a document, now or at any time
    Cat(CatArgs),
    /// Write the content of a document to a file, now or as of any time
    Export(ExportArgs),
    /// Look at what is kept out of documents because it made a library fail
    Quarantine(QuarantineArgs),
}

/// `quire doc list`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc list --prefix stories/ -o json")]
pub struct ListArgs {
    /// Only names that begin like this
    #[arg(long, default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// How many at most; all if not given
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Workspace that holds the documents
    #[arg(short, long, default_value = DEFAULT_WORKSPACE)]
    pub workspace: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire doc show`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc show notes -o json")]
pub struct ShowArgs {
    /// The document.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `quire doc log`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc log notes --backward --limit 10")]
pub struct LogArgs {
    /// The document.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// How many changes at most; all if not given
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// From the newest to the oldest
    #[arg(long)]
    pub backward: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `quire doc cat`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc cat notes --at 2026-11-20T09:30:00Z")]
pub struct CatArgs {
    /// The document.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// Which content.
    #[command(flatten)]
    pub content: ContentArgs,
    /// Form of the content
    #[arg(long, value_enum, default_value_t)]
    pub format: CatFormat,
}

/// `quire doc export`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc export notes --format binary --output notes.yjs")]
pub struct ExportArgs {
    /// The document.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// Which content.
    #[command(flatten)]
    pub content: ContentArgs,
    /// Form of the content; binary is one update as a client sends it
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// File to write, which must not exist yet; standard output if not given
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `quire doc quarantine`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: quire doc quarantine notes\n\n\
    A document named show, forget or help is listed with --workspace before its name.")]
pub struct QuarantineArgs {
    /// What to do; lists if not given.
    #[command(subcommand)]
    pub command: Option<QuarantineCommand>,
    /// What to list.
    #[command(flatten)]
    pub list: QuarantineListArgs,
}

/// The commands under `quire doc quarantine`.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Show one payload: what it did, who sent it, and its bytes
    Show(QuarantineShowArgs),
    /// Let a payload into its document again, from the next time that it is opened
    Forget(QuarantineForgetArgs),
}

/// What of the quarantine to list.
#[derive(Debug, Args)]
pub struct QuarantineListArgs {
    /// Only of the document of this name
    pub name: Option<String>,
    /// How many at most; all if not given
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Workspace that holds the document
    #[arg(short, long, default_value = DEFAULT_WORKSPACE)]
    pub workspace: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire doc quarantine show`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc quarantine show notes 5e884898 --payload bad.yjs")]
pub struct QuarantineShowArgs {
    /// The document.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// SHA-256 of the payload, or its first digits
    pub hash: String,
    /// File to write the payload to, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `quire doc quarantine forget`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire doc quarantine forget notes 5e884898")]
pub struct QuarantineForgetArgs {
    /// The document.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// SHA-256 of the payload, or its first digits
    pub hash: String,
}

/// A document and where it is.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    /// Name of the document, or its address (automerge:…)
    pub name: String,
    /// Workspace that holds it
    #[arg(short, long, default_value = DEFAULT_WORKSPACE)]
    pub workspace: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which content of a document.
#[derive(Debug, Args)]
pub struct ContentArgs {
    /// Order (42), change (7.1234) or time (2026-11-20T09:30:00Z) to look at; the end if not given
    #[arg(long, value_name = "PLACE")]
    pub at: Option<At>,
    /// Only the field (in Yjs: root type) of this name; all if not given
    #[arg(long)]
    pub field: Option<String>,
}

/// `quire import`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire import hocuspocus db.sqlite --dry-run")]
pub struct ImportArgs {
    /// From what.
    #[command(subcommand)]
    pub command: ImportCommand,
}

/// The commands under `quire import`.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Take over the documents that Hocuspocus keeps with its SQLite extension
    Hocuspocus(ImportHocuspocusArgs),
    /// Take over the documents that a server of automerge-repo keeps in a folder
    AutomergeRepo(ImportAutomergeRepoArgs),
    /// Take one document from an Automerge file
    Automerge(ImportAutomergeArgs),
}

/// `quire import hocuspocus`
#[derive(Debug, Args)]
#[command(
    after_help = "Example: quire import hocuspocus db.sqlite --workspace default --dry-run\n\n\
    Documents that exist already stay as they are, so it may be repeated. No server may run on the data folder \
    meanwhile, except for a dry run."
)]
pub struct ImportHocuspocusArgs {
    /// The extension's database
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Put before every name
    #[arg(long, default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Where documents go.
    #[command(flatten)]
    pub target: ImportTargetArgs,
}

/// `quire import automerge-repo`
#[derive(Debug, Args)]
#[command(
    after_help = "Example: quire import automerge-repo ./automerge-repo-data --dry-run\n\n\
    Documents that exist already get what they lack, so it may be repeated. No server may run on the data folder \
    meanwhile, except for a dry run."
)]
pub struct ImportAutomergeRepoArgs {
    /// What its NodeFSStorageAdapter was given
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Where documents go.
    #[command(flatten)]
    pub target: ImportTargetArgs,
}

/// `quire import automerge`
#[derive(Debug, Args)]
#[command(
    after_help = "Example: quire import automerge story.automerge --document automerge:4NMNnkMhL8jXrdJ9jamS58PAVdXu\n\n\
    A document that exists already gets what it lacks. No server may run on the data folder meanwhile, except for a dry run."
)]
pub struct ImportAutomergeArgs {
    /// What Automerge.save or Automerge.saveSince gave
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Id or address of the document; the name of the file without its extension if not given
    #[arg(long, value_name = "ID")]
    pub document: Option<String>,
    /// Where documents go.
    #[command(flatten)]
    pub target: ImportTargetArgs,
}

/// Where documents go.
#[derive(Debug, Args)]
pub struct ImportTargetArgs {
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Workspace that is to hold the documents
    #[arg(short, long, default_value = DEFAULT_WORKSPACE)]
    pub workspace: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `quire config`
#[derive(Debug, Args)]
#[command(after_help = "Example: quire config show --origin")]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands under `quire config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting as the server would have it
    Show(ConfigShowArgs),
}

/// `quire config show`
#[derive(Debug, Args)]
#[command(after_help = "Example: QUIRE_LISTEN=127.0.0.1:8080 quire config show --origin")]
pub struct ConfigShowArgs {
    /// Tell where each value comes from
    #[arg(long)]
    pub origin: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    #[command(flatten)]
    settings: SettingArgs,
}

/// How lists are printed: for people, as one JSON value, or as one JSON object a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
    Ndjson,
}

/// What `quire doc cat` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CatFormat {
    #[default]
    Text,
    Json,
}

/// What `quire doc export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Binary,
    Json,
    Text,
}

impl ServeArgs {
    /// The flags as the configuration takes them.
    pub(super) fn flags(&self) -> Flags {
        self.settings.flags()
    }
}

impl ConfigShowArgs {
    /// The flags as the configuration takes them.
    pub(super) fn flags(&self) -> Flags {
        self.settings.flags()
    }
}

impl SettingArgs {
    fn flags(&self) -> Flags {
        let anonymous = self.insecure_allow_anonymous.then(|| "true".to_owned());
        let given = [
            ("listen", self.listen.clone()),
            ("store", self.store.clone()),
            ("insecure_allow_anonymous", anonymous),
            ("log.format", self.log_format.clone()),
            ("log.filter", self.log_filter.clone()),
        ];
        let mut flags = self.data.flags();
        flags.values.extend(
            given
                .into_iter()
                .filter_map(|(key, text)| Some((key, text?))),
        );
        flags
    }
}

impl DataArgs {
    /// The flags as the configuration takes them.
    pub(super) fn flags(&self) -> Flags {
        let data_dir = self.data_dir.clone().map(|folder| ("data_dir", folder));
        Flags {
            file: self.config.clone(),
            values: BTreeMap::from_iter(data_dir),
        }
    }
}

impl From<CatFormat> for Format {
    fn from(format: CatFormat) -> Self {
        match format {
            CatFormat::Text => Self::Text,
            CatFormat::Json => Self::Json,
        }
    }
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Binary => Self::Binary,
            ExportFormat::Json => Self::Json,
            ExportFormat::Text => Self::Text,
        }
    }
}

/// The workspace of clients that name none.
const DEFAULT_WORKSPACE: &str = "default";
