//! Messages of the ShareDB dialect, as text of a client: what is refused can be answered, and what is taken names documents
//! that can be named; and what may be done through a projection does nothing beside it.

use engine::ordered::{Action, Deed, OperationName, Record};
use engine::ot::Json;
use protocol::sharedb::{self, Address, Asked, Bulk, Fault, Named, Projection};

/// Reads a message.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match sharedb::read(text) {
        Ok(asked) => taken(&asked),
        Err(Fault::NotAnObject) => {}
        Err(fault) => refused(text, &fault),
    }
}

/// The answer is the request with the reason: an object as that was, with the same in it.
fn refused(request: &str, fault: &Fault) {
    let answer = sharedb::refused(request, None, &fault.to_string());
    assert_eq!(sharedb::read(&answer).as_ref(), Err(fault), "{answer}");
}

fn taken(asked: &Asked) {
    match asked {
        Asked::Fetch(named)
        | Asked::Subscribe(named)
        | Asked::Unsubscribe(named)
        | Asked::AtVersion { named, .. }
        | Asked::AtTime { named, .. } => addressed(named),
        Asked::Submit(named, submission) => {
            projected(&submission.deed);
            addressed(named);
        }
        Asked::BulkFetch(collection, bulk)
        | Asked::BulkSubscribe(collection, bulk)
        | Asked::BulkUnsubscribe(collection, bulk) => bulk_addressed(collection, bulk),
        Asked::ShowPresence(shown) => {
            let answer = sharedb::shown("a source", shown);
            assert!(
                Json::read(&answer).is_ok() || shown.value.is_some(),
                "{answer}"
            );
        }
        _ => {}
    }
}

/// Of what may be done through a projection, all is seen through it.
fn projected(deed: &Deed) {
    let projection = Projection::new("c", ["a", "text"]);
    let action = match deed {
        Deed::Edit(edit) => Action::Edit {
            received: edit.clone(),
            committed: None,
        },
        Deed::Create { ot_type, data } => Action::Create {
            ot_type: *ot_type,
            data: data.clone(),
        },
        Deed::Delete => Action::Delete,
    };
    let record = Record {
        version: 0,
        made_on: None,
        name: OperationName {
            source: "a source".into(),
            number: 1,
        },
        action,
    };
    let seen = projection.record(&record);
    if projection.allows(deed) {
        assert_eq!(written(&seen.action), written(&record.action));
    }
}

/// What is there of JSON in an action, each in one form.
fn written(action: &Action) -> Option<String> {
    let text = match action {
        Action::Edit { .. } => action.committed(),
        Action::Create { data, .. } => data.as_deref(),
        Action::Delete => None,
    };
    Some(Json::read(text?).ok()?.write())
}

fn bulk_addressed(collection: &str, bulk: &Bulk) {
    let named = |(id, version): (&String, Option<u64>)| Named {
        collection: collection.to_owned(),
        id: id.clone(),
        version,
    };
    match bulk {
        Bulk::Whole(ids) => ids
            .iter()
            .map(|id| (id, None))
            .map(named)
            .for_each(|it| addressed(&it)),
        Bulk::Since(ids) => ids
            .iter()
            .map(|(id, since)| (id, *since))
            .map(named)
            .for_each(|it| addressed(&it)),
    }
}

/// If there can be such a document, it is this one's name and no other's.
fn addressed(named: &Named) {
    let address = Address {
        collection: named.collection.clone(),
        id: named.id.clone(),
    };
    if let Ok(document) = address.document("team") {
        assert_eq!(Address::of(document.name()), address);
    }
    let answer = sharedb::answered("f", &address, Some("null"));
    assert!(Json::read(&answer).is_ok(), "{answer}");
}
