//! Appends to several documents: all of them are stored, or none.

use engine::{Change, DocumentKey, Dot, Kind};
use futures_util::future::{join_all, try_join_all};

use super::*;
use crate::store::{AppendRefused, Store, StoreError};

type Appends = Vec<(DocumentKey, Kind, Vec<Change>)>;

fn ordered(name: &str, changes: Vec<Change>) -> (DocumentKey, Kind, Vec<Change>) {
    let document = DocumentKey::new("w", name).expect("a test's name is a good one");
    let moved = changes.into_iter().map(|change| Change {
        document: document.clone(),
        ..change
    });
    let moved = moved.collect();
    (document, Kind::Json0, moved)
}

async fn stored(store: &dyn Store, appends: &Appends) -> bool {
    let mut found = Vec::new();
    for (document, _, changes) in appends {
        let past = store.load(document.clone()).await.unwrap();
        let past = plain(&past.changes);
        found.push(changes.iter().all(|change| past.contains(change)));
    }
    assert!(found.iter().all(|it| *it == found[0]), "{found:?}");
    found[0]
}

/// Also such as there were not, of other kinds and in other workspaces; later appends go on after them.
pub async fn several_documents_are_appended_to_at_once(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let first = Dot::new(replica, 1);
    let away = DocumentKey::new("v", "notes").unwrap();
    let appends = vec![
        ordered("b", operations(first, 0, 2, "a")),
        ordered("a", operations(first, 0, 1, "a")),
        (away.clone(), Kind::Yjs, changes(&away, replica, 1, 3)),
        (document("none"), Kind::Text, vec![]),
    ];
    assert_eq!(store.append_all(appends.clone()).await, Ok(Ok(())));
    assert!(stored(store, &appends).await);
    let none = store.describe(document("none")).await.unwrap().unwrap();
    assert_eq!((none.kind, none.changed_ms), (Kind::Text, None));
    let next = vec![
        ordered("a", operations(Dot::new(replica, 2), 1, 2, "a")),
        ordered("c", operations(first, 0, 1, "a")),
    ];
    assert_eq!(store.append_all(next.clone()).await, Ok(Ok(())));
    assert!(stored(store, &next).await);
    let (document, kind, alone) = ordered("b", operations(Dot::new(replica, 3), 2, 1, "a"));
    let alone = store.append(document.clone(), kind, alone);
    assert_eq!(alone.await, Ok(()));
    let read = store.operations(document, 0, None).await.unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!(store.append_all(vec![]).await, Ok(Ok(())));
}

/// Wherever it stands among them, and whatever the reason; the first that refuses is told, and the same dots are free still.
pub async fn what_one_document_refuses_refuses_all(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let first = Dot::new(one, 1);
    let before: Appends = ["a", "b"]
        .map(|it| ordered(it, operations(first, 0, 3, "a")))
        .into();
    store.append_all(before.clone()).await.unwrap().unwrap();
    let gone = document("gone");
    store.create(gone.clone(), Kind::Json0).await.unwrap();
    store.delete(gone).await.unwrap();
    let good = |name: &str| match name {
        "a" | "b" => ordered(name, operations(Dot::new(two, 1), 3, 1, "b")),
        _ => ordered(name, operations(Dot::new(two, 1), 0, 1, "b")),
    };
    let bad = |name: &str, dot, version, number| {
        ordered(name, vec![operation(dot, version, "a", number)])
    };
    let at = |counter| Dot::new(two, counter);
    let (index, version) = (0, 1);
    let known = StoreError::NameKnown { index, version };
    let holed = StoreError::HoleInLane(at(2));
    let kind = (document("a"), Kind::Text, vec![]);
    for (appends, index, error) in [
        (
            vec![good("a"), bad("b", at(1), 2, 9)],
            1,
            StoreError::Overtaken(3),
        ),
        (
            vec![bad("b", at(1), 4, 9), good("a")],
            0,
            StoreError::Overtaken(3),
        ),
        (
            vec![good("new"), good("a"), bad("b", at(1), 3, 1)],
            2,
            known,
        ),
        (
            vec![good("new"), bad("b", at(2), 3, 9), good("a")],
            1,
            holed,
        ),
        (
            vec![good("new"), good("b"), kind],
            2,
            StoreError::KindDiffers(Kind::Json0),
        ),
        (vec![good("a"), good("gone")], 1, StoreError::Deleted),
        (
            vec![bad("c", at(1), 1, 9), good("a"), good("gone")],
            0,
            StoreError::Overtaken(0),
        ),
    ] {
        let refused = store.append_all(appends).await;
        assert_eq!(refused, Ok(Err(AppendRefused { index, error })));
        for name in ["new", "c"] {
            assert_eq!(store.describe(document(name)).await, Ok(None));
        }
        for (document, _, changes) in &before {
            let past = store.load(document.clone()).await.unwrap();
            assert_eq!(plain(&past.changes), *changes);
        }
    }
    let last = vec![good("new"), good("b"), good("a")];
    assert_eq!(store.append_all(last.clone()).await, Ok(Ok(())));
    assert!(stored(store, &last).await);
}

