//! Ordered documents over the REST API: created, edited, looked back at, undone and hashed, over a store in memory.

use crate::common::api::{Answer, Api, DOCUMENTS};
use axum::http::{Method, StatusCode};
use engine::{DocumentKey, Kind};
use serde_json::{Value, json};
use server::place::{SeekError, state_at_time, state_at_version};
use storage::Store;

async fn create(api: &Api, name: &str, kind: &str, content: &str) -> String {
    let body = format!(r#"{{"name":"{name}","kind":"{kind}","content":{content}}}"#);
    let created = api.post(DOCUMENTS, body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{:?}", created.body);
    created.header("location").unwrap().to_owned()
}

async fn make(api: &Api, document: &str, operation: &str) -> Answer {
    api.post(&format!("{document}/operations"), operation.to_owned())
        .await
}

/// Makes an operation and gives its version.
async fn version(api: &Api, document: &str, operation: &str) -> u64 {
    let made = make(api, document, operation).await;
    assert_eq!(made.status, StatusCode::OK, "{:?}", made.body);
    made.json()["version"].as_u64().unwrap()
}

async fn content(api: &Api, document: &str, query: &str) -> String {
    let content = api.get(&format!("{document}/content?{query}")).await;
    assert_eq!(content.status, StatusCode::OK, "{:?}", content.body);
    String::from_utf8(content.body.to_vec()).unwrap()
}

#[tokio::test]
async fn an_ordered_document_begins_with_an_operation_that_creates_it() {
    let api = Api::new().await;
    for (kind, content, text) in [
        ("json0", r#"{"a":1}"#, r#"{"a":1}"#),
        ("text", r#""hi""#, "hi"),
        ("text-unicode", r#""hi""#, "hi"),
        ("rich-text", r#"[{"insert":"hi"}]"#, "hi"),
    ] {
        let document = create(&api, kind, kind, content).await;
        let found = api.get(&document).await.json();
        assert_eq!(
            (&found["kind"], &found["changes"]),
            (&json!(kind), &json!(1))
        );
        let shown = api.get(&format!("{document}/content")).await;
        assert_eq!(
            (shown.header("quire-type"), &*shown.body),
            (Some(kind), text.as_bytes())
        );
        let again = json!({"name": kind, "kind": kind}).to_string();
        assert_eq!(
            api.post(DOCUMENTS, again).await.problem(409, DOCUMENTS),
            "document_exists"
        );
    }
    let empty = api
        .post(DOCUMENTS, r#"{"name":"empty","kind":"text"}"#)
        .await;
    assert_eq!(empty.status, StatusCode::CREATED);
    assert_eq!(
        content(&api, &format!("{DOCUMENTS}/empty"), "format=json").await,
        r#""""#
    );
}

#[tokio::test]
async fn content_that_does_not_fit_its_kind_is_refused() {
    let api = Api::new().await;
    for (kind, content) in [
        ("text", "5"),
        ("rich-text", r#"[{"delete":1}]"#),
        ("yjs", r#""a""#),
    ] {
        let body = format!(r#"{{"name":"a","kind":"{kind}","content":{content}}}"#);
        let refused = api.post(DOCUMENTS, body).await;
        assert_eq!(refused.problem(422, DOCUMENTS), "invalid_content");
        assert!(
            refused.json()["detail"]
                .as_str()
                .unwrap()
                .starts_with("content: ")
        );
    }
    assert_eq!(
        api.get(&format!("{DOCUMENTS}/a")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn every_version_can_be_looked_back_at() {
    let api = Api::new().await;
    let document = create(&api, "form", "json0", r#"{"n":0}"#).await;
    for at in 1..=5 {
        let made = version(&api, &document, r#"{"op":[{"p":["n"],"na":1}]}"#).await;
        assert_eq!(made, at);
    }
    assert_eq!(
        content(&api, &document, "format=json&index=0").await,
        "null"
    );
    for at in 1..=6 {
        let shown = content(&api, &document, &format!("format=json&index={at}")).await;
        assert_eq!(shown, format!(r#"{{"n":{}}}"#, at - 1));
        let field = content(&api, &document, &format!("format=json&field=n&index={at}")).await;
        assert_eq!(field, (at - 1).to_string());
    }
    let path = format!("{document}/content");
    let refused = |query| {
        let (api, path) = (&api, format!("{path}?{query}"));
        async move { api.get(&path).await }
    };
    assert_eq!(
        refused("index=7").await.problem(404, &path),
        "change_not_found"
    );
    assert_eq!(
        refused("format=binary").await.problem(400, &path),
        "invalid_format"
    );
    let text = create(&api, "text", "text", "null").await;
    let field = api.get(&format!("{text}/content?field=n")).await;
    assert_eq!(
        field.problem(400, &format!("{text}/content")),
        "invalid_field"
    );
}

#[tokio::test]
async fn what_an_operation_deleted_has_no_content_and_can_be_created_again() {
    let api = Api::new().await;
    let document = create(&api, "a", "text", r#""a\ud83d""#).await;
    assert_eq!(
        content(&api, &document, "format=json").await,
        r#""a\ud83d""#
    );
    assert_eq!(version(&api, &document, r#"{"del":true}"#).await, 1);
    let gone = api.get(&format!("{document}/content?format=json")).await;
    assert_eq!(
        (&*gone.body, gone.header("quire-type")),
        (&b"null"[..], None)
    );
    let edit = make(&api, &document, r#"{"op":["b"]}"#).await;
    assert_eq!(
        edit.problem(409, &format!("{document}/operations")),
        "document_not_created"
    );
    let create = r#"{"create":{"type":"json0","data":[1]}}"#;
    assert_eq!(version(&api, &document, create).await, 2);
    let again = api.get(&format!("{document}/content")).await;
    assert_eq!(
        (&*again.body, again.header("quire-type")),
        (&b"[1]"[..], Some("json0"))
    );
    assert_eq!(content(&api, &document, "index=1").await, "a\u{fffd}");
}

#[tokio::test]
async fn an_operation_is_transformed_over_what_came_since_and_made_once() {
    let api = Api::new().await;
    let document = create(&api, "a", "text", r#""ab""#).await;
    let mine = r#"{"version":1,"op":[2,"!"],"source":"me","number":7}"#;
    assert_eq!(version(&api, &document, r#"{"op":["> "]}"#).await, 1);
    for _ in 0..2 {
        assert_eq!(version(&api, &document, mine).await, 2);
    }
    assert_eq!(content(&api, &document, "").await, "> ab!");
    let path = format!("{document}/operations");
    let other = mine.replace('!', "?");
    assert_eq!(
        make(&api, &document, &other).await.problem(409, &path),
        "operation_known"
    );

    let changes = api
        .get(&format!("{document}/changes?payloads=true"))
        .await
        .json();
    let last = &changes["items"][2];
    assert_eq!(last["kind"], "operation");
    assert_eq!(
        last["operation"],
        json!({"version": 2, "made_on": 1, "source": "me", "number": 7, "action": "op",
               "received": [2, "!"], "committed": [4, "!"]})
    );
    let short = api.get(&format!("{document}/changes")).await.json();
    assert_eq!(short["items"][0]["operation"]["type"], "text");
    assert_eq!(short["items"][2]["operation"].get("received"), None);
}

#[tokio::test]
async fn a_malformed_operation_is_told_what_is_wrong_with_it() {
    let api = Api::new().await;
    let document = create(&api, "a", "text", r#""ab""#).await;
    let path = format!("{document}/operations");
    for (operation, status, code, word) in [
        (r#"{"op":[9,"a"]}"#, 422, "invalid_operation", "op"),
        (
            r#"{"op":["a"],"del":true}"#,
            422,
            "invalid_operation",
            "one of",
        ),
        (
            r#"{"op":["a"],"source":"a"}"#,
            422,
            "invalid_operation",
            "number",
        ),
        (
            r#"{"op":["a"],"number":1}"#,
            422,
            "invalid_operation",
            "source",
        ),
        (
            r#"{"op":["a"],"version":9}"#,
            409,
            "version_ahead",
            "version",
        ),
        (
            r#"{"create":{"type":"text"}}"#,
            409,
            "document_exists",
            "created",
        ),
        (
            r#"{"create":{"type":"json9"}}"#,
            422,
            "unknown_kind",
            "create.type",
        ),
        (r#"{"ob":1}"#, 422, "invalid_body", "`ob`"),
    ] {
        let refused = make(&api, &document, operation).await;
        assert_eq!(refused.problem(status, &path), code, "{operation}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(word), "{detail}");
    }
    assert_eq!(content(&api, &document, "").await, "ab");
    api.create("yjs").await;
    let path = format!("{DOCUMENTS}/yjs/operations");
    assert_eq!(
        api.post(&path, r#"{"op":["a"]}"#).await.problem(422, &path),
        "kind_not_ordered"
    );
}

#[tokio::test]
async fn what_one_source_did_is_undone_and_what_others_did_stays() {
    let api = Api::new().await;
    let document = create(&api, "a", "text", r#""....""#).await;
    for (number, (source, op)) in [
        ("a", r#"[1,"A"]"#),
        ("b", r#"[3,"B"]"#),
        ("a", r#"[5,"A"]"#),
    ]
    .into_iter()
    .enumerate()
    {
        let operation = format!(r#"{{"op":{op},"source":"{source}","number":{number}}}"#);
        version(&api, &document, &operation).await;
    }
    assert_eq!(content(&api, &document, "").await, ".A.B.A.");
    let path = format!("{document}/undo");
    let undone = api.post(&path, r#"{"source":"a","from":1}"#).await;
    assert_eq!(undone.json(), json!({"version": 4}));
    assert_eq!(content(&api, &document, "").await, "..B..");
    let nothing = api.post(&path, r#"{"source":"c","from":1,"to":4}"#).await;
    assert_eq!(nothing.json(), json!({"version": null}));
    for (body, status, code) in [
        (r#"{"from":1}"#, 422, "invalid_undo"),
        (r#"{"source":"a","from":3,"to":2}"#, 422, "invalid_undo"),
        (r#"{"source":"a","from":1,"to":9}"#, 422, "invalid_undo"),
    ] {
        assert_eq!(api.post(&path, body).await.problem(status, &path), code);
    }
    let created = api.get(&format!("{document}/changes")).await.json();
    let source = created["items"][0]["operation"]["source"].clone();
    let body = json!({"source": source, "from": 0}).to_string();
    assert_eq!(
        api.post(&path, body).await.problem(409, &path),
        "not_undoable"
    );
}

#[tokio::test]
async fn equal_states_have_equal_hashes() {
    let api = Api::new().await;
    let one = create(&api, "one", "json0", r#"{"a":1,"b":2}"#).await;
    let other = create(&api, "other", "json0", r#"{"b":2}"#).await;
    version(&api, &other, r#"{"op":[{"p":["a"],"oi":1}]}"#).await;
    let hash = |document: String| {
        let api = &api;
        async move { api.get(&document).await.json() }
    };
    let (first, second) = (
        hash(format!("{one}/hash")).await,
        hash(format!("{other}/hash")).await,
    );
    assert_eq!(first["hash"], second["hash"]);
    assert_eq!(
        (&first["version"], &second["version"]),
        (&json!(1), &json!(2))
    );
    let earlier = hash(format!("{other}/hash?index=1")).await;
    assert_ne!(earlier["hash"], second["hash"]);
    let before = hash(format!("{other}/hash?index=0")).await;
    assert_eq!(before["type"], Value::Null);
}

#[tokio::test]
async fn a_document_that_is_deleted_for_good_takes_no_operations() {
    let api = Api::new().await;
    let document = create(&api, "a", "json0", "1").await;
    let deleted = api.call(Method::DELETE, &document).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    for below in ["operations", "undo"] {
        let path = format!("{document}/{below}");
        let body = match below {
            "undo" => r#"{"source":"a","from":0}"#,
            _ => r#"{"create":{"type":"json0"}}"#,
        };
        assert_eq!(
            api.post(&path, body).await.problem(410, &path),
            "document_deleted"
        );
    }
}

#[tokio::test]
async fn every_way_to_an_earlier_version_leads_to_the_same() {
    let api = Api::new().await;
    let document = create(&api, "a", "json0", r#"{"n":0}"#).await;
    let key = DocumentKey::new("default", "a").unwrap();
    for _ in 0..8 {
        version(&api, &document, r#"{"op":[{"p":["n"],"na":1}]}"#).await;
    }
    for version in 0..=9 {
        let state = state_at_version(&*api.store, &key, version).await.unwrap();
        let shown = content(&api, &document, &format!("format=json&index={version}")).await;
        assert_eq!(
            (state.version, &*state.json(None)),
            (version, shown.as_bytes())
        );
    }
    let ahead = state_at_version(&*api.store, &key, 10).await;
    let (asked, version) = (10, 9);
    assert_eq!(ahead, Err(SeekError::Ahead { asked, version }));
    let stored = api.store.operations(key.clone(), 0, None).await.unwrap();
    for stored in &stored {
        let at = stored.change.hlc.wall_ms();
        let until = stored_until(&api, &key, at).await;
        let state = state_at_time(&*api.store, &key, at).await.unwrap();
        assert_eq!(state.version, until);
    }
    assert_eq!(
        state_at_time(&*api.store, &key, 0).await.unwrap().version,
        0
    );
    api.create("yjs").await;
    let yjs = DocumentKey::new("default", "yjs").unwrap();
    let none = state_at_version(&*api.store, &yjs, 0).await;
    assert_eq!(none, Err(SeekError::NotOrdered(Kind::Yjs)));
}

/// How many operations were made up to a time.
async fn stored_until(api: &Api, key: &DocumentKey, wall_ms: u64) -> u64 {
    let stored = api.store.operations(key.clone(), 0, None).await.unwrap();
    let until = stored
        .iter()
        .filter(|it| it.change.hlc.wall_ms() <= wall_ms);
    until.count() as u64
}
