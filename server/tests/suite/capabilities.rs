//! Who may do what over the API: every route with every kind of grant, and what those hear who may not.

use std::collections::BTreeSet;

use crate::common::api::{Answer, Api, DOCUMENTS};
use crate::common::{quarantined, write};
use automerge::AutoCommit;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use engine::{Author, Capability, Grant, Pattern, Rule};
use serde_json::{Value, json};
use server::auth::Pass;
use storage::Store;

/// One thing that can be asked.
struct Ask {
    method: Method,
    path: String,
    body: Option<Value>,
}

fn ask(method: Method, path: impl Into<String>, body: Option<Value>) -> Ask {
    Ask {
        method,
        path: path.into(),
        body,
    }
}

impl Ask {
    /// Whether what is sent is an Automerge file.
    fn is_file(&self) -> bool {
        self.method == Method::POST && self.path.ends_with("/changes")
    }
}

fn grant(rules: &[(&str, &str, &str)]) -> Grant {
    let rule = |(workspace, document, may): &(&str, &str, &str)| Rule {
        workspace: Pattern::new(workspace),
        document: Pattern::new(document),
        may: may
            .split_whitespace()
            .map(|word| word.parse::<Capability>().unwrap())
            .collect(),
        editors_max: None,
    };
    Grant {
        principal: Some(Author::new("ada")),
        rules: rules.iter().map(rule).collect(),
        expires_ms: None,
    }
}

/// Asks with a pass, which is shown as a ticket.
async fn with(api: &Api, pass: Pass, ask: &Ask) -> Answer {
    let auth = api.app.hub.world().auth.clone();
    let ticket = auth.issue_ticket(&pass).await.unwrap();
    let and = if ask.path.contains('?') { '&' } else { '?' };
    let path = format!("{}{and}ticket={}", ask.path, ticket.ticket);
    let request = Request::builder().method(&ask.method).uri(path);
    let request = match &ask.body {
        None if ask.is_file() => request
            .header("content-type", "application/octet-stream")
            .body(AutoCommit::new().save().into()),
        None => request.body(Body::empty()),
        Some(body) => request
            .header("content-type", "application/json")
            .body(Body::from(body.to_string())),
    };
    api.ask(request.unwrap()).await
}

async fn with_grant(api: &Api, grant: Grant, ask: &Ask) -> Answer {
    with(api, Pass::of(grant), ask).await
}

/// A server with a document `notes`, one of its payloads in quarantine, an ordered document `form`, and a revocation.
async fn furnished() -> Api {
    let api = Api::new().await;
    write(&*api.store, "notes", &["a"]).await;
    write(&*api.store, "other", &["b"]).await;
    let bad = quarantined("notes", b"bad");
    api.store.quarantine(bad).await.unwrap();
    let form = json!({"name": "form", "kind": "json0"}).to_string();
    let created = api.post(DOCUMENTS, form).await;
    assert_eq!(created.status, StatusCode::CREATED, "{:?}", created.body);
    let revoking = ask(Method::POST, "/api/v1/revocations", Some(about("gone")));
    let revoked = with_grant(&api, Grant::anonymous(), &revoking).await;
    assert_eq!(revoked.status, StatusCode::CREATED, "{:?}", revoked.body);
    api
}

fn about(document: &str) -> Value {
    json!({"document": document, "reason": "moved"})
}

fn notes(below: &str) -> String {
    format!("{DOCUMENTS}/notes{below}")
}

fn form(below: &str) -> String {
    format!("{DOCUMENTS}/form{below}")
}

fn file() -> Ask {
    ask(
        Method::POST,
        format!("{DOCUMENTS}/{AUTOMERGE}/changes"),
        None,
    )
}

fn deletion() -> Value {
    json!({"del": true})
}

fn batch() -> Value {
    json!({"operations": [{"document": "form", "del": true}]})
}

fn undoing() -> Value {
    json!({"source": "nobody", "from": 0})
}

