//! Who makes a request, and what they may do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::{Author, DocumentKey};
use serde::Deserialize;

use super::caller::Visit;
use super::model::{Rule, Whoami};
use super::request::{DEFAULT_WORKSPACE, Parameters};
use crate::http::App;
use crate::http::problem::Problem;
use crate::place::timestamp;

/// Which document to tell about.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AboutQuery {
    /// The workspace of the document; `default` if not said.
    workspace: Option<String>,
    /// The name of a document: what may be done with it is told besides, whether or not there is such a document.
    document: Option<String>,
}

/// Tells who makes the request, and what they may do until when.
#[utoipa::path(
    get,
    path = "/api/v1/whoami",
    operation_id = "whoami",
    security(("bearer" = [])),
    params(AboutQuery),
    responses(
        (status = 200, description = "Who it is, and what they may do", body = Whoami),
        (status = 400, description = "A parameter cannot be read"),
        (status = 422, description = "The name is not allowed"),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    visit: Visit,
    Parameters(about): Parameters<AboutQuery>,
) -> Result<Json<Whoami>, Problem> {
    let workspace = about.workspace.as_deref().unwrap_or(DEFAULT_WORKSPACE);
    let document = about
        .document
        .map(|name| DocumentKey::new(workspace, &name));
    let document = document.transpose()?;
    let caller = visit.admit(&app, document.as_ref()).await?;
    let grant = caller.grant();
    Ok(Json(Whoami {
        user: grant
            .principal
            .as_ref()
            .map(Author::as_str)
            .map(str::to_owned),
        expires_at: grant.expires_ms.map(timestamp),
        grants: grant.rules.iter().map(Rule::from).collect(),
        access: document.map(|document| caller.access(&document).into()),
    }))
}
