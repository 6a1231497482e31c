//! The REST API, asked as over the network but without one: the whole router over a store in memory.

use std::collections::BTreeSet;

use crate::common::api::{Api, DOCUMENTS};
use crate::common::write;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use storage::Store;

fn names(items: &Value, field: &str) -> Vec<String> {
    let items = items["items"].as_array().unwrap().iter();
    items
        .map(|item| item[field].to_string().trim_matches('"').to_owned())
        .collect()
}

#[tokio::test]
async fn a_document_is_created_found_and_deleted_once_and_for_all() {
    let api = Api::new().await;
    let created = api.create("stories/one two?").await;
    assert_eq!(created.status, StatusCode::CREATED, "{:?}", created.body);
    let location = created.header("location").unwrap().to_owned();
    assert_eq!(location, format!("{DOCUMENTS}/stories%2Fone%20two%3F"));
    let found = api.get(&location).await.json();
    assert_eq!(found, created.json());
    assert_eq!(
        (
            &found["workspace"],
            &found["name"],
            &found["kind"],
            &found["changes"],
            &found["changed_at"]
        ),
        (
            &json!("default"),
            &json!("stories/one two?"),
            &json!("yjs"),
            &json!(0),
            &Value::Null
        )
    );
    assert_eq!(
        api.create("stories/one two?").await.problem(409, DOCUMENTS),
        "document_exists"
    );

    assert_eq!(
        api.call(Method::DELETE, &location).await.status,
        StatusCode::NO_CONTENT
    );
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(
            api.call(method, &location).await.problem(410, &location),
            "document_deleted"
        );
    }
    for below in ["content", "changes"] {
        let path = format!("{location}/{below}");
        assert_eq!(api.get(&path).await.problem(410, &path), "document_deleted");
    }
    assert_eq!(
        api.create("stories/one two?").await.problem(410, DOCUMENTS),
        "document_deleted"
    );
    assert!(names(&api.get(DOCUMENTS).await.json(), "name").is_empty());
}

#[tokio::test]
async fn what_never_was_is_told_apart_from_what_was_deleted() {
    let api = Api::new().await;
    let path = format!("{DOCUMENTS}/nothing");
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(
            api.call(method, &path).await.problem(404, &path),
            "document_not_found"
        );
    }
    for below in ["content", "changes"] {
        let path = format!("{path}/{below}");
        assert_eq!(
            api.get(&path).await.problem(404, &path),
            "document_not_found"
        );
    }
    assert_eq!(
        api.get("/api/v1/nothing")
            .await
            .problem(404, "/api/v1/nothing"),
        "not_found"
    );
}