/// A rule: workspace, document, and what may be done.
type Words = (&'static str, &'static str, &'static str);

const GRANTS: [&[Words]; 10] = [
    &[],
    &[("default", "*", "read")],
    &[("default", "*", "write")],
    &[("default", "*", "history")],
    &[("default", "*", "admin")],
    &[("default", "*", "read write")],
    &[("default", "*", EVERYTHING)],
    &[("team", "*", EVERYTHING)],
    &[("default", "other*", EVERYTHING)],
    &[("*", "*", EVERYTHING)],
];
const EVERYTHING: &str = "read comment write presence history admin";

/// What each route answers to each grant, in the order of [`GRANTS`].
#[rustfmt::skip]
fn table() -> Vec<(Ask, &'static str)> {
    let get = |path: &str| ask(Method::GET, path, None);
    let post = |path: &str, body| ask(Method::POST, path, Some(body));
    let delete = |path: &str| ask(Method::DELETE, path, None);
    let forget = format!("/quarantine/{}", quarantined("notes", b"bad").hash);
    let [tickets, revocations] = ["/api/v1/tickets", "/api/v1/revocations"];
    let new = || json!({"name": "new", "kind": "yjs"});
    vec![
        // Nothing, read, write, history, admin, read and write, all here, all elsewhere, all of others, all.
        (get("/api/v1/whoami"),                               "200 200 200 200 200 200 200 200 200 200"),
        (get("/api/v1/workspaces"),                           "403 200 403 403 403 200 200 200 200 200"),
        (get(DOCUMENTS),                                      "403 200 403 403 403 200 200 403 200 200"),
        (post(DOCUMENTS, new()),                              "403 403 403 403 403 201 201 403 403 201"),
        (get(&notes("")),                                     "403 200 403 403 403 200 200 403 403 200"),
        (delete(&notes("")),                                  "403 403 403 403 204 403 204 403 403 204"),
        (get(&notes("/content")),                             "403 200 403 403 403 200 200 403 403 200"),
        (get(&notes("/content?index=0")),                     "403 403 403 403 403 403 200 403 403 200"),
        (get(&notes("/content?at=1")),                        "403 403 403 403 403 403 200 403 403 200"),
        (get(&notes("/changes")),                             "403 403 403 200 403 403 200 403 403 200"),
        (file(),                                              "403 403 403 403 403 200 200 403 403 200"),
        (post(&notes("/signal"), json!({"payload": "x"})),    "403 403 403 403 200 403 200 403 403 200"),
        (post("/api/v1/workspaces/default/batch", batch()),   "403 403 403 403 403 200 200 403 403 200"),
        (post(&form("/operations"), deletion()),              "403 403 403 403 403 200 200 403 403 200"),
        (post(&form("/undo"), undoing()),                     "403 403 403 403 403 403 200 403 403 200"),
        (get(&form("/hash")),                                 "403 200 403 403 403 200 200 403 403 200"),
        (get(&form("/hash?index=0")),                         "403 403 403 403 403 403 200 403 403 200"),
        (get(&notes("/quarantine")),                          "403 403 403 403 200 403 200 403 403 200"),
        (delete(&notes(&forget)),                             "403 403 403 403 204 403 204 403 403 204"),
        (get("/api/v1/quarantine"),                           "403 403 403 403 200 403 200 200 200 200"),
        (get(&notes("/route")),                               "403 200 403 403 403 200 200 403 403 200"),
        (get("/api/v1/route/notes"),                          "403 200 403 403 403 200 200 403 403 200"),
        (get("/api/v1/replicas"),                             "403 403 403 403 403 403 403 403 403 200"),
        (get("/api/v1/replicas?document=notes"),              "403 403 403 403 403 403 403 403 403 200"),
        (post("/api/v1/nodes/a/drain", json!({})),            "403 403 403 403 403 403 403 403 403 409"),
        (delete("/api/v1/nodes/a/drain"),                     "403 403 403 403 403 403 403 403 403 409"),
        (post(tickets, json!({})),                            "201 201 201 201 201 201 201 201 201 201"),
        (post(tickets, json!({"document": "notes"})),         "403 201 403 403 403 201 201 403 403 201"),
        (post(tickets, json!({"workspace": "default"})),      "403 201 403 403 403 201 201 403 201 201"),
        (get(revocations),                                    "403 403 403 403 200 403 200 200 200 200"),
        (post(revocations, about("notes")),                   "403 403 403 403 201 403 201 403 403 201"),
        (post(revocations, json!({"user": "bob"})),           "403 403 403 403 403 403 403 403 403 201"),
        (post(revocations, json!({"token": "t1"})),           "403 403 403 403 403 403 403 403 403 201"),
        (delete("/api/v1/revocations/1"),                     "403 403 403 403 204 403 204 404 404 204"),
        (get("/metrics"),                                     "403 403 403 403 403 403 403 403 403 200"),
        (get("/readyz?verbose"),                              "403 403 403 403 403 403 403 403 403 200"),
        (get("/readyz"),                                      "200 200 200 200 200 200 200 200 200 200"),
        (get("/livez"),                                       "200 200 200 200 200 200 200 200 200 200"),
        (get("/version"),                                     "200 200 200 200 200 200 200 200 200 200"),
        (get("/openapi.json"),                                "200 200 200 200 200 200 200 200 200 200"),
    ]
}

#[tokio::test]
async fn each_route_answers_each_grant_as_it_should() {
    let mut api = furnished().await;
    for (ask, wanted) in table() {
        let mut answered = Vec::new();
        for rules in GRANTS {
            let answer = with_grant(&api, grant(rules), &ask).await;
            if answer.status.is_success() && ask.method != Method::GET {
                api = furnished().await;
            }
            answered.push(answer.status.as_u16().to_string());
        }
        assert_eq!(answered.join(" "), wanted, "{} {}", ask.method, ask.path);
    }
}

/// What every operation that is described can be asked with.
fn body_for(operation: &Value) -> Option<Value> {
    match operation["operationId"].as_str().unwrap() {
        "createDocument" => Some(json!({"name": "new", "kind": "yjs"})),
        "signalDocument" => Some(json!({"payload": "x"})),
        "issueTicket" => Some(json!({})),
        "revoke" => Some(about("notes")),
        "makeOperation" => Some(deletion()),
        "makeBatch" => Some(batch()),
        "undoOperations" => Some(undoing()),
        _ => None,
    }
}

/// Some things can only be done with an ordered document, or with one of Automerge.
fn document_of(path: &str, method: &str) -> &'static str {
    let is_ordered = |below: &&str| path.ends_with(*below);
    match ["/operations", "/undo", "/hash"].iter().any(is_ordered) {
        true => "form",
        false if path.ends_with("/changes") && method == "post" => AUTOMERGE,
        false => "notes",
    }
}

