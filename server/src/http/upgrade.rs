//! From a request to upgrade to a connection.
//!
//! A refusal is said over the WebSocket where the client speaks one, because a browser hides the status and the body of a
//! failed upgrade from its page, and because most clients take it for a passing fault and come back for ever.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::{CloseReason, DocumentKey, Limit};
use protocol::Dialect;
use protocol::route::{Route, RouteError};
use tracing::info;

use super::handshake::{self, Handshake};
use super::problem::Problem;
use super::{App, address};
use crate::address::Client;
use crate::auth::{Credential, Refusal, Visitor};
use crate::connection::{self, Guest, Own};
use crate::limits::{Pace, Place};
use crate::telemetry::metrics;

/// Somebody who has asked for a connection, and may have one.
struct Entrant {
    handshake: Handshake,
    /// The place that it takes up of those of its client's address.
    place: Option<Place<IpAddr>>,
    credential: Option<Credential>,
}

/// Takes requests to upgrade out of the routing; all others go on.
pub(super) async fn intercept(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    if !handshake::is_asked_for(request.headers()) {
        return next.run(request).await;
    }
    let client = address::client_of(&request);
    let route = Route::parse(request.uri().path());
    let world = app.hub.world();
    let carried = world.auth.read(request.headers(), request.uri());
    let meter = world.receiving.meter();
    let pace = Pace::new(app.sockets.pace.clone());
    match Handshake::read(request, app.sockets.message_bytes_max, meter, pace) {
        Ok(handshake) => {
            let turn = world.admission.handshakes.take().await;
            let handshake = handshake.choose(carried.subprotocol).in_turn(turn);
            accept(&app, handshake, client, route, carried.credential).await
        }
        Err(refused) => refused.into_response(),
    }
}

async fn accept(
    app: &Arc<App>,
    handshake: Handshake,
    client: Client,
    route: Result<Route, RouteError>,
    credential: Option<Credential>,
) -> Response {
    let route = match route {
        Ok(route) => route,
        Err(error) => return refuse(app, handshake, &error),
    };
    let world = app.hub.world();
    let Ok(place) = world.places.of_address(client.counted_as()).await else {
        return too_many_of_address();
    };
    let entrant = Entrant {
        handshake,
        place,
        credential,
    };
    match route {
        Route::YWebsocket(document) => accept_alone(app, entrant, document).await,
        Route::Hocuspocus(workspace) => {
            accept_many(app, entrant, Dialect::Hocuspocus, workspace).await
        }
        Route::ShareDb(workspace) => accept_many(app, entrant, Dialect::ShareDb, workspace).await,
        Route::Automerge(workspace) => {
            accept_many(app, entrant, Dialect::Automerge, workspace).await
        }
    }
}

/// A connection for one document.
async fn accept_alone(app: &Arc<App>, entrant: Entrant, document: DocumentKey) -> Response {
    let (world, dialect) = (app.hub.world(), Dialect::YWebsocket);
    let Entrant {
        handshake,
        place,
        credential,
    } = entrant;
    let visitor = Visitor {
        credential: credential.as_ref(),
        document: Some(&document),
    };
    let pass = match world.auth.admit(visitor).await {
        Ok(pass) => pass,
        Err(refusal) => return turn_away(app, handshake, dialect, &refusal),
    };
    let user = match world.places.of_user(pass.author()).await {
        Ok(user) => user,
        Err(limit) => return close(app, handshake, dialect, CloseReason::TooMany(limit)),
    };
    let Ok(permit) = app.connections.clone().try_acquire_owned() else {
        return too_many();
    };
    let (hub, limits) = (app.hub.clone(), app.sockets.connection.clone());
    handshake.agree(move |socket| {
        let serving = connection::serve(hub.clone(), socket, document, pass, limits);
        hub.track(async move {
            serving.await;
            drop((permit, place, user));
        })
    })
}

/// A connection whose client names the documents as it goes on.
async fn accept_many(
    app: &Arc<App>,
    entrant: Entrant,
    dialect: Dialect,
    workspace: Box<str>,
) -> Response {
    let Entrant {
        handshake,
        place,
        credential,
    } = entrant;
    let own = match own(app, dialect, credential).await {
        Ok(own) => own,
        Err(refusal) => return turn_away(app, handshake, dialect, &refusal),
    };
    let Ok(permit) = app.connections.clone().try_acquire_owned() else {
        return too_many();
    };
    let guest = Guest {
        workspace,
        is_known: app.hub.world().auth.is_open() || matches!(own, Some(Own::Pass(_))),
        own,
    };
    let (hub, limits) = (app.hub.clone(), app.sockets.connection.clone());
    handshake.agree(move |socket| {
        let hub_of_serving = hub.clone();
        hub.track(async move {
            match dialect {
                Dialect::ShareDb => {
                    connection::serve_sharedb(hub_of_serving, socket, guest, limits).await;
                }
                Dialect::Automerge => {
                    connection::serve_automerge(hub_of_serving, socket, guest, limits).await;
                }
                _ => connection::serve_many(hub_of_serving, socket, guest, limits).await,
            }
            drop((permit, place));
        })
    })
}

/// What a connection counts by for any document. A ticket is good once, so it is taken now. Who speaks the dialect of ShareDB
/// or of automerge-repo can show nothing later, so it is looked at now, unless somebody else decides on each document.
async fn own(
    app: &App,
    dialect: Dialect,
    credential: Option<Credential>,
) -> Result<Option<Own>, Refusal> {
    let auth = &app.hub.world().auth;
    let is_ticket = credential.as_ref().is_some_and(Credential::is_ticket);
    let shows_once = matches!(dialect, Dialect::ShareDb | Dialect::Automerge);
    if !is_ticket && (!shows_once || auth.asks_a_decider()) {
        return Ok(credential.map(Own::Credential));
    }
    let visitor = Visitor {
        credential: credential.as_ref(),
        document: None,
    };
    auth.admit(visitor).await.map(|pass| Some(Own::Pass(pass)))
}

fn refuse(app: &App, handshake: Handshake, error: &RouteError) -> Response {
    info!("connection refused: {error}");
    let dialect = match error {
        RouteError::TooMuch(dialect) => *dialect,
        _ => Dialect::YWebsocket,
    };
    close(app, handshake, dialect, CloseReason::BadName)
}

fn turn_away(app: &App, handshake: Handshake, dialect: Dialect, refusal: &Refusal) -> Response {
    info!("connection refused: {refusal}");
    close(app, handshake, dialect, refusal.close_reason())
}

fn close(app: &App, handshake: Handshake, dialect: Dialect, reason: CloseReason) -> Response {
    let hub = app.hub.clone();
    handshake.agree(move |socket| hub.track(connection::refuse(socket, dialect, reason)))
}

fn too_many() -> Response {
    metrics::limit_hit("connections");
    let detail = "as many connections are open as this server accepts; try again later";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        detail,
    )
    .into_response()
}

fn too_many_of_address() -> Response {
    let limit = Limit::ConnectionsPerAddress.as_str();
    let detail = format!(
        "as many connections are open from this address as may be (limits.{limit}); try again later"
    );
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_connections_of_address",
        detail,
    )
    .retry_after(RETRY_AFTER_S)
    .into_response()
}

/// Connections are closed at any time, so it is worth asking again soon.
const RETRY_AFTER_S: u32 = 5;
