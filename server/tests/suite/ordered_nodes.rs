//! Ordered documents on several nodes in one process, over sockets: operations are made once and in one order, and people are
//! seen on all nodes, in documents and in channels, for as long as they are there.

use crate::common::nodes::{Served, Shared};
use crate::common::wire::Socket;
use serde_json::{Value, json};

/// A client of the ShareDB dialect.
struct Client {
    socket: Socket,
    source: String,
    /// What it was told of people before it was answered.
    early: Vec<Value>,
}

impl Client {
    fn on(node: &Served) -> Self {
        let mut client = Self {
            socket: node.connect("/sharedb/default"),
            source: String::new(),
            early: Vec::new(),
        };
        let greeting = client.hears(|said| said["a"] == "init");
        client.source = greeting["id"].as_str().unwrap().to_owned();
        client
    }

    fn says(&mut self, said: &Value) {
        let text = said.to_string();
        let length = match u8::try_from(text.len()) {
            Ok(length @ ..126) => vec![0x80 | length],
            _ => {
                let length = u16::try_from(text.len()).unwrap().to_be_bytes();
                [&[0x80 | 126], &length[..]].concat()
            }
        };
        let frame = [&[0x81], &length[..], &[0; 4], text.as_bytes()].concat();
        self.socket.send(&frame).unwrap();
    }

    /// Waits for a message; what comes before it is passed over.
    fn hears(&mut self, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        if let Some(at) = self.early.iter().position(&mut is_it) {
            return self.early.remove(at);
        }
        loop {
            let (opcode, payload) = self.socket.next_frame().expect("the connection stays");
            assert_ne!(opcode, 8, "closed: {}", String::from_utf8_lossy(&payload));
            if opcode == 1 {
                let said: Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(said.get("error"), None, "{said}");
                if is_it(&said) {
                    return said;
                }
            }
        }
    }

    fn watches(&mut self, channel: &str) {
        self.says(&json!({"a": "ps", "ch": channel, "seq": 1}));
        let mut early = Vec::new();
        self.hears(|said| {
            early.push(said.clone());
            said["a"] == "ps"
        });
        self.early.extend(early);
    }

    fn subscribes(&mut self, id: &str) -> u64 {
        self.says(&json!({"a": "s", "c": "notes", "d": id, "v": null}));
        let told = self.hears(|said| said["a"] == "s");
        told["data"]["v"].as_u64().unwrap()
    }

    /// Shows itself, and waits until that is taken.
    fn shows(&mut self, mut shown: Value, number: u64, value: &Value) {
        shown["a"] = json!("p");
        shown["id"] = json!("me");
        shown["pv"] = json!(number);
        shown["p"] = value.clone();
        self.says(&shown);
        let source = self.source.clone();
        self.hears(|said| said["a"] == "p" && said["src"] == *source);
    }

    /// Waits until somebody is told of as being there, or gone.
    fn sees(&mut self, source: &str, value: &Value) -> Value {
        self.hears(|said| said["a"] == "p" && said["src"] == source && said["p"] == *value)
    }

    fn submits(&mut self, id: &str, version: u64, number: u64, deed: &Value) {
        let mut said = json!({"a": "op", "c": "notes", "d": id, "v": version, "seq": number});
        let deed = deed.as_object().unwrap().clone();
        said.as_object_mut().unwrap().extend(deed);
        self.says(&said);
    }