const AUTOMERGE: &str = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";

fn operations(spec: &Value) -> Vec<(Ask, BTreeSet<String>)> {
    let mut operations = Vec::new();
    for (path, item) in spec["paths"].as_object().unwrap() {
        let hash = quarantined("notes", b"bad").hash.to_string();
        for (method, operation) in item.as_object().unwrap() {
            let names = [
                ("workspace", "default"),
                ("document", document_of(path, method)),
                ("hash", &hash),
                ("id", "1"),
                ("node", "a"),
            ];
            let path = names.iter().fold(path.clone(), |path, (name, value)| {
                path.replace(&format!("{{{name}}}"), value)
            });
            let Some(takes) = operation["security"][0]["bearer"].as_array() else {
                assert!(
                    !path.starts_with("/api/"),
                    "{path} does not say what it takes"
                );
                continue;
            };
            let is_described = |status: &str| !operation["responses"][status].is_null();
            assert!(is_described("401"), "{method} {path}");
            assert!(takes.is_empty() || is_described("403"), "{method} {path}");
            let takes = takes.iter().map(|word| word.as_str().unwrap().to_owned());
            let method = method.to_uppercase().parse().unwrap();
            operations.push((ask(method, &path, body_for(operation)), takes.collect()));
        }
    }
    operations
}

