//! Documents: list, create, look at, delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use engine::{Content, DocumentKey, Kind};
use serde::Deserialize;
use storage::DocumentQuery;

use super::model::{Document, DocumentPage, NewDocument};
use super::request::{Body, DocumentName, Parameters, WorkspaceName, bad_cursor, limit};
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

/// Lists the documents of a workspace by name.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents",
    operation_id = "listDocuments",
    params(("workspace" = String, Path, description = "The workspace's name"), ListQuery),
    responses(
        (status = 200, description = "A page of documents", body = DocumentPage),
        (status = 400, description = "A parameter cannot be read"),
        (status = 422, description = "The name is not allowed"),
        (status = 503, description = "The store does not work just now"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WorkspaceName(workspace): WorkspaceName,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<DocumentPage>, Problem> {
    let limit = limit(query.limit.as_deref())?;
    let after = query
        .cursor
        .map(|cursor| cursor::read_name(&cursor).ok_or_else(bad_cursor));
    let prefix = query.prefix.unwrap_or_default();
    // One more than asked for tells whether there is a next page.
    let query = DocumentQuery {
        workspace,
        prefix,
        after: after.transpose()?,
        limit: limit + 1,
    };
    let mut found = app.store.documents(query).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let items: Vec<_> = found.into_iter().map(Document::from).collect();
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|document| cursor::after_name(&document.name));
    Ok(Json(DocumentPage { items, next_cursor }))
}

/// Creates a document without content.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/documents",
    operation_id = "createDocument",
    params(("workspace" = String, Path, description = "The workspace's name; it comes into being with its first document")),
    request_body = NewDocument,
    responses(
        (status = 201, description = "The document", body = Document, headers(("Location" = String, description = "The document's path"))),
        (status = 400, description = "The body is not JSON"),
        (status = 409, description = "There is a document of this name"),
        (status = 410, description = "There was a document of this name"),
        (status = 413, description = "The body is longer than 64 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "The name is not allowed, the kind is not served, or a field is missing or unknown"),
        (status = 503, description = "The store does not work just now"),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    WorkspaceName(workspace): WorkspaceName,
    Body(new): Body<NewDocument>,
) -> Result<impl IntoResponse, Problem> {
    let key = DocumentKey::new(&workspace, &new.name)?;
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
    params(
        ("workspace" = String, Path, description = "The workspace's name"),
        ("document" = String, Path, description = "The document's name, with every slash written %2F"),
    ),
    responses(
        (status = 200, description = "The document", body = Document),
        (status = 404, description = "There never was such a document"),
        (status = 410, description = "The document was deleted"),
        (status = 422, description = "The name is not allowed"),
        (status = 503, description = "The store does not work just now"),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    DocumentName(key): DocumentName,
) -> Result<Json<Document>, Problem> {
    Ok(Json(existing(&app, &key).await?.into()))
}

/// Deletes a document. Whoever has it open is told, and its name is not given out again.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/documents/{document}",
    operation_id = "deleteDocument",
    params(
        ("workspace" = String, Path, description = "The workspace's name"),
        ("document" = String, Path, description = "The document's name, with every slash written %2F"),
    ),
    responses(
        (status = 204, description = "The document is deleted"),
        (status = 404, description = "There never was such a document"),
        (status = 410, description = "The document was deleted before"),
        (status = 422, description = "The name is not allowed"),
        (status = 503, description = "The store does not work just now"),
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    DocumentName(key): DocumentName,
) -> Result<StatusCode, Problem> {
    existing(&app, &key).await?;
    match app.hub.delete(key).await? {
        true => Ok(StatusCode::NO_CONTENT),
        // Somebody else was quicker.
        false => Err(Problem::document_deleted()),
    }
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
