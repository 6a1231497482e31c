//! The quarantine over the API, asked as over the network but without one.

use std::sync::Arc;

use crate::common::{quarantined, write};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server::config::{Config, Environment, Flags};
use server::{http, serve};
use storage::{MemoryStore, Store};
use tower::ServiceExt;

async fn api() -> (Arc<MemoryStore>, Router) {
    let store = Arc::new(MemoryStore::new());
    let config = Config::load_in(&Environment::default(), &Flags::default()).unwrap();
    let app = serve::build(&config.config, store.clone(), None)
        .await
        .unwrap();
    (store, http::router(app))
}

async fn call(router: &Router, method: Method, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (
        head.status,
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    call(router, Method::GET, path).await
}

const NOTES: &str = "/api/v1/workspaces/default/documents/notes/quarantine";

#[tokio::test]
async fn the_quarantine_is_listed_in_pages() {
    let (store, router) = api().await;
    for number in 0..5_u8 {
        for name in ["notes", "never"] {
            store
                .quarantine(quarantined(name, &[number]))
                .await
                .unwrap();
        }
    }
    let (status, page) = get(&router, NOTES).await;
    assert_eq!(
        (status, page["items"].as_array().unwrap().len()),
        (StatusCode::OK, 5)
    );
    let newest = quarantined("notes", &[4]);
    let wanted = json!({
        "hash": newest.hash.to_string(), "workspace": "default", "document": "notes", "replica": null,
        "counter": null, "author": null, "connection": 3, "bytes": 1, "reason": "it panicked",
        "seen_at": "2026-11-20T09:30:00.000Z",
    });
    assert_eq!(page["items"][0], wanted);
    let (mut seen, mut path) = (Vec::new(), "/api/v1/quarantine?limit=3".to_owned());
    loop {
        let (_, page) = get(&router, &path).await;
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/quarantine?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 10);
    for wrong in ["limit=0", "cursor=zz", "cursor=3e31"] {
        let (status, _) = get(&router, &format!("{NOTES}?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn an_unknown_document_has_no_quarantine_and_a_deleted_one_keeps_it() {
    let (store, router) = api().await;
    assert_eq!(get(&router, NOTES).await.1["code"], "document_not_found");
    let notes = write(&*store, "notes", &["x"]).await;
    assert_eq!(get(&router, NOTES).await.1["items"], json!([]));
    store
        .quarantine(quarantined("notes", b"bad"))
        .await
        .unwrap();
    store.delete(notes).await.unwrap();
    let (status, page) = get(&router, NOTES).await;
    assert_eq!(
        (status, page["items"].as_array().unwrap().len()),
        (StatusCode::OK, 1)
    );
}

#[tokio::test]
async fn what_is_forgotten_is_gone() {
    let (store, router) = api().await;
    let bad = quarantined("notes", b"bad");
    store.quarantine(bad.clone()).await.unwrap();
    let path = format!("{NOTES}/{}", bad.hash);
    let (status, _) = call(&router, Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for gone in [&path, &format!("{NOTES}/bad")] {
        let (status, problem) = call(&router, Method::DELETE, gone).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::NOT_FOUND, &json!("not_quarantined"))
        );
    }
    assert!(
        store
            .load(bad.document)
            .await
            .unwrap()
            .quarantined
            .is_empty()
    );
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_a_problem_like_any_other() {
    let (_, router) = api().await;
    let path = "/api/v1/workspaces/default/documents/%ff/quarantine/00";
    let (status, problem) = call(&router, Method::DELETE, path).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["code"], json!("invalid_name"));
}
