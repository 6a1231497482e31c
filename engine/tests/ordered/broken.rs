//! A past that cannot be gone on from: the document is not served, says which change it is, and does nothing else.

use std::sync::Arc;

use bytes::Bytes;
use engine::ordered::{
    Action, OperationName, OrderedDocument, OrderedEffect, OrderedEffects, OrderedInput,
    OrderedLimits, OrderedPast, Record,
};
use engine::ot::OtType;
use engine::{
    Change, ChangeKind, CloseReason, ConnectionId, Dot, Hlc, Kind, Now, ReplicaId, Rights,
    VectorClock,
};

use crate::world::key;

fn record(version: u64, action: Action) -> Bytes {
    let (source, number) = ("me".into(), version);
    let name = OperationName { source, number };
    let made_on = Some(version);
    let record = Record {
        version,
        made_on,
        name,
        action,
    };
    record.to_bytes()
}

fn edit(version: u64, text: &str) -> Bytes {
    let (received, committed) = (text.into(), None);
    record(
        version,
        Action::Edit {
            received,
            committed,
        },
    )
}

fn creation() -> Bytes {
    let (ot_type, data) = (OtType::Text, Some(r#""ab""#.into()));
    record(0, Action::Create { ot_type, data })
}

/// What becomes of a document for somebody who comes, whose past has these payloads.
fn opened(payloads: &[Bytes]) -> OrderedEffects {
    let limits = Arc::new(OrderedLimits::default());
    let now = Now::default();
    let (mut document, mut effects) = OrderedDocument::open(key(), ReplicaId(9), limits, now);
    effects.clear();
    let (connection, rights) = (ConnectionId(1), Rights::all(None));
    let joined = OrderedInput::Joined { connection, rights };
    document.handle(joined, now, &mut effects);
    let changes = (1..).zip(payloads).map(|(counter, payload)| Change {
        document: key(),
        dot: Dot::new(ReplicaId(1), counter),
        context: VectorClock::default(),
        hlc: Hlc::default(),
        author: None,
        connection: ConnectionId(2),
        kind: ChangeKind::Operation,
        payload: payload.clone(),
    });
    let past = OrderedPast {
        kind: Some(Kind::Text),
        changes: changes.collect(),
        ..OrderedPast::default()
    };
    document.handle(OrderedInput::Opened(past), now, &mut effects);
    document.settle(now, &mut effects);
    effects
}

#[test]
fn a_document_whose_log_is_damaged_is_not_served_and_says_where() {
    let cut = edit(1, r#"["x"]"#);
    let damaged = [
        ("cut short", vec![creation(), cut.slice(..cut.len() - 1)]),
        ("empty", vec![creation(), Bytes::new()]),
        ("missing", vec![creation(), edit(2, r#"["x"]"#)]),
        ("the first is missing", vec![edit(1, r#"["x"]"#)]),
        ("twice", vec![creation(), creation()]),
        ("does not fit", vec![creation(), edit(1, r#"[9,"x"]"#)]),
        ("no operation", vec![creation(), edit(1, "{")]),
        ("of nothing", vec![edit(0, r#"["x"]"#)]),
    ];
    for (what, payloads) in damaged {
        let effects = opened(&payloads);
        let [
            OrderedEffect::Unusable(broken),
            OrderedEffect::Close {
                reason: CloseReason::NotReady,
                ..
            },
            OrderedEffect::Retire,
        ] = &effects[..]
        else {
            panic!("{what}: {effects:?}");
        };
        assert!(
            broken.to_string().starts_with("change "),
            "{what}: {broken}"
        );
    }
    let sound = opened(&[creation(), edit(1, r#"["x"]"#)]);
    assert!(sound.is_empty(), "{sound:?}");
}
