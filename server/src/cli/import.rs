//! `quire import`: takes over the documents of another server, each as the first change of a document that does not exist.
//!
//! Every document is looked at and tried out before it is stored, and stored by the same compare as content of the
//! application: one that exists stays as it is, so the command may be broken off and repeated.

use std::fmt;
use std::sync::Arc;

use engine::{Author, DocumentKey, Kind, ReplicaId};
use protocol::preflight::Bounds;
use serde::Serialize;
use storage::{ForeignDocument, ForeignError, HocuspocusDatabase, OpenError, Store, StoreError};

use super::args::{ImportCommand, ImportHocuspocusArgs};
use super::failure::Failure;
use super::{output, serve};
use crate::clock::Clock;
use crate::config::{Config, StoreChoice};
use crate::founding::Founding;
use crate::serve::update_bounds;
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
    /// There was one of this name, which was deleted.
    Deleted,
    /// Nothing is in it.
    Empty,
    /// It can not be taken.
    Refused,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Imported,
        Self::Exists,
        Self::Deleted,
        Self::Empty,
        Self::Refused,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Exists => "exists",
            Self::Deleted => "deleted",
            Self::Empty => "empty",
            Self::Refused => "refused",
        }
    }
}

/// Where documents go.
enum Target {
    /// Into a store, as changes of this replica.
    Store(Arc<dyn Store>, ReplicaId),
    /// Nowhere: it is only looked at what is there, if anything is.
    Nowhere(Option<Arc<dyn Store>>),
}

struct Import {
    target: Target,
    workspace: String,
    prefix: String,
    bounds: Bounds,
    weight_max: usize,
}

/// Runs a command under `quire import`.
pub(super) fn run(command: ImportCommand) -> Result<(), Failure> {
    logs::init(LogFormat::Pretty, "warn").map_err(|error| Failure::failed(error.to_string()))?;
    let ImportCommand::Hocuspocus(args) = command;
    serve::runtime()?.block_on(hocuspocus(args))
}

async fn hocuspocus(args: ImportHocuspocusArgs) -> Result<(), Failure> {
    DocumentKey::new(&args.workspace, "any")?;
    let config = Config::load(&args.data.flags())?.config;
    if config.store == StoreChoice::Memory {
        return Err(Failure::usage(
            "the store is memory, which forgets everything at the end; set store to sqlite",
        ));
    }
    let theirs = HocuspocusDatabase::open(&args.file).await?;
    let lock = (!args.dry_run).then(|| OwnFolder::lock(&config, "import"));
    let _lock = lock
        .transpose()
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let import = Import {
        target: Target::open(&config, args.dry_run).await?,
        workspace: args.workspace,
        prefix: args.prefix,
        bounds: update_bounds(&config),
        weight_max: config.limits.document_memory,
    };
    let items = import.all(&theirs).await;
    import.target.close().await?;
    let items = items?;
    let head = ["OUTCOME", "DOCUMENT", "BYTES", "REASON"];
    output::print_list(args.output, &items, head, |item| {
        [
            item.outcome.as_str().to_owned(),
            output::name(&item.document),
            item.bytes.to_string(),
            output::harmless(item.reason.as_deref().unwrap_or("")),
        ]
    })?;
    conclude(&items, args.dry_run)
}

/// Sums up. That some could not be taken is a failure.
fn conclude(items: &[Item], dry_run: bool) -> Result<(), Failure> {
    let count = |outcome| items.iter().filter(|item| item.outcome == outcome).count();
    let counts = Outcome::ALL.map(|outcome| format!("{} {}", count(outcome), outcome.as_str()));
    let would = if dry_run {
        " (dry run, nothing was stored)"
    } else {
        ""
    };
    let summary = format!("{} documents: {}{would}", items.len(), counts.join(", "));
    if count(Outcome::Refused) > 0 {
        return Err(Failure::failed(summary));
    }
    output::remark(&summary);
    Ok(())
}

impl Target {
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

    async fn take(&self, founding: &Founding) -> Result<(), StoreError> {
        let document = founding.document.clone();
        match self {
            Self::Store(store, replica) => {
                let change = founding.change(*replica, Clock::start().now());
                store.create_with(document, Kind::Yjs, vec![change]).await
            }
            Self::Nowhere(None) => Ok(()),
            Self::Nowhere(Some(store)) => match store.describe(document).await? {
                None => Ok(()),
                Some(found) if found.deleted_ms.is_some() => Err(StoreError::Deleted),
                Some(_) => Err(StoreError::Exists),
            },
        }
    }

    async fn close(&self) -> Result<(), Failure> {
        match self {
            Self::Store(store, _) | Self::Nowhere(Some(store)) => Ok(store.close().await?),
            Self::Nowhere(None) => Ok(()),
        }
    }
}

impl Import {
    async fn all(&self, theirs: &HocuspocusDatabase) -> Result<Vec<Item>, Failure> {
        let (mut items, mut after) = (Vec::new(), None);
        while let Some(found) = theirs.next(after).await? {
            after = Some(found.row);
            items.push(self.one(found).await?);
        }
        Ok(items)
    }

    async fn one(&self, found: ForeignDocument) -> Result<Item, Failure> {
        let bytes = found.state.as_ref().map_or(0, bytes::Bytes::len);
        let name = found.name.clone();
        let document = name.map_or_else(
            || format!("row {}", found.row),
            |name| format!("{}{name}", self.prefix),
        );
        let (outcome, reason) = match self.founding(found) {
            Ok(founding) if founding.is_nothing() => (Outcome::Empty, None),
            Ok(founding) => self.store(&founding).await?,
            Err(reason) => (Outcome::Refused, Some(reason)),
        };
        Ok(Item {
            document,
            bytes,
            outcome,
            reason,
        })
    }

    async fn store(&self, founding: &Founding) -> Result<(Outcome, Option<String>), Failure> {
        match self.target.take(founding).await {
            Ok(()) => Ok((Outcome::Imported, None)),
            Err(StoreError::Exists) => Ok((Outcome::Exists, None)),
            Err(StoreError::Deleted) => Ok((Outcome::Deleted, None)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// What a document is to begin with, if it can be taken.
    fn founding(&self, found: ForeignDocument) -> Result<Founding, String> {
        let name = found.name.ok_or("its name is not text")?;
        let name = format!("{}{name}", self.prefix);
        let update = found.state.ok_or("its data is not bytes")?;
        let document = DocumentKey::new(&self.workspace, &name).map_err(text)?;
        let founding = Founding {
            document,
            author: Author::new(AUTHOR),
            update,
        };
        let fit = founding.check(&self.bounds, self.weight_max);
        fit.map(|()| founding).map_err(text)
    }
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
            ForeignError::Missing(_) => Self::not_found(error.to_string()),
            ForeignError::NotOne { .. } => Self::failed(error.to_string()),
        }
    }
}

/// Who is said to have written what another server has kept.
const AUTHOR: &str = "import";
