//! Something said to all who have a document open. It is not kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::{Capability, DocumentKey};
use tracing::info;

use super::caller::Caller;
use super::model::{NewSignal, Signalled};
use super::request::{Body, DocumentName, DocumentPath};
use crate::cluster::here_and_others;
use crate::http::App;
use crate::http::problem::Problem;

/// Tells something to all who have a document open and whose protocol has messages for this (Hocuspocus: stateless).
/// It is not kept: whoever comes later does not hear of it.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/signal",
    operation_id = "signalDocument",
    security(("bearer" = ["admin"])),
    params(DocumentPath),
    request_body = NewSignal,
    responses(
        (status = 200, description = "It was passed on to those who have the document open", body = Signalled),
        (status = 400, description = "The body is not JSON"),
        (status = 413, description = "The body is longer than 16 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "The name is not allowed, or a field is missing or unknown"),
    )
)]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Body(signal): Body<NewSignal>,
) -> Result<Json<Signalled>, Problem> {
    caller.may(&key, Capability::Admin)?;
    let here = app.hub.signal(&key, signal.payload.into()).await;
    let open = here || open_elsewhere(&app, key.clone()).await;
    info!(document = %key, by = %caller, open, "signal sent");
    Ok(Json(Signalled { open }))
}

/// Whether another node says that it has a document open. One that cannot be asked, or does not answer at once, is not known
/// to have it.
async fn open_elsewhere(app: &App, key: DocumentKey) -> bool {
    let world = app.hub.world();
    let Some(cluster) = &world.cluster else {
        return false;
    };
    let known = here_and_others(&app.hub).await.unwrap_or_default();
    let others = known.len().saturating_sub(1);
    let answers = cluster.ask_clocks(vec![key], others).await;
    answers.values().any(|open| !open.is_empty())
}
