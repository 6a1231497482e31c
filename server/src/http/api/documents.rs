//! Documents: list, create, look at, delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use engine::{Capability, Content, DocumentKey, Kind};
use serde::Deserialize;
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

/// Creates a document without content, and its workspace with its first document. Takes `read` besides `write`, as over a
/// socket: the answer says whether there is such a document.
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
        (status = 422, description = "The name is not allowed, the kind is not served, or a field is missing or unknown"),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    visit: Visit,
    WorkspaceName(workspace): WorkspaceName,
    Body(new): Body<NewDocument>,
) -> Result<impl IntoResponse, Problem> {
    let key = DocumentKey::new(&workspace, &new.name)?;
    let caller = visit.admit(&app, Some(&key)).await?;
    caller.may(&key, Capability::Write)?;
    caller.may(&key, Capability::Read)?;
    let kind = served(&new.kind)?;
    let location = path_of(&key);
    let description = app.store.create(key, kind).await?;
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

fn served(word: &str) -> Result<Kind, Problem> {
    let kind = word.parse::<Kind>();
    let kind =
        kind.map_err(|error| Problem::unprocessable("unknown_kind", format!("kind: {error}")))?;
    if Content::new(kind).is_err() {
        let detail = format!("kind {kind} is not served by this version");
        return Err(Problem::unprocessable("kind_not_served", detail));
    }
    Ok(kind)
}

fn path_of(key: &DocumentKey) -> String {
    let (workspace, name) = (escaped(key.workspace()), escaped(key.name()));
    format!("/api/v1/workspaces/{workspace}/documents/{name}")
}
