//! A node that is to take no new clients, and to let go of those that it has, while it goes on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::Capability;
use tracing::info;

use super::caller::Caller;
use super::model::Draining;
use super::request::{NodeName, NodePath};
use crate::cluster::here_and_others;
use crate::http::App;
use crate::http::problem::Problem;

/// Has a node drain: it is not ready, no document is best opened at it, and its clients are closed one after the other, to
/// come back elsewhere. It goes on serving whoever comes nonetheless. Another node is told over the bus.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{node}/drain",
    operation_id = "drainNode",
    security(("bearer" = ["admin"])),
    params(NodePath),
    responses(
        (status = 202, description = "It drains, or was told to", body = Draining),
        (status = 404, description = "There is no such node"),
        (status = 409, description = "There are no other nodes"),
        (status = 503, description = "The node cannot be told, because the bus is away"),
    )
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    caller: Caller,
    NodeName(node): NodeName,
) -> Result<(StatusCode, Json<Draining>), Problem> {
    tell(&app, &caller, node, true).await
}

/// Has a node take clients again.
#[utoipa::path(
    delete,
    path = "/api/v1/nodes/{node}/drain",
    operation_id = "undrainNode",
    security(("bearer" = ["admin"])),
    params(NodePath),
    responses(
        (status = 202, description = "It takes clients, or was told to", body = Draining),
        (status = 404, description = "There is no such node"),
        (status = 409, description = "There are no other nodes"),
        (status = 503, description = "The node cannot be told, because the bus is away"),
    )
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    caller: Caller,
    NodeName(node): NodeName,
) -> Result<(StatusCode, Json<Draining>), Problem> {
    tell(&app, &caller, node, false).await
}

async fn tell(
    app: &App,
    caller: &Caller,
    node: String,
    begins: bool,
) -> Result<(StatusCode, Json<Draining>), Problem> {
    caller.may_everywhere(Capability::Admin)?;
    let world = app.hub.world();
    let cluster = world.cluster.as_ref().ok_or_else(alone)?;
    let known = here_and_others(&app.hub).await?;
    if !known.iter().any(|it| it.name == node) {
        return Err(no_such_node());
    }
    if node == cluster.name() {
        cluster.drain(&app.hub, begins);
    } else if !cluster.tell_drain(&node, begins) {
        return Err(unheard());
    }
    info!(node, begins, by = %caller, "a node drains, or does not any more");
    let told = Draining {
        here: node == cluster.name(),
        draining: begins,
        node,
    };
    Ok((StatusCode::ACCEPTED, Json(told)))
}

fn alone() -> Problem {
    let detail = "this server shares its store with no other, so that its clients have nowhere to go; stop it instead";
    Problem::new(StatusCode::CONFLICT, "no_cluster", detail)
}

fn no_such_node() -> Problem {
    let detail =
        "there is no node of this name just now; /api/v1/replicas lists those that there are";
    Problem::new(StatusCode::NOT_FOUND, "node_not_found", detail)
}

fn unheard() -> Problem {
    let detail = "the bus is away, so that other nodes cannot be told; ask the node itself";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "bus_unavailable", detail)
}
