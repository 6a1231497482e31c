//! The ShareDB dialect over the sockets of the real binary, as no client's library would speak it: every question is answered
//! once and in order, whatever is wrong with it, and whoever reads slowly misses nothing.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::common::sharedb::{Client, masked, refused};
use crate::common::tokens::{SECRET, claims, folder, now_s, path_of, sign};
use crate::common::wire::{Server, Socket};
use serde_json::{Value, json};

fn adding(id: &str, version: u64, number: u64) -> Value {
    let op = json!([{"p": ["n"], "na": 1}]);
    json!({"a": "op", "c": "c", "d": id, "v": version, "seq": number, "op": op})
}

#[test]
fn the_server_speaks_first_and_shakes_hands_as_often_as_it_is_asked() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    assert_eq!(client.id.len(), 32);
    for (asked, called) in [(None, client.id.clone()), (Some("me"), "me".to_owned())] {
        let hs = json!({"a": "hs", "id": asked, "protocol": 1, "protocolMinor": 2});
        let answer = json!({"a": "hs", "id": called, "protocol": 1, "protocolMinor": 2,
            "type": "http://sharejs.org/types/JSONv0"});
        assert_eq!(client.ask(&hs), answer);
    }
    let too_long = json!({"a": "hs", "id": "x".repeat(257), "protocol": 1});
    let answer = client.ask(&too_long);
    assert_eq!(refused(&too_long, &answer), "ERR_MESSAGE_BADLY_FORMED");
    assert_eq!(client.ask(&json!({"a": "pp"})), json!({"a": "pp"}));
    assert_eq!(client.subscribes("new"), json!({"v": 0, "type": null}));
}

#[test]
fn an_operation_is_acknowledged_behind_what_was_missed_and_only_once() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    ann.creates("d", &json!({"n": 0}));
    assert_eq!(bob.subscribes("d"), json!({"v": 1, "data": {"n": 0}}));
    let shown = |v: u64, src: &str, seq: u64| {
        json!({"a": "op", "c": "c", "d": "d", "v": v, "src": src, "seq": seq,
            "op": [{"p": ["n"], "na": 1}]})
    };
    let ack = |v: u64, src: &str, seq: u64| json!({"a": "op", "c": "c", "d": "d", "v": v, "src": src, "seq": seq});
    assert_eq!(bob.ask(&adding("d", 1, 1)), ack(1, &bob.id, 1));
    assert_eq!(ann.ask(&adding("d", 1, 2)), shown(1, &bob.id, 1));
    assert_eq!(ann.next(), ack(2, &ann.id, 2));
    assert_eq!(bob.next(), shown(2, &ann.id, 2));

    // Once more, over another connection and under the earlier name.
    let mut ann_again = Client::connect(&server);
    let mut again = adding("d", 1, 2);
    again["src"] = json!(ann.id);
    ann_again.say(&again);
    assert_eq!(ann_again.next(), shown(1, &bob.id, 1));
    assert_eq!(ann_again.next(), ack(2, &ann.id, 2));
    again["op"] = json!([{"p": ["n"], "na": 7}]);
    let answer = ann_again.ask(&again);
    assert_eq!(refused(&again, &answer), "ERR_OT_OP_BADLY_FORMED");
    let fetched = ann_again.ask(&json!({"a": "f", "c": "c", "d": "d", "v": null}));
    assert_eq!(fetched["data"], json!({"v": 3, "data": {"n": 2}}));
    assert_eq!(
        bob.ask(&json!({"a": "pp"})),
        json!({"a": "pp"}),
        "nothing else was shown"
    );
}

