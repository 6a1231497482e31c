//! Operations of ordered documents without a socket: one is made, those of somebody are undone, and the hash of what came of
//! them all.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::ordered::{Deed, OperationName, UndoError, undo};
use engine::ot::{Operation, OtType, Work};
use engine::{Author, Capability, Change, DocumentKey};
use serde::Deserialize;
use storage::Description;

use super::caller::Caller;
use super::content::place;
use super::existing;
use super::model::{Committed, NewContent, NewOperation, NewUndo, StateHash, Undone};
use super::request::{Body, DocumentName, DocumentPath, Parameters};
use crate::http::App;
use crate::http::problem::Problem;
use crate::ordered::{Submission, submit};
use crate::place::{self, At};

/// Makes one operation in an ordered document. Takes `read` besides `write`: the answer says what is there.
///
/// With a `source` and a `number` it can be sent again, however often: it is made once, and answered alike. Another operation
/// under the same names is refused.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/operations",
    operation_id = "makeOperation",
    security(("bearer" = ["read", "write"])),
    params(DocumentPath),
    request_body = NewOperation,
    responses(
        (status = 200, description = "It is stored, and whoever has the document open is told", body = Committed),
        (status = 400, description = "The body is not JSON"),
        (status = 409, description = "The document is not there, is there already, is at another version, or has another operation of this name"),
        (status = 410, description = "The document was deleted for good"),
        (status = 413, description = "The body is longer than 1 MiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "It is no operation of the document's type, does not fit it, or a field is missing or unknown"),
        (status = 503, description = "The document can not be opened just now, or nobody knows whether the operation was made"),
    )
)]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Body(new): Body<NewOperation>,
) -> Result<Json<Committed>, Problem> {
    caller.may(&key, Capability::Write)?;
    caller.may(&key, Capability::Read)?;
    let submission = submission(new)?;
    let version = version(&app, &key).await?;
    let submission = Submission {
        made_on: submission.made_on_or(version),
        ..submission
    };
    let version = submit(&app.hub, &key, caller.pass(), submission).await?;
    Ok(Json(Committed { version }))
}

/// Undoes what somebody did in an ordered document, by one operation of whoever asks. What others did stays.
///
/// Where somebody else's edit and an inverse contradict each other, the other's edit wins. At most 10,000 operations may have
/// come since the first that is to be undone.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/undo",
    operation_id = "undoOperations",
    security(("bearer" = ["read", "write", "history"])),
    params(DocumentPath),
    request_body = NewUndo,
    responses(
        (status = 200, description = "It is undone, and whoever has the document open is told", body = Undone),
        (status = 400, description = "The body is not JSON"),
        (status = 404, description = "There never was such a document"),
        (status = 409, description = "Something that is meant can not be undone by an operation, or came too long ago"),
        (status = 410, description = "The document was deleted for good"),
        (status = 413, description = "The body is longer than 16 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "The document is not ordered, or a field is missing, unknown or out of range"),
        (status = 503, description = "The document can not be opened just now, or nobody knows whether the operation was made"),
    )
)]
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Body(new): Body<NewUndo>,
) -> Result<Json<Undone>, Problem> {
    for capability in [Capability::Write, Capability::Read, Capability::History] {
        caller.may(&key, capability)?;
    }
    let version = ordered(existing(&app, &key).await?)?.clock.count();
    let meant = Meant::read(new, version)?;
    let Some((operation, made_on)) = inverse(&app, &key, meant).await? else {
        return Ok(Json(Undone { version: None }));
    };
    let submission = Submission {
        name: None,
        made_on: Some(made_on),
        deed: Deed::Edit(operation.write().into()),
    };
    let version = submit(&app.hub, &key, caller.pass(), submission).await?;
    Ok(Json(Undone {
        version: Some(version),
    }))
}

/// Which state to hash.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HashQuery {
    /// The place in the timeline: an order (`42`), a change (`7.1234`), or a time (`2026-11-20T09:30:00Z`).
    at: Option<String>,
    /// The version. Not together with `at`.
    #[param(value_type = Option<u64>)]
    index: Option<String>,
}

/// Gives the hash of what an ordered document holds, now or at any place of its timeline, so that clients can tell whether they
/// hold the same. A place takes the capability `history` besides `read`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/hash",
    operation_id = "getStateHash",
    security(("bearer" = ["read"])),
    params(DocumentPath, HashQuery),
    responses(
        (status = 200, description = "The hash", body = StateHash),
        (status = 400, description = "A parameter cannot be read"),
        (status = 404, description = "There never was such a document, or it has no such version"),
        (status = 410, description = "The document was deleted for good"),
        (status = 422, description = "The document is not ordered"),
        (status = 500, description = "The document cannot be rebuilt"),
    )
)]
pub(super) async fn hash(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Parameters(query): Parameters<HashQuery>,
) -> Result<Json<StateHash>, Problem> {
    caller.may(&key, Capability::Read)?;
    let at = place(query.at.as_deref(), query.index.as_deref())?;
    if at != At::End {
        caller.may(&key, Capability::History)?;
    }
    ordered(existing(&app, &key).await?)?;
    let last = at.find(&*app.store, &key).await?;
    let _permit = app.rebuilds.acquire().await;
    let last = last.map(|last| last.order);
    let state = place::state_after(&*app.store, &key, last).await?;
    let content = state.content.as_ref();
    Ok(Json(StateHash {
        version: state.version,
        ot_type: content.map(|content| content.ot_type().name()),
        hash: state.hash().to_string(),
    }))
}

