//! Changes of an Automerge file (`.automerge`), added to a document without a socket.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use engine::{Capability, CloseReason, DocumentKey, Kind};
use storage::Past;
use tracing::error;

use super::caller::Caller;
use super::model::Added;
use super::request::{DocumentName, DocumentPath, bytes};
use crate::automerge_file::{AutomergeFile, NotAFile};
use crate::http::App;
use crate::http::problem::Problem;
use crate::naming::is_automerge_id;
use crate::session::courier::{NotTaken, Parcel, push};

/// Adds the changes of an Automerge file to a document, which comes to be with them if there is none. Takes `read` besides
/// `write`: the answer says whether they were there.
///
/// The file is what `Automerge.save` or `Automerge.saveSince` gave, or several of these one behind the other. It can be sent
/// again, however often: what is there is not added twice.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/changes",
    operation_id = "addChanges",
    security(("bearer" = ["read", "write"])),
    params(DocumentPath),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "An Automerge file"),
    responses(
        (status = 200, description = "All of it is stored, and whoever has the document open is told", body = Added),
        (status = 400, description = "The body did not arrive whole"),
        (status = 409, description = "The document is of another kind, lacks changes that these build on, is full, or takes no edits"),
        (status = 410, description = "The document was deleted"),
        (status = 413, description = "The body is longer than a message may be (limits.message_bytes)"),
        (status = 415, description = "The body does not say that it is bytes"),
        (status = 422, description = "The body is no Automerge file, or a damaged one, or the name is none that an Automerge document has"),
        (status = 503, description = "The document can not be opened just now, or nobody knows whether the changes were stored"),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    request: Request,
) -> Result<Json<Added>, Problem> {
    caller.may(&key, Capability::Write)?;
    caller.may(&key, Capability::Read)?;
    if !is_automerge_id(key.name()) {
        return Err(Problem::no_automerge_id());
    }
    check_type(request.headers())?;
    let (body, held) = bytes(&app, request).await?;
    let permit = app.rebuilds.acquire().await;
    let file = apart(move || AutomergeFile::read(&body)).await??;
    check_place(&app, &key, &file).await?;
    // Others are not to wait for the store.
    drop(permit);
    let news = match file.payload.is_empty() {
        true => false,
        false => {
            let parcel = Parcel {
                document: key,
                payload: file.payload.clone(),
                held,
            };
            push(&app.hub, caller.pass(), parcel).await?
        }
    };
    Ok(Json(Added {
        changes: file.count(),
        news,
        heads: file.heads().iter().map(ToString::to_string).collect(),
    }))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|value| value.to_str().ok()?.split(';').next());
    match named.map(str::trim) {
        Some("application/octet-stream") => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bytes_expected",
            "send the file as it is, with the header Content-Type: application/octet-stream",
        )),
    }
}

/// Whether the document can take the file: it is of this kind, and nothing is missing.
async fn check_place(app: &App, key: &DocumentKey, file: &AutomergeFile) -> Result<(), Problem> {
    let is_whole = match app.store.describe(key.clone()).await? {
        Some(known) if known.deleted_ms.is_some() => return Err(Problem::document_deleted()),
        Some(known) if known.kind != Kind::Automerge => {
            return Err(other_kind(format_args!("kind {}", known.kind)));
        }
        Some(_) if !file.is_whole() => {
            let past = app.store.load(key.clone()).await?;
            let payload = file.payload.clone();
            apart(move || fits(&past, &payload)).await??
        }
        _ => file.is_whole(),
    };
    match is_whole {
        true => Ok(()),
        false => Err(Problem::conflict(
            "changes_missing",
            "body: it builds on changes that neither it nor the document has; send those first, or the whole document",
        )),
    }
}

/// Whether the changes follow on what is stored.
fn fits(past: &Past, payload: &Bytes) -> Result<bool, NotAFile> {
    let integrated = past.content(Kind::Automerge)?.integrate(payload)?;
    Ok(!integrated.missing && !integrated.let_go)
}

/// Does what takes long where it holds nobody up.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| {
        error!(%panic, "an Automerge file was not read");
        Problem::internal()
    })
}

impl From<NotAFile> for Problem {
    fn from(error: NotAFile) -> Self {
        match error {
            NotAFile::Content(error) if error.breaks() => {
                error!(%error, "changes do not fit what is stored");
                Self::internal()
            }
            error => bad_file(&error),
        }
    }
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Self {
        let reason = match why {
            NotTaken::Refused(reason) => reason,
            NotTaken::Unknown => {
                return Self::retryable(
                    "outcome_unknown",
                    "the store does not answer, and what was sent may be stored or not; send it again: what is there is not \
                     added twice",
                );
            }
        };
        match reason {
            CloseReason::BadUpdate => bad_file(
                &"the document does not take it: it contradicts what one of its authors has made before, or is quarantined",
            ),
            CloseReason::DocumentFull => Self::conflict(
                "document_full",
                "the document would be larger than it may be (limits.document_memory)",
            ),
            CloseReason::ReadOnly => Self::conflict(
                "document_read_only",
                "the document takes no edits while something of it is in quarantine",
            ),
            CloseReason::WrongKind => other_kind("another kind"),
            reason => reason.into(),
        }
    }
}

fn bad_file(why: &dyn fmt::Display) -> Problem {
    let detail = format!("body: {why}; send what Automerge.save gave");
    Problem::unprocessable("invalid_changes", detail)
}

fn other_kind(kind: impl fmt::Display) -> Problem {
    let detail =
        format!("the document is of {kind}, and Automerge changes are of Automerge documents");
    Problem::conflict("kind_differs", detail)
}
