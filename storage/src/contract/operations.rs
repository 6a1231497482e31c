//! Operations of ordered documents: one order over all writers, one place and one name for each.

use bytes::Bytes;
use engine::ordered::{Action, OperationName, Record, State};
use engine::ot::{OtType, Snapshot as Data};
use engine::{Author, Change, ChangeKind, DocumentKey, Dot, Kind, ReplicaId, Snapshot};
use futures_util::future::{join_all, try_join_all};

use super::*;
use crate::store::{Store, StoreError};

/// The operation of a source with a number, committed on a version.
pub fn operation(dot: Dot, version: u64, source: &str, number: u64) -> Change {
    let record = Record {
        version,
        made_on: Some(version / 2),
        name: OperationName {
            source: source.into(),
            number,
        },
        action: Action::Edit {
            received: format!("[{number}]").into(),
            committed: None,
        },
    };
    Change {
        kind: ChangeKind::Operation,
        payload: record.to_bytes(),
        ..change(&document("ordered"), dot.replica, dot.counter)
    }
}

/// Operations of one source, the first of which is its replica's with a counter and is committed on a version.
pub fn operations(first: Dot, version: u64, count: u64, source: &str) -> Vec<Change> {
    let of = |at| {
        let dot = Dot::new(first.replica, first.counter + at);
        operation(dot, version + at, source, version + at)
    };
    (0..count).map(of).collect()
}

/// The same as another document's.
fn of(document: &DocumentKey, changes: Vec<Change>) -> Vec<Change> {
    let moved = changes.into_iter().map(|change| Change {
        document: document.clone(),
        ..change
    });
    moved.collect()
}

async fn submit(store: &dyn Store, changes: Vec<Change>) -> Result<(), StoreError> {
    let document = changes[0].document.clone();
    store.append(document, Kind::Json0, changes).await
}

async fn read(store: &dyn Store, from: u64, to: Option<u64>) -> Vec<Change> {
    let read = store.operations(document("ordered"), from, to).await;
    plain(&read.unwrap())
}

/// That the ordered document has these operations and no others, however it is read.
async fn assert_operations(store: &dyn Store, wanted: &[Change]) {
    assert_eq!(read(store, 0, None).await, wanted);
    let past = store.load(document("ordered")).await.unwrap();
    assert_eq!((plain(&past.changes), past.damaged), (wanted.to_vec(), 0));
}

fn at(replica: ReplicaId, counter: u64) -> Dot {
    Dot::new(replica, counter)
}

/// Any range of them, also one that goes beyond the last; other changes are none of them.
pub async fn operations_are_read_by_their_versions(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let mut all = operations(at(one, 1), 0, 5, "a");
    submit(store, all.clone()).await.unwrap();
    all.extend(operations(at(two, 1), 5, 3, "b"));
    submit(store, all[5..].to_vec()).await.unwrap();
    let other = change(&document("ordered"), one, 6);
    submit(store, vec![other]).await.unwrap();
    for (from, to, wanted) in [
        (0, None, 0..8),
        (3, None, 3..8),
        (2, Some(6), 2..6),
        (0, Some(1), 0..1),
        (7, Some(u64::MAX), 7..8),
        (8, None, 0..0),
        (u64::MAX, None, 0..0),
        (4, Some(4), 0..0),
        (5, Some(2), 0..0),
    ] {
        assert_eq!(read(store, from, to).await, all[wanted], "{from} {to:?}");
    }
    let stored = store
        .operations(document("ordered"), 0, None)
        .await
        .unwrap();
    let past = store.load(document("ordered")).await.unwrap();
    assert_eq!(stored[..], past.changes[..8]);
    let none = store.operations(document("other"), 0, None).await;
    assert_eq!(none, Ok(vec![]));
}

/// The next version and no other, whether it is taken or one is missing before it.
pub async fn an_operation_has_a_place_of_its_own(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let early = operations(at(one, 1), 1, 1, "a");
    assert_eq!(submit(store, early).await, Err(StoreError::Overtaken(0)));
    assert_eq!(store.describe(document("ordered")).await, Ok(None));
    let first = operations(at(one, 1), 0, 4, "a");
    submit(store, first.clone()).await.unwrap();
    for version in [0, 1, 3, 5, 9, i64::MAX as u64] {
        let other = vec![operation(at(two, 1), version, "b", 1)];
        let refused = submit(store, other).await;
        assert_eq!(refused, Err(StoreError::Overtaken(4)), "{version}");
    }
    assert_operations(store, &first).await;
}