/// What was stored is not stored again, and what was not is.
pub async fn repeating_what_was_appended_together_does_nothing(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let appends: Appends = ["a", "b", "c"]
        .map(|it| ordered(it, operations(Dot::new(replica, 1), 0, 3, "a")))
        .into();
    let again = (0..6).map(|_| store.append_all(appends.clone()));
    for answer in try_join_all(again).await.unwrap() {
        assert_eq!(answer, Ok(()));
    }
    let mut more = appends.clone();
    more[1] = ordered("b", operations(Dot::new(replica, 2), 1, 4, "a"));
    more.push(ordered("d", operations(Dot::new(replica, 1), 0, 1, "a")));
    assert_eq!(store.append_all(more).await, Ok(Ok(())));
    for (name, count) in [("a", 3), ("b", 5), ("c", 3), ("d", 1)] {
        let read = store.operations(document(name), 0, None).await.unwrap();
        let all = ordered(name, operations(Dot::new(replica, 1), 0, count, "a"));
        assert_eq!(plain(&read), all.2);
    }
}

/// Many at the same time on the same documents, named in any order, and others that append to one of them: what was taken
/// together is in all of them, in one order, and of what was refused nothing is in any.
pub async fn what_belongs_together_is_there_or_is_not(store: &dyn Store) {
    let replicas = try_join_all((0..6).map(|_| store.new_replica()))
        .await
        .unwrap();
    let names = ["a", "b", "c"];
    let writers = replicas
        .into_iter()
        .enumerate()
        .map(|(writer, replica)| async move {
            let (mut counters, mut taken) = ([1; 3], Vec::new());
            for round in 0..12 {
                let mut chosen = match (writer, round % 2) {
                    (0, _) => vec![round % 3],
                    (_, 0) => vec![0, 1, 2],
                    (_, _) => vec![writer % 3, (writer + 1) % 3],
                };
                chosen.rotate_left(writer % 2);
                loop {
                    let mut appends = Vec::new();
                    for &at in &chosen {
                        let read = store.operations(document(names[at]), 0, None).await;
                        let dot = Dot::new(replica, counters[at]);
                        let source = format!("{writer}.{round}");
                        let next = operation(dot, read.unwrap().len() as u64, &source, 0);
                        appends.push(ordered(names[at], vec![next]));
                    }
                    let answer = store.append_all(appends.clone()).await.unwrap();
                    let Err(refused) = answer else {
                        chosen.iter().for_each(|&at| counters[at] += 1);
                        taken.push(appends);
                        break;
                    };
                    assert!(
                        matches!(refused.error, StoreError::Overtaken(_)),
                        "{refused}"
                    );
                }
            }
            taken
        });
    let taken: Vec<_> = join_all(writers).await.into_iter().flatten().collect();
    for appends in &taken {
        assert!(stored(store, appends).await);
    }
    for name in names {
        let count = taken.iter().flatten();
        let count = count.filter(|it| it.0 == document(name)).count();
        let read = store.operations(document(name), 0, None).await.unwrap();
        let past = store.load(document(name)).await.unwrap();
        assert_eq!((read.len(), past.changes.len()), (count, count));
    }
}
