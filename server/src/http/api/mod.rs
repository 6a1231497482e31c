//! The REST API under `/api/v1`, and its description under `/openapi.json`.
//!
//! Handlers are thin: they read the request ([`request`]), ask the store or the hub, and answer in the types of
//! [`model`]. Routes are registered together with their description, so the two cannot differ. The API reads committed
//! changes only; an edit is in it as soon as its author was told that it is saved.

mod changes;
mod content;
mod cursor;
mod documents;
pub mod model;
mod quarantine;
mod request;
mod workspaces;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use engine::DocumentKey;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage::Description;
use utoipa::OpenApi;
use utoipa::openapi::{self, Content, Ref, RefOr};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{self, Problem, ProblemBody};
use super::{App, health};

/// The routes of the API, of what operators ask, and of the description of both.
pub(super) fn router(app: Arc<App>) -> Router {
    let (routes, spec) = described().split_for_parts();
    let spec = with_problems(spec)
        .to_json()
        .expect("a description has no maps with odd keys");
    let described = Router::new().route("/openapi.json", get(async move || description(spec)));
    routes
        .merge(described)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(problem::complete))
        .with_state(app)
}

fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(workspaces::list))
        .routes(routes!(documents::list, documents::create))
        .routes(routes!(documents::get, documents::delete))
        .routes(routes!(content::get))
        .routes(routes!(changes::list))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::list_all))
        .routes(routes!(quarantine::forget))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::version))
}

/// Describes the body of every error that has none of its own.
fn with_problems(mut spec: openapi::OpenApi) -> openapi::OpenApi {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let items = spec.paths.paths.values_mut();
    let operations = items
        .flat_map(|item| [&mut item.get, &mut item.post, &mut item.delete])
        .flatten();
    for (status, response) in operations.flat_map(|operation| &mut operation.responses.responses) {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            let media_type = problem::MEDIA_TYPE.to_owned();
            response.content.insert(media_type, problem.clone().into());
        }
    }
    spec
}

fn description(spec: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], spec)
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

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quire",
        description = "Workspaces, documents, their content and their history. \
                       Names in paths are single segments: a slash in a name is written %2F. \
                       Times are RFC 3339 in UTC. Every error is a problem (RFC 9457) with a stable `code`."
    ),
    components(schemas(ProblemBody))
)]
struct Head;

/// All but the characters that RFC 3986 leaves free.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The API takes names and settings; content comes over sockets.
const BODY_BYTES_MAX: usize = 64 * 1024;