/// Every operation with every set of capabilities: only with those that its description names does it do anything.
#[tokio::test]
async fn nothing_is_done_without_the_capabilities_that_the_description_names() {
    let spec = furnished().await.get("/openapi.json").await.json();
    let operations = operations(&spec);
    assert!(
        operations.len() >= 17,
        "{} operations take a token",
        operations.len()
    );
    let mut api = furnished().await;
    for (ask, takes) in operations {
        for set in 0..64_u32 {
            let may = Capability::ALL.into_iter().zip(0..);
            let may = may.filter(|(_, bit)| set >> bit & 1 == 1);
            let may: Vec<_> = may.map(|(capability, _)| capability.as_str()).collect();
            let has_all = takes.iter().all(|word| may.contains(&word.as_str()));
            let answer = with_grant(&api, grant(&[("*", "*", &may.join(" "))]), &ask).await;
            // A server alone has no node to drain: whoever hears that may have one drain.
            let done = answer.status.is_success() || answer.status == StatusCode::CONFLICT;
            let Ask { method, path, .. } = &ask;
            assert_eq!(
                done, has_all,
                "{method} {path} with {may:?}: {}",
                answer.status
            );
            if done && *method != Method::GET {
                api = furnished().await;
            }
        }
    }
}

#[tokio::test]
async fn what_a_token_lacks_is_named_also_for_programs() {
    let api = furnished().await;
    let reader = grant(&[("default", "*", "read")]);
    let path = notes("/changes");
    let answer = with_grant(&api, reader, &ask(Method::GET, &path, None)).await;
    assert_eq!(answer.problem(403, &path), "forbidden");
    let detail = answer.json()["detail"].to_string();
    assert!(
        detail.contains("lacks history for this document"),
        "{detail}"
    );
    let challenge = "Bearer realm=\"quire\", error=\"insufficient_scope\", scope=\"history\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
}

/// Bad input 36: who may not do something with a document does not learn whether there is one.
#[tokio::test]
async fn who_may_not_hears_nothing_of_what_there_is() {
    let api = furnished().await;
    let deleted = write(&*api.store, "wiped", &["a"]).await;
    api.store.delete(deleted).await.unwrap();
    let names = ["notes", "wiped", "never"];
    for below in [
        "",
        "/content",
        "/content?index=9",
        "/changes",
        "/quarantine",
        "/quarantine/00",
        "/route",
        "/signal",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let body = (method == Method::POST).then(|| json!({"payload": "x"}));
            let mut heard = BTreeSet::new();
            for name in names {
                let ask = ask(
                    method.clone(),
                    format!("{DOCUMENTS}/{name}{below}"),
                    body.clone(),
                );
                let stranger = grant(&[("default", "mine/*", EVERYTHING)]);
                let answer = with_grant(&api, stranger, &ask).await;
                assert!(!answer.status.is_success(), "{method} {name}{below}");
                let body = String::from_utf8(answer.body.to_vec()).unwrap();
                heard.insert((
                    answer.status,
                    format!("{:?}", answer.headers),
                    body.replace(name, ""),
                ));
            }
            assert_eq!(heard.len(), 1, "{method} {below}: {heard:#?}");
        }
    }
    for name in names {
        let body = Some(json!({"name": name, "kind": "yjs"}));
        let creating = ask(Method::POST, DOCUMENTS, body);
        let writer = grant(&[("default", "*", "write")]);
        assert_eq!(
            with_grant(&api, writer, &creating)
                .await
                .problem(403, DOCUMENTS),
            "forbidden"
        );
    }
}

#[tokio::test]
async fn lists_show_what_may_be_read_page_by_page_and_name_nothing_else() {
    let api = Api::new().await;
    for number in 0..300 {
        let name = if number % 10 == 0 { "mine" } else { "secret" };
        api.create(&format!("{number:03}-{name}")).await;
    }
    let mine = || grant(&[("default", "*-mine", "read")]);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(Method::GET, format!("{DOCUMENTS}?limit=7{cursor}"), None);
        let page = with_grant(&api, mine(), &page).await;
        assert!(!String::from_utf8_lossy(&page.body).contains("secret"));
        let page = page.json();
        let items: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].clone())
            .collect();
        found.extend(items.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        assert_eq!(items.len(), 7);
        let last = items.last().unwrap().as_str().unwrap();
        let hex: String = last.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(next, hex, "the cursor names what was shown last");
        cursor = format!("&cursor={next}");
    }
    let wanted: Vec<_> = (0..300)
        .step_by(10)
        .map(|number| json!(format!("{number:03}-mine")))
        .collect();
    assert_eq!(found, wanted);
    let workspaces = ask(Method::GET, "/api/v1/workspaces", None);
    let seen = with_grant(&api, mine(), &workspaces).await.json();
    assert_eq!(seen["items"], json!([{"name": "default", "documents": 30}]));
    let nothing = grant(&[("default", "none/*", "read")]);
    let seen = with_grant(&api, nothing, &workspaces).await.json();
    assert_eq!(seen["items"], json!([]));
}

