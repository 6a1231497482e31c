//! Workspaces.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::Capability;
use storage::{StoreError, WorkspaceSummary};

use super::caller::Caller;
use super::model::{Workspace, WorkspaceList};
use super::readable::Readable;
use crate::http::App;
use crate::http::problem::Problem;

/// Lists the workspaces that hold documents which the token lets one read, with how many.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    operation_id = "listWorkspaces",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "The workspaces", body = WorkspaceList),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<WorkspaceList>, Problem> {
    caller.may_somewhere(Capability::Read)?;
    let mut items = Vec::new();
    for summary in app.store.workspaces().await? {
        let documents = readable(&app, &caller, &summary).await?;
        if documents > 0 {
            items.push(Workspace::from(WorkspaceSummary {
                documents,
                ..summary
            }));
        }
    }
    Ok(Json(WorkspaceList {
        items,
        next_cursor: None,
    }))
}

/// How many documents of a workspace somebody may read.
async fn readable(app: &App, caller: &Caller, all: &WorkspaceSummary) -> Result<u64, StoreError> {
    let mut rules = caller.grant().rules_of(&all.name, Capability::Read);
    if rules.any(|rule| rule.document.covers_all()) {
        return Ok(all.documents);
    }
    Readable::new(&*app.store, caller, &all.name, "")
        .count()
        .await
}