#[tokio::test]
async fn a_body_that_is_not_as_it_has_to_be_is_told_which_part() {
    let api = Api::new().await;
    let cases = [
        ("{", 400, "invalid_json", "not JSON"),
        ("{\"name\": \"a\"}", 422, "invalid_body", "`kind`"),
        (
            "{\"name\": 5, \"kind\": \"yjs\"}",
            422,
            "invalid_body",
            "name",
        ),
        (
            "{\"name\": \"a\", \"kind\": \"yjs\", \"knid\": 1}",
            422,
            "invalid_body",
            "`knid`",
        ),
        (
            "{\"name\": \"a\", \"kind\": \"yyy\"}",
            422,
            "unknown_kind",
            "yyy",
        ),
        (
            "{\"name\": \"\", \"kind\": \"yjs\"}",
            422,
            "invalid_name",
            "empty",
        ),
        (
            "{\"name\": \"a\\u0007\", \"kind\": \"yjs\"}",
            422,
            "invalid_name",
            "control character",
        ),
    ];
    for (body, status, code, hint) in cases {
        let answer = api.post(DOCUMENTS, body).await;
        assert_eq!(answer.problem(status, DOCUMENTS), code, "{body}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(hint), "{body}: {detail}");
    }
    let long = json!({"name": "a".repeat(70_000), "kind": "yjs"}).to_string();
    assert_eq!(
        api.post(DOCUMENTS, long).await.problem(413, DOCUMENTS),
        "body_too_large"
    );
    let unsaid = Request::post(DOCUMENTS).body(Body::from("{}")).unwrap();
    assert_eq!(
        api.ask(unsaid).await.problem(415, DOCUMENTS),
        "json_expected"
    );
}

#[tokio::test]
async fn parameters_and_names_that_cannot_be_read_are_named() {
    let api = Api::new().await;
    write(&*api.store, "notes", &["a"]).await;
    let notes = format!("{DOCUMENTS}/notes");
    let cases = [
        (DOCUMENTS.to_owned(), "limit=0", "invalid_limit"),
        (DOCUMENTS.to_owned(), "limit=1001", "invalid_limit"),
        (DOCUMENTS.to_owned(), "limit=ten", "invalid_limit"),
        (DOCUMENTS.to_owned(), "limit=1&limit=2", "invalid_parameter"),
        (DOCUMENTS.to_owned(), "cursor=zz", "invalid_cursor"),
        (format!("{notes}/changes"), "cursor=3c", "invalid_cursor"),
        (
            format!("{notes}/changes"),
            "direction=up",
            "invalid_direction",
        ),
        (format!("{notes}/content"), "format=html", "invalid_format"),
        (format!("{notes}/content"), "at=yesterday", "invalid_place"),
        (format!("{notes}/content"), "at=1&index=1", "invalid_place"),
        (format!("{notes}/content"), "index=-1", "invalid_index"),
    ];
    for (path, query, code) in cases {
        let answer = api.get(&format!("{path}?{query}")).await;
        assert_eq!(answer.problem(400, &path), code, "{query}");
    }
    for name in ["a%00b", "%ff", &"x".repeat(513)] {
        let path = format!("{DOCUMENTS}/{name}");
        assert_eq!(api.get(&path).await.problem(422, &path), "invalid_name");
    }
}

#[tokio::test]
async fn documents_are_listed_page_by_page_without_gaps_or_repeats() {
    let api = Api::new().await;
    let wanted: Vec<String> = (0..23).map(|number| format!("part/{number:02}")).collect();
    for name in wanted.iter().rev() {
        api.create(name).await;
    }
    api.create("other").await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api
            .get(&format!("{DOCUMENTS}?prefix=part%2F&limit=5{cursor}"))
            .await
            .json();
        found.extend(names(&page, "name"));
        // Written between two pages: before the cursor it is not seen, after it it is not a repeat.
        api.create("part/").await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, wanted);
    let workspaces = api.get("/api/v1/workspaces").await.json();
    assert_eq!(
        workspaces,
        json!({"items": [{"name": "default", "documents": 25}], "next_cursor": null})
    );
}

#[tokio::test]
async fn the_timeline_is_paged_both_ways() {
    let api = Api::new().await;
    write(&*api.store, "notes", &["a", "b", "c", "d", "e", "f", "g"]).await;
    let changes = format!("{DOCUMENTS}/notes/changes");
    let walk = async |direction: &str, link: &str, mut cursor: String| {
        let mut pages = Vec::new();
        loop {
            let page = api
                .get(&format!("{changes}?limit=3&direction={direction}{cursor}"))
                .await
                .json();
            pages.push(names(&page, "counter").join(""));
            match page[link].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (pages, page),
            }
        }
    };
    let (forward, last) = walk("forward", "next_cursor", String::new()).await;
    assert_eq!(forward, ["123", "456", "7"]);
    let back = format!("&cursor={}", last["prev_cursor"].as_str().unwrap());
    assert_eq!(walk("forward", "prev_cursor", back).await.0, ["456", "123"]);

    let (backward, last) = walk("backward", "next_cursor", String::new()).await;
    assert_eq!(backward, ["765", "432", "1"]);
    let back = format!("&cursor={}", last["prev_cursor"].as_str().unwrap());
    assert_eq!(
        walk("backward", "prev_cursor", back).await.0,
        ["432", "765"]
    );
}

#[tokio::test]
async fn a_change_says_what_is_known_of_it() {
    let api = Api::new().await;
    write(&*api.store, "notes", &["a", "bc"]).await;
    let page = api
        .get(&format!(
            "{DOCUMENTS}/notes/changes?limit=1&direction=backward"
        ))
        .await
        .json();
    let change = &page["items"][0];
    let replica = &change["replica"].to_string();
    assert_eq!(
        *change,
        json!({
            "order": change["order"], "replica": change["replica"], "counter": 2, "context": {replica: 1},
            "time": "2026-11-20T09:30:01.000Z", "author": null, "connection": 1,
            "kind": "yjs-update", "updates": 1, "bytes": 11,
        })
    );
    let document = api.get(&format!("{DOCUMENTS}/notes")).await.json();
    assert_eq!(
        (&document["changes"], &document["clock"]),
        (&json!(2), &json!({replica: 2}))
    );
}

