//! The pages, embedded in the binary: the landing page, the demo editors, and their scripts and styles.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::App;
use super::problem;

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// The routes of the pages.
pub(super) fn routes() -> Router<Arc<App>> {
    let editors = EDITORS.into_iter().fold(Router::new(), |pages, name| {
        let page = get(async move |headers: HeaderMap| file(&format!("{name}.html"), &headers));
        pages.route(&format!("/{name}"), page)
    });
    editors
        .route("/", get(async |headers: HeaderMap| landing(&headers)))
        .route(
            "/favicon.ico",
            get(async |headers: HeaderMap| file("quire.svg", &headers)),
        )
        .route(
            "/assets/{name}",
            get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
        )
}

/// The page for browsers; a plain "okay" for probes that know y-websocket's own server.
fn landing(headers: &HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|value| value.contains("text/html")) {
        file("index.html", headers)
    } else {
        "okay".into_response()
    }
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Assets::get(name) else {
        return problem::no_such_page();
    };
    let etag = etag(&file);
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == etag.as_str())
    {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let policy = content_security_policy(name);
    let headers = [
        (header::CONTENT_TYPE, content_type(name)),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let own = [
        (header::ETAG, etag),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, own, file.data).into_response()
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let digits: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => "text/plain; charset=utf-8",
    }
}

/// Only rich text has libraries that turn text into markup: what is pasted, in a document that is never shown. Only
/// Automerge is WebAssembly.
fn content_security_policy(name: &str) -> String {
    let makers_of_markup = match name {
        "write.html" => "ProseMirrorClipboard",
        "quill.html" => "QuillClipboard",
        _ => "'none'",
    };
    let webassembly = match name {
        "board.html" => " 'wasm-unsafe-eval'",
        _ => "",
    };
    format!(
        "default-src 'none'; script-src 'self'{webassembly}; {CONTENT_SECURITY_POLICY}; \
         trusted-types {makers_of_markup}"
    )
}

/// The pages around a document, each by its path and by its file.
const EDITORS: [&str; 5] = ["edit", "write", "quill", "form", "board"];

/// What all pages have in common. Why each part is as it is stands in `web/README.md`.
const CONTENT_SECURITY_POLICY: &str = "style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";
