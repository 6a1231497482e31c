//! How an error is told over HTTP: `application/problem+json` (RFC 9457) with a stable `code`.
//!
//! `code` is for programs and never changes; `detail` is for people and says what to do. Neither ever holds internal text:
//! what the store or a library said is logged where it is handled, and the client hears a sentence of ours.

mod ordered;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::{Capability, CloseReason, NameError};
use serde::Serialize;
use storage::StoreError;
use tracing::{error, warn};
use utoipa::ToSchema;

use crate::auth::{Refusal, RevokeError, TicketError};
use crate::place::{BadPlace, FindError, RenderError};

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    retry_after_s: Option<u32>,
    challenge: Option<Challenge>,
    item: Option<usize>,
}

/// What a token would have to be like (RFC 6750, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    /// There was none.
    Missing,
    /// It is not good.
    Invalid,
    /// It does not allow what was asked for.
    Lacks(Capability),
}

/// A problem as it stands in the body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Always `about:blank`: the code says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The problem's stable name, for programs.
    code: &'static str,
    /// What went wrong and what to do about it, for people.
    detail: String,
    /// Which item of a list that was sent it is about, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
}

impl Problem {
    /// A problem with a stable code and a sentence for people.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_s: None,
            challenge: None,
            item: None,
        }
    }

    /// Says when to try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A request that cannot be understood.
    pub(super) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// A request that can be understood, but not fulfilled as it is.
    pub(super) fn unprocessable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// There never was such a document.
    pub(super) fn no_such_document() -> Self {
        let detail = "there is no document of this name in this workspace; it is created by the first edit, \
                      or with a POST to the workspace's documents";
        Self::new(StatusCode::NOT_FOUND, "document_not_found", detail)
    }

    /// Clients of automerge-repo could never ask for a document of this name.
    pub(super) fn no_automerge_id() -> Self {
        let detail = "an Automerge document is named by its id, as in automerge:4NMNnkMhL8jXrdJ9jamS58PAVdXu; clients can ask \
                      for no other";
        Self::unprocessable("invalid_name", detail)
    }

    /// There was such a document.
    pub(super) fn document_deleted() -> Self {
        let detail =
            "the document was deleted, and its name is not given out again; use another name";
        Self::new(StatusCode::GONE, "document_deleted", detail)
    }

    /// Somebody who showed no token asked for what is not for everybody.
    pub(super) fn token_needed() -> Self {
        let detail = "this is not for everybody: show a token, in the header Authorization: Bearer";
        Self::challenging("token_needed", detail, Challenge::Missing)
    }

    /// Somebody asked for what their token does not allow. Whether there is such a document makes no difference.
    pub(super) fn forbidden(lacking: Capability, of: impl fmt::Display) -> Self {
        let detail = format!(
            "the token does not allow this: it lacks {lacking} for {of}; ask whoever issued it for one that has it"
        );
        let challenge = Some(Challenge::Lacks(lacking));
        Self {
            challenge,
            ..Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
        }
    }

    /// The token was good until a moment ago.
    pub(super) fn token_expired() -> Self {
        let detail = "the token has expired; show a new one in the header Authorization: Bearer";
        Self::challenging("token_expired", detail, Challenge::Invalid)
    }

    /// What the token allowed with this document was taken away.
    pub(super) fn token_revoked() -> Self {
        let detail = "what the token allows here was revoked; ask whoever issued it for a new one";
        Self::challenging("token_revoked", detail, Challenge::Invalid)
    }

    fn challenging(
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        challenge: Challenge,
    ) -> Self {
        Self {
            challenge: Some(challenge),
            ..Self::new(StatusCode::UNAUTHORIZED, code, detail)
        }
    }

    pub(super) fn internal() -> Self {
        let detail =
            "the server could not do this because of an error of its own, which it has logged";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    fn write(&self, instance: Option<&str>) -> Response {
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.to_string(),
            item: self.item,
            instance: instance.map(str::to_owned),
        };
        let body = serde_json::to_vec(&body).expect("a problem has no maps with odd keys");
        let kind = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        let mut response = (self.status, kind, body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge.header());
        }
        response
    }
}

