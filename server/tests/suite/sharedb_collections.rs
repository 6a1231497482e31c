//! Collections in the ShareDB dialect, over the sockets of the real binary: projections, which show some of what is there, and
//! queries that are subscribed to.

use crate::common::sharedb::{Client, refused};
use crate::common::tokens::{SECRET, claims, folder, now_s, path_of, sign};
use crate::common::wire::{Server, Socket};
use serde_json::{Value, json};

const JSON0: &str = "http://sharejs.org/types/JSONv0";
const PROJECTIONS: (&str, &str) = (
    "SHAREDB__PROJECTIONS",
    "names = c(name, age); titles = books(title)",
);

fn op(collection: &str, id: &str, version: u64, number: u64, op: &Value) -> Value {
    json!({"a": "op", "c": collection, "d": id, "v": version, "seq": number, "op": op})
}

fn about(action: &str, collection: &str, id: &str, version: Option<u64>) -> Value {
    json!({"a": action, "c": collection, "d": id, "v": version})
}

#[test]
fn a_projection_shows_the_members_that_were_named() {
    let server = Server::start(&[PROJECTIONS]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    ann.creates(
        "d",
        &json!({"name": "fido", "secret": 1, "age": {"secret": 2}}),
    );
    let seen = json!({"v": 1, "data": {"name": "fido", "age": {"secret": 2}}});
    for action in ["f", "s"] {
        let answer = bob.ask(&about(action, "names", "d", None));
        assert_eq!(
            answer,
            json!({"a": action, "c": "names", "d": "d", "data": seen})
        );
    }
    let bulk = bob.ask(&json!({"a": "bf", "c": "names", "b": ["d"]}));
    assert_eq!(bulk["data"], json!({"d": seen}));
    let found = bob.ask(&json!({"a": "qf", "id": 1, "c": "names", "q": {"secret": 1}}));
    let mut answer = seen;
    answer["d"] = json!("d");
    assert_eq!(found["data"], json!([answer]), "a query sees all of it");

    let hidden = json!([{"p": ["secret"], "od": 1, "oi": 3}]);
    let shown =
        json!([{"p": ["secret"], "od": 3, "oi": 4}, {"p": ["name"], "od": "fido", "oi": "rex"}]);
    for (version, change) in [(1, &hidden), (2, &shown)] {
        assert_eq!(
            ann.ask(&op("c", "d", version, version + 1, change))["v"],
            version
        );
    }
    let told = |version: u64, seen: Value| json!({"a": "op", "c": "names", "d": "d", "v": version, "src": ann.id, "seq": version + 1, "op": seen});
    let first = told(1, json!([]));
    let second = told(2, json!([{"p": ["name"], "od": "fido", "oi": "rex"}]));
    assert_eq!(
        (bob.next(), bob.next()),
        (first.clone(), second.clone()),
        "as they come"
    );
    bob.say(&about("f", "names", "d", Some(1)));
    assert_eq!(
        (bob.next(), bob.next()),
        (first, second),
        "as they are fetched"
    );
    assert_eq!(bob.next(), json!({"a": "f", "c": "names", "d": "d"}));
    for (action, when) in [("nf", "v"), ("nt", "ts")] {
        let answer = bob.ask(&json!({"a": action, "id": 4, "c": "names", "d": "d", when: null}));
        assert_eq!((&answer["type"], &answer["v"]), (&json!(JSON0), &json!(3)));
        assert_eq!(answer["data"], json!({"name": "rex", "age": {"secret": 2}}));
    }
}

#[test]
fn what_a_projection_does_not_show_is_not_changed_through_it() {
    let server = Server::start(&[PROJECTIONS]);
    let mut client = Client::connect(&server);
    client.creates("d", &json!({"name": "fido", "secret": 1}));
    for (number, hidden) in [
        json!([{"p": ["secret"], "na": 1}]),
        json!([{"p": ["name"], "od": "fido", "oi": "rex"}, {"p": ["secret"], "na": 1}]),
        json!([{"p": [], "oi": {}}]),
    ]
    .into_iter()
    .enumerate()
    {
        let op = op("names", "d", 1, 10 + number as u64, &hidden);
        let answer = client.ask(&op);
        assert_eq!(refused(&op, &answer), "ERR_OP_NOT_ALLOWED_IN_PROJECTION");
        let why = "Invalid op submitted. Operation invalid in projected collection";
        assert_eq!(answer["error"]["message"], why);
    }
    let create = |id: &str, number: u64, create: Value| json!({"a": "op", "c": "names", "d": id, "v": 0, "seq": number, "create": create});
    for (number, created) in [
        json!({"type": "json0", "data": {"name": "rex", "secret": 1}}),
        json!({"type": "json0", "data": ["name"]}),
        json!({"type": "rich-text", "data": []}),
    ]
    .into_iter()
    .enumerate()
    {
        let create = create("e", 20 + number as u64, created);
        let answer = client.ask(&create);
        assert_eq!(
            refused(&create, &answer),
            "ERR_OP_NOT_ALLOWED_IN_PROJECTION"
        );
    }
    let rename = op(
        "names",
        "d",
        1,
        30,
        &json!([{"p": ["name"], "od": "fido", "oi": "rex"}]),
    );
    let ack = json!({"a": "op", "c": "names", "d": "d", "v": 1, "src": client.id, "seq": 30});
    assert_eq!(client.ask(&rename), ack);
    let created = create("e", 31, json!({"type": "json0", "data": {"name": "spot"}}));
    assert_eq!(client.ask(&created)["v"], 0);
    let deletion = json!({"a": "op", "c": "names", "d": "e", "v": 1, "seq": 32, "del": true});
    assert_eq!(client.ask(&deletion)["v"], 1);
    let fetched = client.ask(&json!({"a": "bf", "c": "c", "b": ["d", "e"]}));
    let d = json!({"v": 2, "data": {"name": "rex", "secret": 1}});
    assert_eq!(
        fetched["data"],
        json!({"d": d, "e": {"v": 2, "type": null}})
    );
}

#[test]
fn only_json_is_projected_and_nobody_shows_himself_there() {
    let server = Server::start(&[PROJECTIONS]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    assert_eq!(
        bob.ask(&about("s", "names", "d", None))["data"],
        json!({"v": 0, "type": null})
    );
    let create = json!({"type": "rich-text", "data": [{"insert": "name"}]});
    ann.ask(&json!({"a": "op", "c": "c", "d": "d", "v": 0, "seq": 1, "create": create}));
    let told = bob.next();
    assert_eq!(
        (&told["v"], &told["del"]),
        (&json!(0), &json!(true)),
        "nothing is seen"
    );
    for question in [
        about("s", "names", "d", None),
        json!({"a": "nf", "id": 1, "c": "names", "d": "d", "v": 1}),
    ] {
        let answer = bob.ask(&question);
        assert_eq!(refused(&question, &answer), "ERR_TYPE_CANNOT_BE_PROJECTED");
    }
    ann.ask(&op("c", "d", 1, 2, &json!([{"insert": "new "}])));
    let shown = json!({"a": "p", "ch": "names.d", "id": "me", "p": {"at": 1}, "pv": 1, "c": "names", "d": "d", "v": 0});
    let answer = bob.ask(&shown);
    assert_eq!(
        refused(&shown, &answer),
        "ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE"
    );
    let wanted = json!({"a": "ps", "ch": "names.d", "seq": 3});
    assert_eq!(
        bob.ask(&wanted),
        wanted,
        "and was told no more of the document"
    );
}

#[test]
fn a_projection_is_covered_by_a_grant_for_what_it_shows() {
    let folder = folder();
    let server = Server::start(&[("DATA_DIR", path_of(&folder)), PROJECTIONS]);
    let open = |documents: &str| {
        let mut claims = claims("ada", &["read", "write"]);
        claims["quire"]["document"] = json!(documents);
        let token = sign(&claims, SECRET);
        Client::over(Socket::open(
            &server,
            &format!("/sharedb/default?token={token}"),
        ))
    };
    let mut whole = open("c/*");
    whole.creates("d", &json!({"name": "fido", "secret": 1}));
    let fetch = about("f", "names", "d", None);
    assert_eq!(
        whole.ask(&fetch)["data"],
        json!({"v": 1, "data": {"name": "fido"}})
    );
    let answer = open("names/*").ask(&fetch);
    assert_eq!(refused(&fetch, &answer), "ERR_FORBIDDEN");
}

fn subscribe(id: u64, collection: &str, query: &Value) -> Value {
    json!({"a": "qs", "id": id, "c": collection, "q": query})
}

fn insert(index: usize, values: &Value) -> Value {
    json!({"type": "insert", "index": index, "values": values})
}

fn remove(index: usize, count: usize) -> Value {
    json!({"type": "remove", "index": index, "howMany": count})
}

/// What a client is told of a query.
fn changed(id: u64, diff: &[Value]) -> Value {
    json!({"a": "q", "id": id, "diff": diff})
}

#[test]
fn a_query_that_is_subscribed_to_is_kept_up_to_date() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    let answer = ann.ask(&subscribe(1, "c", &json!({"n": 1})));
    assert_eq!(answer, json!({"a": "qs", "id": 1, "data": []}));
    bob.creates("d", &json!({"n": 1}));
    let d = |version: u64| json!([{"d": "d", "v": version, "data": {"n": 1}}]);
    assert_eq!(ann.next(), changed(1, &[insert(0, &d(1))]));
    let source = bob.id.clone();
    let told = |version: u64, number: u64, change: &Value| json!({"a": "op", "c": "c", "d": "d", "v": version, "src": source, "seq": number, "op": change});
    let plus = json!([{"p": ["n"], "na": 1}]);
    let minus = json!([{"p": ["n"], "na": -1}]);
    let other = json!([{"p": ["m"], "oi": true}]);
    bob.ask(&op("c", "d", 1, 2, &plus));
    assert_eq!(
        ann.next(),
        changed(1, &[remove(0, 1)]),
        "first that it is none any more"
    );
    assert_eq!(ann.next(), told(1, 2, &plus));
    bob.ask(&op("c", "d", 2, 3, &minus));
    assert_eq!(ann.next(), changed(1, &[insert(0, &d(3))]));
    bob.ask(&op("c", "d", 3, 4, &other));
    assert_eq!(ann.next(), told(3, 4, &other));
    let deletion = json!({"a": "op", "c": "c", "d": "d", "v": 4, "seq": 5, "del": true});
    bob.ask(&deletion);
    assert_eq!(ann.next(), changed(1, &[remove(0, 1)]));
    assert_eq!(ann.next()["del"], true);
    assert_eq!(
        ann.ask(&json!({"a": "qu", "id": 1})),
        json!({"a": "qu", "id": 1})
    );
    bob.creates("e", &json!({"n": 1}));
    let answer = ann.ask(&json!({"a": "qf", "id": 2, "c": "c", "q": {}}));
    assert_eq!(answer["data"][0]["d"], "e", "nothing was told in between");
}

#[test]
fn whoever_comes_back_to_a_query_is_told_what_is_different() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    for id in ["a", "b", "e"] {
        bob.creates(id, &json!({"n": 0}));
    }
    bob.ask(&op("c", "b", 1, 2, &json!([{"p": ["n"], "na": 1}])));
    let mut question = subscribe(7, "c", &json!({"$limit": 2}));
    question["r"] = json!([["gone", 3], ["a", null], ["b", 1]]);
    ann.say(&question);
    assert_eq!(ann.next(), changed(7, &[remove(0, 1)]));
    let told = ann.next();
    assert_eq!(
        (&told["d"], &told["v"]),
        (&json!("b"), &json!(1)),
        "an operation that it had missed"
    );
    let data = json!({"a": {"v": 1, "data": {"n": 0}}});
    assert_eq!(ann.next(), json!({"a": "qs", "id": 7, "data": data}));
    bob.ask(&json!({"a": "op", "c": "c", "d": "a", "v": 1, "seq": 3, "del": true}));
    let e = json!([{"d": "e", "v": 1, "data": {"n": 0}}]);
    assert_eq!(
        ann.next(),
        changed(7, &[remove(0, 1), insert(1, &e)]),
        "the next takes its place"
    );
    assert_eq!(ann.next()["del"], true);
    for (field, wrong) in [
        ("r", json!({})),
        ("r", json!([["a", -1]])),
        ("r", json!([[]])),
        ("id", json!("x")),
    ] {
        let mut question = question.clone();
        question[field] = wrong;
        let answer = ann.ask(&question);
        assert_eq!(refused(&question, &answer), "ERR_MESSAGE_BADLY_FORMED");
    }
}

