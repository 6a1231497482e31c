//! Batches over the REST API: operations in several ordered documents, all of them made or none, also while sessions have the
//! documents open and others edit them.

use crate::common::api::{Answer, Api, DOCUMENTS};
use crate::common::nodes::{Shared, hears};
use axum::http::StatusCode;
use engine::DocumentKey;
use futures_util::future::join_all;
use serde_json::{Value, json};
use storage::Store;

const BATCH: &str = "/api/v1/workspaces/default/batch";

async fn batch(api: &Api, operations: Value) -> Answer {
    let body = json!({"operations": operations});
    api.post(BATCH, body.to_string()).await
}

fn versions(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let items = answer.json()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["version"].as_u64().unwrap())
        .collect()
}

async fn content(api: &Api, name: &str) -> String {
    let content = api.get(&format!("{DOCUMENTS}/{name}/content")).await;
    String::from_utf8(content.body.to_vec()).unwrap()
}

fn creation(name: &str, data: &Value) -> Value {
    json!({"document": name, "create": {"type": "json0", "data": data}})
}

fn addition(name: &str, version: Option<u64>) -> Value {
    json!({"document": name, "version": version, "op": [{"p": [], "na": 1}]})
}

#[tokio::test]
async fn all_operations_of_a_batch_are_made_in_their_order() {
    let api = Api::new().await;
    let operations = json!([
        creation("a", &json!(0)),
        addition("a", None),
        creation("b", &json!(10)),
        addition("a", Some(1)),
        {"document": "b", "del": true},
        {"document": "b", "create": {"type": "text", "data": "again"}},
    ]);
    assert_eq!(versions(&batch(&api, operations).await), [0, 1, 0, 2, 1, 2]);
    assert_eq!(content(&api, "a").await, "2");
    assert_eq!(content(&api, "b").await, "again");
}

#[tokio::test]
async fn nothing_of_a_batch_is_made_if_one_operation_has_no_place() {
    let api = Api::new().await;
    assert_eq!(
        versions(&batch(&api, json!([creation("a", &json!(0))])).await),
        [0]
    );
    api.create("yjs").await;
    for (last, status, code, word) in [
        (
            addition("none", None),
            409,
            "document_not_created",
            "created",
        ),
        (
            creation("a", &json!(1)),
            409,
            "document_exists",
            "created already",
        ),
        (addition("a", Some(9)), 409, "version_ahead", "version: "),
        (
            json!({"document": "a", "op": [{"p": ["x"]}]}),
            422,
            "invalid_operation",
            "op",
        ),
        (
            json!({"document": "a"}),
            422,
            "invalid_operation",
            "one of create",
        ),
        (addition("yjs", None), 422, "kind_not_ordered", "yjs"),
        (addition("", None), 422, "invalid_name", "document"),
    ] {
        let operations = json!([addition("a", None), creation("new", &json!(0)), last]);
        let refused = batch(&api, operations).await;
        assert_eq!(refused.problem(status, BATCH), code);
        let problem = refused.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("operations[2]: ") && detail.contains(word),
            "{detail}"
        );
        assert_eq!(problem["item"], 2);
    }
    assert_eq!(content(&api, "a").await, "0");
    assert_eq!(
        api.get(&format!("{DOCUMENTS}/new")).await.status,
        StatusCode::NOT_FOUND
    );
    for count in [0, 1_001] {
        let refused = batch(&api, json!(vec![addition("a", None); count])).await;
        assert_eq!(refused.problem(422, BATCH), "invalid_batch");
    }
}

#[tokio::test]
async fn a_batch_that_is_sent_again_is_made_once() {
    let api = Api::new().await;
    let of = |number: u64, mut operation: Value| {
        operation["source"] = json!("me");
        operation["number"] = json!(number);
        operation
    };
    let operations = json!([
        of(1, creation("a", &json!(0))),
        of(2, addition("a", Some(1)))
    ]);
    for _ in 0..2 {
        assert_eq!(versions(&batch(&api, operations.clone()).await), [0, 1]);
    }
    let rest = json!([of(2, addition("a", Some(1))), of(3, addition("a", Some(1)))]);
    assert_eq!(versions(&batch(&api, rest).await), [1, 2]);
    let other = json!([of(
        2,
        json!({"document": "a", "version": 1, "op": [{"p": [], "na": 5}]})
    )]);
    assert_eq!(
        batch(&api, other).await.problem(409, BATCH),
        "operation_known"
    );
    assert_eq!(content(&api, "a").await, "2");
}

