//! What a request shows, to a server that checks tokens: nothing, what is no good, what was good once, and what is.

use crate::common::api::{Answer, Api, DOCUMENTS};
use crate::common::tokens::{self, SECRET, claims, now_s, sign};
use crate::common::write;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with a key, and whoever signs with it.
struct Guarded {
    api: Api,
    _folder: TempDir,
}

impl Guarded {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let folder = tokens::folder();
        let settings = [&[("QUIRE_DATA_DIR", tokens::path_of(&folder))], settings].concat();
        let api = Api::with(&settings).await;
        write(&*api.store, "notes", &["a"]).await;
        Self {
            api,
            _folder: folder,
        }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.api.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        let shown = format!("Bearer {token}");
        self.ask("GET", path, &[("authorization", &shown)]).await
    }
}

const MISSING: &str = "Bearer realm=\"quire\"";
const INVALID: &str = "Bearer realm=\"quire\", error=\"invalid_token\"";

#[tokio::test]
async fn every_operation_that_takes_a_token_refuses_whoever_has_none_that_is_good() {
    let guarded = Guarded::new(&[]).await;
    let spec = guarded.api.get("/openapi.json").await.json();
    let mut past = claims("ada", &["read"]);
    past["exp"] = json!(now_s() - 1);
    let (past, forged) = (
        sign(&past, SECRET),
        sign(&claims("ada", &["admin"]), "another secret"),
    );
    let unsigned = format!("{}.", forged.rsplit_once('.').unwrap().0);
    let mut asked = 0;
    for (path, item) in spec["paths"].as_object().unwrap() {
        let concrete = [
            ("{workspace}", "default"),
            ("{document}", "notes"),
            ("{hash}", "00"),
            ("{id}", "1"),
        ]
        .iter()
        .fold(path.clone(), |path, (name, value)| {
            path.replace(name, value)
        });
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"][0]["bearer"].is_null() || !operation["requestBody"].is_null() {
                continue;
            }
            asked += 1;
            let method = method.to_uppercase();
            let shown = async |token: &str| {
                let header = format!("Bearer {token}");
                guarded
                    .ask(&method, &concrete, &[("authorization", &header)])
                    .await
            };
            let nothing = guarded.ask(&method, &concrete, &[]).await;
            assert_eq!(
                nothing.problem(401, &concrete),
                "token_needed",
                "{method} {path}"
            );
            assert_eq!(nothing.header("www-authenticate"), Some(MISSING));
            for (token, code) in [
                (&past, "token_expired"),
                (&forged, "token_not_good"),
                (&unsigned, "token_not_good"),
            ] {
                let answer = shown(token).await;
                assert_eq!(answer.problem(401, &concrete), code, "{method} {path}");
                assert_eq!(answer.header("www-authenticate"), Some(INVALID));
            }
        }
    }
    assert!(asked >= 12, "only {asked} operations were asked");
}

#[tokio::test]
async fn requests_with_a_body_take_a_token_as_well() {
    let guarded = Guarded::new(&[]).await;
    for (path, body) in [
        (
            DOCUMENTS.to_owned(),
            json!({"name": "notes", "kind": "yjs"}),
        ),
        (format!("{DOCUMENTS}/notes/signal"), json!({"payload": "x"})),
        ("/api/v1/tickets".to_owned(), json!({})),
        ("/api/v1/revocations".to_owned(), json!({"user": "bob"})),
    ] {
        let answer = guarded.api.post(&path, body.to_string()).await;
        assert_eq!(answer.problem(401, &path), "token_needed");
    }
}

#[tokio::test]
async fn a_good_token_is_told_who_it_is_and_what_it_lacks() {
    let guarded = Guarded::new(&[]).await;
    let token = sign(&claims("ada", &["read"]), SECRET);
    let who = guarded
        .get("/api/v1/whoami?document=notes", &token)
        .await
        .json();
    assert_eq!(who["user"], json!("ada"));
    assert_eq!(who["access"], json!({"may": ["read"], "editors_max": null}));
    let content = guarded
        .get(&format!("{DOCUMENTS}/notes/content"), &token)
        .await;
    assert_eq!(
        (content.status, &*content.body),
        (StatusCode::OK, &b"a"[..])
    );
    let path = format!("{DOCUMENTS}/notes/changes");
    let changes = guarded.get(&path, &token).await;
    assert_eq!(changes.problem(403, &path), "forbidden");
}

