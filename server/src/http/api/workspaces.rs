//! Workspaces.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::{Workspace, WorkspaceList};
use crate::http::App;
use crate::http::problem::Problem;

/// Lists the workspaces that hold documents.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    operation_id = "listWorkspaces",
    responses(
        (status = 200, description = "The workspaces", body = WorkspaceList),
        (status = 503, description = "The store does not work just now"),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<WorkspaceList>, Problem> {
    let items = app
        .store
        .workspaces()
        .await?
        .into_iter()
        .map(Workspace::from)
        .collect();
    Ok(Json(WorkspaceList {
        items,
        next_cursor: None,
    }))
}
