//! The content of a document, now or at any place of its timeline.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::ot::OtType;
use engine::{Capability, StoredChange};
use serde::Deserialize;

use super::caller::Caller;
use super::request::{DocumentName, DocumentPath, Parameters};
use super::{escaped, existing};
use crate::http::App;
use crate::http::problem::Problem;
use crate::place::{At, Format, Rendered, render, timestamp};

/// Which content to give, and how.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ContentQuery {
    /// `text`, which is the default, `json`, or `binary` (one update as a client of the document's kind sends it; ordered
    /// documents have none).
    #[param(example = "text")]
    format: Option<String>,
    /// Only the field of this name (in Yjs: root type, in json0: member of the object at the root); all fields if not said.
    /// `binary` is always whole.
    field: Option<String>,
    /// The place in the timeline: an order (`42`), a change (`7.1234`), or a time (`2026-11-20T09:30:00Z`).
    at: Option<String>,
    /// The place in the timeline as a number of changes, in ordered documents the version; 0 is before the first. Not together
    /// with `at`.
    #[param(value_type = Option<u64>)]
    index: Option<String>,
}

/// Gives a document's content, now or at any place of its timeline. A place takes the capability `history` besides `read`.
///
/// The headers tell the last change that the content holds. They are left out before the first change, except
/// `Quire-Index`, which is 0 then. With `If-None-Match` and the `ETag` of an earlier answer, content that is still the same is not
/// sent again.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/documents/{document}/content",
    operation_id = "getContent",
    security(("bearer" = ["read"])),
    params(DocumentPath, ContentQuery),
    responses(
        (status = 200, description = "The content", content(
            (String = "text/plain"), (serde_json::Value = "application/json"), (Vec<u8> = "application/octet-stream"),
        ), headers(
            ("Quire-Change" = String, description = "The last change: replica.counter"),
            ("Quire-Order" = u64, description = "Its order"),
            ("Quire-Index" = u64, description = "How many changes the content holds"),
            ("Quire-Time" = String, description = "When it was made"),
            ("Quire-Author" = String, description = "Who made it, percent-encoded; left out for an anonymous author, and without the capability history"),
            ("Quire-Type" = String, description = "What an ordered document is at that place; left out where there is none, because none was created yet or an operation deleted it"),
            ("ETag" = String, description = "Changes when the content does"),
        )),
        (status = 304, description = "The content is still that of If-None-Match"),
        (status = 400, description = "A parameter cannot be read"),
        (status = 404, description = "There never was such a document, or it has no such change"),
        (status = 410, description = "The document was deleted"),
        (status = 500, description = "The content cannot be rebuilt"),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    DocumentName(key): DocumentName,
    Parameters(query): Parameters<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(&key, Capability::Read)?;
    let format = format(query.format.as_deref())?;
    let at = place(query.at.as_deref(), query.index.as_deref())?;
    if at != At::End {
        caller.may(&key, Capability::History)?;
    }
    let description = existing(&app, &key).await?;
    let last = at.find(&*app.store, &key).await?;
    let tag = entity_tag(last.as_ref());
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let of = (&key, description.kind);
    let _permit = app.rebuilds.acquire().await;
    let crumbs = &app.hub.world().crumbs;
    let last_change = last.as_ref();
    let rendered = render(&*app.store, crumbs, of, last_change, format, query.field).await?;
    let mut answer = answer(rendered, format, last.as_ref(), tag);
    // Who wrote what is history, even of the last change.
    if !caller.sees(&key, Capability::History) {
        answer.headers_mut().remove(AUTHOR);
    }
    Ok(answer)
}

fn format(word: Option<&str>) -> Result<Format, Problem> {
    word.map_or_else(|| Ok(Format::default()), str::parse)
        .map_err(|()| {
            let detail = format!(
                "format is {:?}, expected text, json or binary",
                word.unwrap_or("")
            );
            Problem::bad_request("invalid_format", detail)
        })
}

pub(super) fn place(at: Option<&str>, index: Option<&str>) -> Result<At, Problem> {
    match (at, index) {
        (None, None) => Ok(At::End),
        (Some(at), None) => Ok(at.parse()?),
        (None, Some(index)) => index.parse().map(At::Index).map_err(|_| {
            let detail = format!("index is {index:?}, expected a whole number of changes");
            Problem::bad_request("invalid_index", detail)
        }),
        (Some(_), Some(_)) => {
            let detail = "at and index both name a place; give one of them";
            Err(Problem::bad_request("invalid_place", detail))
        }
    }
}

/// Weak, because equal content may be encoded in different bytes.
fn entity_tag(last: Option<&StoredChange>) -> HeaderValue {
    let order = last.map_or(0, |last| last.order.0);
    HeaderValue::try_from(format!("W/\"{order}\"")).expect("digits and quotes are a header value")
}

fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = known.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    known.any(|known| known.trim_ascii() == tag.as_bytes())
}

fn answer(
    rendered: Rendered,
    format: Format,
    last: Option<&StoredChange>,
    tag: HeaderValue,
) -> Response {
    let fixed = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(media_type(format)),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Content is whatever people wrote: no browser may take it for a page.
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::ETAG, tag),
        (INDEX, rendered.index.into()),
    ];
    let ot_type = rendered.ot_type.map(OtType::name);
    let ot_type = ot_type.map(|name| (TYPE, HeaderValue::from_static(name)));
    let mut response = (fixed, rendered.bytes).into_response();
    response.headers_mut().extend(ot_type);
    if let Some(last) = last {
        response.headers_mut().extend(of_change(last));
    }
    response
}

fn of_change(last: &StoredChange) -> Vec<(HeaderName, HeaderValue)> {
    let change = &last.change;
    let author = change
        .author
        .as_ref()
        .map(|author| (AUTHOR, escaped(author.as_str())));
    let texts = [
        (CHANGE, change.dot.to_string()),
        (ORDER, last.order.to_string()),
        (TIME, timestamp(change.hlc.wall_ms())),
    ];
    let texts = texts.into_iter().chain(author);
    texts
        .filter_map(|(name, text)| Some((name, text.try_into().ok()?)))
        .collect()
}

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Text => "text/plain; charset=utf-8",
        Format::Json => "application/json",
        Format::Binary => "application/octet-stream",
    }
}

const CHANGE: HeaderName = HeaderName::from_static("quire-change");
const ORDER: HeaderName = HeaderName::from_static("quire-order");
const INDEX: HeaderName = HeaderName::from_static("quire-index");
const TIME: HeaderName = HeaderName::from_static("quire-time");
const AUTHOR: HeaderName = HeaderName::from_static("quire-author");
const TYPE: HeaderName = HeaderName::from_static("quire-type");
