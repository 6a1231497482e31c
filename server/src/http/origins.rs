//! Pages of other origins: refused if origins are listed and theirs is not; and for those that are listed, the headers that
//! let a page read the answers of the API (CORS, as the Fetch standard has it).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::info;

use super::App;
use super::problem::Problem;
use crate::origins::Page;
use crate::telemetry::metrics;

/// Refuses requests of pages that may make none, and tells browsers which pages may.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.origins.is_empty() {
        return next.run(request).await;
    }
    let mut response = match app.origins.page(request.headers()) {
        Page::None | Page::Own => next.run(request).await,
        Page::Listed => answer_page(request, next).await,
        Page::Foreign => refuse(request.headers()),
    };
    // What one page is answered is not for another.
    let vary = HeaderValue::from_static("origin");
    response.headers_mut().append(header::VARY, vary);
    response
}

async fn answer_page(request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if asks_first(&request) {
        allowances().into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    let yes = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    let read = HeaderValue::from_static(READ_HEADERS);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, read);
    response
}

/// Whether a browser asks if a page may make a request, before it makes it.
fn asks_first(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn allowances() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S),
    ];
    (StatusCode::NO_CONTENT, headers)
}

fn refuse(headers: &HeaderMap) -> Response {
    metrics::limit_hit("origins");
    info!(origin = ?headers.get(header::ORIGIN), "request refused: the page is of another origin");
    let detail = "pages of this origin may not use this server; whoever runs it can list the origin in the setting origins";
    Problem::new(StatusCode::FORBIDDEN, "origin_refused", detail).into_response()
}

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const SENT_HEADERS: &str = "authorization, content-type";
const READ_HEADERS: &str = "retry-after, etag, location, content-disposition";
/// How long a browser may go by the answer without asking again.
const MAX_AGE_S: &str = "600";
