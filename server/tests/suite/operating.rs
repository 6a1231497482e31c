//! What operators ask of several nodes, and have them do: where documents are best opened, how far each replica is, and
//! draining.

use std::process::{Command, Output};

use crate::common::api::{Answer, Api};
use crate::common::nodes::{Served, Shared, hears, push};
use crate::common::wire::{Server, Socket};
use crate::common::write;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

impl Served {
    /// The API of this node, asked without a network.
    fn api(&self, shared: &Shared) -> Api {
        Api::of(shared.store.clone(), self.app.clone())
    }
}

fn names(items: &Value, field: &str) -> Vec<String> {
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

/// Waits until all nodes are in the register.
async fn gathered(api: &Api, wanted: &[&str]) {
    loop {
        let route = api.get("/api/v1/route/any").await;
        if route.status == StatusCode::OK {
            let mut found = names(&route.json()["order"], "node");
            found.sort();
            if found == wanted {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_alone_is_the_best_node_for_every_document() {
    let api = Api::new().await;
    let route = api.get("/api/v1/route/a%2Fb%20c?redirect").await;
    assert_eq!(route.status, StatusCode::OK);
    assert_eq!(route.header("quire-location"), None);
    let route = route.json();
    assert_eq!(
        (&route["workspace"], &route["document"], &route["here"]),
        (&json!("default"), &json!("a/b c"), &json!(true))
    );
    assert_eq!(route["order"].as_array().unwrap().len(), 1);
    let path = "/api/v1/workspaces/team/documents/x/route";
    assert_eq!(api.get(path).await.json()["workspace"], json!("team"));
    let path = "/api/v1/route/%FF";
    assert_eq!(api.get(path).await.problem(422, path), "invalid_name");
}

#[tokio::test]
async fn a_server_alone_is_its_only_replica() {
    let api = Api::new().await;
    let replicas = api.get("/api/v1/replicas").await.json();
    let items = replicas["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{replicas}");
    assert_eq!(
        (&items[0]["here"], &items[0]["state"], &items[0]["node"]),
        (&json!(true), &json!("held"), &Value::Null)
    );
    assert_eq!(items[0]["connections"], json!(0));
    assert_eq!(replicas["documents"], json!([]));
}

#[tokio::test]
async fn all_nodes_send_a_document_to_the_same_one() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let apis = nodes.each_ref().map(|node| node.api(&shared));
    for api in &apis {
        gathered(api, &["a", "b", "c"]).await;
    }
    let mut best = Vec::new();
    for number in 0..60 {
        let path = format!("/api/v1/route/document-{number}?redirect");
        let mut answers = Vec::new();
        for (api, own) in apis.iter().zip(["a", "b", "c"]) {
            let answer = api.get(&path).await;
            let route = answer.json();
            let node = route["node"].as_str().unwrap().to_owned();
            assert_eq!(route["here"], json!(node == own));
            let location = format!("ws://{node}.example/yjs/default/document-{number}");
            let wanted = (node != own).then_some(location.as_str());
            assert_eq!(answer.header("quire-location"), wanted);
            answers.push((node, names(&route["order"], "node")));
        }
        answers.dedup();
        let [(node, order)] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert_eq!((order.len(), &order[0]), (3, node));
        best.push(node.clone());
    }
    best.sort();
    best.dedup();
    assert_eq!(best, ["a", "b", "c"], "each is best for some");
}

async fn drain(api: &Api, method: Method, node: &str) -> Answer {
    api.call(method, &format!("/api/v1/nodes/{node}/drain"))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_drains_lets_its_clients_go_and_serves_who_comes_nonetheless() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let [a, b, _] = &nodes;
    let (here, there) = (a.api(&shared), b.api(&shared));
    gathered(&here, &["a", "b", "c"]).await;
    let mut clients = [b.join("plan"), b.join("plan"), b.join("other")];
    let mut stays = a.join("plan");

    let told = drain(&here, Method::POST, "b").await;
    assert_eq!(told.status, StatusCode::ACCEPTED);
    let wanted = json!({"node": "b", "here": false, "draining": true});
    assert_eq!(told.json(), wanted);
    for socket in &mut clients {
        assert_eq!(socket.closed().0, 1012);
    }
    let ready = there.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.body.starts_with(b"draining"), "{:?}", ready.body);
    gathered(&here, &["a", "c"]).await;
    gathered(&there, &["a", "c"]).await;
    let mut back = b.join("plan");
    back.send_frame(&push(1, "still here")).unwrap();
    hears(&mut stays, "still here");

    let told = drain(&there, Method::DELETE, "b").await;
    assert_eq!(told.json()["here"], json!(true));
    assert_eq!(there.get("/readyz").await.status, StatusCode::OK);
    gathered(&here, &["a", "b", "c"]).await;
    back.send_frame(&push(2, "nobody closed me")).unwrap();
    hears(&mut stays, "nobody closed me");
}

#[tokio::test]
async fn where_all_drain_no_node_is_best() {
    let shared = Shared::default();
    let node = shared.node("a").await;
    let api = node.api(&shared);
    assert_eq!(
        drain(&api, Method::POST, "a").await.status,
        StatusCode::ACCEPTED
    );
    let path = "/api/v1/route/any";
    assert_eq!(api.get(path).await.problem(503, path), "no_node");
}

#[tokio::test]
async fn only_a_node_that_is_there_is_told_to_drain() {
    let path = "/api/v1/nodes/b/drain";
    let alone = drain(&Api::new().await, Method::POST, "b").await;
    assert_eq!(alone.problem(409, path), "no_cluster");
    let shared = Shared::default();
    let node = shared.node("a").await;
    let unknown = drain(&node.api(&shared), Method::POST, "b").await;
    assert_eq!(unknown.problem(404, path), "node_not_found");
}

/// What each replica says of the only document that is told of, by the name of its node.
#[tokio::test]
async fn without_a_bus_a_node_is_drained_by_itself_only() {
    let shared = Shared::default();
    let [a, _b] = [
        shared.node_without_bus("a").await,
        shared.node_without_bus("b").await,
    ];
    let api = a.api(&shared);
    let route = api.get("/api/v1/route/any").await.json();
    let mut known = names(&route["order"], "node");
    known.sort();
    assert_eq!(known, ["a", "b"], "known from the store");
    let path = "/api/v1/nodes/b/drain";
    let told = drain(&api, Method::POST, "b").await;
    assert!(
        told.json()["detail"]
            .as_str()
            .unwrap()
            .contains("ask the node itself")
    );
    assert_eq!(told.problem(503, path), "bus_unavailable");
    let told = drain(&api, Method::POST, "a").await;
    assert_eq!(told.status, StatusCode::ACCEPTED);
    let route = api.get("/api/v1/route/any").await.json();
    assert_eq!(names(&route["order"], "node"), ["b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_asked_of_one_node_is_so_at_all() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let [a, b, c] = nodes.each_ref().map(|node| node.api(&shared));
    gathered(&b, &["a", "b", "c"]).await;
    let signal = "/api/v1/workspaces/default/documents/plan/signal";
    let is_open = async || b.post(signal, r#"{"payload": "hello"}"#).await.json()["open"].clone();
    assert_eq!(is_open().await, json!(false));
    let _reader = nodes[0].join("plan");
    assert_eq!(is_open().await, json!(true), "although at another node");

    nodes[0].loses_words(true);
    let revoked = a.post("/api/v1/revocations", r#"{"user": "bob"}"#).await;
    let listed = c.get("/api/v1/revocations").await.json();
    assert_eq!(listed["items"], json!([revoked.json()]));
    let path = format!("/api/v1/revocations/{}", revoked.json()["id"]);
    let lifted = b.call(Method::DELETE, &path).await;
    assert_eq!(lifted.status, StatusCode::NO_CONTENT);
    let listed = c.get("/api/v1/revocations").await.json();
    assert_eq!(listed["items"], json!([]));

    let ticket = a.post("/api/v1/tickets", "{}").await.json();
    let path = format!(
        "/api/v1/whoami?ticket={}",
        ticket["ticket"].as_str().unwrap()
    );
    assert_eq!(c.get(&path).await.status, StatusCode::OK);
    assert_eq!(a.get(&path).await.status, StatusCode::UNAUTHORIZED);
}

async fn progress(api: &Api, query: &str) -> Vec<(String, Value)> {
    let page = api.get(&format!("/api/v1/replicas?{query}")).await.json();
    let documents = page["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 1, "{page}");
    let replicas = documents[0]["replicas"].as_array().unwrap().iter();
    let named = replicas.map(|it| (it["node"].as_str().unwrap().to_owned(), it.clone()));
    named.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_replica_tells_how_far_it_is_with_a_document() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let [a, b, _] = &nodes;
    let api = nodes[2].api(&shared);
    gathered(&api, &["a", "b", "c"]).await;
    let (mut author, mut reader) = (a.join("plan"), b.join("plan"));
    author.send_frame(&push(1, "first")).unwrap();
    hears(&mut author, "first");
    hears(&mut reader, "first");

    let page = api.get("/api/v1/replicas").await.json();
    assert_eq!(names(&page["items"], "node"), ["a", "b", "c"]);
    assert_eq!(names(&page["items"], "state"), ["held", "held", "held"]);
    let found = progress(&api, "document=plan").await;
    let replica = a.app.hub.world().replica().to_string();
    for (node, it) in &found {
        let is_open = node != "c";
        assert_eq!(it["open"], json!(is_open), "{node}: {it}");
        let wanted = if is_open {
            [json!({&replica: 1}), json!(0), json!(0), json!(0)]
        } else {
            [const { Value::Null }; 4]
        };
        let fields = ["clock", "lag_changes", "lag_ms", "held"].map(|field| it[field].clone());
        assert_eq!(fields, wanted, "{node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_is_behind_says_by_how_much() {
    let shared = Shared::slow_to_look();
    let (a, b) = (shared.node("a").await, shared.node("b").await);
    let api = a.api(&shared);
    gathered(&api, &["a", "b"]).await;
    let (mut author, _reader) = (a.join("plan"), b.join("plan"));
    a.loses_words(true);
    for (text, client) in ["one", "two", "three"].into_iter().zip(1..) {
        author.send_frame(&push(client, text)).unwrap();
        hears(&mut author, text);
    }
    a.loses_words(false);
    let found = progress(&api, "document=plan&workspace=default").await;
    let of = |name: &str| {
        found
            .iter()
            .find(|(node, _)| node == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(
        (&of("a")["lag_changes"], &of("a")["lag_ms"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(of("b")["lag_changes"], json!(3));
    assert!(of("b")["lag_ms"].is_u64(), "{}", of("b"));
}

#[tokio::test]
async fn the_documents_of_a_workspace_are_told_of_page_by_page() {
    let shared = Shared::default();
    let node = shared.node("a").await;
    let api = node.api(&shared);
    for name in ["a", "b", "c"] {
        write(&*shared.store, name, &["x", "y"]).await;
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/replicas?workspace=default&limit=2{cursor}");
        let page = api.get(&path).await.json();
        for document in page["documents"].as_array().unwrap() {
            assert_eq!(document["changes"], json!(2));
            assert_eq!(document["replicas"][0]["open"], json!(false));
        }
        found.extend(names(&page["documents"], "name"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["a", "b", "c"]);
    let path = "/api/v1/replicas?workspace=default&cursor=zz";
    let problem = api.get(path).await.problem(400, "/api/v1/replicas");
    assert_eq!(problem, "invalid_cursor");
}

fn quire(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
    command.args(args).env_clear().output().unwrap()
}

/// What a command says on standard error, and what it ends with.
fn failed(args: &[&str]) -> (i32, String) {
    let output = quire(args);
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn the_command_line_asks_a_server_how_its_nodes_are() {
    let server = Server::start(&[]);
    let at = format!("http://{}", server.address);
    let status = quire(&["cluster", "status", "--server", &at, "-o", "json"]);
    assert!(status.status.success(), "{status:?}");
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["store"]["status"], json!("ok"));
    assert_eq!(status["replicas"][0]["here"], json!(true));
    let table = quire(&["cluster", "status", "--server", &at]).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(
        table.starts_with("NODE") && table.contains("store  ok"),
        "{table}"
    );

    let (code, said) = failed(&["cluster", "drain", "--server", &at]);
    assert_eq!(code, 1);
    assert!(said.contains("no other node"), "{said}");
    let (code, said) = failed(&["cluster", "drain", "b", "--server", &at]);
    assert_eq!(code, 1);
    assert!(
        said.contains("409") && said.contains("stop it instead"),
        "{said}"
    );
    drop(server);
    let (code, said) = failed(&["cluster", "status", "--server", &at]);
    assert_eq!(code, 5);
    assert!(said.contains("cannot be reached"), "{said}");
}

#[test]
fn without_a_database_there_are_no_nodes_to_look_at() {
    for args in [&["cluster", "status"][..], &["cluster", "drain", "b"]] {
        let (code, said) = failed(args);
        assert_eq!(code, 2);
        assert!(
            said.contains("DATABASE_URL") && said.contains("--server"),
            "{said}"
        );
    }
    let (code, said) = failed(&["cluster", "status", "--server", "localhost"]);
    assert_eq!(code, 2);
    assert!(said.contains("http://127.0.0.1:1234"), "{said}");
}

/// Each client is told to come back, one after the other; who is still here is served until then.
#[test]
fn a_server_that_stops_lets_its_clients_go_one_after_the_other() {
    let times = [("SHUTDOWN__SPREAD", "4s"), ("SHUTDOWN__GRACE", "20s")];
    let mut server = Server::start(&times);
    let mut clients = [0; 2].map(|_| {
        let mut socket = Socket::open(&server, "/plan");
        assert!(socket.joins());
        socket
    });
    server.terminate();
    // Whoever came last goes first.
    let [first, last] = &mut clients;
    assert_eq!(last.closed().0, 1012);
    first.send_frame(&push(1, "meanwhile")).unwrap();
    hears(first, "meanwhile");
    assert_eq!(first.closed().0, 1012);
    assert!(server.ended().success());
}
