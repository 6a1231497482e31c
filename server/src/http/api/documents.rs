//! Documents: list, create, look at, delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use engine::ordered::Deed;
use engine::ot::{OtType, Snapshot};
use engine::{Capability, DocumentKey, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use storage::{Description, StoreError};
use tracing::info;

use super::caller::{Caller, Visit};
use super::model::{Document, DocumentPage, NewDocument};
use super::readable::Readable;
use super::request::{
    Body, DocumentName, DocumentPath, Parameters, WorkspaceName, WorkspacePath, bad_cursor, limit,
};
use super::{cursor, escaped, existing};
use crate::http::App;
use crate::http::problem::Problem;
use crate::naming::{is_automerge_id, named};
use crate::ordered::{Submission, submit};

/// Which documents to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many at most; 50 if not said.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Where to go on: the `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only names that begin like this.
    prefix: Option<String>,
}

/// Lists those documents of a workspace that the token lets one read, by name.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents",
    operation_id = "listDocuments",
    security(("bearer" = ["read"])),
    params(WorkspacePath, ListQuery),
    responses(
        (status = 200, description = "A page of documents", body = DocumentPage),
        (status = 400, description = "A parameter cannot be read"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    WorkspaceName(workspace): WorkspaceName,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<DocumentPage>, Problem> {
    caller.may_in(&workspace, Capability::Read)?;
    let limit = limit(query.limit.as_deref())?;
    let after = query
        .cursor
        .map(|cursor| cursor::read_name(&cursor).ok_or_else(bad_cursor))
        .transpose()?;
    let prefix = query.prefix.unwrap_or_default();
    let readable = Readable::new(&*app.store, &caller, &workspace, &prefix);
    // One more than asked for tells whether there is a next page.
    let mut found = readable.after(after, limit + 1).await?;
    let more = cursor::cut(&mut found, limit);
    let items: Vec<_> = found.into_iter().map(Document::from).collect();
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|document| cursor::after_name(&document.name));
    Ok(Json(DocumentPage { items, next_cursor }))
}

/// Creates a document, and its workspace with its first document. Takes `read` besides `write`, as over a socket: the answer
/// says whether there is such a document.
///
/// An ordered document begins with an operation that creates it, with the content that is given. All others begin empty.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/documents",
    operation_id = "createDocument",
    security(("bearer" = ["read", "write"])),
    params(WorkspacePath),
    request_body = NewDocument,
    responses(
        (status = 201, description = "The document", body = Document, headers(("Location" = String, description = "The document's path"))),
        (status = 400, description = "The body is not JSON"),
        (status = 409, description = "There is a document of this name"),
        (status = 410, description = "There was a document of this name"),
        (status = 413, description = "The body is longer than 16 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "The name is not allowed, the kind is not served, the content does not fit it, or a field is missing or unknown"),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    visit: Visit,
    WorkspaceName(workspace): WorkspaceName,
    Body(new): Body<NewDocument>,
) -> Result<impl IntoResponse, Problem> {
    let key = named(&workspace, &new.name)?;
    let caller = visit.admit(&app, Some(&key)).await?;
    caller.may(&key, Capability::Write)?;
    caller.may(&key, Capability::Read)?;
    let kind = kind(&new.kind)?;
    if kind == Kind::Automerge && !is_automerge_id(key.name()) {
        return Err(Problem::no_automerge_id());
    }
    let location = path_of(&key);
    let description = match kind.ot_type() {
        Some(ot_type) => begin(&app, &caller, &key, ot_type, new.content).await?,
        None if new.content.is_some() => return Err(no_content(kind)),
        None => app.store.create(key, kind).await?,
    };
    let headers = [(header::LOCATION, location)];
    Ok((
        StatusCode::CREATED,
        headers,
        Json(Document::from(description)),
    ))
}

/// Describes a document.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents/{document}",
    operation_id = "getDocument",
    security(("bearer" = ["read"])),
    params(DocumentPath),
    responses(
        (status = 200, description = "The document", body = Document),
        (status = 404, description = "There never was such a document"),
        (status = 410, description = "The document was deleted"),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
) -> Result<Json<Document>, Problem> {
    caller.may(&key, Capability::Read)?;
    Ok(Json(existing(&app, &key).await?.into()))
}

/// Deletes a document. Whoever has it open is told, and its name is not given out again.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/documents/{document}",
    operation_id = "deleteDocument",
    security(("bearer" = ["admin"])),
    params(DocumentPath),
    responses(
        (status = 204, description = "The document is deleted"),
        (status = 404, description = "There never was such a document"),
        (status = 410, description = "The document was deleted before"),
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
) -> Result<StatusCode, Problem> {
    caller.may(&key, Capability::Admin)?;
    existing(&app, &key).await?;
    if !app.hub.delete(key.clone()).await? {
        // Somebody else was quicker.
        return Err(Problem::document_deleted());
    }
    info!(document = %key, by = %caller, "document deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn kind(word: &str) -> Result<Kind, Problem> {
    let kind = word.parse::<Kind>();
    kind.map_err(|error| Problem::unprocessable("unknown_kind", format!("kind: {error}")))
}

/// Creates an ordered document by its first operation, as a client would.
async fn begin(
    app: &App,
    caller: &Caller,
    key: &DocumentKey,
    ot_type: OtType,
    content: Option<Box<RawValue>>,
) -> Result<Description, Problem> {
    if let Some(known) = app.store.describe(key.clone()).await? {
        return Err(match known.deleted_ms {
            Some(_) => Problem::document_deleted(),
            None => StoreError::Exists.into(),
        });
    }
    let data: Option<Box<str>> = content.map(|content| content.get().into());
    Snapshot::create(ot_type, data.as_deref())
        .map_err(|error| Problem::unprocessable("invalid_content", format!("content: {error}")))?;
    let submission = Submission {
        name: None,
        made_on: None,
        deed: Deed::Create { ot_type, data },
    };
    submit(&app.hub, key, caller.pass(), submission).await?;
    existing(app, key).await
}

fn no_content(kind: Kind) -> Problem {
    let detail =
        format!("content: documents of kind {kind} begin empty and are edited over a socket");
    Problem::unprocessable("invalid_content", detail)
}

fn path_of(key: &DocumentKey) -> String {
    let (workspace, name) = (escaped(key.workspace()), escaped(key.name()));
    format!("/api/v1/workspaces/{workspace}/documents/{name}")
}
