//! Looking far back in a long ordered document: every version is near a snapshot that was kept. `QUIRE_OPERATIONS` says how long it
//! is; how long each look takes is printed.

use std::time::Instant;

use engine::ordered::{Deed, Draft, Drafter, OperationName, OrderedPast, State};
use engine::ot::OtType;
use engine::{ConnectionId, DocumentKey, Kind, Now, Snapshot};
use server::place::{state_at_time, state_at_version};
use storage::{Place, SqliteStore, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_version_of_a_long_document_is_far_from_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    let document = DocumentKey::new("default", "long").unwrap();
    let operations = std::env::var("QUIRE_OPERATIONS").map_or(40_000, |it| it.parse().unwrap());
    write(&store, &document, operations).await;
    for version in [
        1,
        operations / 3,
        operations / 2,
        operations - 1,
        operations,
    ] {
        let place = Place::Index(version);
        let order = store.find(document.clone(), place).await.unwrap();
        let past = store
            .load_until(document.clone(), order.unwrap())
            .await
            .unwrap();
        assert!(
            past.changes.len() < 17_000,
            "{version} is {} away",
            past.changes.len()
        );
        let begun = Instant::now();
        let state = state_at_version(&store, &document, version).await.unwrap();
        println!(
            "version {version}: {} operations, {:?}",
            past.changes.len(),
            begun.elapsed()
        );
        assert_eq!(
            (state.version, &*state.json(None)),
            (version, value(version).as_bytes())
        );
        let at = state_at_time(&store, &document, version).await.unwrap();
        assert_eq!(at, state);
    }
}

/// What the document holds after so many operations.
fn value(version: u64) -> String {
    (version - 1).to_string()
}

/// As a session does: the first operation creates it, each of the others adds one, a millisecond after the other; and a
/// snapshot every 1,000.
async fn write(store: &SqliteStore, document: &DocumentKey, operations: u64) {
    let replica = store.new_replica().await.unwrap();
    let mut state = State::default();
    while state.version < operations {
        let past = OrderedPast {
            snapshot: state,
            ..OrderedPast::default()
        };
        let mut draft = Draft::new(document.clone(), replica, &past).unwrap();
        for version in past.snapshot.version..operations.min(past.snapshot.version + 1_000) {
            submit(&mut draft, version);
        }
        state = draft.state().clone();
        let changes = draft.into_changes();
        let appended = store.append(document.clone(), Kind::Json0, changes);
        appended.await.unwrap();
        let snapshot = Snapshot {
            document: document.clone(),
            kind: Kind::Json0,
            clock: state.clock.clone(),
            state: state.to_bytes(),
        };
        snapshot.verify().unwrap();
        store.put_snapshot(snapshot).await.unwrap();
    }
}

fn submit(draft: &mut Draft, version: u64) {
    let by = Drafter {
        author: None,
        connection: ConnectionId(1),
    };
    let name = OperationName {
        source: "me".into(),
        number: version,
    };
    let deed = match version {
        0 => Deed::Create {
            ot_type: OtType::Json0,
            data: Some("0".into()),
        },
        _ => Deed::Edit(r#"[{"p":[],"na":1}]"#.into()),
    };
    let now = Now {
        wall_ms: version + 1,
        ..Now::default()
    };
    let made_on = (version > 0).then_some(version);
    draft.submit(&by, name, made_on, deed, now).unwrap();
}
