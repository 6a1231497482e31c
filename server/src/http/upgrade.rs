//! From a request to upgrade to a connection.
//!
//! A refusal is said over the WebSocket where the client speaks one, because a browser hides the status and the body of a
//! failed upgrade from its page, and because most clients take it for a passing fault and come back for ever.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::CloseReason;
use protocol::Dialect;
use protocol::route::{Route, RouteError};
use tracing::info;

use super::problem::Problem;
use super::{App, SocketLimits};
use crate::connection;
use crate::receiving::Meter;

/// Takes requests to upgrade out of the routing; all others go on.
pub(super) async fn intercept(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    if !asks_for_websocket(request.headers()) {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    let route = Route::parse(parts.uri.path());
    // Without a listener that meters there is nothing to meter.
    let meter = parts
        .extensions
        .get()
        .map(|ConnectInfo(meter): &ConnectInfo<Meter>| meter.clone());
    let meter = meter.unwrap_or_else(|| app.hub.world().receiving.meter());
    match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        Ok(upgrade) => accept(&app, bounded(upgrade, app.sockets), meter, route),
        Err(rejection) => rejection.into_response(),
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Buffers start small, because most connections are idle; a message is bounded by what the server accepts.
fn bounded(upgrade: WebSocketUpgrade, limits: SocketLimits) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(limits.message_bytes_max)
        .max_frame_size(limits.message_bytes_max)
}

fn accept(
    app: &Arc<App>,
    upgrade: WebSocketUpgrade,
    meter: Meter,
    route: Result<Route, RouteError>,
) -> Response {
    meter.start();
    let route = match route {
        Ok(route) => route,
        Err(error) => return refuse(app, upgrade, meter, &error),
    };
    let Ok(permit) = app.connections.clone().try_acquire_owned() else {
        return too_many();
    };
    let (hub, limits) = (app.hub.clone(), app.sockets.connection);
    upgrade.on_upgrade(move |socket| {
        let (socket, Route { dialect, document }) = ((socket, meter), route);
        let serving = connection::serve(hub.clone(), socket, dialect, document, limits);
        hub.track(async move {
            serving.await;
            drop(permit);
        })
    })
}

fn refuse(app: &App, upgrade: WebSocketUpgrade, meter: Meter, error: &RouteError) -> Response {
    info!("connection refused: {error}");
    let hub = app.hub.clone();
    upgrade.on_upgrade(move |socket| {
        hub.track(connection::refuse(
            (socket, meter),
            Dialect::YWebsocket,
            CloseReason::BadName,
        ))
    })
}

fn too_many() -> Response {
    let detail = "as many connections are open as this server accepts; try again later";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        detail,
    )
    .into_response()
}

const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
