//! Automerge files over the API: added whole and in parts, once; had again as they came, at any place of the timeline; and what is
//! no such file, or does not fit, is told in a word for programs.

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ROOT};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::common::api::{Answer, Api, DOCUMENTS};
use crate::common::tokens::{SECRET, claims, folder, path_of, sign};
use crate::common::write;

pub(crate) const ID: &str = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";

pub(crate) fn typed(keys: &[&str]) -> AutoCommit {
    let mut doc = AutoCommit::new();
    keys.iter().for_each(|key| type_in(&mut doc, key));
    doc
}

pub(crate) fn type_in(doc: &mut AutoCommit, key: &str) {
    doc.put(ROOT, key, 1).unwrap();
    doc.commit();
}

pub(crate) fn heads(doc: &mut AutoCommit) -> Vec<String> {
    let mut heads: Vec<_> = doc.get_heads().iter().map(ToString::to_string).collect();
    heads.sort();
    heads
}

/// A compressed change of few bytes that inflates to many.
pub(crate) fn bomb() -> Vec<u8> {
    let zeros = miniz_oxide::deflate::compress_to_vec(&vec![0; 80 << 20], 1);
    let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2];
    let mut left = zeros.len();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    [bytes, zeros].concat()
}

fn path(below: &str) -> String {
    format!("{DOCUMENTS}/{ID}{below}")
}

async fn send(api: &Api, path: &str, file: impl Into<Body>) -> Answer {
    let request = Request::post(path).header("content-type", "application/octet-stream");
    api.ask(request.body(file.into()).unwrap()).await
}

/// What is said of a file that is taken.
async fn add(api: &Api, file: Vec<u8>) -> Value {
    let answer = send(api, &path("/changes"), file).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    answer.json()
}

/// The code, and what is said to people.
async fn refused(api: &Api, status: u16, file: impl Into<Body>) -> (String, String) {
    let path = path("/changes");
    let answer = send(api, &path, file).await;
    let detail = answer.json()["detail"].as_str().unwrap_or("").to_owned();
    (answer.problem(status, &path), detail)
}

async fn json_of(api: &Api, place: &str) -> Value {
    api.get(&path(&format!("/content?format=json{place}")))
        .await
        .json()
}

