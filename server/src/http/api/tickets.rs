//! Tickets: what stands for a token in an address, which gets into logs and histories.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use engine::{Capability, DocumentKey};

use super::caller::{Caller, Visit};
use super::model::{NewTicket, Ticket};
use super::request::{Body, DEFAULT_WORKSPACE, workspace_name};
use crate::auth::Pass;
use crate::http::App;
use crate::http::problem::Problem;

/// Issues a ticket, which stands for the token once and for a minute: in the parameter `ticket` of the address of a socket or a
/// request. It may be for less than the token; what it is for takes the capability `read` there.
#[utoipa::path(
    post,
    path = "/api/v1/tickets",
    operation_id = "issueTicket",
    security(("bearer" = [])),
    request_body = NewTicket,
    responses(
        (status = 201, description = "The ticket", body = Ticket),
        (status = 400, description = "The body is not JSON"),
        (status = 403, description = "The token allows nothing of what the ticket is to be for"),
        (status = 413, description = "The body is longer than 16 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "A name is not allowed, or a field is unknown"),
        (status = 429, description = "Too many tickets of this user are not used yet"),
        (status = 503, description = "Too many tickets of all are not used yet, or the store does not answer"),
    )
)]
pub(super) async fn issue(
    State(app): State<Arc<App>>,
    visit: Visit,
    Body(wanted): Body<NewTicket>,
) -> Result<impl IntoResponse, Problem> {
    let document = document(&wanted)?;
    let caller = visit.admit(&app, document.as_ref()).await?;
    let pass = narrowed(&caller, wanted.workspace.as_deref(), document.as_ref())?;
    let ticket = app.hub.world().auth.issue_ticket(&pass).await?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(Ticket::from(ticket))))
}

fn document(wanted: &NewTicket) -> Result<Option<DocumentKey>, Problem> {
    let workspace = wanted.workspace.as_deref().unwrap_or(DEFAULT_WORKSPACE);
    workspace_name(workspace)?;
    let name = wanted.document.as_deref();
    Ok(name
        .map(|name| DocumentKey::new(workspace, name))
        .transpose()?)
}

/// As much of what the caller may do as the ticket is for.
fn narrowed(
    caller: &Caller,
    workspace: Option<&str>,
    document: Option<&DocumentKey>,
) -> Result<Arc<Pass>, Problem> {
    let pass = caller.pass();
    match (document, workspace) {
        (Some(document), _) => {
            caller.may(document, Capability::Read)?;
            let narrowed = pass.narrowed(document.workspace(), Some(document.name()));
            Ok(Arc::new(narrowed))
        }
        (None, Some(workspace)) => {
            caller.may_in(workspace, Capability::Read)?;
            Ok(Arc::new(pass.narrowed(workspace, None)))
        }
        (None, None) => Ok(pass.clone()),
    }
}