#[tokio::test]
async fn a_token_that_says_something_wrong_is_told_which_claim() {
    let guarded = Guarded::new(&[]).await;
    let mut wrong = claims("ada", &[]);
    wrong["quire"]["may"] = json!("admin");
    let answer = guarded.get("/api/v1/whoami", &sign(&wrong, SECRET)).await;
    assert_eq!(answer.problem(401, "/api/v1/whoami"), "token_not_good");
    let detail = answer.json()["detail"].to_string();
    assert!(
        detail.contains("may") && detail.contains("admin"),
        "{detail}"
    );
}

#[tokio::test]
async fn whoever_shows_nothing_may_what_is_open_and_is_asked_for_a_token_for_the_rest() {
    let guarded = Guarded::new(&[("QUIRE_AUTH__ANONYMOUS", "read,presence")]).await;
    let notes = format!("{DOCUMENTS}/notes");
    assert_eq!(guarded.api.get(&notes).await.status, StatusCode::OK);
    let deleting = guarded.api.call(Method::DELETE, &notes).await;
    assert_eq!(deleting.problem(401, &notes), "token_needed");
    assert_eq!(deleting.header("www-authenticate"), Some(MISSING));
    let who = guarded.api.get("/api/v1/whoami").await.json();
    assert_eq!(
        (&who["user"], &who["grants"][0]["may"]),
        (&Value::Null, &json!(["read", "presence"]))
    );
}

#[tokio::test]
async fn a_cookie_is_taken_from_pages_of_this_server_only() {
    let guarded = Guarded::new(&[]).await;
    let cookie = format!("quire_token={}", sign(&claims("ada", &["read"]), SECRET));
    let from = async |origin: Option<&'static str>| {
        let mut headers = vec![("cookie", cookie.as_str()), ("host", "good.example")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        guarded.ask("GET", DOCUMENTS, &headers).await.status
    };
    assert_eq!(from(Some("https://good.example")).await, StatusCode::OK);
    for origin in [
        None,
        Some("https://good.example.evil.com"),
        Some("null"),
        Some("https://evil.com"),
    ] {
        assert_eq!(from(origin).await, StatusCode::UNAUTHORIZED, "{origin:?}");
    }
}

#[tokio::test]
async fn tokens_that_are_issued_after_a_revocation_are_good() {
    let guarded = Guarded::new(&[]).await;
    let mut everywhere = claims("root", &[]);
    everywhere["quire"] = json!({"workspace": "*", "may": ["admin"]});
    let admin = format!("Bearer {}", sign(&everywhere, SECRET));
    let mut old = claims("ada", &["read"]);
    old["jti"] = json!("t1");
    let old = sign(&old, SECRET);
    assert_eq!(guarded.get(DOCUMENTS, &old).await.status, StatusCode::OK);
    for body in [json!({"token": "t1"}), json!({"user": "ada"})] {
        let request = Request::post("/api/v1/revocations")
            .header("authorization", &admin)
            .header("content-type", "application/json");
        let revoked = guarded
            .api
            .ask(request.body(Body::from(body.to_string())).unwrap())
            .await;
        assert_eq!(revoked.status, StatusCode::CREATED, "{:?}", revoked.body);
        assert_eq!(revoked.json()["author"], json!("root"));
        assert_eq!(
            guarded.get(DOCUMENTS, &old).await.problem(401, DOCUMENTS),
            "token_revoked"
        );
    }
    let mut new = claims("ada", &["read"]);
    new["iat"] = json!(now_s() + 2);
    assert_eq!(
        guarded.get(DOCUMENTS, &sign(&new, SECRET)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn metrics_are_for_admins_unless_they_are_opened_to_everybody() {
    for (settings, status) in [
        (&[][..], StatusCode::UNAUTHORIZED),
        (&[("QUIRE_AUTH__OPEN_METRICS", "true")][..], StatusCode::OK),
    ] {
        let guarded = Guarded::new(settings).await;
        for path in ["/metrics", "/readyz?verbose"] {
            assert_eq!(guarded.api.get(path).await.status, status, "{path}");
        }
        assert_eq!(
            guarded.api.get(DOCUMENTS).await.status,
            StatusCode::UNAUTHORIZED
        );
        for path in [
            "/livez",
            "/readyz",
            "/version",
            "/openapi.json",
            "/",
            "/edit",
        ] {
            assert_eq!(guarded.api.get(path).await.status, StatusCode::OK, "{path}");
        }
    }
}
