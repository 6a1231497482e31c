//! What was acknowledged is there after the process, however it ended; and only a database that keeps it so is opened.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use engine::{Change, Dot, Kind, VectorClock};
use sqlx::{Connection, Row};
use tokio::runtime::Runtime;

use super::super::open::{OpenError, WriteOptions};
use super::super::{FILE_NAME, SqliteStore};
use super::{Fixture, REPLICA, meddle, raw};
use crate::contract::{change, changes, document, operation, quarantined, snapshot};
use crate::news::NewsHabit;
use crate::store::{Past, Store, StoreError};

fn payloads(past: &Past) -> Vec<Bytes> {
    let changes = past.changes.iter();
    changes.map(|it| it.change.payload.clone()).collect()
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let fixture = Fixture::open().await;
    let (notes, gone) = (document("notes"), document("gone"));
    let replica = fixture.new_replica().await.unwrap();
    let identity = fixture.identity().await.unwrap();
    assert_ne!(identity, Fixture::open().await.identity().await.unwrap());
    fixture.append(&notes, 1, 40).await;
    fixture.append(&gone, 1, 1).await;
    let taken = snapshot(&notes, &[Dot::new(REPLICA, 30)], "thirty");
    fixture.put_snapshot(taken.clone()).await.unwrap();
    fixture.delete(gone.clone()).await.unwrap();
    let bad = quarantined(&notes, b"bad");
    fixture.quarantine(bad.clone()).await.unwrap();
    let before = fixture.load(notes.clone()).await.unwrap();
    fixture.close().await.unwrap();

    let store = SqliteStore::open(fixture.path()).await.unwrap();
    assert!(identity.is_some() && store.identity().await == Ok(identity));
    let after = store.load(notes.clone()).await.unwrap();
    assert_eq!(after.changes, before.changes);
    assert_eq!(after.snapshot, Some(taken));
    assert_eq!(after.quarantined, [bad.hash].into());
    let kept = store.quarantined_payload(notes.clone(), bad.hash).await;
    assert_eq!(kept.unwrap().map(|it| it.quarantined), Some(bad));
    assert!(store.load(gone.clone()).await.unwrap().deleted);
    assert!(store.new_replica().await.unwrap() > replica);

    let last = before.changes.last().unwrap().order;
    let more = vec![change(&notes, REPLICA, 41)];
    let append = store.append(notes.clone(), Kind::Yjs, more);
    append.await.unwrap();
    let after = store.load(notes).await.unwrap();
    assert!(after.changes.last().unwrap().order > last);
    let refused = store.append(gone.clone(), Kind::Yjs, vec![change(&gone, REPLICA, 2)]);
    assert_eq!(refused.await, Err(StoreError::Deleted));
}

#[test]
fn everything_is_there_after_the_runtime_was_torn_down() {
    let folder = tempfile::tempdir().unwrap();
    let notes = document("notes");
    for round in 0..5 {
        let runtime = Runtime::new().unwrap();
        let store = runtime.block_on(SqliteStore::open(folder.path())).unwrap();
        let past = runtime.block_on(store.load(notes.clone())).unwrap();
        assert_eq!(past.changes.len(), round);
        let next = vec![change(&notes, REPLICA, round as u64 + 1)];
        runtime
            .block_on(store.append(notes.clone(), Kind::Yjs, next))
            .unwrap();
        // The writer's task ends wherever it stands.
        runtime.shutdown_background();
    }
}

#[tokio::test]
async fn the_files_hold_all_that_was_acknowledged_at_any_moment() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    for round in 0..4 {
        fixture
            .append(&notes, round * 10 + 1, round * 10 + 10)
            .await;
        let crashed = fixture.crashed();
        let store = SqliteStore::open(crashed.path()).await.unwrap();
        let past = store.load(notes.clone()).await.unwrap();
        assert_eq!(
            past.changes,
            fixture.load(notes.clone()).await.unwrap().changes
        );
        assert_eq!(past.changes.len() as u64, round * 10 + 10);
    }
}

