//! The API's own types, as they stand in JSON. The command line prints the same.

mod access;
pub use access::{
    Access, NewRevocation, NewTicket, Revocation, RevocationPage, Rule, Ticket, Whoami,
};

mod cluster;
pub use cluster::{Draining, Progress, Replica, ReplicaPage, Replicated, Route, RouteNode};

mod operations;
pub use operations::{
    Batch, BatchItem, Committed, NewBatch, NewBatchItem, NewContent, NewOperation, NewUndo,
    Operation, StateHash, Undone,
};

use std::collections::BTreeMap;

use engine::{Author, ChangeKind, StoredChange, VectorClock};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use storage::{Description, QuarantineEntry, WorkspaceSummary};
use utoipa::ToSchema;

use crate::place::timestamp;

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
pub struct Workspace {
    /// Its name.
    name: String,
    /// How many documents it holds, without deleted ones.
    documents: u64,
}

/// A document, without its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct Document {
    /// The workspace that holds it.
    pub workspace: String,
    /// Its name.
    pub name: String,
    /// What it is made of.
    #[schema(example = "yjs")]
    pub kind: &'static str,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last changed; null if it never was.
    #[schema(format = DateTime)]
    pub changed_at: Option<String>,
    /// How many changes it has.
    pub changes: u64,
    /// The latest change of each replica.
    pub clock: BTreeMap<String, u64>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A document to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDocument {
    /// Its name: 1 to 512 bytes without control characters.
    pub name: String,
    /// What it is to be made of.
    #[schema(example = "yjs")]
    pub kind: String,
    /// What an ordered document is to hold, as its type has it; nothing if not said. Other documents begin empty.
    #[schema(value_type = Option<serde_json::Value>)]
    pub content: Option<Box<RawValue>>,
}

/// Something to tell all who have a document open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSignal {
    /// What they are told, as it is.
    pub payload: String,
}

/// What became of a signal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Signalled {
    /// Whether anybody had the document open. Clients whose protocol has no such messages are not told.
    pub open: bool,
}

/// A change: one step of a document's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct Change {
    /// Its place in the timeline. Orders grow, but not one by one.
    pub order: u64,
    /// The replica that took it in.
    pub replica: u32,
    /// Which of that replica's changes to this document it is, from 1.
    pub counter: u64,
    /// What its author had been shown: the latest change of each replica.
    pub context: BTreeMap<String, u64>,
    /// When it was made; for display only.
    #[schema(format = DateTime)]
    pub time: String,
    /// Who made it; null for an anonymous author.
    pub author: Option<String>,
    /// The connection that it came through, within its replica.
    pub connection: u64,
    /// How its bytes are to be read.
    #[schema(example = "yjs-update")]
    pub kind: &'static str,
    /// How many updates of a client it holds; null if its bytes are damaged.
    pub updates: Option<usize>,
    /// How many bytes it holds.
    pub bytes: usize,
    /// What it did to an ordered document; left out for all other kinds, and if its bytes are damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

/// What became of an Automerge file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Added {
    /// How many changes are in it.
    pub changes: usize,
    /// Whether any of them was not in the document before.
    pub news: bool,
    /// Those that no other one in it builds on, by their hashes; they are stored.
    pub heads: Vec<String>,
}

/// A payload that is kept out of a document, because it made a content library fail.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quarantined {
    /// The SHA-256 of the payload.
    pub hash: String,
    /// The workspace of the document that it was meant for.
    pub workspace: String,
    /// That document's name.
    pub document: String,
    /// The replica of the change that carries it; null if it is not in the log.
    pub replica: Option<u32>,
    /// The counter of that change.
    pub counter: Option<u64>,
    /// Who sent it; null if anonymous or not known.
    pub author: Option<String>,
    /// The connection that it came through; null if not known.
    pub connection: Option<u64>,
    /// How many bytes it has.
    pub bytes: u64,
    /// What it did.
    pub reason: String,
    /// When that was seen.
    #[schema(format = DateTime)]
    pub seen_at: String,
}

/// A page of the quarantine.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinePage {
    /// The newest first.
    pub items: Vec<Quarantined>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// All workspaces.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceList {
    /// In the order of their names.
    pub items: Vec<Workspace>,
    /// Always null: the list is never cut.
    pub next_cursor: Option<String>,
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentPage {
    /// In the order of their names.
    pub items: Vec<Document>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A page of a document's timeline.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangePage {
    /// In the direction that was asked for.
    pub items: Vec<Change>,
    /// What to give as `cursor` for the changes that follow in this direction; null at the end.
    pub next_cursor: Option<String>,
    /// What to give as `cursor` for the changes that come before in this direction; null at the beginning.
    pub prev_cursor: Option<String>,
}

impl From<WorkspaceSummary> for Workspace {
    fn from(summary: WorkspaceSummary) -> Self {
        Self {
            name: summary.name,
            documents: summary.documents,
        }
    }
}

impl From<Description> for Document {
    fn from(description: Description) -> Self {
        Self {
            workspace: description.document.workspace().to_owned(),
            name: description.document.name().to_owned(),
            kind: description.kind.as_str(),
            created_at: timestamp(description.created_ms),
            changed_at: description.changed_ms.map(timestamp),
            changes: description.clock.count(),
            clock: clock(&description.clock),
            deleted: description.deleted_ms.is_some(),
        }
    }
}

impl From<QuarantineEntry> for Quarantined {
    fn from(entry: QuarantineEntry) -> Self {
        let it = entry.quarantined;
        Self {
            hash: it.hash.to_string(),
            workspace: it.document.workspace().to_owned(),
            document: it.document.name().to_owned(),
            replica: it.dot.map(|dot| dot.replica.0),
            counter: it.dot.map(|dot| dot.counter),
            author: it.author.as_ref().map(Author::as_str).map(str::to_owned),
            connection: it.connection.map(|connection| connection.0),
            bytes: entry.payload_bytes,
            reason: it.reason,
            seen_at: timestamp(it.wall_ms),
        }
    }
}

impl From<&StoredChange> for Change {
    fn from(stored: &StoredChange) -> Self {
        let change = &stored.change;
        Self {
            order: stored.order.0,
            replica: change.dot.replica.0,
            counter: change.dot.counter,
            context: clock(&change.context),
            time: timestamp(change.hlc.wall_ms()),
            author: change
                .author
                .as_ref()
                .map(Author::as_str)
                .map(str::to_owned),
            connection: change.connection.0,
            kind: kind(change.kind),
            updates: change.updates().ok().map(|updates| updates.len()),
            bytes: change.payload.len(),
            operation: Operation::of(stored),
        }
    }
}

impl Change {
    /// The same with what its operation was, as received and as committed.
    pub(super) fn with_payload(stored: &StoredChange) -> Self {
        let mut change = Self::from(stored);
        if let Some(operation) = &mut change.operation {
            operation.fill(stored);
        }
        change
    }
}

/// A clock as the latest change of each replica.
pub(super) fn clock(clock: &VectorClock) -> BTreeMap<String, u64> {
    clock
        .heads()
        .map(|dot| (dot.replica.to_string(), dot.counter))
        .collect()
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::YjsUpdate => "yjs-update",
        ChangeKind::YjsUpdates => "yjs-updates",
        ChangeKind::Operation => "operation",
        ChangeKind::AutomergeChanges => "automerge-changes",
        ChangeKind::AutomergePayloads => "automerge-payloads",
    }
}
