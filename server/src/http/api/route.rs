//! Where a document is best opened, for load balancers and clients that choose their node.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use engine::{Capability, DocumentKey};

use super::caller::Caller;
use super::escaped;
use super::model::{Route, RouteNode};
use super::request::{
    DefaultDocumentName, DefaultDocumentPath, DocumentName, DocumentPath, RedirectQuery,
};
use crate::cluster::{here_and_others, route};
use crate::http::App;
use crate::http::problem::Problem;

/// Tells which node a document of the workspace `default` is best opened at.
#[utoipa::path(
    get,
    path = "/api/v1/route/{document}",
    operation_id = "getDefaultRoute",
    security(("bearer" = ["read"])),
    params(DefaultDocumentPath, RedirectQuery),
    responses(
        (status = 200, description = "The nodes, the best first", body = Route, headers(("Quire-Location" = String, description = "Where y-websocket clients open the document at the best node, if `redirect` is asked for and that is another one, whose address is known"))),
        (status = 422, description = "The name is not allowed"),
        (status = 503, description = "No node takes clients just now"),
    )
)]
pub(super) async fn get_default(
    state: State<Arc<App>>,
    caller: Caller,
    DefaultDocumentName(key): DefaultDocumentName,
    query: RawQuery,
) -> Result<impl IntoResponse, Problem> {
    get(state, caller, DocumentName(key), query).await
}

/// Tells which node a document is best opened at. Any node serves it; this only has those meet who work on the same.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/route",
    operation_id = "getRoute",
    security(("bearer" = ["read"])),
    params(DocumentPath, RedirectQuery),
    responses(
        (status = 200, description = "The nodes, the best first", body = Route, headers(("Quire-Location" = String, description = "Where y-websocket clients open the document at the best node, if `redirect` is asked for and that is another one, whose address is known"))),
        (status = 503, description = "No node takes clients just now"),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, Problem> {
    caller.may(&key, Capability::Read)?;
    let replica = app.hub.world().replica();
    let nodes = here_and_others(&app.hub).await?;
    let order: Vec<_> = route::candidates(&key, &nodes)
        .into_iter()
        .map(|candidate| RouteNode::new(candidate, replica))
        .collect();
    let best = order.first().ok_or_else(nobody)?;
    let wants_redirect = query.is_some_and(|query| is_named(&query, "redirect"));
    let hint = wants_redirect.then(|| hint(&key, best)).flatten();
    let route = Route {
        workspace: key.workspace().to_owned(),
        document: key.name().to_owned(),
        node: best.node.clone(),
        replica: best.replica,
        address: best.address.clone(),
        here: best.here,
        order,
    };
    Ok((hint.into_iter().collect::<HeaderMap>(), Json(route)))
}

/// Where y-websocket clients open a document at another node.
fn hint(key: &DocumentKey, best: &RouteNode) -> Option<(HeaderName, HeaderValue)> {
    let address = best.address.as_deref().filter(|_| !best.here)?;
    let (workspace, document) = (escaped(key.workspace()), escaped(key.name()));
    let location = format!("{}/yjs/{workspace}/{document}", socket_origin(address));
    let location = HeaderValue::try_from(location).ok()?;
    Some((HeaderName::from_static("quire-location"), location))
}

/// An address as the origin of sockets.
fn socket_origin(address: &str) -> String {
    let address = address.trim_end_matches('/');
    match address.split_once("://") {
        Some(("https" | "wss", rest)) => format!("wss://{rest}"),
        Some((_, rest)) => format!("ws://{rest}"),
        None => format!("ws://{address}"),
    }
}

/// Whether a parameter is there, with a value or without.
fn is_named(query: &str, name: &str) -> bool {
    let mut names = query.split('&').map(|it| it.split('=').next());
    names.any(|it| it == Some(name))
}

fn nobody() -> Problem {
    let detail = "no node takes clients just now, because all are stopping; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_node", detail).retry_after(RETRY_AFTER_S)
}

const RETRY_AFTER_S: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_where_the_address_says() {
        let cases = [
            ("https://a.example/", "wss://a.example"),
            ("http://10.0.0.1:1234", "ws://10.0.0.1:1234"),
            ("10.0.0.1:1234", "ws://10.0.0.1:1234"),
            ("wss://a.example/quire", "wss://a.example/quire"),
        ];
        for (address, wanted) in cases {
            assert_eq!(socket_origin(address), wanted);
        }
    }

    #[test]
    fn a_parameter_needs_no_value() {
        assert!(is_named("ticket=a&redirect", "redirect"));
        assert!(is_named("redirect=1", "redirect"));
        assert!(!is_named("redirects&no=redirect", "redirect"));
    }
}
