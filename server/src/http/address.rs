//! Where a request comes from: found once, before anything else is done with it, and kept with it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::info;

use super::App;
use super::problem::Problem;
use crate::address::{Client, KeptOut, Peer};
use crate::telemetry::metrics;

/// Notes whom a request comes from, or refuses it.
pub(super) async fn admit(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get().copied().unwrap_or(NO_SOCKET);
    match app.addresses.client(peer, request.headers()) {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err(kept_out) => refuse(kept_out),
    }
}

/// Whom a request comes from.
pub(super) fn client_of(request: &Request) -> Client {
    request.extensions().get().copied().unwrap_or(Client::LOCAL)
}

fn refuse(kept_out: KeptOut) -> Response {
    metrics::limit_hit(kept_out.as_str());
    info!(
        "request refused: the setting {:?} keeps its client out",
        kept_out.as_str()
    );
    let detail = "requests from this address are not answered here; ask whoever runs this server";
    Problem::new(StatusCode::FORBIDDEN, "address_refused", detail).into_response()
}

/// What a request without a socket comes from, which is one that this process made itself.
const NO_SOCKET: Peer = Peer(IpAddr::V4(Ipv4Addr::LOCALHOST));