/// Sent again as another change, it is told with the version that it has; also in one append with new ones, and however old.
pub async fn an_operation_is_stored_once_under_its_name(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let mut all = operations(at(one, 1), 0, 3, "a");
    submit(store, all.clone()).await.unwrap();
    let known = |index, version| Err(StoreError::NameKnown { index, version });
    let again = vec![operation(at(two, 1), 3, "a", 1)];
    assert_eq!(submit(store, again).await, known(0, 1));
    let mixed = vec![
        operation(at(two, 1), 3, "b", 7),
        operation(at(two, 2), 4, "a", 2),
        operation(at(two, 3), 5, "a", 0),
    ];
    assert_eq!(submit(store, mixed).await, known(1, 2));
    let twins = vec![
        operation(at(two, 1), 3, "b", 7),
        operation(at(two, 2), 4, "b", 7),
    ];
    assert_eq!(submit(store, twins).await, known(1, 3));
    let late = vec![operation(at(two, 1), 2, "a", 1)];
    assert_eq!(submit(store, late).await, Err(StoreError::Overtaken(3)));
    assert_operations(store, &all).await;
    for (number, version) in [(9, 3), (5, 4), (u64::MAX, 5), (7, 6), (1 << 63, 7)] {
        let next = vec![operation(at(two, version - 2), version, "b", number)];
        submit(store, next.clone()).await.unwrap();
        all.extend(next);
    }
    for (number, version) in [(5, 4), (9, 3), (1 << 63, 7), (u64::MAX, 5)] {
        let again = vec![operation(at(one, 4), 8, "b", number)];
        assert_eq!(submit(store, again).await, known(0, version));
    }
    assert_operations(store, &all).await;
}

/// By its name it is found wherever it is, and no other is.
pub async fn an_operation_is_found_by_its_name(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let found = async |author: Option<&str>, source: &str, number| {
        let source = source.into();
        let name = OperationName { source, number };
        let author = author.map(Author::new);
        store.version_of(document("ordered"), author, name).await
    };
    assert_eq!(found(None, "a", 0).await, Ok(None));
    submit(store, operations(at(one, 1), 0, 5, "a"))
        .await
        .unwrap();
    submit(store, operations(at(two, 1), 5, 3, "b"))
        .await
        .unwrap();
    for (source, number, version) in [
        ("a", 0, Some(0)),
        ("a", 4, Some(4)),
        ("a", 5, None),
        ("b", 5, Some(5)),
        ("b", 7, Some(7)),
        ("c", 5, None),
        ("a", u64::MAX, None),
    ] {
        let is = found(None, source, number).await;
        assert_eq!(is, Ok(version), "{source} {number}");
    }
    assert_eq!(found(Some("eve"), "a", 0).await, Ok(None));
}

/// Of another author, or of none, it is another operation, and so where only the two names together read alike.
pub async fn a_name_is_its_authors(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let authors = [None, Some(""), Some("ada"), Some("eve"), Some("adas")];
    let mut all = Vec::new();
    for (place, author) in (0..).zip(authors) {
        let source = if author == Some("adas") {
            "ource"
        } else {
            "source"
        };
        let mut next = operation(at(replica, place + 1), place, source, 1);
        next.author = author.map(Author::new);
        submit(store, vec![next.clone()]).await.unwrap();
        all.push(next);
    }
    for (version, known) in (0..).zip(all.clone()) {
        let mut again = operation(at(replica, 6), 5, "source", 1);
        again.author = known.author;
        if version == 4 {
            again.payload = operation(at(replica, 6), 5, "ource", 1).payload;
        }
        let refused = submit(store, vec![again]).await;
        assert_eq!(refused, Err(StoreError::NameKnown { index: 0, version }));
    }
    assert_operations(store, &all).await;
}

/// An append whose outcome is unknown is repeated as it was, and mixed with what is new; the index is that in the append.
pub async fn repeating_operations_does_nothing(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let all = operations(at(one, 1), 0, 6, "a");
    submit(store, all[..3].to_vec()).await.unwrap();
    submit(store, all[..3].to_vec()).await.unwrap();
    submit(store, all[1..2].to_vec()).await.unwrap();
    submit(store, all[1..5].to_vec()).await.unwrap();
    let again = (0..8).map(|_| submit(store, all[4..].to_vec()));
    try_join_all(again).await.unwrap();
    submit(store, all[..2].to_vec()).await.unwrap();
    let mixed = vec![all[5].clone(), operation(at(two, 1), 6, "a", 2)];
    let known = StoreError::NameKnown {
        index: 1,
        version: 2,
    };
    assert_eq!(submit(store, mixed).await, Err(known));
    let mixed = vec![all[5].clone(), operation(at(two, 1), 7, "a", 7)];
    assert_eq!(submit(store, mixed).await, Err(StoreError::Overtaken(6)));
    let mut other = all[3].clone();
    other.payload = operation(other.dot, 3, "a", 9).payload;
    let reused = StoreError::DotReused(other.dot);
    assert_eq!(submit(store, vec![other]).await, Err(reused));
    assert_operations(store, &all).await;
}