/// What nobody has at hand any more is asked of the store by its name.
#[tokio::test]
async fn a_batch_that_is_sent_again_very_late_is_answered_as_before() {
    let api = Api::new().await;
    let of = |number: u64, mut operation: Value| {
        operation["source"] = json!("me");
        operation["number"] = json!(number);
        operation
    };
    let creations = json!([
        of(1, creation("a", &json!(0))),
        of(2, creation("b", &json!(0)))
    ]);
    let rest = json!([
        of(3, addition("a", Some(1))),
        of(4, addition("b", None)),
        of(5, addition("a", Some(1)))
    ]);
    let both = || [creations.clone(), rest.clone()];
    assert_eq!(versions(&batch(&api, creations.clone()).await), [0, 0]);
    assert_eq!(versions(&batch(&api, rest.clone()).await), [1, 1, 2]);
    for _ in 0..11 {
        let later = json!(vec![addition("a", None); 1_000]);
        assert_eq!(versions(&batch(&api, later).await).len(), 1_000);
    }
    let [again, and_again] = both().map(|operations| batch(&api, operations));
    assert_eq!(versions(&again.await), [0, 0]);
    assert_eq!(versions(&and_again.await), [1, 1, 2]);
    let partly = json!([
        of(5, addition("a", Some(1))),
        of(6, addition("a", Some(6_000))),
        of(7, addition("b", None))
    ]);
    assert_eq!(versions(&batch(&api, partly).await), [2, 11_003, 2]);
    let other = json!({"document": "a", "version": 1, "op": [{"p": [], "na": 5}]});
    for (refused, code) in [
        (of(3, other), "operation_known"),
        (of(8, addition("a", Some(1))), "version_behind"),
    ] {
        let refused = batch(&api, json!([addition("b", None), refused])).await;
        assert_eq!(refused.problem(409, BATCH), code);
        assert_eq!(refused.json()["item"], 1);
    }
    assert_eq!(content(&api, "a").await, "11003");
    assert_eq!(content(&api, "b").await, "2");
}

/// Sessions and batches of one node give places in the same lanes, and either goes on after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_and_single_operations_go_on_after_each_other() {
    let api = Api::new().await;
    let names = ["a", "b", "c"];
    let creations: Vec<_> = names.iter().map(|name| creation(name, &json!(0))).collect();
    versions(&batch(&api, json!(creations)).await);
    let single = |name: &'static str| {
        let api = &api;
        async move {
            let path = format!("{DOCUMENTS}/{name}/operations");
            let made = api
                .post(&path, r#"{"version":1,"op":[{"p":[],"na":1}]}"#)
                .await;
            assert_eq!(made.status, StatusCode::OK, "{:?}", made.body);
            1
        }
    };
    let several = |round: usize| {
        let api = &api;
        async move {
            let operations: Vec<_> = names.iter().map(|name| addition(name, Some(1))).collect();
            let made = batch(api, json!(operations)).await;
            match made.status {
                StatusCode::OK => 3,
                _ => {
                    assert_eq!(made.problem(409, BATCH), "batch_contended", "round {round}");
                    0
                }
            }
        }
    };
    let mut made = 0;
    for round in 0..10 {
        let singles = join_all(names.iter().cycle().take(9).map(|name| single(name)));
        let batches = join_all((0..3).map(|_| several(round)));
        let (singles, batches) = tokio::join!(singles, batches);
        made += singles.into_iter().chain(batches).sum::<u64>();
    }
    let mut sum = 0;
    for name in names {
        let document = DocumentKey::new("default", name).unwrap();
        let stored = api.store.operations(document, 0, None).await.unwrap();
        let count: u64 = content(&api, name).await.parse().unwrap();
        assert_eq!(
            stored.len() as u64,
            count + 1,
            "{name} has each operation once"
        );
        sum += count;
    }
    assert_eq!(sum, made);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_has_a_document_open_hears_of_a_batch_at_whichever_node() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let api = Api::of(shared.store.clone(), a.app.clone());
    let mut sockets = [a.connect("/sharedb/default"), b.connect("/sharedb/default")];
    for socket in &mut sockets {
        socket
            .send_text(r#"{"a":"hs","id":null,"protocol":1,"protocolMinor":2}"#)
            .unwrap();
        socket
            .send_text(r#"{"a":"s","c":"forms","d":"one"}"#)
            .unwrap();
        hears(socket, r#""a":"s""#);
    }
    let begun = batch(&api, json!([creation("forms/one", &json!({"n": 0}))])).await;
    assert_eq!(versions(&begun), [0]);
    for socket in &mut sockets {
        hears(socket, r#""create""#);
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        let version = number + 1;
        let op = format!(
            r#"{{"a":"op","c":"forms","d":"one","v":{version},"seq":1,"op":[{{"p":["n"],"na":1}}]}}"#
        );
        socket.send_text(&op).unwrap();
        hears(socket, &format!(r#""v":{version}"#));
    }
    assert_eq!(content(&api, "forms%2Fone").await, r#"{"n":2}"#);
}
