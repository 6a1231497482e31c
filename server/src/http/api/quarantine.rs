//! What is kept out of documents.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{Capability, DocumentKey, Order, PayloadHash};
use storage::{QuarantineEntry, QuarantineQuery, Store, StoreError};
use tracing::info;

use super::caller::Caller;
use super::cursor::{Side, cut};
use super::model::{QuarantinePage, Quarantined};
use super::request::{
    DocumentName, DocumentPath, HashPath, HashedName, PageQuery, Parameters, bad_cursor, limit,
};
use crate::http::App;
use crate::http::problem::Problem;

/// Lists what is kept out of all documents that one may administer, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/quarantine",
    operation_id = "listQuarantine",
    security(("bearer" = ["admin"])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of quarantined payloads", body = QuarantinePage),
        (status = 400, description = "A parameter cannot be read"),
    )
)]
pub(super) async fn list_all(
    State(app): State<Arc<App>>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<QuarantinePage>, Problem> {
    caller.may_somewhere(Capability::Admin)?;
    page(&app, &caller, None, query).await.map(Json)
}

/// Lists what is kept out of a document, the newest first; of a deleted one too.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/quarantine",
    operation_id = "listDocumentQuarantine",
    security(("bearer" = ["admin"])),
    params(DocumentPath, PageQuery),
    responses(
        (status = 200, description = "A page of quarantined payloads", body = QuarantinePage),
        (status = 400, description = "A parameter cannot be read"),
        (status = 404, description = "There never was such a document, and nothing was kept out of it"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<QuarantinePage>, Problem> {
    caller.may(&key, Capability::Admin)?;
    let page = page(&app, &caller, Some(key.clone()), query).await?;
    if page.items.is_empty() && app.store.describe(key).await?.is_none() {
        return Err(Problem::no_such_document());
    }
    Ok(Json(page))
}

/// Lets a payload into its document again. Whoever has the document open is closed, to come back to it opened anew.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/quarantine/{hash}",
    operation_id = "forgetQuarantined",
    security(("bearer" = ["admin"])),
    params(HashPath),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "Nothing with this hash is kept out of this document"),
    )
)]
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    caller: Caller,
    HashedName(key, hash): HashedName,
) -> Result<StatusCode, Problem> {
    caller.may(&key, Capability::Admin)?;
    let hash: PayloadHash = hash.parse().map_err(|_| not_quarantined())?;
    if !app.store.forget_quarantined(key.clone(), hash).await? {
        return Err(not_quarantined());
    }
    info!(document = %key, %hash, by = %caller, "quarantined payload forgotten");
    app.hub.reopen_everywhere(&key).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn page(
    app: &App,
    caller: &Caller,
    document: Option<DocumentKey>,
    query: PageQuery,
) -> Result<QuarantinePage, Problem> {
    let limit = limit(query.limit.as_deref())?;
    let before = query.cursor.map(|cursor| match Side::read(&cursor) {
        Some(Side::Before(Order(number))) => Ok(number),
        _ => Err(bad_cursor()),
    });
    // One more than asked for tells whether there is a next page.
    let query = QuarantineQuery {
        document,
        before: before.transpose()?,
        limit: limit + 1,
    };
    let mut found = administered(&*app.store, caller, query).await?;
    let more = cut(&mut found, limit);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|entry| Side::Before(Order(entry.number)).cursor());
    Ok(QuarantinePage {
        items: found.into_iter().map(Quarantined::from).collect(),
        next_cursor,
    })
}

/// Entries of documents that somebody may administer, as many as are asked for, however few of all they are.
async fn administered(
    store: &dyn Store,
    caller: &Caller,
    mut query: QuarantineQuery,
) -> Result<Vec<QuarantineEntry>, StoreError> {
    let limit = query.limit;
    let mut found = Vec::new();
    loop {
        let looked = store.quarantined(query.clone()).await?;
        let is_last = looked.len() < limit;
        query.before = looked.last().map(|entry| entry.number);
        let sees = |it: &QuarantineEntry| caller.sees(&it.quarantined.document, Capability::Admin);
        found.extend(looked.into_iter().filter(sees));
        if is_last || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

fn not_quarantined() -> Problem {
    let detail = "nothing with this hash is kept out of this document; what is, is listed under its /quarantine";
    Problem::new(StatusCode::NOT_FOUND, "not_quarantined", detail)
}