#[tokio::test]
async fn a_file_is_added_once_and_had_again_with_its_history() {
    let api = Api::new().await;
    let mut doc = typed(&["a", "b"]);
    let first = heads(&mut doc);
    let said = add(&api, doc.save()).await;
    assert_eq!(said, json!({"changes": 2, "news": true, "heads": first}));
    let again = add(&api, doc.save()).await;
    assert_eq!(again, json!({"changes": 2, "news": false, "heads": first}));

    let before = doc.get_heads();
    type_in(&mut doc, "c");
    let later = add(&api, doc.save_after(&before)).await;
    assert_eq!(
        later,
        json!({"changes": 1, "news": true, "heads": heads(&mut doc)})
    );
    let known = api.get(&path("")).await.json();
    assert_eq!(
        (&known["kind"], &known["changes"]),
        (&json!("automerge"), &json!(2))
    );
    let timeline = api.get(&path("/changes")).await.json();
    let items = timeline["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);

    let whole = json!({"a": 1, "b": 1, "c": 1});
    assert_eq!(json_of(&api, "").await, whole);
    let begun = json!({"a": 1, "b": 1});
    let dot = format!("{}.{}", items[0]["replica"], items[0]["counter"]);
    for place in [
        "&index=1".to_owned(),
        format!("&at={}", items[0]["order"]),
        format!("&at={dot}"),
    ] {
        assert_eq!(json_of(&api, &place).await, begun, "{place}");
    }
    assert_eq!(json_of(&api, "&index=0").await, json!({}));
    assert_eq!(json_of(&api, "&at=2099-01-01T00:00:00Z").await, whole);

    for (place, wanted) in [("", heads(&mut doc)), ("&index=1", first)] {
        let path = path(&format!("/content?format=binary{place}"));
        let file = api.get(&path).await;
        assert_eq!(
            file.header("content-type"),
            Some("application/octet-stream")
        );
        let mut loaded = AutoCommit::load(&file.body).unwrap();
        assert_eq!(heads(&mut loaded), wanted, "{place}");
    }
}

#[tokio::test]
async fn a_document_is_named_by_its_address_as_well() {
    let api = Api::new().await;
    let address = format!("{DOCUMENTS}/automerge:{ID}");
    let mut doc = typed(&["a"]);
    let added = send(&api, &format!("{address}/changes"), doc.save()).await;
    assert_eq!(added.status, StatusCode::OK, "{:?}", added.body);
    for path in [address.clone(), path("")] {
        assert_eq!(api.get(&path).await.json()["name"], ID);
    }
    let list = api.get(DOCUMENTS).await.json();
    assert_eq!(list["items"][0]["name"], ID);
    let deleted = api.call(Method::DELETE, &address).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(refused(&api, 410, doc.save()).await.0, "document_deleted");
    let new = json!({"name": format!("automerge:{ID}"), "kind": "automerge"});
    let created = api.post(DOCUMENTS, new.to_string()).await;
    assert_eq!(created.problem(410, DOCUMENTS), "document_deleted");
}

#[tokio::test]
async fn what_builds_on_what_is_not_there_waits_for_nobody() {
    let api = Api::new().await;
    let mut doc = typed(&["a"]);
    let before = doc.get_heads();
    type_in(&mut doc, "b");
    let later = doc.save_after(&before);
    assert_eq!(refused(&api, 409, later.clone()).await.0, "changes_missing");
    assert_eq!(api.get(&path("")).await.status, StatusCode::NOT_FOUND);
    add(&api, typed(&["other"]).save()).await;
    assert_eq!(refused(&api, 409, later.clone()).await.0, "changes_missing");
    add(&api, typed(&["a"]).save()).await;
    assert_eq!(
        refused(&api, 409, later.clone()).await.0,
        "changes_missing",
        "by another author"
    );
    let whole = doc.save();
    add(&api, whole).await;
    assert_eq!(add(&api, later).await["news"], false);
    assert_eq!(json_of(&api, "").await, json!({"a": 1, "b": 1, "other": 1}));
}

#[tokio::test]
async fn what_is_no_such_file_is_refused_and_leaves_nothing_behind() {
    let api = Api::new().await;
    let saved = typed(&["a", "b"]).save();
    let mut flipped = saved.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cut = saved[..saved.len() - 1].to_vec();
    let yjs = vec![1, 1, 1, 0, 4, 1, 1, b't', 2, b'h', b'i', 0];
    for file in [
        Vec::new(),
        b"<html>".to_vec(),
        yjs,
        cut,
        flipped,
        bomb(),
        [&saved[..], b"rest"].concat(),
    ] {
        let (code, detail) = refused(&api, 422, file).await;
        assert_eq!(code, "invalid_changes");
        assert!(detail.starts_with("body: "), "{detail}");
    }
    let bomb = refused(&api, 422, bomb()).await.1;
    assert!(bomb.contains("inflated bytes"), "{bomb}");
    assert_eq!(api.get(&path("")).await.status, StatusCode::NOT_FOUND);
    let nothing = add(&api, AutoCommit::new().save()).await;
    assert_eq!(nothing, json!({"changes": 0, "news": false, "heads": []}));
}

#[tokio::test]
async fn a_file_is_for_automerge_documents_and_says_that_it_is_bytes() {
    let api = Api::new().await;
    let saved = typed(&["a"]).save();
    let notes = format!("{DOCUMENTS}/notes/changes");
    let answer = send(&api, &notes, saved.clone()).await;
    assert_eq!(answer.problem(422, &notes), "invalid_name");
    write(&*api.store, ID, &["text"]).await;
    assert_eq!(refused(&api, 409, saved.clone()).await.0, "kind_differs");
    let wrong = api.post(&path("/changes"), saved).await;
    assert_eq!(wrong.problem(415, &path("/changes")), "bytes_expected");
    let new = json!({"name": "notes", "kind": "automerge"}).to_string();
    let created = api.post(DOCUMENTS, new).await;
    assert_eq!(created.problem(422, DOCUMENTS), "invalid_name");
}

#[tokio::test]
async fn a_file_is_no_longer_than_a_message_may_be_and_a_document_no_larger() {
    let api = Api::with(&[("QUIRE_LIMITS__MESSAGE_BYTES", "64KiB")]).await;
    let long = refused(&api, 413, vec![0; (64 << 10) + 1]).await;
    assert_eq!(long.0, "body_too_large");
    assert!(long.1.contains("limits.message_bytes"), "{}", long.1);
    assert_eq!(
        refused(&api, 422, vec![0; 64 << 10]).await.0,
        "invalid_changes"
    );

    let api = Api::with(&[("QUIRE_LIMITS__DOCUMENT_MEMORY", "1MiB")]).await;
    let mut doc = AutoCommit::new();
    let text = doc
        .put_object(ROOT, "text", automerge::ObjType::Text)
        .unwrap();
    doc.splice_text(&text, 0, 0, &"x".repeat(60_000)).unwrap();
    let saved = doc.save();
    assert_eq!(refused(&api, 409, saved).await.0, "document_full");
}

#[tokio::test]
async fn who_added_a_file_is_its_author_and_has_to_be_allowed_to() {
    let folder = folder();
    let api = Api::with(&[("QUIRE_DATA_DIR", path_of(&folder))]).await;
    let with = async |may: &[&str]| {
        let token = sign(&claims("ada", may), SECRET);
        let request = Request::post(path("/changes"))
            .header("content-type", "application/octet-stream")
            .header("authorization", format!("Bearer {token}"));
        let file = typed(&["a"]).save();
        api.ask(request.body(file.into()).unwrap()).await
    };
    for may in [&["read"][..], &["write"], &["read", "comment", "history"]] {
        assert_eq!(with(may).await.problem(403, &path("/changes")), "forbidden");
    }
    assert_eq!(with(&["read", "write"]).await.status, StatusCode::OK);
    let token = sign(&claims("ada", &["history"]), SECRET);
    let request = Request::get(path("/changes")).header("authorization", format!("Bearer {token}"));
    let history = api.ask(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!(history["items"][0]["author"], "ada");
}
