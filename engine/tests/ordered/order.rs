//! In which order people are told of what was stored together.

use std::sync::Arc;

use engine::ordered::{
    Deed, OperationName, OrderedDocument, OrderedEffect, OrderedEffects, OrderedEvent,
    OrderedInput, OrderedLimits, OrderedPast, Request, RequestTag,
};
use engine::ot::OtType;
use engine::{ConnectionId, Now, ReplicaId, Rights};

use crate::world::key;

/// Three people, all of whom are sent what comes, each with an operation in one append: everybody is told of all versions in
/// their order, of his own by its acknowledgement. Who saw a later one first would ask for what is between.
#[test]
fn nobody_sees_a_gap_before_his_own_operation() {
    let limits = Arc::new(OrderedLimits::default());
    let (mut document, _) = OrderedDocument::open(key(), ReplicaId(1), limits, Now::default());
    let mut tell = |inputs: Vec<OrderedInput>| {
        let mut effects = OrderedEffects::new();
        for input in inputs {
            document.handle(input, Now::default(), &mut effects);
        }
        document.settle(Now::default(), &mut effects);
        effects
    };
    tell(vec![OrderedInput::Opened(OrderedPast::default())]);
    let people = [1, 2, 3].map(ConnectionId);
    tell(people.into_iter().flat_map(come).collect());
    tell(vec![submit(people[0], 1, None, create())]);
    tell(vec![OrderedInput::Appended]);
    let edits = people.map(|person| submit(person, 2, Some(1), Deed::Edit(r#"["x"]"#.into())));
    tell(edits.into());
    let effects = tell(vec![OrderedInput::Appended]);
    for person in people {
        assert_eq!(versions(&effects, person), [1, 2, 3], "{person:?}");
    }
}

fn come(connection: ConnectionId) -> [OrderedInput; 2] {
    let rights = Rights::all(None);
    let (tag, from) = (RequestTag::default(), None);
    let request = Request::Subscribe { tag, from };
    [
        OrderedInput::Joined { connection, rights },
        OrderedInput::Asked {
            connection,
            request,
        },
    ]
}

fn create() -> Deed {
    let (ot_type, data) = (OtType::Text, Some(r#""""#.into()));
    Deed::Create { ot_type, data }
}

fn submit(connection: ConnectionId, number: u64, made_on: Option<u64>, deed: Deed) -> OrderedInput {
    let source = format!("{connection:?}").into();
    let request = Request::Submit {
        tag: RequestTag(number),
        name: OperationName { source, number },
        made_on,
        deed,
        skips_noop: false,
    };
    OrderedInput::Asked {
        connection,
        request,
    }
}

/// The versions that somebody is told of, in order.
fn versions(effects: &[OrderedEffect], person: ConnectionId) -> Vec<u64> {
    let told = effects.iter().filter_map(|effect| match effect {
        OrderedEffect::Send { to, event } if to.contains(&person) => match event {
            OrderedEvent::Operation(record) => Some(record.version),
            OrderedEvent::Committed { version, .. } => Some(*version),
            _ => None,
        },
        _ => None,
    });
    told.collect()
}