#[test]
fn a_query_of_a_projection_goes_by_all_and_shows_what_is_seen() {
    let server = Server::start(&[PROJECTIONS]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    bob.creates("d", &json!({"name": "fido", "secret": 1}));
    let text = json!({"type": "text", "data": "name"});
    bob.ask(&json!({"a": "op", "c": "c", "d": "t", "v": 0, "seq": 1, "create": text}));
    let answer = ann.ask(&subscribe(1, "names", &json!({"secret": 2})));
    assert_eq!(answer["data"], json!([]));
    let all = ann.ask(&subscribe(2, "names", &json!({})));
    let d = |version: u64| json!([{"d": "d", "v": version, "data": {"name": "fido"}}]);
    assert_eq!(all["data"], d(1), "what is no JSON is not seen");
    bob.ask(&op("c", "d", 1, 2, &json!([{"p": ["secret"], "na": 1}])));
    let mut told = [ann.next(), ann.next()];
    told.sort_by_key(|told| told["a"] == "op");
    assert_eq!(told[0], changed(1, &[insert(0, &d(2))]));
    assert_eq!(
        (&told[1]["c"], &told[1]["op"]),
        (&json!("names"), &json!([]))
    );
}

#[test]
fn queries_that_are_too_many_or_not_served_are_refused() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    let not_served = subscribe(1, "c", &json!({"n": {"$gt": 1}}));
    let answer = client.ask(&not_served);
    assert_eq!(
        refused(&not_served, &answer),
        "ERR_DATABASE_METHOD_NOT_IMPLEMENTED"
    );
    for id in 0..64 {
        assert_eq!(
            client.ask(&subscribe(id, "c", &json!({})))["data"],
            json!([])
        );
    }
    let too_many = subscribe(64, "c", &json!({}));
    let answer = client.ask(&too_many);
    assert_eq!(refused(&too_many, &answer), "ERR_TOO_MANY");
    client.ask(&json!({"a": "qu", "id": 3}));
    assert_eq!(client.ask(&too_many)["data"], json!([]), "one has ended");
}

