//! Changes stand in two places one after the other, and for a while in both. Nobody may notice, whoever reads and whenever
//! the process ends.

use std::path::Path;
use std::time::Instant;

use engine::{DocumentKey, Dot, Kind, Order, ReplicaId};
use sqlx::SqliteConnection;

use super::super::arrivals::Arrivals;
use super::super::filing::{Filing, Habit};
use super::super::open::{OpenError, WriteOptions};
use super::super::{FILE_NAME, SqliteStore};
use super::{AT_ONCE, Fixture, REPLICA, meddle, raw};
use crate::contract::{change, changes, document, operation, operations, snapshot};
use crate::store::{DocumentQuery, Place, Store, StoreError, TimelinePage};

/// Files in steps that the test takes.
struct ByHand {
    connection: SqliteConnection,
    arrivals: Arrivals,
    filing: Filing,
}

impl ByHand {
    async fn begin(folder: &Path, step: usize) -> Self {
        let options = WriteOptions::new(&folder.join(FILE_NAME));
        let mut connection = options.connect().await.unwrap();
        let arrivals = Arrivals::read(&mut connection).await.unwrap();
        let habit = Habit { changes: 1, step };
        let filing = Filing::new(habit, Instant::now());
        Self {
            connection,
            arrivals,
            filing,
        }
    }

    /// A step; false if there was none left to take.
    async fn step(&mut self) -> bool {
        if self.filing.due(&self.arrivals).is_none() {
            return false;
        }
        let step = self.filing.step(&mut self.connection, &mut self.arrivals);
        step.await.unwrap();
        true
    }
}

/// All that can be read of a document, as text.
async fn everything(store: &SqliteStore, document: &DocumentKey) -> String {
    let past = store.load(document.clone()).await.unwrap();
    let mut all = format!("{past:?}");
    for at in 0..=past.changes.len() {
        let stored = past.changes.get(at.wrapping_sub(1));
        let order = stored.map_or(Order(0), |it| it.order);
        let until = store.load_until(document.clone(), order).await;
        let after = TimelinePage::After(order, 3);
        let after = store.timeline(document.clone(), after).await;
        let before = TimelinePage::Before(Some(order), 3);
        let before = store.timeline(document.clone(), before).await;
        let index = store.find(document.clone(), Place::Index(at as u64)).await;
        all += &format!("{until:?} {after:?} {before:?} {index:?}");
        if let Some(stored) = stored {
            let dot = Place::Dot(stored.change.dot);
            let wall = Place::WallMs(stored.change.hlc.wall_ms());
            let dot = store.find(document.clone(), dot).await;
            let wall = store.find(document.clone(), wall).await;
            all += &format!("{dot:?} {wall:?}");
        }
    }
    let lanes = past.heads.heads();
    for head in lanes {
        let lane = store.lane(document.clone(), head.replica, 2..=5).await;
        all += &format!("{lane:?}");
    }
    for from in 0..=past.changes.len() as u64 {
        let rest = store.operations(document.clone(), from, None).await;
        let few = store.operations(document.clone(), from, Some(from + 2));
        all += &format!("{rest:?} {:?}", few.await);
    }
    let query = DocumentQuery {
        workspace: document.workspace().to_owned(),
        limit: 100,
        ..DocumentQuery::default()
    };
    let described = store.describe(document.clone()).await;
    let listed = store.documents(query).await;
    all + &format!("{described:?} {listed:?}")
}

/// Documents of changes and one of operations, two lanes, a part of it filed before, and a snapshot.
async fn history(fixture: &Fixture) -> [DocumentKey; 4] {
    let documents = ["notes", "other", "gone"].map(document);
    let append = async |document: &DocumentKey, replica, from, to| {
        let changes = changes(document, replica, from, to);
        let append = fixture.store.append(document.clone(), Kind::Yjs, changes);
        append.await.unwrap();
    };
    let ordered = document("ordered");
    let submit = async |replica, counter, version| {
        let next = operations(Dot::new(replica, counter), version, 2, "a");
        let append = fixture.store.append(ordered.clone(), Kind::Json0, next);
        append.await.unwrap();
    };
    submit(REPLICA, 1, 0).await;
    for document in &documents {
        append(document, REPLICA, 1, 4).await;
    }
    let mut filing = ByHand::begin(fixture.path(), 100).await;
    while filing.step().await {}
    for round in 0..3 {
        for document in &documents {
            append(document, REPLICA, 5 + 2 * round, 6 + 2 * round).await;
            append(document, ReplicaId(2), 1 + round, 1 + round).await;
        }
        submit(ReplicaId(2), 1 + 2 * round, 2 + 2 * round).await;
    }
    let covered = [Dot::new(REPLICA, 6), Dot::new(ReplicaId(2), 1)];
    let taken = snapshot(&documents[0], &covered, "state");
    fixture.put_snapshot(taken).await.unwrap();
    fixture.delete(documents[2].clone()).await.unwrap();
    let [notes, other, gone] = documents;
    [notes, other, gone, ordered]
}