#[tokio::test]
async fn content_is_had_at_every_place_in_every_form() {
    let api = Api::new().await;
    write(&*api.store, "notes", &["The ", "quick ", "fox"]).await;
    let content = format!("{DOCUMENTS}/notes/content");
    let changes = api.get(&format!("{DOCUMENTS}/notes/changes")).await.json();
    let second = &changes["items"][1];
    let dot = format!("{}.2", second["replica"]);
    let cases = [
        (String::new(), "The quick fox", "3"),
        ("index=0".to_owned(), "", "0"),
        ("index=2".to_owned(), "The quick ", "2"),
        (format!("at={dot}"), "The quick ", "2"),
        (format!("at={}", second["order"]), "The quick ", "2"),
        ("at=999999999".to_owned(), "The quick fox", "3"),
        ("at=2026-11-20T09:30:01.999Z".to_owned(), "The quick ", "2"),
        ("at=2026-11-20T11:30:00%2B02:00".to_owned(), "The ", "1"),
        ("at=2026-11-20T09:29:59Z".to_owned(), "", "0"),
        ("field=text".to_owned(), "The quick fox", "3"),
        ("field=nothing".to_owned(), "", "3"),
    ];
    for (query, text, index) in cases {
        let answer = api.get(&format!("{content}?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {:?}", answer.body);
        assert_eq!(
            (&*answer.body, answer.header("quire-index")),
            (text.as_bytes(), Some(index)),
            "{query}"
        );
        assert_eq!(
            answer.header("quire-change").is_some(),
            index != "0",
            "{query}"
        );
    }
    let answer = api.get(&format!("{content}?index=2&format=json")).await;
    assert_eq!(answer.json(), json!({"text": "The quick "}));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("quire-change"), Some(dot.as_str()));
    assert_eq!(
        answer.header("quire-time"),
        Some("2026-11-20T09:30:01.000Z")
    );
    assert_eq!(
        answer.header("quire-order").map(str::to_owned),
        Some(second["order"].to_string())
    );

    let whole = api.get(&format!("{content}?format=binary")).await;
    assert_eq!(
        whole.header("content-type"),
        Some("application/octet-stream")
    );
    let mut copy = engine::Content::new(engine::Kind::Yjs).unwrap();
    copy.integrate(&whole.body).unwrap();
    assert_eq!(copy.text(None).unwrap(), "The quick fox");
}

#[tokio::test]
async fn a_place_that_names_no_change_is_not_found() {
    let api = Api::new().await;
    write(&*api.store, "notes", &["a"]).await;
    let content = format!("{DOCUMENTS}/notes/content");
    for query in ["index=2", "at=999.1"] {
        let answer = api.get(&format!("{content}?{query}")).await;
        assert_eq!(answer.problem(404, &content), "change_not_found");
    }
}