#[tokio::test]
async fn who_wrote_last_is_told_to_those_who_may_see_history() {
    let api = Api::new().await;
    crate::common::write_as(&*api.store, "signed", "bob").await;
    let content = ask(Method::GET, format!("{DOCUMENTS}/signed/content"), None);
    for (may, author) in [("read", None), ("read history", Some("bob"))] {
        let answer = with_grant(&api, grant(&[("*", "*", may)]), &content).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("quire-author"), author, "with {may}");
    }
}

#[tokio::test]
async fn one_is_told_who_one_is() {
    let api = Api::new().await;
    let mut grant = grant(&[("team", "drafts/*", "read write")]);
    grant.rules[0].editors_max = Some(3);
    grant.expires_ms = Some(4_102_444_800_000);
    let asking = ask(
        Method::GET,
        "/api/v1/whoami?workspace=team&document=drafts%2Fone",
        None,
    );
    let answer = with_grant(&api, grant, &asking).await.json();
    let wanted = json!({
        "user": "ada", "expires_at": "2100-01-01T00:00:00.000Z",
        "grants": [{"workspace": "team", "document": "drafts/*", "may": ["read", "write"], "editors_max": 3}],
        "access": {"may": ["read", "write"], "editors_max": 3},
    });
    assert_eq!(answer, wanted);
}

#[tokio::test]
async fn what_has_expired_is_good_for_nothing() {
    let api = furnished().await;
    let mut past = grant(&[("*", "*", EVERYTHING)]);
    past.expires_ms = Some(1_000);
    for (ask, wanted) in table() {
        let answer = with_grant(&api, past.clone(), &ask).await;
        let is_open =
            wanted.split(' ').all(|status| status == "200") && !ask.path.contains("whoami");
        let path = ask.path.split('?').next().unwrap();
        if is_open {
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        } else {
            assert_eq!(answer.problem(401, path), "token_expired", "{path}");
            let challenge = "Bearer realm=\"quire\", error=\"invalid_token\"";
            assert_eq!(answer.header("www-authenticate"), Some(challenge));
        }
    }
}

#[tokio::test]
async fn a_ticket_is_good_once_and_for_no_more_than_was_asked() {
    let api = furnished().await;
    let reader = || grant(&[("default", "*", "read")]);
    let asking = ask(
        Method::POST,
        "/api/v1/tickets",
        Some(json!({"document": "notes"})),
    );
    let issue = async || {
        let answer = with_grant(&api, reader(), &asking).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()["ticket"].as_str().unwrap().to_owned()
    };
    let ticket = issue().await;
    let path = format!("{}?ticket={ticket}", notes(""));
    assert_eq!(api.get(&path).await.status, StatusCode::OK);
    assert_eq!(
        api.get(&path).await.problem(401, &notes("")),
        "token_not_good"
    );
    let (other, ticket) = (format!("{DOCUMENTS}/other"), issue().await);
    let elsewhere = api.get(&format!("{other}?ticket={ticket}")).await;
    assert_eq!(elsewhere.problem(403, &other), "forbidden");
}