#[tokio::test]
async fn reading_is_the_same_before_during_and_after_filing() {
    for step in [1, 2, 3, 7, 100] {
        let fixture = Fixture::open().await;
        let documents = history(&fixture).await;
        let beside = SqliteStore::open_read_only(fixture.path()).await.unwrap();
        let mut before = Vec::new();
        for document in &documents {
            before.push(everything(&fixture, document).await);
        }
        let mut filing = ByHand::begin(fixture.path(), step).await;
        while filing.step().await {
            for (document, before) in documents.iter().zip(&before) {
                assert_eq!(&everything(&fixture, document).await, before);
                assert_eq!(&everything(&beside, document).await, before);
            }
        }
        assert_eq!(fixture.count("SELECT count(*) FROM arrivals").await, 0);
        let filed = fixture.count("SELECT count(*) FROM changes").await;
        assert_eq!(filed, 3 * (4 + 6 + 3) + 8);
        let operations = fixture.count("SELECT count(*) FROM operations").await;
        assert_eq!(operations, 8);
    }
}

#[tokio::test]
async fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
    let fixture = Fixture::open().await;
    let documents = history(&fixture).await;
    let notes = &documents[0];
    let before = everything(&fixture, notes).await;
    let mut filing = ByHand::begin(fixture.path(), 4).await;
    while filing.step().await {
        let crashed = fixture.crashed();
        let store = SqliteStore::open(crashed.path()).await.unwrap();
        assert_eq!(everything(&store, notes).await, before);
        let again = changes(notes, REPLICA, 1, 10);
        let again = store.append(notes.clone(), Kind::Yjs, again).await;
        assert_eq!(again, Ok(()));
        assert_eq!(everything(&store, notes).await, before);
        for counter in 1..=10 {
            let mut other = change(notes, REPLICA, counter);
            other.payload = vec![0].into();
            let refused = store.append(notes.clone(), Kind::Yjs, vec![other]).await;
            let reused = StoreError::DotReused(Dot::new(REPLICA, counter));
            assert_eq!(refused, Err(reused));
        }
        knows_its_operations(&store, &documents[3]).await;
        let next = vec![change(notes, REPLICA, 11), change(notes, ReplicaId(2), 4)];
        let next = store.append(notes.clone(), Kind::Yjs, next).await;
        assert_eq!(next, Ok(()));
        let covered = [Dot::new(REPLICA, 11), Dot::new(ReplicaId(2), 4)];
        let taken = snapshot(notes, &covered, "eleven");
        store.put_snapshot(taken.clone()).await.unwrap();
        let past = store.load(notes.clone()).await.unwrap();
        assert_eq!((past.snapshot, past.changes), (Some(taken), vec![]));
        store.close().await.unwrap();
        assert_eq!(left_over(crashed.path()).await, 0);
    }
}

/// A store that has just been opened knows places and names, and goes on after them.
async fn knows_its_operations(store: &SqliteStore, ordered: &DocumentKey) {
    let submit = |changes| store.append(ordered.clone(), Kind::Json0, changes);
    for (version, number) in [(7, 9), (9, 9), (0, 0)] {
        let taken = vec![operation(Dot::new(REPLICA, 3), version, "b", number)];
        assert_eq!(submit(taken).await, Err(StoreError::Overtaken(8)));
    }
    for version in [0, 1, 2, 7] {
        let again = vec![operation(Dot::new(REPLICA, 3), 8, "a", version)];
        let known = StoreError::NameKnown { index: 0, version };
        assert_eq!(submit(again).await, Err(known));
    }
    let repeated = operations(Dot::new(ReplicaId(2), 3), 4, 4, "a");
    assert_eq!(submit(repeated).await, Ok(()));
    let next = operations(Dot::new(ReplicaId(2), 7), 8, 2, "a");
    assert_eq!(submit(next.clone()).await, Ok(()));
    let read = store.operations(ordered.clone(), 8, None).await.unwrap();
    let read: Vec<_> = read.into_iter().map(|it| it.change).collect();
    assert_eq!(read, next);
}

