//! Operations of ordered documents, as they stand in JSON. What somebody sent stands there to the byte.

use engine::ordered::{Action, Record};
use engine::{ChangeKind, StoredChange};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An operation of an ordered document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Operation {
    /// The version that it was committed on; it makes the next one.
    pub version: u64,
    /// The version that its author made it on; null if none was named.
    pub made_on: Option<u64>,
    /// What its author's client called itself.
    pub source: String,
    /// Which of that client's operations it is.
    pub number: u64,
    /// `create`, `op` or `del`.
    #[schema(example = "op")]
    pub action: &'static str,
    /// What the document became; only when it was created.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ot_type: Option<&'static str>,
    /// What was received: an operation, or the data of a new document. Only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub received: Option<Box<RawValue>>,
    /// The operation as it was committed: after what others did since `made_on`. Only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub committed: Option<Box<RawValue>>,
}

/// What is to be done with an ordered document: one of `create`, `op` and `del`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOperation {
    /// The version that it was made on; the last one if not said.
    pub version: Option<u64>,
    /// Begins a document that there is not, or that an operation deleted.
    pub create: Option<NewContent>,
    /// An operation of the document's type.
    #[schema(value_type = Option<serde_json::Value>)]
    pub op: Option<Box<RawValue>>,
    /// Ends the document; `true`. Its versions go on counting, and it can be created again.
    pub del: Option<bool>,
    /// What you call yourself, so that the same operation can be sent again: with `number`.
    pub source: Option<String>,
    /// Which of the operations of `source` it is.
    pub number: Option<u64>,
}

/// What a document is to begin with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContent {
    /// `json0`, `rich-text`, `text` or `text-unicode`, or the URI of one.
    #[serde(rename = "type")]
    #[schema(example = "json0")]
    pub ot_type: String,
    /// What it is to hold; nothing if not said.
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
}

/// Operations in several ordered documents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBatch {
    /// In their order; 1 to 1,000.
    pub operations: Vec<NewBatchItem>,
}

/// What is to be done with one ordered document: one of `create`, `op` and `del`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBatchItem {
    /// The document's name.
    pub document: String,
    /// The version that it was made on; the last one if not said, after what the batch did in the document before.
    pub version: Option<u64>,
    /// Begins a document that there is not, or that an operation deleted.
    pub create: Option<NewContent>,
    /// An operation of the document's type.
    #[schema(value_type = Option<serde_json::Value>)]
    pub op: Option<Box<RawValue>>,
    /// Ends the document; `true`.
    pub del: Option<bool>,
    /// What you call yourself, so that the same batch can be sent again: with `number`.
    pub source: Option<String>,
    /// Which of the operations of `source` it is.
    pub number: Option<u64>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct Batch {
    /// In the order in which they were sent.
    pub items: Vec<BatchItem>,
}

/// What became of an operation of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchItem {
    /// The document's name.
    pub document: String,
    /// The version that it was committed on; it makes the next one.
    pub version: u64,
}

impl From<NewBatchItem> for NewOperation {
    fn from(item: NewBatchItem) -> Self {
        Self {
            version: item.version,
            create: item.create,
            op: item.op,
            del: item.del,
            source: item.source,
            number: item.number,
        }
    }
}

/// What became of an operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Committed {
    /// The version that it was committed on; it makes the next one.
    pub version: u64,
}

/// Whose edits are to be undone, and which.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUndo {
    /// Those of this author.
    pub author: Option<String>,
    /// Those of this source; of an author only those that came through it, if both are given.
    pub source: Option<String>,
    /// The first version.
    pub from: u64,
    /// The version behind the last one; the last of the document if not said.
    pub to: Option<u64>,
}

/// What became of an undo.
#[derive(Debug, Serialize, ToSchema)]
pub struct Undone {
    /// The version that the operation was committed on; null if there was nothing to be undone.
    pub version: Option<u64>,
}

/// The hash of a state.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateHash {
    /// The version.
    pub version: u64,
    /// What the document is there; null if there is none.
    #[serde(rename = "type")]
    pub ot_type: Option<&'static str>,
    /// 64 hexadecimal digits.
    pub hash: String,
}

impl Operation {
    /// The operation that a change carries; none if it carries none, or its bytes are damaged.
    pub(super) fn of(stored: &StoredChange) -> Option<Self> {
        let change = &stored.change;
        let is_operation = change.kind == ChangeKind::Operation;
        let record = is_operation.then(|| Record::from_bytes(&change.payload));
        let record = record?.ok()?;
        Some(Self {
            version: record.version,
            made_on: record.made_on,
            source: record.name.source.into(),
            number: record.name.number,
            action: action(&record.action),
            ot_type: ot_type(&record.action),
            received: None,
            committed: None,
        })
    }

    /// Puts in what was received and committed.
    pub(super) fn fill(&mut self, stored: &StoredChange) {
        let Ok(record) = Record::from_bytes(&stored.change.payload) else {
            return;
        };
        self.committed = record.action.committed().and_then(raw);
        self.received = match &record.action {
            Action::Create { data, .. } => data.as_deref().and_then(raw),
            Action::Edit { received, .. } => raw(received),
            Action::Delete => None,
        };
    }
}

fn action(action: &Action) -> &'static str {
    match action {
        Action::Create { .. } => "create",
        Action::Edit { .. } => "op",
        Action::Delete => "del",
    }
}

fn ot_type(action: &Action) -> Option<&'static str> {
    match action {
        Action::Create { ot_type, .. } => Some(ot_type.name()),
        Action::Edit { .. } | Action::Delete => None,
    }
}

/// What is stored was read before, so it is JSON.
fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}
