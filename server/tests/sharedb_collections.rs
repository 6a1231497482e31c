//! Collections in the ShareDB dialect, over the sockets of the real binary: projections, which show some of what is there.

mod common;

use common::sharedb::{Client, refused};
use common::tokens::{SECRET, claims, folder, path_of, sign};
use common::wire::{Server, Socket};
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
    let mut answer = seen.clone();
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