/// In both documents, or the append was not acknowledged; and who opens the files knows what follows.
#[tokio::test]
async fn what_was_appended_together_is_in_the_files_together() {
    for fixture in Fixture::both().await {
        for version in 0..4 {
            let next = |name: &str| {
                let dot = Dot::new(REPLICA, version + 1);
                let change = Change {
                    document: document(name),
                    ..operation(dot, version, "a", version)
                };
                (document(name), Kind::Json0, vec![change])
            };
            let all = vec![next("one"), next("two")];
            let appended = fixture.append_all(all.clone()).await;
            assert_eq!(appended, Ok(Ok(())));
            let crashed = fixture.crashed();
            let store = SqliteStore::open(crashed.path()).await.unwrap();
            for (ordered, kind, changes) in all {
                let read = store.operations(ordered.clone(), version, None).await;
                let read = read.unwrap().into_iter().map(|it| it.change);
                assert_eq!(read.collect::<Vec<_>>(), changes);
                let [change] = &changes[..] else { panic!() };
                let mut other = change.clone();
                other.dot.counter += 1;
                let refused = store.append(ordered, kind, vec![other]).await;
                assert_eq!(refused, Err(StoreError::Overtaken(version + 1)));
            }
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn news_is_in_the_files_as_soon_as_what_it_tells_of() {
    let fixture = Fixture::open().await;
    fixture.keep_news(NewsHabit {
        created: true,
        changed: true,
        deleted: true,
        debounce_ms: 1,
        debounce_max_ms: 5,
    });
    let notes = document("notes");
    for counter in 1..=3 {
        fixture.append(&notes, counter, counter).await;
        let crashed = fixture.crashed();
        let store = SqliteStore::open(crashed.path()).await.unwrap();
        let past = store.load(notes.clone()).await.unwrap();
        let news = store.news(9).await.unwrap();
        let through = news[0].changed.as_ref().map(|changed| changed.through);
        assert_eq!(through, past.changes.last().map(|stored| stored.order));
        assert_eq!(news.len(), 1);
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_spoils_nothing() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    for counter in 1..=30 {
        let change = change(&notes, REPLICA, counter);
        let append = fixture
            .store
            .append(notes.clone(), Kind::Yjs, vec![change.clone()]);
        let given_up = std::time::Duration::from_micros(20 * counter);
        if tokio::time::timeout(given_up, append).await.is_err() {
            let again = fixture.store.append(notes.clone(), Kind::Yjs, vec![change]);
            again.await.unwrap();
        }
    }
    let past = fixture.load(notes.clone()).await.unwrap();
    let expected = changes(&notes, REPLICA, 1, 30);
    let expected: Vec<_> = expected.into_iter().map(|it| it.payload).collect();
    assert_eq!(payloads(&past), expected);
}

#[tokio::test]
async fn dropping_the_store_lets_the_writer_finish() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    let append = fixture.append(&notes, 1, 5).await;
    let Fixture { store, folder, .. } = fixture;
    drop(store);
    let store = SqliteStore::open(folder.path()).await.unwrap();
    let past = store.load(notes).await.unwrap();
    assert_eq!(past.changes.len(), append.len());
}

#[tokio::test]
async fn the_settings_are_those_of_a_durable_database() {
    let fixture = Fixture::open().await;
    let options = WriteOptions::new(&fixture.path().join(FILE_NAME));
    let mut connection = options.connect().await.unwrap();
    for (pragma, wanted) in [
        ("PRAGMA journal_mode", "wal"),
        ("PRAGMA synchronous", "2"),
        ("PRAGMA foreign_keys", "1"),
    ] {
        let row = sqlx::query(pragma)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(row.try_get_unchecked::<String, _>(0).unwrap(), wanted);
    }
}

#[tokio::test]
async fn a_database_that_can_not_keep_a_log_is_refused() {
    let path = Path::new(":memory:");
    let refused = WriteOptions::new(path).connect().await.unwrap_err();
    let OpenError::NotDurable { setting, found, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!((*setting, &**found), ("PRAGMA journal_mode", "memory"));
}

#[tokio::test]
async fn a_folder_that_can_not_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let inside = folder.path().join("file/data");
    let refused = SqliteStore::open(&inside).await.unwrap_err();
    assert!(matches!(refused, OpenError::Folder { .. }), "{refused}");
    let deep = folder.path().join("a/b/c");
    SqliteStore::open(&deep).await.unwrap();
    assert!(deep.join(FILE_NAME).is_file());
}

#[tokio::test]
async fn an_empty_database_is_brought_to_the_newest_schema_and_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), "").unwrap();
    let too_old = SqliteStore::open_read_only(folder.path())
        .await
        .unwrap_err();
    assert!(matches!(too_old, OpenError::Older { .. }), "{too_old}");
    for _ in 0..2 {
        let store = SqliteStore::open(folder.path()).await.unwrap();
        store.check().await.unwrap();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let fixture = Fixture::open().await;
    fixture.close().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations
        (version, description, success, checksum, execution_time) VALUES (9001, 'x', 1, x'', 0)";
    fixture.meddle(newer).await;
    for refused in [
        SqliteStore::open(fixture.path()).await.unwrap_err(),
        SqliteStore::open_read_only(fixture.path())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(refused, OpenError::Newer { found: 9001, .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("start the newer program"));
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = "these are a person's notes, not a database\n".repeat(50);
    fs::write(folder.path().join(FILE_NAME), &text).unwrap();
    let refused = SqliteStore::open(folder.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Database { .. }), "{refused}");
    let untouched = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
    assert_eq!(untouched, text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_only_works_beside_a_writer() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 1).await;
    let reader = SqliteStore::open_read_only(fixture.path()).await.unwrap();
    let writing = async {
        for counter in 2..=60 {
            fixture.append(&notes, counter, counter).await;
        }
    };
    let reading = async {
        let mut seen = 0;
        while seen < 60 {
            let past = reader.load(notes.clone()).await.unwrap();
            assert!(past.changes.len() >= seen);
            seen = past.changes.len();
            let heads: VectorClock = past.changes.iter().map(|it| it.change.dot).collect();
            assert_eq!(
                (heads, seen as u64),
                (past.heads.clone(), past.heads.count())
            );
        }
    };
    tokio::join!(writing, reading);
    let refused = reader.append(notes.clone(), Kind::Yjs, vec![]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    let refused = reader.new_replica().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn reading_only_works_without_a_writer_and_leaves_no_trace() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 3).await;
    fixture.close().await.unwrap();
    let before = files(fixture.path());
    assert_eq!(before, BTreeSet::from([FILE_NAME.to_owned()]));
    let reader = SqliteStore::open_read_only(fixture.path()).await.unwrap();
    assert_eq!(reader.load(notes).await.unwrap().changes.len(), 3);
    reader.close().await.unwrap();
    assert_eq!(files(fixture.path()), before);
}

#[tokio::test]
async fn reading_only_sees_what_a_killed_server_left() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 3).await;
    let crashed = fixture.crashed();
    let reader = SqliteStore::open_read_only(crashed.path()).await.unwrap();
    assert_eq!(reader.load(notes).await.unwrap().changes.len(), 3);
}

