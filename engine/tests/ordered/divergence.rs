//! Who has been away for long, or sends what would take long, gets a clear answer, and costs no more than is granted.

use std::sync::Arc;

use engine::ordered::{
    Action, Deed, Misplaced, OperationName, OrderedDocument, OrderedEffect, OrderedEffects,
    OrderedEvent, OrderedInput, OrderedLimits, OrderedPast, Record, Request, RequestTag,
};
use engine::ot::{OtError, OtType};
use engine::{Change, ChangeKind, ConnectionId, Dot, Hlc, Now, ReplicaId, Rights, VectorClock};

use crate::world::key;

/// A document that so many edits, each of so many components, were made of; and one person.
struct Scene {
    document: OrderedDocument,
}

impl Scene {
    fn after(edits: u64, components: usize, catch_up_max: u64) -> Self {
        let limits = OrderedLimits {
            catch_up_max,
            ..OrderedLimits::default()
        };
        let now = Now::default();
        let (document, _) = OrderedDocument::open(key(), ReplicaId(2), Arc::new(limits), now);
        let mut scene = Self { document };
        let data = Some("[]".into());
        let ot_type = OtType::Json0;
        let create = Action::Create { ot_type, data };
        let edit = || Action::Edit {
            received: inserts(components).into(),
            committed: None,
        };
        let actions = std::iter::once(create).chain((0..edits).map(|_| edit()));
        let past = OrderedPast {
            changes: (0..)
                .zip(actions)
                .map(|(at, action)| change(at, action))
                .collect(),
            ..OrderedPast::default()
        };
        scene.tell(OrderedInput::Opened(past));
        let (connection, rights) = (PERSON, Rights::all(None));
        scene.tell(OrderedInput::Joined { connection, rights });
        scene
    }

    /// Submits an edit that was made on the first version, and gives what it is answered at once.
    fn submit(&mut self, number: u64, components: usize) -> Vec<OrderedEffect> {
        let request = Request::Submit {
            tag: RequestTag(number),
            name: name(number),
            made_on: Some(1),
            deed: Deed::Edit(inserts(components).into()),
            skips_noop: false,
        };
        let connection = PERSON;
        self.tell(OrderedInput::Asked {
            connection,
            request,
        })
    }

    fn tell(&mut self, input: OrderedInput) -> OrderedEffects {
        let mut effects = OrderedEffects::new();
        self.document.handle(input, Now::default(), &mut effects);
        self.document.settle(Now::default(), &mut effects);
        effects
    }
}

#[test]
fn too_much_work_is_refused_and_the_next_one_is_taken() {
    let mut scene = Scene::after(30, 100, 10_000);
    let answer = scene.submit(1, 800);
    assert_eq!(
        refusal(&answer),
        Some(&Misplaced::Unfit(OtError::TooMuchWork))
    );
    let is_stored = |effect: &OrderedEffect| matches!(effect, OrderedEffect::Append(_));
    assert!(!answer.iter().any(is_stored), "nothing of it is left");
    assert!(scene.submit(2, 1).iter().any(is_stored));
}

#[test]
fn eight_hundred_against_eight_hundred_are_taken() {
    let mut scene = Scene::after(1, 800, 10_000);
    let answer = scene.submit(1, 800);
    assert_eq!(refusal(&answer), None);
    assert!(
        matches!(&answer[..], [OrderedEffect::Append(_)]),
        "{answer:?}"
    );
}

#[test]
fn who_is_too_far_behind_is_told_so() {
    let mut scene = Scene::after(2_000, 1, 100);
    let asked = scene.submit(1, 1);
    assert!(
        matches!(&asked[..], [OrderedEffect::Seek(_)]),
        "it may have been committed before: {asked:?}"
    );
    let answer = scene.tell(OrderedInput::Found(Vec::new()));
    let Some(why @ Misplaced::Behind { made_on: 1, .. }) = refusal(&answer) else {
        panic!("{answer:?}");
    };
    assert!(
        why.to_string()
            .starts_with("made on version 1, and only what came since")
    );
}

fn refusal(effects: &[OrderedEffect]) -> Option<&Misplaced> {
    effects.iter().find_map(|effect| match effect {
        OrderedEffect::Send {
            event: OrderedEvent::Refused { why, .. },
            ..
        } => Some(why),
        _ => None,
    })
}

fn inserts(components: usize) -> String {
    let component = r#"{"p":[0],"li":1}"#;
    format!("[{}]", vec![component; components].join(","))
}

fn change(version: u64, action: Action) -> Change {
    let name = OperationName {
        source: "somebody else".into(),
        number: version,
    };
    let record = Record {
        version,
        made_on: Some(version),
        name,
        action,
    };
    Change {
        document: key(),
        dot: Dot::new(ReplicaId(1), version + 1),
        context: VectorClock::default(),
        hlc: Hlc::default(),
        author: None,
        connection: ConnectionId(2),
        kind: ChangeKind::Operation,
        payload: record.to_bytes(),
    }
}

fn name(number: u64) -> OperationName {
    let source = "somebody".into();
    OperationName { source, number }
}

const PERSON: ConnectionId = ConnectionId(1);
