//! Tickets: what stands for a token in an address, which gets into logs and histories.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use engine::{Capability, DocumentKey};

use super::caller::Caller;
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
        (status = 413, description = "The body is longer than 64 KiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "A name is not allowed, or a field is unknown"),
        (status = 429, description = "Too many tickets of this user are not used yet"),
    )
)]
pub(super) async fn issue(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<NewTicket>,
) -> Result<impl IntoResponse, Problem> {
    let pass = narrowed(&caller, &wanted)?;
    let ticket = app.hub.world().auth.issue_ticket(pass)?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(Ticket::from(ticket))))
}

/// As much of what the caller may do as the ticket is for.
fn narrowed(caller: &Caller, wanted: &NewTicket) -> Result<Arc<Pass>, Problem> {
    let workspace = wanted.workspace.as_deref();
    match wanted.document.as_deref() {
        None => {
            let Some(workspace) = workspace else {
                return Ok(caller.pass().clone());
            };
            workspace_name(workspace)?;
            caller.may_in(workspace, Capability::Read)?;
            Ok(Arc::new(caller.pass().narrowed(workspace, None)))
        }
        Some(name) => {
            let document = DocumentKey::new(workspace.unwrap_or(DEFAULT_WORKSPACE), name)?;
            caller.may(&document, Capability::Read)?;
            let pass = caller.pass().narrowed(document.workspace(), Some(name));
            Ok(Arc::new(pass))
        }
    }
}
