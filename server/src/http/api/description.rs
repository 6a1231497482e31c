//! The description of the API for programs: what the routes say of themselves, and what holds for all of them alike, said
//! here once.
//!
//! The security of each operation is a bearer token, and its roles are the capabilities that the operation takes.

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Response};
use utoipa::{Modify, OpenApi as _};

use crate::http::problem::{self, ProblemBody};

/// The part of the description that is about no route in particular.
pub(super) fn head() -> OpenApi {
    Head::openapi()
}

/// The whole description as JSON.
pub(super) fn complete(mut spec: OpenApi) -> String {
    for (path, item) in &mut spec.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_refusals(path, operation);
            add_problems(operation);
        }
    }
    spec.to_json()
        .expect("a description has no maps with odd keys")
}

/// Answers with the description.
pub(super) fn answer(spec: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], spec)
}

/// Describes what may happen to every request of a kind.
fn add_refusals(path: &str, operation: &mut Operation) {
    let takes = operation.security.iter().flatten().next();
    let refusals = [
        (
            "401",
            takes.is_some(),
            "A token is needed, or the one that was shown is not good",
        ),
        (
            "403",
            takes.is_some_and(|takes| *takes != any_token()),
            "The token lacks a capability, whether or not there is what was asked for",
        ),
        (
            "422",
            path.contains("{workspace}"),
            "The name is not allowed",
        ),
        (
            "503",
            path.starts_with("/api/"),
            "The store does not work just now",
        ),
    ];
    let responses = &mut operation.responses.responses;
    for (status, _, description) in refusals.into_iter().filter(|(_, applies, _)| *applies) {
        responses
            .entry(status.to_owned())
            .or_insert_with(|| Response::new(description).into());
    }
}

/// Describes the body of every error that has none of its own.
fn add_problems(operation: &mut Operation) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            let media_type = problem::MEDIA_TYPE.to_owned();
            response.content.insert(media_type, problem.clone().into());
        }
    }
}

fn any_token() -> SecurityRequirement {
    SecurityRequirement::new(SCHEME, Vec::<String>::new())
}

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, spec: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "Needed unless the server lets everybody do everything. The roles of an operation are the capabilities \
                 that it takes.",
            ));
        let components = spec.components.get_or_insert_with(Components::new);
        components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme.build()));
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Quire",
        description = "Workspaces, documents, their content and their history. \
                       Names in paths are single segments: a slash in a name is written %2F. \
                       Times are RFC 3339 in UTC. Every error is a problem (RFC 9457) with a stable `code`."
    ),
    components(schemas(ProblemBody)),
    modifiers(&Tokens)
)]
struct Head;

/// As the routes name it.
const SCHEME: &str = "bearer";