#[test]
fn what_is_refused_comes_back_whole_with_its_reason() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    client.creates("d", &json!({"n": 0}));
    let about = |mut message: Value| {
        for (field, value) in [("c", "c"), ("d", "d")] {
            message[field] = json!(value);
        }
        message
    };
    let cases = [
        (
            json!({"a": "x", "more": [1, {"deep": null}]}),
            "ERR_MESSAGE_BADLY_FORMED",
        ),
        (json!({"a": 1}), "ERR_MESSAGE_BADLY_FORMED"),
        (
            json!({"a": "f", "c": "c", "d": "__proto__"}),
            "ERR_MESSAGE_BADLY_FORMED",
        ),
        (
            json!({"a": "f", "c": "c", "d": "x".repeat(5_000)}),
            "ERR_MESSAGE_BADLY_FORMED",
        ),
        (
            about(json!({"a": "op", "v": 99, "seq": 5, "op": []})),
            "ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT",
        ),
        (
            about(json!({"a": "op", "v": 1, "seq": 6, "op": [{"p": ["x", 5], "li": 1}]})),
            "ERR_OT_OP_NOT_APPLIED",
        ),
        (
            about(json!({"a": "op", "v": 1, "seq": 7, "op": {}})),
            "ERR_OT_OP_BADLY_FORMED",
        ),
        (
            about(json!({"a": "op", "v": 0, "seq": 8, "create": {"type": "json0"}})),
            "ERR_DOC_ALREADY_CREATED",
        ),
        (
            about(json!({"a": "op", "v": 0, "seq": 9, "create": {"type": "x"}})),
            "ERR_DOC_TYPE_NOT_RECOGNIZED",
        ),
        (
            json!({"a": "op", "c": "c", "d": "none", "v": 0, "seq": 1, "op": []}),
            "ERR_DOC_DOES_NOT_EXIST",
        ),
        (
            json!({"a": "op", "c": "c", "d": "d", "v": 1, "seq": 9_007_199_254_740_991_u64, "op": []}),
            "ERR_CONNECTION_SEQ_INTEGER_OVERFLOW",
        ),
        (
            json!({"a": "ps", "ch": "x".repeat(513), "seq": 1}),
            "ERR_MESSAGE_BADLY_FORMED",
        ),
        (
            json!({"a": "qf", "id": 1, "c": "c", "q": {"$sort": 1}}),
            "ERR_DATABASE_METHOD_NOT_IMPLEMENTED",
        ),
    ];
    for (question, code) in cases {
        let answer = client.ask(&question);
        assert_eq!(refused(&question, &answer), code, "{answer}");
    }
    assert_eq!(client.subscribes("d"), json!({"v": 1, "data": {"n": 0}}));
}

/// A client that begins anew takes any answer to an operation for one to its next.
#[test]
fn who_begins_anew_is_not_answered_what_it_has_sent_before_it_knew() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    client.creates("d", &json!({"n": 0}));
    let op = json!({"document": "c/d", "op": [{"p": ["n"], "na": 1}]});
    let body = json!({"operations": vec![op; 1_000]}).to_string();
    let batch = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..11 {
        let made = server.request("POST", "/api/v1/workspaces/team/batch", &batch);
        assert_eq!(made.status, 200, "{}", made.body);
    }
    let subscription = json!({"a": "s", "c": "c", "d": "d", "v": 1});
    let edit =
        json!({"a": "op", "c": "c", "d": "d", "v": 1, "seq": 7, "op": [{"p": ["n"], "na": 1}]});
    let both = [&subscription, &edit].map(|message| masked(0x81, message.to_string().as_bytes()));
    client.socket.send(&both.concat()).unwrap();
    assert_eq!(client.next()["del"], json!(true));
    assert_eq!(client.next()["data"]["v"], json!(11_001));
    for _ in 0..20 {
        let fetched = client.ask(&json!({"a": "f", "c": "c", "d": "d"}));
        assert_eq!(
            (&fetched["a"], &fetched["data"]["v"]),
            (&json!("f"), &json!(11_001))
        );
    }
}