/// Whatever is refused of an append, nothing of it is stored, and the next goes on as if it had never been.
pub async fn operations_are_appended_whole_or_not_at_all(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let first = operations(at(one, 1), 0, 2, "a");
    submit(store, first.clone()).await.unwrap();
    let holed = vec![
        operation(at(two, 1), 2, "b", 2),
        operation(at(two, 2), 4, "b", 4),
    ];
    assert_eq!(submit(store, holed).await, Err(StoreError::Overtaken(2)));
    let hole = vec![
        operation(at(two, 1), 2, "b", 2),
        operation(at(two, 3), 3, "b", 3),
    ];
    let holed = StoreError::HoleInLane(at(two, 3));
    assert_eq!(submit(store, hole).await, Err(holed));
    let text = store.append(document("ordered"), Kind::Text, first.clone());
    assert_eq!(text.await, Err(StoreError::KindDiffers(Kind::Json0)));
    assert_operations(store, &first).await;
    let next = operations(at(two, 1), 2, 2, "b");
    submit(store, next.clone()).await.unwrap();
    assert_operations(store, &[first, next].concat()).await;
}

/// Several writers place their operations at the same time; whoever comes second is told so, reads, and places his anew. In
/// the end all are there, once, in one order.
pub async fn of_two_writers_one_is_next(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let three = store.new_replica().await.unwrap();
    let writers = [(one, "a"), (two, "b"), (three, "c")];
    let overtaken = join_all(writers.map(|(replica, source)| async move {
        let (mut version, mut counter, mut overtaken) = (0, 1, 0);
        while counter <= 30 {
            let next = (0..1 + counter % 3).map(|at| {
                let dot = Dot::new(replica, counter + at);
                operation(dot, version + at, source, counter + at)
            });
            let next: Vec<_> = next.collect();
            let many = next.len() as u64;
            match submit(store, next).await {
                Ok(()) => (version, counter) = (version + many, counter + many),
                Err(StoreError::Overtaken(count)) => {
                    assert!(count > version, "{count} {version}");
                    let read = read(store, version, None).await;
                    version += read.len() as u64;
                    assert!(version >= count);
                    overtaken += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        overtaken
    }));
    let overtaken: u32 = overtaken.await.iter().sum();
    let stored = read(store, 0, None).await;
    assert!(stored.len() >= 90, "{} {overtaken}", stored.len());
    for (version, change) in (0..).zip(&stored) {
        let record = Record::from_bytes(&change.payload).unwrap();
        assert_eq!(record.version, version);
        assert_eq!(record.name.number, change.dot.counter);
    }
    for (replica, _) in writers {
        let lane = stored.iter().filter(|it| it.dot.replica == replica);
        let counters: Vec<_> = lane.map(|it| it.dot.counter).collect();
        assert!(counters.iter().copied().eq(1..=counters.len() as u64));
    }
    assert_operations(store, &stored).await;
}

/// Versions and names are a document's own, also where a commit holds both; one's refusal leaves the other alone.
pub async fn operations_of_two_documents_are_apart(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let documents: Vec<_> = (0..20)
        .map(|it| document(&format!("ordered {it}")))
        .collect();
    let first = operations(at(replica, 1), 0, 3, "a");
    let appends = documents
        .iter()
        .map(|it| submit(store, of(it, first.clone())));
    try_join_all(appends).await.unwrap();
    let appends = documents.iter().enumerate().map(|(place, it)| {
        let version = 3 + place as u64 % 2;
        submit(store, of(it, operations(at(replica, 4), version, 2, "a")))
    });
    for (place, answer) in join_all(appends).await.into_iter().enumerate() {
        let (wanted, count) = match place % 2 {
            0 => (Ok(()), 5),
            _ => (Err(StoreError::Overtaken(3)), 3),
        };
        assert_eq!(answer, wanted, "{place}");
        let read = store.operations(documents[place].clone(), 0, None).await;
        let all = operations(at(replica, 1), 0, count, "a");
        assert_eq!(plain(&read.unwrap()), of(&documents[place], all));
    }
}

/// A document that is created with operations has them from the beginning.
pub async fn a_creation_brings_its_operations(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let create = |changes| store.create_with(document("ordered"), Kind::Json0, changes);
    let early = operations(at(one, 1), 1, 1, "a");
    assert_eq!(create(early).await, Err(StoreError::Overtaken(0)));
    let all = operations(at(one, 1), 0, 2, "a");
    assert_eq!(create(all.clone()).await, Ok(()));
    assert_eq!(create(all.clone()).await, Err(StoreError::Exists));
    let taken = operations(at(two, 1), 1, 1, "b");
    assert_eq!(submit(store, taken).await, Err(StoreError::Overtaken(2)));
    assert_operations(store, &all).await;
    let empty = store.create(document("empty"), Kind::Json0).await;
    assert_eq!(empty.unwrap().kind, Kind::Json0);
    let late = of(&document("empty"), operations(at(one, 1), 1, 1, "a"));
    assert_eq!(submit(store, late).await, Err(StoreError::Overtaken(0)));
    let first = of(&document("empty"), operations(at(one, 1), 0, 1, "a"));
    assert_eq!(submit(store, first).await, Ok(()));
}

/// It has no place that anybody could look at.
pub async fn an_operation_that_can_not_be_read_is_refused(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let far = operation(at(replica, 1), 1 << 63, "a", 1).payload;
    for payload in [Bytes::new(), Bytes::from_static(&[9, 9]), far] {
        let mut broken = operation(at(replica, 2), 1, "a", 1);
        broken.payload = payload;
        let changes = vec![operation(at(replica, 1), 0, "a", 0), broken];
        let refused = submit(store, changes).await;
        assert_eq!(refused, Err(StoreError::NoOperation(at(replica, 2))));
    }
    assert_eq!(store.describe(document("ordered")).await, Ok(None));
}

/// They are the log, which a deleted document keeps. Nothing follows them.
pub async fn operations_of_a_deleted_document_stay(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let all = operations(at(replica, 1), 0, 3, "a");
    submit(store, all.clone()).await.unwrap();
    store.delete(document("ordered")).await.unwrap();
    let next = operations(at(replica, 4), 3, 1, "a");
    assert_eq!(submit(store, next).await, Err(StoreError::Deleted));
    assert_eq!(read(store, 0, None).await, all);
    assert_eq!(read(store, 1, Some(2)).await, all[1..2]);
    let past = store.load(document("ordered")).await.unwrap();
    assert_eq!((past.deleted, past.changes.len()), (true, 0));
    assert_eq!(past.heads, clock(&[(replica, 3)]));
}

/// A snapshot of one stands for its first operations: opening needs the others, and any of them can be read still.
pub async fn an_ordered_document_opens_from_its_snapshot(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let mut all = operations(at(one, 1), 0, 3, "a");
    all.extend(operations(at(two, 1), 3, 3, "b"));
    submit(store, all.clone()).await.unwrap();
    let state = State {
        version: 4,
        content: Data::create(OtType::Json0, Some(r#"{"a":["\ud83d"]}"#)).ok(),
        clock: clock(&[(one, 3), (two, 1)]),
    };
    assert!(state.content.is_some());
    let taken = Snapshot {
        document: document("ordered"),
        kind: Kind::Json0,
        clock: state.clock.clone(),
        state: state.to_bytes(),
    };
    assert_eq!(taken.verify(), Ok(()));
    store.put_snapshot(taken.clone()).await.unwrap();
    let past = store.load(document("ordered")).await.unwrap();
    assert_eq!(past.snapshot.as_ref(), Some(&taken));
    assert_eq!(plain(&past.changes), all[4..]);
    assert_eq!(read(store, 2, Some(5)).await, all[2..5]);
    let stored = store
        .operations(document("ordered"), 0, None)
        .await
        .unwrap();
    let until = store.load_until(document("ordered"), stored[4].order).await;
    let until = until.unwrap();
    assert_eq!(
        (until.snapshot, until.changes),
        (Some(taken.clone()), stored[4..5].to_vec())
    );
    let before = store.load_until(document("ordered"), stored[1].order).await;
    let before = before.unwrap();
    assert_eq!(
        (before.snapshot, plain(&before.changes)),
        (None, all[..2].to_vec())
    );
    let differs = Snapshot {
        kind: Kind::Text,
        ..taken
    };
    let refused = store.put_snapshot(differs).await;
    assert_eq!(refused, Err(StoreError::KindDiffers(Kind::Json0)));
}
