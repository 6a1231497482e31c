//! The REST API under `/api/v1`, and its description under `/openapi.json`.
//!
//! Handlers are thin: they read the request ([`request`]), ask whether its [`caller`] may, then the store or the hub, and
//! answer in the types of [`model`]. Routes are registered together with their description, so the two cannot differ. The API reads committed
//! changes only; an edit is in it as soon as its author was told that it is saved.

mod adding;
mod batch;
pub(super) mod caller;
mod changes;
mod content;
mod cursor;
mod description;
mod documents;
mod draining;
pub mod model;
mod operations;
mod quarantine;
mod readable;
mod replicas;
mod request;
mod revocations;
mod route;
mod signal;
mod tickets;
mod whoami;
mod workspaces;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};
use engine::DocumentKey;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage::Description;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::problem::{self, Problem};
use super::{App, health};

/// The routes of the API, of what operators ask, and of the description of both.
pub(super) fn router(app: Arc<App>) -> Router {
    let (routes, spec) = described().split_for_parts();
    let spec = description::complete(spec);
    let described = get(async move || description::answer(spec));
    routes
        .merge(Router::new().route("/openapi.json", described))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(problem::complete))
        .with_state(app)
}

fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(description::head())
        .routes(routes!(workspaces::list))
        .routes(routes!(documents::list, documents::create))
        .routes(routes!(documents::get, documents::delete))
        .routes(routes!(content::get))
        .routes(routes!(changes::list, adding::add))
        .routes(routes!(batch::run).layer(operations_bytes()))
        .routes(routes!(operations::make).layer(operations_bytes()))
        .routes(routes!(operations::take_back))
        .routes(routes!(operations::hash))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::list_all))
        .routes(routes!(quarantine::forget))
        .routes(routes!(signal::send))
        .routes(routes!(route::get))
        .routes(routes!(route::get_default))
        .routes(routes!(replicas::list))
        .routes(routes!(draining::begin, draining::end))
        .routes(routes!(tickets::issue))
        .routes(routes!(revocations::list, revocations::revoke))
        .routes(routes!(revocations::lift))
        .routes(routes!(whoami::get))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::version))
}

/// The longest body that holds operations. Whoever sends one was let in before it is read.
fn operations_bytes() -> DefaultBodyLimit {
    DefaultBodyLimit::max(OPERATIONS_BYTES_MAX)
}

/// A document that there is.
async fn existing(app: &App, key: &DocumentKey) -> Result<Description, Problem> {
    match app.store.describe(key.clone()).await? {
        None => Err(Problem::no_such_document()),
        Some(description) if description.deleted_ms.is_some() => Err(Problem::document_deleted()),
        Some(description) => Ok(description),
    }
}

/// A text as a part of a path or a header.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// All but the characters that RFC 3986 leaves free.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The API takes names and settings; content comes over sockets. Where only the body tells which document a request is about,
/// it is read before anybody is let in, so it is no longer than what strangers may send elsewhere.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Operations are more than names: as many as a document takes in one message, mostly.
const OPERATIONS_BYTES_MAX: usize = 1024 * 1024;