/// The store has lost what they have seen. Clients never go back by themselves: they are made to ask anew.
#[test]
fn who_is_ahead_of_all_that_there_is_is_made_to_ask_anew() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    client.creates("d", &json!({"n": 0}));
    let edit = |version: u64, seq: u64| json!({"a": "op", "c": "c", "d": "d", "v": version, "seq": seq, "op": [{"p": ["n"], "na": 1}]});
    let expect_taken_back = |client: &mut Client, version: u64| {
        let deletion = client.next();
        assert_eq!(
            (&deletion["v"], &deletion["del"]),
            (&json!(version), &json!(true))
        );
        let unfit = client.next();
        assert_eq!(
            (&unfit["v"], &unfit["op"]),
            (&json!(version + 1), &json!([]))
        );
    };
    let answer = client.ask(&edit(9, 5));
    let code = "ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT";
    assert_eq!(refused(&edit(9, 5), &answer), code);
    client.say(&json!({"a": "f", "c": "c", "d": "d", "v": 9}));
    expect_taken_back(&mut client, 9);
    assert_eq!(client.next()["data"], json!({"v": 1, "data": {"n": 0}}));
    // It has sent that before it knew.
    client.say(&edit(9, 6));
    let fetched = client.ask(&json!({"a": "f", "c": "c", "d": "d"}));
    assert_eq!(fetched["data"], json!({"v": 1, "data": {"n": 0}}));
    client.say(&json!({"a": "s", "c": "c", "d": "d", "v": 4}));
    expect_taken_back(&mut client, 4);
    assert_eq!(client.next()["data"], json!({"v": 1, "data": {"n": 0}}));
    let fetched = client.ask(&json!({"a": "f", "c": "c", "d": "d"}));
    assert_eq!(fetched["data"], json!({"v": 1, "data": {"n": 0}}));
    for version in 1..10 {
        let answer = client.ask(&edit(version, 6 + version));
        assert_eq!(
            (&answer["v"], &answer["error"]),
            (&json!(version), &Value::Null)
        );
    }
}

#[test]
fn what_is_no_message_closes_the_connection() {
    let server = Server::start(&[]);
    let closing = [
        (masked(0x81, b"[]"), 4400),
        (masked(0x81, b"7"), 4400),
        (masked(0x82, b"{}"), 4400),
        (masked(0x81, &[0x22, 0xc3, 0x28, 0x22]), 1007),
        (
            [masked(0x01, &[0xe2, 0x82]), masked(0x80, b"x")].concat(),
            1007,
        ),
    ];
    for (bytes, code) in closing {
        let mut client = Client::connect(&server);
        client.socket.send(&bytes).unwrap();
        assert_eq!(client.socket.closed().0, code);
    }
    let mut client = Client::connect(&server);
    let text = r#"{"a":"f","c":"c","d":"€"}"#.as_bytes();
    let cut = text.iter().position(|byte| *byte == 0xe2).unwrap() + 1;
    let parts = [masked(0x01, &text[..cut]), masked(0x80, &text[cut..])];
    client.socket.send(&parts.concat()).unwrap();
    assert_eq!(client.next()["d"], "€");
}

