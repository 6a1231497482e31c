//! A full disk, and other failures of a commit: nothing is half stored, every caller is told, and it works again after.

use std::path::Path;

use engine::{Dot, Kind};
use futures_util::future::join_all;

use super::super::open::WriteOptions;
use super::super::{FILE_NAME, SqliteStore};
use super::{Fixture, REPLICA, meddle, raw};
use crate::contract::{change, changes, document, snapshot};
use crate::store::{Store, StoreError};

/// Fills a part of the database, so that space returns when it goes.
const FILLER: &str =
    "CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(1000000))";

/// A store whose disk ends where its database does.
async fn open_full(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder)
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    meddle(folder, FILLER).await;
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut raw(folder).await)
        .await
        .unwrap();
    let path = folder.join(FILE_NAME);
    let options = WriteOptions::new(&path).limit_pages(u32::try_from(pages).unwrap());
    SqliteStore::open_with(&path, options).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_full(folder.path()).await;
    let (notes, other) = (document("notes"), document("other"));
    let small = store.append(notes.clone(), Kind::Yjs, changes(&notes, REPLICA, 1, 2));
    small.await.unwrap();
    let mut large = change(&notes, REPLICA, 3);
    large.payload = vec![7; 100_000].into();
    for _ in 0..3 {
        // A neighbour in the same transaction is told the same.
        let answers = tokio::join!(
            store.append(notes.clone(), Kind::Yjs, vec![large.clone()]),
            store.append(other.clone(), Kind::Yjs, changes(&other, REPLICA, 1, 1)),
        );
        assert_eq!(answers, (Err(StoreError::Full), Err(StoreError::Full)));
    }
    let mut state = snapshot(&notes, &[Dot::new(REPLICA, 2)], "");
    state.state = vec![7; 100_000].into();
    assert_eq!(
        store.put_snapshot(state.clone()).await,
        Err(StoreError::Full)
    );

    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!((past.changes.len(), past.heads.get(REPLICA)), (2, 2));
    assert_eq!((past.snapshot, past.damaged), (None, 0));
    assert_eq!(store.describe(other.clone()).await, Ok(None));

    meddle(folder.path(), "DROP TABLE filler").await;
    let appended = store.append(notes.clone(), Kind::Yjs, vec![large]).await;
    assert_eq!(appended, Ok(()));
    store.put_snapshot(state).await.unwrap();
    let appended = store.append(other.clone(), Kind::Yjs, changes(&other, REPLICA, 1, 1));
    assert_eq!(appended.await, Ok(()));
    let past = store.load(notes).await.unwrap();
    let orders: Vec<_> = past.changes.iter().map(|it| it.order).collect();
    assert_eq!((orders.len(), past.heads.get(REPLICA)), (1, 3));
}

#[tokio::test]
async fn a_disk_that_fills_up_keeps_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_full(folder.path()).await;
    let appends = async |name: String| {
        let notes = document(&name);
        let mut acknowledged = 0;
        loop {
            let mut next = change(&notes, REPLICA, acknowledged + 1);
            next.payload = vec![1; 300].into();
            match store.append(notes.clone(), Kind::Yjs, vec![next]).await {
                Ok(()) => acknowledged += 1,
                Err(error) => break (notes, acknowledged, error),
            }
        }
    };
    // What is free within the last pages goes first; then nothing does.
    let ends = join_all((0..8).map(|number| appends(format!("notes {number}")))).await;
    store.close().await.unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    for (notes, acknowledged, error) in ends {
        assert_eq!(error, StoreError::Full);
        let past = store.load(notes).await.unwrap();
        assert_eq!(past.changes.len() as u64, acknowledged);
        assert_eq!(past.damaged, 0);
    }
}

#[tokio::test]
async fn a_failed_commit_fails_its_batch_and_not_the_next() {
    let fixture = Fixture::open().await;
    fixture
        .meddle(
            "CREATE TRIGGER fault BEFORE INSERT ON arrivals WHEN NEW.counter = 5
            BEGIN SELECT RAISE(ABORT, 'fault'); END",
        )
        .await;
    let notes = document("notes");
    fixture.append(&notes, 1, 4).await;
    let others: Vec<_> = (0..20)
        .map(|number| document(&format!("other {number}")))
        .collect();
    let neighbours = others.iter().map(|other| {
        let first = changes(other, REPLICA, 1, 1);
        fixture.store.append(other.clone(), Kind::Yjs, first)
    });
    let bad = changes(&notes, REPLICA, 5, 6);
    let (bad, neighbours) = tokio::join!(
        fixture.store.append(notes.clone(), Kind::Yjs, bad),
        join_all(neighbours)
    );
    assert!(matches!(bad, Err(StoreError::Unavailable(_))));
    for (other, answer) in others.iter().zip(neighbours) {
        let stored = fixture.load(other.clone()).await.unwrap().changes.len();
        assert_eq!(stored, usize::from(answer.is_ok()));
    }
    fixture.meddle("DROP TRIGGER fault").await;
    fixture.append(&notes, 5, 6).await;
    for other in &others {
        fixture.append(other, 1, 2).await;
    }
    assert_eq!(fixture.load(notes).await.unwrap().changes.len(), 6);
}
