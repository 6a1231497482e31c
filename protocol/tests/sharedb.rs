//! Frames of unmodified clients of `sharedb` 7.0 (captured), what they mean here, and what is answered.

use engine::ordered::{Action, Deed, OperationName, Presence, PresenceName, Record, State};
use engine::ot::{Json, OtType, Snapshot};
use proptest::prelude::*;
use protocol::sharedb::{
    Address, Asked, Bulk, Code, Fault, Named, Shown, Submission, acknowledged, answered,
    at_version, bulk_answered, failed, found, greeting, operation, presence, read, refused, shown,
    snapshot, snapshots,
};
use serde_json::{Value, json};

fn named(version: Option<u64>) -> Named {
    Named {
        collection: "c".to_owned(),
        id: "d".to_owned(),
        version,
    }
}

fn address() -> Address {
    Address {
        collection: "c".to_owned(),
        id: "d".to_owned(),
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("an answer is JSON")
}

fn submitted(text: &str) -> Submission {
    match read(text) {
        Ok(Asked::Submit(_, submission)) => submission,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_clients_say_is_read() {
    let hs = r#"{"a":"hs","id":null,"protocol":1,"protocolMinor":2}"#;
    assert_eq!(read(hs), Ok(Asked::Handshake { id: None, minor: 2 }));
    let again = r#"{"a":"hs","id":"9f","protocol":1,"protocolMinor":2}"#;
    let id = Some("9f".to_owned());
    assert_eq!(read(again), Ok(Asked::Handshake { id, minor: 2 }));
    let subscribe = r#"{"a":"s","c":"c","d":"d","v":null}"#;
    assert_eq!(read(subscribe), Ok(Asked::Subscribe(named(None))));
    let fetch = r#"{"a":"f","c":"c","d":"d","v":7}"#;
    assert_eq!(read(fetch), Ok(Asked::Fetch(named(Some(7)))));
    let bulk = r#"{"a":"bs","c":"c","b":{"e":0,"d":6}}"#;
    let since = Bulk::Since([("d".to_owned(), Some(6)), ("e".to_owned(), Some(0))].into());
    assert_eq!(read(bulk), Ok(Asked::BulkSubscribe("c".to_owned(), since)));
    let bulk = r#"{"a":"bf","c":"c","b":["d","e","d"]}"#;
    let whole = Bulk::Whole(vec!["d".to_owned(), "e".to_owned()]);
    assert_eq!(read(bulk), Ok(Asked::BulkFetch("c".to_owned(), whole)));
    let at = r#"{"a":"nf","id":3,"c":"c","d":"d","v":5}"#;
    let at_version = Asked::AtVersion {
        id: 3,
        named: named(Some(5)),
    };
    assert_eq!(read(at), Ok(at_version));
}

#[test]
fn operations_are_handed_on_to_the_byte() {
    let op =
        r#"{"a":"op","c":"c","d":"d","v":1,"seq":2,"x":{},"op":[ {"p":["s",0],"si":"\ud83d"} ]}"#;
    let submission = submitted(op);
    assert_eq!((submission.source, submission.number), (None, 2));
    let text = r#"[ {"p":["s",0],"si":"\ud83d"} ]"#;
    assert_eq!(submission.deed, Deed::Edit(text.into()));
    let create = r#"{"a":"op","c":"c","d":"d","v":0,"seq":1,"src":"me","create":{"type":"rich-text","data":[{"insert":"a"}]}}"#;
    let submission = submitted(create);
    assert_eq!(submission.source.as_deref(), Some("me"));
    let deed = Deed::Create {
        ot_type: OtType::RichText,
        data: Some(r#"[{"insert":"a"}]"#.into()),
    };
    assert_eq!(submission.deed, deed);
    let del = r#"{"a":"op","c":"c","d":"d","v":4,"seq":1,"del":true}"#;
    assert_eq!(submitted(del).deed, Deed::Delete);
}

#[test]
fn what_cannot_be_meant_is_refused_in_the_words_that_clients_know() {
    let refusals = [
        ("[]", Fault::NotAnObject),
        ("", Fault::NotAnObject),
        (
            r#"{"a":"x"}"#,
            Fault::BadlyFormed("Invalid or unknown message"),
        ),
        (r#"{}"#, Fault::BadlyFormed("Invalid or unknown message")),
        (
            r#"{"a":"f","c":1,"d":"d"}"#,
            Fault::BadlyFormed("Invalid collection"),
        ),
        (
            r#"{"a":"f","c":"c","d":"__proto__"}"#,
            Fault::BadlyFormed("Invalid id"),
        ),
        (
            r#"{"a":"f","c":"c","d":"d","v":-1}"#,
            Fault::BadlyFormed("Invalid version"),
        ),
        (
            r#"{"a":"f","c":"c","d":"d","v":"1"}"#,
            Fault::BadlyFormed("Invalid version"),
        ),
        (
            r#"{"a":"bs","c":"c","b":3}"#,
            Fault::BadlyFormed("Invalid bulk subscribe data"),
        ),
        (
            r#"{"a":"bs","c":"c","b":{"constructor":1}}"#,
            Fault::BadlyFormed("Invalid id"),
        ),
        (
            r#"{"a":"qf","c":"c","q":{}}"#,
            Fault::BadlyFormed("Missing query ID"),
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"op":[]}"#,
            Fault::BadlyFormed("Missing sequence number"),
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"seq":9007199254740992,"op":[]}"#,
            Fault::BadlyFormed("Invalid sequence number"),
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"seq":9007199254740991,"op":[]}"#,
            Fault::LastNumber,
        ),
        (
            r#"{"a":1}"#,
            Fault::BadlyFormed("Invalid or unknown message"),
        ),
        (
            r#"{"a":"ps"}"#,
            Fault::BadlyFormed("Missing presence channel"),
        ),
        (
            r#"{"a":"ps","ch":"__proto__"}"#,
            Fault::BadlyFormed("Invalid presence channel"),
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"seq":1}"#,
            Fault::BadOperation("Missing op, create, or del"),
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"seq":1,"create":{}}"#,
            Fault::BadOperation("Missing create type"),
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"seq":1,"create":{"type":"json9"}}"#,
            Fault::UnknownType,
        ),
        (
            r#"{"a":"op","c":"c","d":"d","v":1,"seq":1,"del":1}"#,
            Fault::BadOperation("del value must be true"),
        ),
    ];
    for (text, fault) in refusals {
        assert_eq!(read(text), Err(fault), "{text}");
    }
}