#[test]
fn a_question_about_many_documents_is_answered_when_all_have_spoken() {
    let server = Server::start(&[("LIMITS__SHAREDB_DOCUMENTS_PER_CONNECTION", "3")]);
    let mut client = Client::connect(&server);
    client.creates("a", &json!({"n": 0}));
    let whole = json!({"a": "bs", "c": "c", "b": ["a", "b", "a"]});
    let data = json!({"a": {"v": 1, "data": {"n": 0}}, "b": {"v": 0, "type": null}});
    assert_eq!(
        client.ask(&whole),
        json!({"a": "bs", "c": "c", "data": data})
    );
    let since = json!({"a": "bf", "c": "c", "b": {"a": 0, "b": 0}});
    assert_eq!(client.ask(&since)["create"]["data"], json!({"n": 0}));
    let answer = client.next();
    let ids: BTreeSet<_> = answer["b"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    assert_eq!(
        ids,
        BTreeSet::from([r#""a""#.to_owned(), r#""b""#.to_owned()])
    );
    let more = json!({"a": "bs", "c": "c", "b": ["e", "f"]});
    let answer = client.ask(&more);
    assert_eq!(answer["data"]["e"], json!({"v": 0, "type": null}));
    assert_eq!(answer["data"]["f"]["error"]["code"], "ERR_TOO_MANY");
    let unsubscribe = json!({"a": "bu", "c": "c", "b": ["a", "b", "never"]});
    assert_eq!(client.ask(&unsubscribe)["b"].as_array().unwrap().len(), 3);
    let answer = client.ask(&more);
    assert_eq!(
        answer["data"]["f"],
        json!({"v": 0, "type": null}),
        "there is room again"
    );
}

#[test]
fn a_slow_reader_misses_nothing() {
    const OPERATIONS: u64 = 400;
    let server = Server::start(&[("LIMITS__OUTBOX_BYTES", "64KiB")]);
    let (mut slow, mut writer) = (Client::connect(&server), Client::connect(&server));
    writer.creates("d", &json!({"n": 0}));
    slow.subscribes("d");
    let long = "x".repeat(8_000);
    for version in 1..=OPERATIONS {
        let op = json!([{"p": ["s"], "oi": long}]);
        let question =
            json!({"a": "op", "c": "c", "d": "d", "v": version, "seq": version + 1, "op": op});
        assert_eq!(writer.ask(&question)["error"], Value::Null);
    }
    assert!(
        server.metric("quire_slow_readers_total") > 0.0,
        "it was too slow"
    );
    // Its answer comes behind all of that.
    slow.say(&json!({"a": "f", "c": "c", "d": "d", "v": null}));
    let mut next = 1;
    loop {
        let message = slow.next();
        if message["a"] == "f" {
            break;
        }
        let version = message["v"].as_u64().unwrap();
        assert!(version <= next, "{version} came before {next}");
        next = next.max(version + 1);
    }
    assert_eq!(next, OPERATIONS + 1);
}

#[test]
fn people_are_shown_to_who_wants_to_see_them_until_they_leave() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = (Client::connect(&server), Client::connect(&server));
    let create = json!({"type": "rich-text", "data": [{"insert": "hello"}]});
    ann.ask(&json!({"a": "op", "c": "c", "d": "d", "v": 0, "seq": 1, "create": create}));
    let at = json!({"index": 2, "length": 0});
    let show = json!({"a": "p", "ch": "c.d", "id": "cursor", "p": at, "pv": 1, "c": "c", "d": "d", "v": 1});
    let mut shown = show.clone();
    shown["src"] = json!(ann.id);
    assert_eq!(ann.ask(&show), shown);
    bob.say(&json!({"a": "ps", "ch": "c.d", "seq": 4}));
    assert_eq!(bob.next(), shown);
    assert_eq!(bob.next(), json!({"a": "ps", "ch": "c.d", "seq": 4}));
    drop(ann);
    let gone = bob.next();
    assert_eq!((&gone["id"], &gone["p"]), (&json!("cursor"), &Value::Null));
    assert_eq!(
        bob.ask(&json!({"a": "pu", "ch": "c.d", "seq": 5}))["seq"],
        5
    );
}

#[test]
fn a_token_says_what_may_be_done_with_which_document() {
    let folder = folder();
    let server = Server::start(&[("DATA_DIR", path_of(&folder))]);
    let Ok(mut nobody) = Socket::ask(&server, "/sharedb/default", "") else {
        panic!("a refusal is said over the socket");
    };
    assert_eq!(nobody.closed().0, 4401);
    let open = |may: &[&str]| {
        let token = sign(&claims("ada", may), SECRET);
        Client::over(Socket::open(
            &server,
            &format!("/sharedb/default?token={token}"),
        ))
    };
    open(&["read", "write"]).creates("d", &json!({"n": 0}));
    let mut reader = open(&["read"]);
    assert_eq!(reader.subscribes("d"), json!({"v": 1, "data": {"n": 0}}));
    let op = adding("d", 1, 1);
    let answer = reader.ask(&op);
    assert_eq!(refused(&op, &answer), "ERR_FORBIDDEN");
    let mut writer = open(&["write"]);
    let fetch = json!({"a": "f", "c": "c", "d": "d", "v": null});
    let answer = writer.ask(&fetch);
    assert_eq!(refused(&fetch, &answer), "ERR_FORBIDDEN");
    assert_eq!(
        writer.ask(&json!({"a": "pp"})),
        json!({"a": "pp"}),
        "it stays"
    );
}

#[test]
fn whose_token_has_expired_is_told_nothing_of_the_past_either() {
    let folder = folder();
    let server = Server::start(&[("DATA_DIR", path_of(&folder))]);
    let mut claims = claims("ada", &["read", "write", "history"]);
    claims["exp"] = json!(now_s() + 5);
    let token = sign(&claims, SECRET);
    let path = format!("/sharedb/default?token={token}");
    let mut client = Client::over(Socket::open(&server, &path));
    let fetch = json!({"a": "nf", "id": 1, "c": "c", "d": "d", "v": null});
    assert!(client.ask(&fetch).get("error").is_none());
    let answer = loop {
        let answer = client.ask(&fetch);
        if answer.get("error").is_some() {
            break answer;
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(refused(&fetch, &answer), "ERR_UNAUTHORIZED");
}

#[test]
fn a_server_that_stops_says_so_after_what_it_has_acknowledged() {
    let mut server = Server::start(&[]);
    let (mut client, mut idle) = (Client::connect(&server), Client::connect(&server));
    client.creates("d", &json!({"n": 0}));
    client.subscribes("d");
    server.terminate();
    assert_eq!(client.socket.closed().0, 1012);
    assert_eq!(idle.socket.closed().0, 1012);
    assert!(server.ended().success());
}

#[test]
fn documents_are_told_as_they_were_at_a_version_or_a_time() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    client.creates("d", &json!({"n": 0}));
    client.ask(&adding("d", 1, 2));
    client.ask(&json!({"a": "op", "c": "c", "d": "d", "v": 2, "seq": 3, "del": true}));
    let json0 = "http://sharejs.org/types/JSONv0";
    let states = [
        (json!(0), json!({"v": 0, "type": null})),
        (json!(1), json!({"v": 1, "type": json0, "data": {"n": 0}})),
        (json!(2), json!({"v": 2, "type": json0, "data": {"n": 1}})),
        (json!(3), json!({"v": 3, "type": null})),
        (Value::Null, json!({"v": 3, "type": null})),
    ];
    for (version, state) in states {
        let mut answer = state;
        answer["a"] = json!("nf");
        answer["id"] = json!(7);
        answer["m"] = Value::Null;
        let question = json!({"a": "nf", "id": 7, "c": "c", "d": "d", "v": version});
        assert_eq!(client.ask(&question), answer);
    }
    let ahead = json!({"a": "nf", "id": 8, "c": "c", "d": "d", "v": 4});
    let answer = client.ask(&ahead);
    assert_eq!(
        refused(&ahead, &answer),
        "ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT"
    );
    for (time, version) in [(json!(1), 0), (json!(9e15), 3), (Value::Null, 3)] {
        let question = json!({"a": "nt", "id": 9, "c": "c", "d": "d", "ts": time});
        assert_eq!(client.ask(&question)["v"], version);
    }
}

#[test]
fn a_query_finds_the_documents_of_a_collection_by_what_they_hold() {
    let server = Server::start(&[]);
    let mut client = Client::connect(&server);
    for (id, n) in [("a", 1), ("b", 2), ("e", 2)] {
        client.creates(id, &json!({"n": n}));
    }
    client.ask(&json!({"a": "op", "c": "c", "d": "e", "v": 1, "seq": 2, "del": true}));
    let mut found = |query: Value| {
        let answer = client.ask(&json!({"a": "qf", "id": 1, "c": "c", "q": query}));
        answer["data"].clone()
    };
    let (a, b) = (
        json!({"d": "a", "v": 1, "data": {"n": 1}}),
        json!({"d": "b", "v": 1, "data": {"n": 2}}),
    );
    assert_eq!(found(json!({})), json!([a, b]));
    assert_eq!(found(json!({"n": 2})), json!([b]));
    assert_eq!(found(json!({"$limit": 1, "$skip": 1})), json!([b]));
}