impl Challenge {
    fn header(self) -> HeaderValue {
        let text = match self {
            // Where nothing was shown there is no error to name.
            Self::Missing => "Bearer realm=\"quire\"".to_owned(),
            Self::Invalid => "Bearer realm=\"quire\", error=\"invalid_token\"".to_owned(),
            Self::Lacks(capability) => format!(
                "Bearer realm=\"quire\", error=\"insufficient_scope\", scope=\"{capability}\""
            ),
        };
        HeaderValue::try_from(text).expect("words and quotes are a header value")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.write(None);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Deleted => Self::document_deleted(),
            StoreError::Exists => {
                let detail =
                    "there is a document of this name already; open it, or use another name";
                Self::new(StatusCode::CONFLICT, "document_exists", detail)
            }
            StoreError::Full | StoreError::Unavailable(_) => {
                warn!(%error, "request failed for want of the store");
                let detail = "the store does not work just now; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
                    .retry_after(RETRY_AFTER_S)
            }
            error => {
                error!(%error, "request failed");
                Self::internal()
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Forbidden(capability) => {
                return Self::forbidden(capability, "this document");
            }
            Refusal::Missing => return Self::token_needed(),
            _ => {}
        }
        let code = match refusal.close_reason() {
            CloseReason::Expired => "token_expired",
            CloseReason::Revoked => "token_revoked",
            CloseReason::Unauthorized | CloseReason::Forbidden => "token_not_good",
            reason => {
                warn!(%refusal, ?reason, "request failed for want of somebody who decides");
                let detail = "whoever decides who is let in does not answer; try again in a moment";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "auth_unavailable", detail)
                    .retry_after(RETRY_AFTER_S);
            }
        };
        let detail = format!("{refusal}; show a new token in the header Authorization: Bearer");
        Self::challenging(code, detail, Challenge::Invalid)
    }
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::TooManyOfUser => {
                let detail = error.to_string();
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tickets", detail)
                    .retry_after(TICKET_RETRY_AFTER_S)
            }
            TicketError::TooMany => {
                let detail = error.to_string();
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_tickets", detail)
                    .retry_after(TICKET_RETRY_AFTER_S)
            }
            TicketError::Store(error) => error.into(),
            TicketError::NoRandomness => {
                error!(%error, "no ticket was issued");
                Self::internal()
            }
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::TooMany => {
                let detail = error.to_string();
                let status = StatusCode::INSUFFICIENT_STORAGE;
                Self::new(status, "too_many_revocations", detail)
            }
            RevokeError::Store(error) => error.into(),
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let detail = format!(
            "{error}; a workspace or document name is 1 to 512 bytes without control characters"
        );
        Self::unprocessable("invalid_name", detail)
    }
}

impl From<BadPlace> for Problem {
    fn from(error: BadPlace) -> Self {
        Self::bad_request("invalid_place", format!("at: {error}"))
    }
}

impl From<FindError> for Problem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(error) => error.into(),
            FindError::NoSuchChange(_) | FindError::FewerChanges(_) => {
                let detail =
                    format!("{error}; the document's changes are listed under its /changes");
                Self::new(StatusCode::NOT_FOUND, "change_not_found", detail)
            }
        }
    }
}

impl From<RenderError> for Problem {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Store(error) => error.into(),
            RenderError::Unbuildable => Self::internal(),
            RenderError::NotBinary(_) => Self::bad_request("invalid_format", error.to_string()),
            RenderError::NoFields(_) => Self::bad_request("invalid_field", error.to_string()),
        }
    }
}

/// Completes problems with the path that was asked for.
pub(super) async fn complete(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.write(Some(&path)),
        None => response,
    }
}

/// Answers a path that is nothing.
pub(super) async fn not_found(uri: Uri) -> Response {
    no_such_path().write(Some(uri.path()))
}

/// Answers a path that is something, but not with this method.
pub(super) async fn method_not_allowed(uri: Uri) -> Response {
    let detail = "this path does not take this method; the header Allow lists those that it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        .write(Some(uri.path()))
}

/// Answers a page that is not there.
pub(super) fn no_such_page() -> Response {
    no_such_path().into_response()
}

/// Answers a request whose handler panicked.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}

fn no_such_path() -> Problem {
    let detail = "there is nothing at this path; the API is described at /openapi.json";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}

pub(super) const MEDIA_TYPE: &str = "application/problem+json";
const RETRY_AFTER_S: u32 = 1;
/// By then every ticket that waits has been used, or has expired.
const TICKET_RETRY_AFTER_S: u32 = 60;