/// What is to be done, as the document is asked for it.
pub(super) fn submission(new: NewOperation) -> Result<Submission, Problem> {
    let name = match (new.source, new.number) {
        (None, None) => None,
        (Some(source), Some(number)) if source.len() <= SOURCE_BYTES_MAX => Some(OperationName {
            source: source.into(),
            number,
        }),
        (Some(source), Some(_)) => {
            let length = source.len();
            let detail =
                format!("source is {length} bytes long, at most {SOURCE_BYTES_MAX} are allowed");
            return Err(Problem::unprocessable("invalid_operation", detail));
        }
        (source, _) => {
            let (has, lacks) = match source {
                Some(_) => ("source", "number"),
                None => ("number", "source"),
            };
            let detail =
                format!("{lacks} is missing: {has} and {lacks} name an operation together");
            return Err(Problem::unprocessable("invalid_operation", detail));
        }
    };
    let deed = match (new.create, new.op, new.del) {
        (Some(create), None, None) => creation(create)?,
        (None, Some(op), None) => Deed::Edit(op.get().into()),
        (None, None, Some(true)) => Deed::Delete,
        _ => {
            let detail = "give one of create, op and del, and del only as true";
            return Err(Problem::unprocessable("invalid_operation", detail));
        }
    };
    Ok(Submission {
        name,
        made_on: new.version,
        deed,
    })
}

fn creation(new: NewContent) -> Result<Deed, Problem> {
    let ot_type = new.ot_type.parse::<OtType>();
    let ot_type = ot_type
        .map_err(|error| Problem::unprocessable("unknown_kind", format!("create.type: {error}")))?;
    let data = new.data.map(|data| data.get().into());
    Ok(Deed::Create { ot_type, data })
}

/// How many operations a document has; none if there never was one.
async fn version(app: &App, key: &DocumentKey) -> Result<u64, Problem> {
    match app.store.describe(key.clone()).await? {
        None => Ok(0),
        Some(it) if it.deleted_ms.is_some() => Err(Problem::document_deleted()),
        Some(it) => Ok(ordered(it)?.clock.count()),
    }
}

/// A document that takes operations.
pub(super) fn ordered(description: Description) -> Result<Description, Problem> {
    match description.kind.is_ordered() {
        true => Ok(description),
        false => Err(Problem::not_ordered(description.kind)),
    }
}

/// Whose edits are meant, and which.
struct Meant {
    author: Option<Author>,
    source: Option<String>,
    from: u64,
    to: u64,
}

impl Meant {
    fn read(new: NewUndo, version: u64) -> Result<Self, Problem> {
        let refused = |detail: String| Err(Problem::unprocessable("invalid_undo", detail));
        let (from, to) = (new.from, new.to.unwrap_or(version));
        if new.author.is_none() && new.source.is_none() {
            return refused("author and source are missing: say whose edits are meant".to_owned());
        }
        if from > to || to > version {
            return refused(format!(
                "from is {from} and to is {to}, expected from <= to <= {version}, which the document is at"
            ));
        }
        if version - from > UNDO_MAX {
            let detail = format!(
                "{} operations came since from, and at most {UNDO_MAX} can be gone through",
                version - from
            );
            return Err(Problem::conflict("version_behind", detail));
        }
        Ok(Self {
            author: new.author.map(|author| Author::new(&author)),
            source: new.source,
            from,
            to,
        })
    }

    fn is_meant(&self, change: &Change, record: &engine::ordered::Record) -> bool {
        let is_author = || self.author.is_none() || change.author == self.author;
        let is_source = || {
            self.source
                .as_deref()
                .is_none_or(|it| *it == *record.name.source)
        };
        (self.from..self.to).contains(&record.version) && is_author() && is_source()
    }
}

/// The operation that undoes what is meant, and the version that it is made on; none if there is nothing to be undone.
async fn inverse(
    app: &App,
    key: &DocumentKey,
    meant: Meant,
) -> Result<Option<(Operation, u64)>, Problem> {
    let _permit = app.rebuilds.acquire().await;
    let base = place::state_at_version(&*app.store, key, meant.from).await?;
    let stored = app.store.operations(key.clone(), meant.from, None).await?;
    let changes: Vec<Change> = stored.into_iter().map(|stored| stored.change).collect();
    let made_on = meant.from + changes.len() as u64;
    let undone = tokio::task::spawn_blocking(move || {
        let is_meant = |change: &Change, record: &_| meant.is_meant(change, record);
        undo(&base, &changes, is_meant, &mut Work::default())
    });
    let undone = undone.await.map_err(|_| Problem::internal())??;
    Ok(undone.map(|operation| (operation, made_on)))
}

impl From<UndoError> for Problem {
    fn from(error: UndoError) -> Self {
        match error {
            UndoError::Broken(broken) => {
                tracing::error!("operations can not be undone: {broken}");
                Self::internal()
            }
            UndoError::NotAnEdit { .. } | UndoError::Ended { .. } | UndoError::Unfit { .. } => {
                Self::conflict("not_undoable", error.to_string())
            }
        }
    }
}

/// The longest source, in bytes, as over sockets a name would be.
const SOURCE_BYTES_MAX: usize = 512;
/// How many operations are gone through to undo some of them.
const UNDO_MAX: u64 = 10_000;