#[test]
fn a_slow_reader_of_a_query_is_told_how_far_it_is_in_the_end() {
    const EDITS: u64 = 200;
    let server = Server::start(&[]);
    let (mut slow, mut quick) = (Client::connect(&server), Client::connect(&server));
    quick.creates("d", &json!({}));
    slow.ask(&subscribe(1, "c", &json!({})));
    let large = "x".repeat(100_000);
    for version in 1..=EDITS {
        let change = json!([{"p": ["text"], "oi": large}]);
        assert_eq!(
            quick.ask(&op("c", "d", version, version + 1, &change))["v"],
            version
        );
    }
    let mut next = 1;
    while next <= EDITS {
        let told = slow.next();
        let version = told["v"].as_u64().unwrap();
        if told["src"] == "$quire" {
            // It was too much: this is an operation behind the next one, which is not there yet, so that the client asks itself.
            next = version - 1;
        } else {
            assert_eq!(version, next);
            next += 1;
        }
    }
    assert_eq!(slow.ask(&json!({"a": "pp"})), json!({"a": "pp"}));
}

fn join(server: &Server, claims: &Value) -> Client {
    let token = sign(claims, SECRET);
    let path = format!("/sharedb/default?token={token}");
    Client::over(Socket::open(server, &path))
}

#[test]
fn whose_token_is_revoked_is_told_nothing_more_of_a_query() {
    let folder = folder();
    let server = Server::start(&[("DATA_DIR", path_of(&folder))]);
    let mut readers = ["ada", "bob"].map(|user| join(&server, &claims(user, &["read"])));
    for reader in &mut readers {
        let answer = reader.ask(&subscribe(1, "c", &json!({})));
        assert_eq!(answer["data"], json!([]));
    }
    let mut writer = join(&server, &claims("cid", &["read", "write"]));
    writer.creates("before", &json!({}));
    for reader in &mut readers {
        assert_eq!(reader.next()["diff"][0]["type"], "insert");
    }
    let mut root = claims("root", &[]);
    root["quire"] = json!({"workspace": "*", "may": ["admin"]});
    let root = sign(&root, SECRET);
    let body = json!({"user": "ada"}).to_string();
    let request = format!(
        "Authorization: Bearer {root}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let revoked = server.request("POST", "/api/v1/revocations", &request);
    assert_eq!(revoked.status, 201, "{}", revoked.body);
    writer.creates("behind", &json!({}));
    let [mut ada, mut bob] = readers;
    let (opcode, payload) = ada.socket.next_frame().unwrap();
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    assert_eq!(
        (opcode, code),
        (8, 4403),
        "the next that it hears is the end"
    );
    assert_eq!(bob.next()["diff"][0]["type"], "insert");
}

#[test]
fn whose_token_ends_is_kept_up_to_date_no_longer() {
    let folder = folder();
    let server = Server::start(&[("DATA_DIR", path_of(&folder))]);
    let mut claims = claims("ada", &["read"]);
    claims["exp"] = json!(now_s() + 2);
    let mut client = join(&server, &claims);
    assert_eq!(
        client.ask(&subscribe(1, "c", &json!({})))["data"],
        json!([])
    );
    assert_eq!(client.socket.closed().0, 4401);
}