    fn is_acknowledged(&mut self, number: u64) -> u64 {
        let source = self.source.clone();
        let told =
            self.hears(|said| said["a"] == "op" && said["src"] == *source && said["seq"] == number);
        told["v"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operations_of_two_nodes_are_made_once_and_presence_is_moved_by_them() {
    let shared = Shared::default();
    let [a, b, c] = shared.nodes().await;
    let (mut ada, mut bob) = (Client::on(&a), Client::on(&b));
    let uri = "http://sharejs.org/types/textv1";
    ada.submits(
        "plan",
        0,
        1,
        &json!({"create": {"type": uri, "data": "abc"}}),
    );
    assert_eq!(ada.is_acknowledged(1), 0);
    assert_eq!(bob.subscribes("plan"), 1);
    bob.watches("notes.plan");
    let here = json!({"ch": "notes.plan", "c": "notes", "d": "plan", "v": 1});
    ada.shows(here, 1, &json!({"index": 2, "length": 1}));
    bob.sees(&ada.source, &json!({"index": 2, "length": 1}));
    // Both are made on the same version, on different nodes. Her own operation takes her to its end.
    bob.submits("plan", 1, 1, &json!({"op": ["XY"]}));
    ada.submits("plan", 1, 2, &json!({"op": [1, "!"]}));
    let mut versions = [bob.is_acknowledged(1), ada.is_acknowledged(2)];
    versions.sort_unstable();
    assert_eq!(versions, [1, 2]);
    // Who comes to a third node is told of all by that node, once it knows.
    let mut cid = Client::on(&c);
    cid.says(&json!({"a": "s", "c": "notes", "d": "plan", "v": null}));
    let told = cid.hears(|said| said["a"] == "s");
    assert_eq!(told["data"]["data"], "XYa!bc");
    cid.watches("notes.plan");
    cid.sees(&ada.source, &json!({"index": 4, "length": 0}));
    let mut late = Client::on(&c);
    late.watches("notes.plan");
    let seen = late.sees(&ada.source, &json!({"index": 4, "length": 0}));
    assert_eq!((&seen["v"], &seen["d"]), (&json!(3), &json!("plan")));
    drop(ada);
    let source = seen["src"].as_str().unwrap();
    for client in [&mut bob, &mut cid, &mut late] {
        client.sees(source, &Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_channel_of_no_document_is_the_same_on_all_nodes() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    for channel in ["form", "a.b.c"] {
        let (mut ada, mut bob) = (Client::on(&a), Client::on(&b));
        bob.watches(channel);
        let shown = json!({"name": "Ada", "at": [1, {"deep": "\u{e9}"}]});
        ada.shows(json!({"ch": channel}), 1, &shown);
        let seen = bob.sees(&ada.source, &shown);
        assert_eq!(
            (&seen["ch"], seen.get("d"), seen.get("v")),
            (&json!(channel), None, None)
        );
        let mut late = Client::on(&b);
        late.watches(channel);
        late.sees(&ada.source, &shown);
        late.says(&json!({"a": "pu", "ch": channel, "seq": 2}));
        late.hears(|said| said["a"] == "pu");
        ada.shows(json!({"ch": channel}), 2, &json!("moved"));
        bob.sees(&ada.source, &json!("moved"));
        bob.says(&json!({"a": "pr", "ch": channel}));
        bob.sees(&ada.source, &json!("moved"));
        let source = ada.source.clone();
        drop(ada);
        bob.sees(&source, &Value::Null);
        // The first that it is told is its answer, so it was told of nobody.
        late.says(&json!({"a": "pp"}));
        late.hears(|said| {
            assert_ne!(said["a"], "p", "it does not want to know");
            said["a"] == "pp"
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_was_on_a_node_that_died_is_soon_not_shown_in_ordered_documents_or_channels() {
    let shared = Shared::default();
    let [a, b, c] = shared.nodes().await;
    let (mut ada, mut cid) = (Client::on(&a), Client::on(&c));
    let mut bob = Client::on(&b);
    for channel in ["notes.plan", "form"] {
        bob.watches(channel);
        ada.shows(json!({"ch": channel}), 1, &json!({"of": channel}));
        cid.shows(json!({"ch": channel}), 1, &json!({"of": channel}));
        bob.sees(&ada.source, &json!({"of": channel}));
        bob.sees(&cid.source, &json!({"of": channel}));
    }
    // It says goodbye, and nobody hears it.
    a.loses_words(true);
    a.stop().await;
    let gone = ada.source.clone();
    drop((a, ada));
    shared.forget_nodes();
    for _ in 0..2 {
        bob.sees(&gone, &Value::Null);
    }
    let mut late = Client::on(&b);
    late.watches("form");
    let seen = late.hears(|said| said["a"] == "p");
    assert_eq!(seen["src"], cid.source);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_query_is_kept_up_to_date_with_what_other_nodes_store() {
    // By a word of theirs alone, or by looking alone.
    let told = Shared::slow_to_look();
    let looking = Shared::default();
    let nodes = [
        [told.node("a").await, told.node("b").await],
        [
            looking.node_without_bus("a").await,
            looking.node_without_bus("b").await,
        ],
    ];
    for [a, b] in nodes {
        let (mut ada, mut bob) = (Client::on(&a), Client::on(&b));
        bob.says(&json!({"a": "qs", "id": 1, "c": "notes", "q": {"done": false}}));
        assert_eq!(bob.hears(|said| said["a"] == "qs")["data"], json!([]));
        let create = json!({"create": {"type": "json0", "data": {"done": false}}});
        ada.submits("plan", 0, 1, &create);
        let came = bob.hears(|said| said["a"] == "q");
        assert_eq!(came["diff"][0]["values"][0]["d"], "plan");
        let done = json!({"op": [{"p": ["done"], "od": false, "oi": true}]});
        ada.submits("plan", 1, 2, &done);
        let gone = bob.hears(|said| said["a"] == "q");
        assert_eq!(gone["diff"][0]["type"], "remove");
        let told = bob.hears(|said| said["a"] == "op");
        assert_eq!((&told["v"], &told["src"]), (&json!(1), &json!(ada.source)));
    }
}