#[tokio::test]
async fn closing_files_all_that_has_arrived() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    let appended = fixture.append(&notes, 1, 30).await;
    assert_eq!(left_over(fixture.path()).await, 30);
    fixture.close().await.unwrap();
    assert_eq!(left_over(fixture.path()).await, 0);
    let reader = SqliteStore::open_read_only(fixture.path()).await.unwrap();
    let past = reader.load(notes).await.unwrap();
    assert_eq!(past.changes.len(), appended.len());
}

#[tokio::test]
async fn what_a_killed_server_left_is_filed_when_it_starts_again() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 30).await;
    let crashed = fixture.crashed();
    let store = SqliteStore::open(crashed.path()).await.unwrap();
    while left_over(crashed.path()).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.load(notes).await.unwrap().changes.len(), 30);
}

#[tokio::test]
async fn filing_that_fails_harms_nobody_and_is_made_up_for() {
    let fixture = Fixture::filing(AT_ONCE).await;
    fixture
        .meddle(
            "CREATE TRIGGER fault BEFORE INSERT ON changes
            BEGIN SELECT RAISE(ABORT, 'fault'); END",
        )
        .await;
    let notes = document("notes");
    for counter in 1..=5 {
        let next = vec![change(&notes, REPLICA, counter)];
        let append = fixture.store.append(notes.clone(), Kind::Yjs, next);
        assert_eq!(append.await, Ok(()));
        let past = fixture.load(notes.clone()).await.unwrap();
        assert_eq!(past.heads.get(REPLICA), counter);
    }
    fixture.close().await.unwrap();
    assert_eq!(left_over(fixture.path()).await, 5);
    fixture.meddle("DROP TRIGGER fault").await;
    let store = SqliteStore::open(fixture.path()).await.unwrap();
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(past.changes.len(), 5);
    store.close().await.unwrap();
    assert_eq!(left_over(fixture.path()).await, 0);
}

#[tokio::test]
async fn a_damaged_row_of_no_document_is_filed_nowhere_and_holds_up_nothing() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 5).await;
    fixture
        .meddle("UPDATE arrivals SET document = 999 WHERE counter = 5")
        .await;
    fixture.close().await.unwrap();
    assert_eq!(left_over(fixture.path()).await, 1);
    let store = SqliteStore::open(fixture.path()).await.unwrap();
    assert_eq!(store.load(notes.clone()).await.unwrap().changes.len(), 4);
    store.close().await.unwrap();
    assert_eq!(left_over(fixture.path()).await, 1);
}

#[tokio::test]
async fn damage_is_filed_as_it_is() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 5).await;
    fixture
        .meddle("UPDATE arrivals SET payload = x'00' WHERE counter = 5")
        .await;
    for _ in 0..2 {
        let store = SqliteStore::open(fixture.path()).await.unwrap();
        let past = store.load(notes.clone()).await.unwrap();
        assert_eq!((past.changes.len(), past.damaged), (4, 1));
        assert_eq!(past.heads.get(REPLICA), 5);
        let again = vec![change(&notes, REPLICA, 5)];
        let refused = store.append(notes.clone(), Kind::Yjs, again).await;
        assert_eq!(refused, Err(StoreError::DotReused(Dot::new(REPLICA, 5))));
        store.close().await.unwrap();
    }
    assert_eq!(left_over(fixture.path()).await, 0);
}

#[tokio::test]
async fn a_database_without_arrivals_is_brought_to_the_newest_schema() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 9).await;
    let before = everything(&fixture, &notes).await;
    fixture.close().await.unwrap();
    let old =
        "ALTER TABLE replicas DROP COLUMN until_ms; ALTER TABLE replicas DROP COLUMN incarnation;
        ALTER TABLE replicas DROP COLUMN node;
        DROP TABLE gists; DROP TABLE identity; DROP TABLE operations; DROP TABLE duties; DROP TABLE tickets; DROP TABLE outbox; DROP TABLE revocations; DROP TABLE arrivals;
        DELETE FROM _sqlx_migrations WHERE version > 2";
    meddle(fixture.path(), old).await;
    let refused = SqliteStore::open_read_only(fixture.path()).await;
    assert!(matches!(refused.unwrap_err(), OpenError::Older { .. }));
    let store = SqliteStore::open(fixture.path()).await.unwrap();
    assert_eq!(everything(&store, &notes).await, before);
    let next = changes(&notes, REPLICA, 10, 10);
    let append = store.append(notes.clone(), Kind::Yjs, next).await;
    assert_eq!(append, Ok(()));
    assert_eq!(store.load(notes).await.unwrap().changes.len(), 10);
}

async fn left_over(folder: &Path) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM arrivals")
        .fetch_one(&mut raw(folder).await)
        .await
        .unwrap()
}
