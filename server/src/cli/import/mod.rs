//! `quire import`: takes over the documents of other servers, and Automerge files.
//!
//! Every document is looked at and tried out before it is stored, and what is there is not stored twice, so the command may be
//! broken off and repeated. What can not be taken is told, and keeps nothing else out.

mod automerge;
mod hocuspocus;

use std::fmt;
use std::sync::Arc;

use engine::{DocumentKey, ReplicaId};
use serde::Serialize;
use storage::{ForeignError, OpenError, Store};

use super::args::{ImportCommand, ImportTargetArgs};
use super::failure::Failure;
use super::{output, serve};
use crate::config::{Config, StoreChoice};
use crate::stores::{self, OwnFolder};
use crate::telemetry::logs::{self, LogFormat};

/// What became of one document.
#[derive(Debug, Serialize)]
struct Item {
    document: String,
    bytes: usize,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// It is in the store now, or would be.
    Imported,
    /// There is one of this name, which stays as it is.
    Exists,
    /// There was one of this name, which has now what it lacked of it.
    Added,
    /// It is in the store now, without what of it can not be taken.
    Partly,
    /// There was one of this name, which was deleted.
    Deleted,
    /// Nothing is in it.
    Empty,
    /// It can not be taken.
    Refused,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Imported,
        Self::Exists,
        Self::Added,
        Self::Partly,
        Self::Deleted,
        Self::Empty,
        Self::Refused,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Exists => "exists",
            Self::Added => "added",
            Self::Partly => "partly",
            Self::Deleted => "deleted",
            Self::Empty => "empty",
            Self::Refused => "refused",
        }
    }

    /// Whether something was left behind.
    fn is_failure(self) -> bool {
        matches!(self, Self::Partly | Self::Refused)
    }
}

/// Runs a command under `quire import`.
pub(super) fn run(command: ImportCommand) -> Result<(), Failure> {
    logs::init(LogFormat::Pretty, "warn").map_err(|error| Failure::failed(error.to_string()))?;
    serve::runtime()?.block_on(async {
        match command {
            ImportCommand::Hocuspocus(args) => hocuspocus::run(args).await,
            ImportCommand::AutomergeRepo(args) => automerge::folder(args).await,
            ImportCommand::Automerge(args) => automerge::file(args).await,
        }
    })
}

/// Where documents go.
struct Target {
    place: Place,
    config: Config,
    /// Held until the end: the folder is nobody else's.
    _own: Option<OwnFolder>,
}

enum Place {
    /// Into a store, as changes of this replica.
    Store(Arc<dyn Store>, ReplicaId),
    /// Nowhere: it is only looked at what is there, if anything is.
    Nowhere(Option<Arc<dyn Store>>),
}

impl Target {
    /// The configuration, once it is clear that documents can be stored at all.
    fn config(args: &ImportTargetArgs) -> Result<Config, Failure> {
        DocumentKey::new(&args.workspace, "any")?;
        let config = Config::load(&args.data.flags())?.config;
        if config.store == StoreChoice::Memory {
            return Err(Failure::usage(
                "the store is memory, which forgets everything at the end; set store to sqlite",
            ));
        }
        Ok(config)
    }

    async fn open(config: Config, dry_run: bool) -> Result<Self, Failure> {
        let own = match dry_run {
            true => None,
            false => OwnFolder::lock(&config, "import")
                .map_err(|error| Failure::failed(format!("{error:#}")))?,
        };
        Ok(Self {
            place: Place::open(&config, dry_run).await?,
            config,
            _own: own,
        })
    }

    async fn close(self) -> Result<(), Failure> {
        match self.place {
            Place::Store(store, _) | Place::Nowhere(Some(store)) => Ok(store.close().await?),
            Place::Nowhere(None) => Ok(()),
        }
    }
}

impl Place {
    async fn open(config: &Config, dry_run: bool) -> Result<Self, Failure> {
        if !dry_run {
            let store = stores::open(config)
                .await
                .map_err(|error| Failure::of_store(&error))?;
            let replica = store.new_replica().await?;
            return Ok(Self::Store(store, replica));
        }
        match stores::open_to_look(config).await {
            Ok(store) => Ok(Self::Nowhere(store)),
            Err(error) if is_missing(&error) => Ok(Self::Nowhere(None)),
            Err(error) => Err(Failure::of_store(&error)),
        }
    }
}

/// Tells what became of each, and sums up. That something was left behind is a failure.
fn conclude(items: &[Item], args: &ImportTargetArgs) -> Result<(), Failure> {
    let head = ["OUTCOME", "DOCUMENT", "BYTES", "REASON"];
    output::print_list(args.output, items, head, |item| {
        [
            item.outcome.as_str().to_owned(),
            output::name(&item.document),
            item.bytes.to_string(),
            output::harmless(item.reason.as_deref().unwrap_or("")),
        ]
    })?;
    let count = |outcome| items.iter().filter(|item| item.outcome == outcome).count();
    let counts = Outcome::ALL.map(|outcome| format!("{} {}", count(outcome), outcome.as_str()));
    let would = if args.dry_run {
        " (dry run, nothing was stored)"
    } else {
        ""
    };
    let summary = format!("{} documents: {}{would}", items.len(), counts.join(", "));
    if items.iter().any(|item| item.outcome.is_failure()) {
        return Err(Failure::failed(summary));
    }
    output::remark(&summary);
    Ok(())
}

/// Whether there is nothing yet.
fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::Missing { .. }))
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl From<ForeignError> for Failure {
    fn from(error: ForeignError) -> Self {
        match error {
            ForeignError::Missing(_) | ForeignError::MissingFolder(_) => {
                Self::not_found(error.to_string())
            }
            ForeignError::NotOne { .. } | ForeignError::NotARepo { .. } => {
                Self::failed(error.to_string())
            }
        }
    }
}

/// Who is said to have written what another server has kept.
const AUTHOR: &str = "import";
