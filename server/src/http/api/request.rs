//! How requests are read. Whatever cannot be read becomes a problem that names the part and what it should have been.

use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use engine::DocumentKey;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::http::App;
use crate::http::problem::Problem;
use crate::naming::named;
use crate::receiving::Held;
use crate::telemetry::metrics;

/// Names a workspace.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct WorkspacePath {
    /// The workspace's name.
    workspace: String,
}

/// Names a document.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DocumentPath {
    /// The workspace's name.
    workspace: String,
    /// The document's name, with every slash written %2F.
    document: String,
}

/// Names a document of the workspace `default`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DefaultDocumentPath {
    /// The document's name, with every slash written %2F.
    document: String,
}

/// Names something that is kept out of a document.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct HashPath {
    /// The workspace's name.
    workspace: String,
    /// The document's name, with every slash written %2F.
    document: String,
    /// The SHA-256 of the payload, 64 hexadecimal digits.
    hash: String,
}

/// Names a node.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct NodePath {
    /// What it is called.
    node: String,
}

/// Names something by a number.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct NumberPath {
    /// Its number.
    #[param(value_type = u64)]
    id: String,
}

/// The node that a path names.
pub(super) struct NodeName(pub(super) String);

/// The workspace that a path names.
pub(super) struct WorkspaceName(pub(super) String);

/// The document that a path names.
pub(super) struct DocumentName(pub(super) DocumentKey);

/// The document of the workspace `default` that a path names.
pub(super) struct DefaultDocumentName(pub(super) DocumentKey);

/// The document that a path names, and the hash that stands behind its name.
pub(super) struct HashedName(pub(super) DocumentKey, pub(super) String);

/// The number that a path names.
pub(super) struct Number(pub(super) u64);

/// The parameters after the question mark.
pub(super) struct Parameters<T>(pub(super) T);

/// The JSON in the body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync> FromRequestParts<S> for WorkspaceName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let WorkspacePath { workspace } = names(parts, state).await?;
        workspace_name(&workspace)?;
        Ok(Self(workspace))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DocumentName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: DocumentPath = names(parts, state).await?;
        Ok(Self(named(&path.workspace, &path.document)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DefaultDocumentName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let DefaultDocumentPath { document } = names(parts, state).await?;
        Ok(Self(named(DEFAULT_WORKSPACE, &document)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for HashedName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: HashPath = names(parts, state).await?;
        let document = named(&path.workspace, &path.document)?;
        Ok(Self(document, path.hash))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NodeName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let NodePath { node } = names(parts, state).await?;
        Ok(Self(node))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let NumberPath { id } = names(parts, state).await?;
        id.parse().map(Self).map_err(|_| {
            let detail = format!("id is {id:?}, expected a number as the list gives it");
            Problem::unprocessable("invalid_id", detail)
        })
    }
}

/// Whether a workspace may be named so: by the same rules as a document.
///
/// # Errors
/// It may not.
pub(super) fn workspace_name(name: &str) -> Result<(), Problem> {
    DocumentKey::new(name, name)?;
    Ok(())
}

/// The names in a path.
async fn names<T: DeserializeOwned + Send>(
    parts: &mut Parts,
    state: &(impl Send + Sync),
) -> Result<T, Problem> {
    let names = Path::from_request_parts(parts, state).await;
    names.map(|Path(names)| names).map_err(|_| not_utf8())
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(parameters) = query.map_err(|rejection| {
            Problem::bad_request(
                "invalid_parameter",
                format!("query: {}", reason(&rejection)),
            )
        })?;
        Ok(Self(parameters))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let reading = Json::from_request(request, app);
        match timeout(app.body_time_max, reading).await {
            Ok(Ok(Json(body))) => Ok(Self(body)),
            Ok(Err(rejection)) => Err(bad_body(&rejection)),
            Err(_) => {
                metrics::limit_hit("request_time");
                Err(late_body())
            }
        }
    }
}

/// The body of a request that is bytes, as many as a message over a socket may have, and what they count meanwhile.
pub(super) async fn bytes(app: &App, request: Request) -> Result<(Bytes, Held), Problem> {
    match timeout(app.body_time_max, received(app, request.into_body())).await {
        Ok(received) => received,
        Err(_) => {
            metrics::limit_hit("request_time");
            Err(late_body())
        }
    }
}

async fn received(app: &App, mut body: axum::body::Body) -> Result<(Bytes, Held), Problem> {
    let bytes_max = app.sockets.message_bytes_max;
    let mut meter = app.hub.world().receiving.meter();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Of what stands behind the body nothing is expected.
        let Ok(data) = frame.map_err(|_| cut_off())?.into_data() else {
            continue;
        };
        if data.len() > bytes_max - bytes.len() {
            let detail =
                format!("the body is longer than {bytes_max} bytes (limits.message_bytes)");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Problem::new(status, "body_too_large", detail));
        }
        if data.len() > meter.room() {
            metrics::limit_hit("receiving_bytes");
            return Err(Problem::document_unavailable());
        }
        meter.count(data.len());
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.freeze(), meter.take_all_but(0)))
}

/// Which part of a list a page is to have.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many at most; 50 if not said.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    pub(super) limit: Option<String>,
    /// Where to go on: the `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// Whether to say where else to go.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only described: a parameter without a value is not read as one"
)]
pub(super) struct RedirectQuery {
    /// Answer with the header `Quire-Location` where another node is better; needs no value.
    redirect: Option<String>,
}

/// How many items a page is to have.
pub(super) fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(LIMIT_DEFAULT);
    };
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        let detail = format!("limit is {text:?}, expected a whole number from 1 to {LIMIT_MAX}");
        Problem::bad_request("invalid_limit", detail)
    })
}

/// Whether something is asked for.
pub(super) fn flag(name: &str, text: Option<&str>) -> Result<bool, Problem> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            let detail = format!("{name} is {other:?}, expected true or false");
            Err(Problem::bad_request("invalid_parameter", detail))
        }
    }
}

/// A cursor that this server never gave.
pub(super) fn bad_cursor() -> Problem {
    let detail = "cursor is none that this list gave; take next_cursor or prev_cursor of a page as it is, \
                  or begin again without one";
    Problem::bad_request("invalid_cursor", detail)
}

fn bad_body(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::JsonDataError(error) => {
            Problem::unprocessable("invalid_body", format!("body: {}", reason(error)))
        }
        JsonRejection::JsonSyntaxError(error) => Problem::bad_request(
            "invalid_json",
            format!("body is not JSON: {}", reason(error)),
        ),
        JsonRejection::MissingJsonContentType(_) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json_expected",
            "send the body as JSON, with the header Content-Type: application/json",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the body is longer than what is taken here: 16 KiB, and 1 MiB where it holds operations",
        ),
        _ => cut_off(),
    }
}

fn cut_off() -> Problem {
    let detail = "the body did not arrive whole; send it again";
    Problem::bad_request("body_unreadable", detail)
}

fn late_body() -> Problem {
    let detail = "the body did not arrive in time; send it again";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_late", detail)
}

fn not_utf8() -> Problem {
    Problem::unprocessable(
        "invalid_name",
        "a name in the path is not UTF-8 once its %-escapes are resolved",
    )
}

/// What the parser said, which names the field, without what the framework says around it.
fn reason(error: &dyn Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The workspace of addresses that name none.
pub(super) const DEFAULT_WORKSPACE: &str = "default";
const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1_000;