#[test]
fn answers_are_those_that_clients_expect() {
    let init = json!({"a": "init", "protocol": 1, "protocolMinor": 2, "id": "9\"f",
        "type": "http://sharejs.org/types/JSONv0"});
    assert_eq!(value(&greeting("init", "9\"f")), init);
    let content = Snapshot::create(OtType::Json0, Some(r#"{"s":"X"}"#)).ok();
    let state = State {
        version: 2,
        content,
        ..State::default()
    };
    let data = json!({"v": 2, "data": {"s": "X"}});
    assert_eq!(value(&snapshot(&state)), data);
    let fetched = answered("f", &address(), Some(&snapshot(&state)));
    assert_eq!(
        value(&fetched),
        json!({"a": "f", "c": "c", "d": "d", "data": data})
    );
    assert_eq!(
        value(&snapshot(&State::default())),
        json!({"v": 0, "type": null})
    );
    let both = [("d", snapshot(&state)), ("e", snapshot(&State::default()))];
    let both = both.iter().map(|(id, snapshot)| (*id, snapshot.as_str()));
    let bulk = json!({"a": "bf", "c": "c", "data": {"d": data, "e": {"v": 0, "type": null}}});
    assert_eq!(value(&snapshots("bf", "c", both)), bulk);
    let done = bulk_answered("bs", "c", ["d", "e"].into_iter());
    assert_eq!(value(&done), json!({"a": "bs", "c": "c", "b": ["d", "e"]}));
    let error = json!({"error": {"code": "ERR_DOC_WAS_DELETED", "message": "gone"}});
    assert_eq!(value(&failed(Code::DocumentWasDeleted, "gone")), error);
    let found = found("qf", 4, &[("d".to_owned(), state.clone())]);
    let data = json!([{"d": "d", "v": 2, "data": {"s": "X"}}]);
    assert_eq!(value(&found), json!({"a": "qf", "id": 4, "data": data}));
    let at = json!({"a": "nf", "id": 3, "v": 2, "type": "http://sharejs.org/types/JSONv0",
        "data": {"s": "X"}, "m": null});
    assert_eq!(value(&at_version("nf", 3, &state)), at);
}

#[test]
fn operations_are_sent_as_they_were_committed() {
    let name = OperationName {
        source: "me".into(),
        number: 2,
    };
    let of = |action| Record {
        version: 1,
        made_on: Some(0),
        name: name.clone(),
        action,
    };
    let edit = of(Action::Edit {
        received: r#"[{"p":["s",0],"si":"Y"}]"#.into(),
        committed: Some(r#"[{"p":["s",1],"si":"Y"}]"#.into()),
    });
    let sent = json!({"a": "op", "c": "c", "d": "d", "v": 1, "src": "me", "seq": 2,
        "op": [{"p": ["s", 1], "si": "Y"}]});
    assert_eq!(value(&operation(&address(), &edit)), sent);
    let create = of(Action::Create {
        ot_type: OtType::Text,
        data: Some(r#""hi""#.into()),
    });
    let sent = value(&operation(&address(), &create));
    assert_eq!(
        sent["create"],
        json!({"type": "http://sharejs.org/types/textv1", "data": "hi"})
    );
    assert_eq!(
        value(&operation(&address(), &of(Action::Delete)))["del"],
        json!(true)
    );
    let acknowledged = json!({"a": "op", "c": "c", "d": "d", "v": 1, "src": "me", "seq": 2});
    assert_eq!(
        value(&self::acknowledged(&address(), 1, &name)),
        acknowledged
    );
}

#[test]
fn presence_says_whose_it_is() {
    let there = Presence {
        name: PresenceName {
            source: "me".into(),
            id: "u1".into(),
        },
        number: 4,
        version: 2,
        value: Json::read(r#"{"index":1,"length":0}"#).unwrap(),
    };
    let sent = json!({"a": "p", "ch": "c.d", "src": "me", "id": "u1", "p": {"index": 1, "length": 0},
        "pv": 4, "c": "c", "d": "d", "v": 2});
    assert_eq!(value(&presence(&address(), &there)), sent);
    let said = Shown {
        channel: "c.d".to_owned(),
        id: "u1".to_owned(),
        value: Some(r#"{"index":1,"length":0}"#.into()),
        number: 4,
        document: Some(named(Some(2))),
    };
    assert_eq!(value(&shown("me", &said)), sent);
    let gone = Shown {
        value: None,
        document: None,
        ..said
    };
    let sent = json!({"a": "p", "ch": "c.d", "src": "me", "id": "u1", "p": null, "pv": 4});
    assert_eq!(value(&shown("me", &gone)), sent);
}

proptest! {
    #[test]
    fn a_refusal_is_the_whole_request_and_the_reason(
        fields in prop::collection::btree_map("[a-z]{1,3}", "\\PC{0,8}", 0..5),
        message in "\\PC{0,20}",
    ) {
        let request = serde_json::to_string(&fields).unwrap();
        let mut expected = value(&request);
        expected["error"] = json!({"code": "ERR_NO_OP", "message": message});
        let refusal = refused(&format!(" {request}\n"), Some(Code::NoOperation), &message);
        prop_assert_eq!(value(&refusal), expected);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}", fields in prop::collection::vec(("(a|b|c|d|v|id|op|create|seq|ch|p|pv)", "(1|-1|null|\"op\"|\"s\"|\"p\"|\\[\\]|\\{\\}|\"x\")"), 0..8)) {
        let _ = read(&text);
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let _ = read(&format!("{{{}}}", fields.join(",")));
    }
}