#[tokio::test]
async fn what_is_revoked_is_shut_out_until_it_is_lifted() {
    let api = furnished().await;
    let pass = || Pass::of(grant(&[("default", "*", "read")]));
    let documents = ask(Method::GET, DOCUMENTS, None);
    let revoking = ask(
        Method::POST,
        "/api/v1/revocations",
        Some(json!({"user": "ada"})),
    );
    let revoked = with_grant(&api, Grant::anonymous(), &revoking).await.json();
    assert_eq!(
        (&revoked["user"], &revoked["author"]),
        (&json!("ada"), &Value::Null)
    );
    let shut_out = with(&api, pass(), &documents).await;
    assert_eq!(shut_out.problem(401, DOCUMENTS), "token_revoked");

    let lifting = ask(
        Method::DELETE,
        format!("/api/v1/revocations/{}", revoked["id"]),
        None,
    );
    let lifted = with_grant(&api, Grant::anonymous(), &lifting).await;
    assert_eq!(lifted.status, StatusCode::NO_CONTENT);
    assert_eq!(with(&api, pass(), &documents).await.status, StatusCode::OK);
    assert_eq!(
        with_grant(&api, Grant::anonymous(), &lifting).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_document_that_is_revoked_is_gone_from_lists_as_well() {
    let api = furnished().await;
    let reader = || grant(&[("default", "*", "read")]);
    let revoking = ask(Method::POST, "/api/v1/revocations", Some(about("notes")));
    with_grant(&api, Grant::anonymous(), &revoking).await;
    let looking = ask(Method::GET, notes(""), None);
    let looked = with_grant(&api, reader(), &looking).await;
    assert_eq!(looked.problem(401, &notes("")), "token_revoked");
    let listed = with_grant(&api, reader(), &ask(Method::GET, DOCUMENTS, None))
        .await
        .json();
    let names: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["form", "other"]);
}

#[tokio::test]
async fn revocations_are_listed_in_pages_to_those_who_may_lift_them() {
    let api = Api::new().await;
    for body in [
        about("a"),
        json!({"user": "bob"}),
        about("b/1"),
        json!({"token": "t"}),
        about("b/2"),
    ] {
        let revoking = ask(Method::POST, "/api/v1/revocations", Some(body));
        with_grant(&api, Grant::anonymous(), &revoking).await;
    }
    let listed = async |grant: Grant| {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ask(
                Method::GET,
                format!("/api/v1/revocations?limit=2{cursor}"),
                None,
            );
            let page = with_grant(&api, grant.clone(), &page).await.json();
            items.extend(page["items"].as_array().unwrap().iter().map(|it| {
                ["user", "token", "document"]
                    .map(|field| it[field].as_str().unwrap_or_default())
                    .concat()
            }));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    };
    assert_eq!(
        listed(Grant::anonymous()).await,
        ["a", "bob", "b/1", "t", "b/2"]
    );
    assert_eq!(
        listed(grant(&[("default", "b/*", "admin")])).await,
        ["b/1", "b/2"]
    );
}

#[tokio::test]
async fn a_revocation_that_is_none_is_told_what_is_wrong() {
    let api = Api::new().await;
    let long = "x".repeat(2_000);
    let cases = [
        (json!({}), "invalid_body", "exactly one"),
        (
            json!({"user": "a", "token": "b"}),
            "invalid_body",
            "exactly one",
        ),
        (
            json!({"user": "a", "workspace": "w"}),
            "invalid_body",
            "workspace",
        ),
        (json!({"user": ""}), "invalid_body", "user has 0 bytes"),
        (
            json!({"token": long}),
            "invalid_body",
            "token has 2000 bytes",
        ),
        (
            json!({"user": "a", "reason": long}),
            "invalid_body",
            "reason has 2000 bytes",
        ),
        (
            json!({"user": "a", "until": "soon"}),
            "invalid_body",
            "until is \\\"soon\\\"",
        ),
        (
            json!({"user": "a", "until": "2001-01-01T00:00:00Z"}),
            "invalid_body",
            "a time to come",
        ),
        (json!({"document": ""}), "invalid_name", "empty"),
        (json!({"usr": "a"}), "invalid_body", "usr"),
    ];
    for (body, code, hint) in cases {
        let answer = api.post("/api/v1/revocations", body.to_string()).await;
        assert_eq!(answer.problem(422, "/api/v1/revocations"), code, "{body}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(hint), "{body}: {detail}");
    }
    let path = "/api/v1/revocations/first";
    let answer = api.call(Method::DELETE, path).await;
    assert_eq!(answer.problem(422, path), "invalid_id");
}
