//! Everything that is served over HTTP: the upgrade to a WebSocket, the API, the pages, and what operators ask for.
//!
//! Only a request to upgrade is ever a document, so [`upgrade`] looks at every request before it is routed: `/edit` is a
//! page to a browser and the document `edit` to a WebSocket client.

mod address;
pub mod api;
mod handshake;
pub mod health;
mod origins;
pub mod problem;
mod upgrade;
mod web;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::address::AddressRules;
use crate::connection::ConnectionLimits;
use crate::hub::Hub;
use crate::limits::PaceLimits;
use crate::origins::Origins;
use health::Health;

/// What every handler has at hand.
#[derive(Debug)]
pub struct App {
    /// Where changes are kept.
    pub store: Arc<dyn storage::Store>,
    /// The hot documents.
    pub hub: Hub,
    /// Whether this server can serve.
    pub health: Health,
    /// Who may come in, and whose word is taken for where somebody is.
    pub addresses: Arc<AddressRules>,
    /// Whose pages may use this server, besides its own; all if none is listed.
    pub origins: Origins,
    /// Bounds of sockets.
    pub sockets: SocketLimits,
    /// One permit for each connection that may be open; further ones are refused.
    pub connections: Arc<Semaphore>,
    /// One permit for each request that may rebuild content from the log; further ones wait.
    pub rebuilds: Semaphore,
    /// How long the body of a request may take to arrive.
    pub body_time_max: Duration,
    /// Whether everybody may read the metrics, also where tokens are asked for.
    pub open_metrics: bool,
    /// The page that Prometheus reads; none in tests that have no recorder.
    pub metrics: Option<PrometheusHandle>,
}

/// The bounds of a WebSocket.
#[derive(Clone, Debug)]
pub struct SocketLimits {
    /// How fast each may send.
    pub pace: Arc<PaceLimits>,
    /// The largest message, in bytes.
    pub message_bytes_max: usize,
    /// Bounds and delays of each connection.
    pub connection: Arc<ConnectionLimits>,
}

/// All that the server serves.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(web::routes())
        .with_state(app.clone())
        .merge(api::router(app.clone()))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(
            app.clone(),
            upgrade::intercept,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), origins::check))
        .layer(middleware::from_fn_with_state(app, address::admit))
        .layer(middleware::from_fn(close_after_chunks))
        .layer(CatchPanicLayer::custom(problem::panicked))
}

/// A request in chunks may have had a length as well, which the HTTP library takes away. Two servers that disagree about
/// its end would see two requests behind it or one, so nothing behind it is read (RFC 9112, section 6.1).
async fn close_after_chunks(request: Request, next: Next) -> Response {
    let in_chunks = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = next.run(request).await;
    if in_chunks {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