#[tokio::test]
async fn reading_only_never_creates_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing");
    for path in [folder.path(), &missing] {
        let refused = SqliteStore::open_read_only(path).await.unwrap_err();
        assert!(matches!(refused, OpenError::Missing { .. }), "{refused}");
    }
    assert_eq!(files(folder.path()), BTreeSet::new());
}

#[tokio::test]
async fn a_reader_can_not_write_even_by_mistake() {
    let fixture = Fixture::open().await;
    let pool = super::super::open::open_readers(&fixture.path().join(FILE_NAME)).await;
    let refused = sqlx::query("DELETE FROM changes")
        .execute(&pool.unwrap())
        .await;
    assert!(refused.unwrap_err().to_string().contains("readonly"));
}

#[tokio::test]
async fn a_row_that_breaks_its_references_can_not_be_written() {
    let fixture = Fixture::open().await;
    let options = WriteOptions::new(&fixture.path().join(FILE_NAME));
    let mut connection = options.connect().await.unwrap();
    let orphan = sqlx::query(
        "INSERT INTO snapshots (document, through_ord, covered, clock, state, checksum)
        VALUES (77, 0, 0, x'', x'', 0)",
    );
    orphan.execute(&mut connection).await.unwrap_err();
    connection.close().await.unwrap();
    meddle(fixture.path(), "PRAGMA foreign_key_check").await;
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut raw(fixture.path()).await)
        .await
        .unwrap();
    assert_eq!(sound, "ok");
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