#[tokio::test]
async fn content_that_is_known_is_not_sent_again() {
    let api = Api::new().await;
    let notes = write(&*api.store, "notes", &["a"]).await;
    let content = format!("{DOCUMENTS}/notes/content");
    let tag = api.get(&content).await.header("etag").unwrap().to_owned();
    let again = async || {
        let request = Request::get(&content).header("if-none-match", format!("\"other\", {tag}"));
        api.ask(request.body(Body::empty()).unwrap()).await
    };
    let known = again().await;
    assert_eq!(
        (known.status, known.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    write(&*api.store, notes.name(), &["b"]).await;
    assert_eq!(again().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_fails_is_told_as_a_passing_fault_without_its_words() {
    let api = Api::new().await;
    write(&*api.store, "notes", &["a"]).await;
    Store::close(&*api.store).await.unwrap();
    for path in [
        "/api/v1/workspaces",
        DOCUMENTS,
        &format!("{DOCUMENTS}/notes/content"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.problem(503, path), "store_unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn where_nobody_is_asked_who_they_are_everybody_may_everything() {
    let api = Api::new().await;
    let rule = json!({
        "workspace": "*", "document": "*", "editors_max": null,
        "may": ["read", "comment", "write", "presence", "history", "admin"],
    });
    let access = json!({"may": rule["may"], "editors_max": null});
    let who =
        |access| json!({"user": null, "expires_at": null, "grants": [rule], "access": access});
    let path = "/api/v1/whoami";
    assert_eq!(api.get(path).await.json(), who(Value::Null));
    let about = api.get(&format!("{path}?document=any%2Fname")).await;
    assert_eq!(about.json(), who(access));
    let nameless = api.get(&format!("{path}?document=")).await;
    assert_eq!(nameless.problem(422, path), "invalid_name");
}

#[tokio::test]
async fn a_signal_says_whether_anybody_could_hear_it() {
    let api = Api::new().await;
    let path = format!("{DOCUMENTS}/notes/signal");
    let answer = api
        .post(&path, json!({"payload": "saved"}).to_string())
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!({"open": false}))
    );
    let wordless = api.post(&path, "{}").await;
    assert_eq!(wordless.problem(422, &path), "invalid_body");
    assert!(wordless.json()["detail"].to_string().contains("payload"));
}

/// Asks every path that is described for every method: what is described is there, and nothing else is.
#[tokio::test]
async fn the_description_and_the_router_agree() {
    let api = Api::new().await;
    let spec = api.get("/openapi.json").await.json();
    assert!(
        spec["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        spec["openapi"]
    );
    let mut ids = BTreeSet::new();
    for (path, item) in spec["paths"].as_object().unwrap() {
        let concrete = path
            .replace("{workspace}", "default")
            .replace("{document}", "nothing");
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            let answer = api.call(method.clone(), &concrete).await;
            let operation = &item[method.as_str().to_lowercase()];
            if operation.is_null() {
                assert_eq!(
                    answer.problem(405, &concrete),
                    "method_not_allowed",
                    "{method} {path}"
                );
                assert!(answer.headers.contains_key("allow"), "{method} {path}");
            } else {
                let status = answer.status.as_str();
                assert!(
                    !operation["responses"][status].is_null(),
                    "{method} {path} answers {status}"
                );
                assert!(
                    ids.insert(operation["operationId"].to_string()),
                    "{operation}"
                );
            }
        }
    }
    let wanted = [
        "/livez",
        "/readyz",
        "/metrics",
        "/version",
        "/api/v1/whoami",
        "/api/v1/workspaces",
        "/api/v1/workspaces/{workspace}/documents",
        "/api/v1/workspaces/{workspace}/documents/{document}",
        "/api/v1/workspaces/{workspace}/documents/{document}/changes",
        "/api/v1/workspaces/{workspace}/documents/{document}/content",
    ];
    for path in wanted {
        assert!(!spec["paths"][path].is_null(), "{path} is not described");
    }
}

#[tokio::test]
async fn every_error_of_the_api_is_described_as_a_problem() {
    let spec = Api::new().await.get("/openapi.json").await.json();
    let paths = spec["paths"].as_object().unwrap().iter();
    let paths = paths.filter(|(path, _)| path.starts_with("/api/"));
    let operations = paths.flat_map(|(_, item)| item.as_object().unwrap().values());
    for operation in operations {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_problem = !response["content"]["application/problem+json"].is_null();
            assert_eq!(is_problem, status.as_str() >= "400", "{status}: {response}");
        }
    }
}

#[tokio::test]
async fn the_description_is_complete_in_itself() {
    let spec = Api::new().await.get("/openapi.json").await.json();
    let mut pending = vec![&spec];
    while let Some(value) = pending.pop() {
        if let Some(target) = value["$ref"].as_str() {
            assert!(
                spec.pointer(&target[1..]).is_some(),
                "{target} leads nowhere"
            );
        }
        for parameter in value["parameters"].as_array().into_iter().flatten() {
            assert!(!parameter["schema"].is_null(), "{parameter} has no schema");
        }
        pending.extend(
            value
                .as_object()
                .into_iter()
                .flat_map(|object| object.values()),
        );
        pending.extend(value.as_array().into_iter().flatten());
    }
}
