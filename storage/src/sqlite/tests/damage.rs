//! Damaged rows: left out, counted, and never taken for what somebody wrote.

use engine::{Dot, Kind, Order, VectorClock};

use super::{Fixture, REPLICA, meddle};
use crate::SqliteStore;
use crate::contract::{change, document, gist, snapshot};
use crate::store::{Place, Store, StoreError, TimelinePage};

#[tokio::test]
async fn damage_to_any_column_of_a_change_is_noticed() {
    for damage in [
        "ord = ord + 1000",
        "context = x'ff'",
        "context = x'0101'",
        "hlc = hlc + 1",
        "author = 'eve'",
        "author = ''",
        "connection = connection + 1",
        "kind = 2",
        "kind = 9",
        "kind = -1",
        "payload = x''",
        "payload = CAST(replace(CAST(payload AS TEXT), 'n', 'o') AS BLOB)",
        "checksum = checksum + 1",
        "checksum = -1",
    ] {
        for fixture in Fixture::both().await {
            let notes = document("notes");
            let mut expected = fixture.append(&notes, 1, 5).await;
            let table = fixture.table;
            let sql = format!("UPDATE {table} SET {damage} WHERE counter = 3");
            fixture.meddle(&sql).await;
            let past = fixture.load(notes.clone()).await.unwrap();
            expected.remove(2);
            let left: Vec<_> = past.changes.into_iter().map(|it| it.change).collect();
            assert_eq!((left, past.damaged), (expected, 1), "{table} {damage}");
            assert_eq!(past.heads.get(REPLICA), 5, "{table} {damage}");
        }
    }
}

#[tokio::test]
async fn a_row_in_the_wrong_place_is_noticed() {
    for fixture in Fixture::both().await {
        let (notes, other) = (document("notes"), document("other"));
        fixture.append(&notes, 1, 2).await;
        fixture.append(&other, 1, 1).await;
        fixture
            .meddle_in_table(
                "UPDATE {table} SET document = (SELECT id FROM documents WHERE name = 'other')
            WHERE counter = 2",
            )
            .await;
        let past = fixture.load(other).await.unwrap();
        assert_eq!((past.changes.len(), past.damaged), (1, 1));
        assert_eq!(past.heads.get(REPLICA), 2);
    }
}

/// As if its only page were blank.
#[tokio::test]
async fn a_document_that_its_index_has_lost_is_there() {
    for fixture in Fixture::both().await {
        let notes = document("notes");
        let mut expected = fixture.append(&notes, 1, 3).await;
        let damaged = fixture.crashed();
        let empty =
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_quarantine_1'";
        let lose = format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = ({empty})
            WHERE name = 'sqlite_autoindex_documents_1'"
        );
        meddle(damaged.path(), &lose).await;
        let store = SqliteStore::open(damaged.path()).await.unwrap();
        let fourth = change(&notes, REPLICA, 4);
        expected.push(fourth.clone());
        store
            .append(notes.clone(), Kind::Yjs, vec![fourth])
            .await
            .unwrap();
        let past = store.load(notes.clone()).await.unwrap();
        let loaded: Vec<_> = past.changes.into_iter().map(|it| it.change).collect();
        assert_eq!((loaded, past.damaged), (expected.clone(), 0));
        let page = TimelinePage::After(Order(0), 9);
        let timeline = store.timeline(notes.clone(), page).await.unwrap();
        let timeline: Vec<_> = timeline.into_iter().map(|it| it.change).collect();
        assert_eq!(timeline, expected);
        let described = store.describe(notes).await.unwrap().unwrap();
        assert_eq!(described.clock.get(REPLICA), 4);
    }
}

#[tokio::test]
async fn damage_at_the_end_of_a_lane_does_not_free_its_dot() {
    for fixture in Fixture::both().await {
        let notes = document("notes");
        fixture.append(&notes, 1, 3).await;
        fixture
            .meddle_in_table("UPDATE {table} SET payload = x'00' WHERE counter = 3")
            .await;
        let past = fixture.load(notes.clone()).await.unwrap();
        assert_eq!((past.heads.get(REPLICA), past.damaged), (3, 1));
        let again = vec![change(&notes, REPLICA, 3)];
        let refused = fixture.store.append(notes.clone(), Kind::Yjs, again).await;
        assert_eq!(refused, Err(StoreError::DotReused(Dot::new(REPLICA, 3))));
        fixture.append(&notes, 4, 4).await;
        let described = fixture.describe(notes).await.unwrap().unwrap();
        assert_eq!(described.clock.get(REPLICA), 4);
    }
}

#[tokio::test]
async fn damage_leaves_pages_of_the_timeline_full() {
    for fixture in Fixture::both().await {
        let notes = document("notes");
        let expected = fixture.append(&notes, 1, 20).await;
        fixture
            .meddle_in_table("UPDATE {table} SET hlc = 0 WHERE counter BETWEEN 3 AND 9")
            .await;
        let counters = async |page| {
            let page = fixture.timeline(notes.clone(), page).await.unwrap();
            let counters = page.iter().map(|it| it.change.dot.counter);
            counters.collect::<Vec<_>>()
        };
        assert_eq!(
            counters(TimelinePage::After(Order(0), 4)).await,
            [1, 2, 10, 11]
        );
        let tenth = expected[9].dot;
        let tenth = fixture
            .find(notes.clone(), Place::Dot(tenth))
            .await
            .unwrap();
        assert_eq!(counters(TimelinePage::Before(tenth, 4)).await, [2, 1]);
        let lane = fixture.lane(notes.clone(), REPLICA, 1..=11).await.unwrap();
        assert_eq!(lane.len(), 4);
    }
}

#[tokio::test]
async fn a_damaged_snapshot_gives_way_to_the_one_before() {
    for damage in [
        "state = x'00'",
        "clock = x'0101'",
        "clock = x'ff'",
        "checksum = 5",
    ] {
        let fixture = Fixture::open().await;
        let notes = document("notes");
        fixture.append(&notes, 1, 6).await;
        let earlier = snapshot(&notes, &[Dot::new(REPLICA, 2)], "two");
        let later = snapshot(&notes, &[Dot::new(REPLICA, 4)], "four");
        fixture.put_snapshot(earlier.clone()).await.unwrap();
        fixture.put_snapshot(later).await.unwrap();
        let newest = format!("UPDATE snapshots SET {damage} WHERE covered = 4");
        fixture.meddle(&newest).await;
        let past = fixture.load(notes.clone()).await.unwrap();
        assert_eq!(past.snapshot, Some(earlier), "{damage}");
        assert_eq!((past.changes.len(), past.damaged), (4, 1));
        fixture
            .meddle(&format!("UPDATE snapshots SET {damage}"))
            .await;
        let past = fixture.load(notes.clone()).await.unwrap();
        assert_eq!(past.snapshot, None);
        assert_eq!((past.changes.len(), past.damaged), (6, 2));
        let end = fixture.find(notes.clone(), Place::Index(6)).await.unwrap();
        let past = fixture.load_until(notes, end.unwrap()).await.unwrap();
        assert_eq!((past.changes.len(), past.damaged), (6, 2));
    }
}

#[tokio::test]
async fn a_snapshot_of_more_than_the_log_has_is_not_used() {
    for fixture in Fixture::both().await {
        let notes = document("notes");
        fixture.append(&notes, 1, 6).await;
        let taken = snapshot(&notes, &[Dot::new(REPLICA, 6)], "six");
        fixture.put_snapshot(taken).await.unwrap();
        fixture
            .meddle_in_table("DELETE FROM {table} WHERE counter > 4")
            .await;
        let past = fixture.load(notes).await.unwrap();
        assert_eq!((past.snapshot, past.damaged), (None, 1));
        let heads: VectorClock = [Dot::new(REPLICA, 4)].into_iter().collect();
        assert_eq!((past.changes.len(), past.heads), (4, heads));
    }
}

#[tokio::test]
async fn a_snapshot_that_does_not_read_back_is_removed_and_the_others_stay() {
    let fixture = Fixture::open().await;
    let notes = document("notes");
    fixture.append(&notes, 1, 6).await;
    let good = [1, 2].map(|counter| snapshot(&notes, &[Dot::new(REPLICA, counter)], "good"));
    for snapshot in &good {
        fixture.put_snapshot(snapshot.clone()).await.unwrap();
    }
    fixture
        .meddle(
            "CREATE TRIGGER spoil AFTER INSERT ON snapshots
            BEGIN UPDATE snapshots SET state = x'00' WHERE id = NEW.id; END",
        )
        .await;
    let spoiled = snapshot(&notes, &[Dot::new(REPLICA, 3)], "spoiled");
    let refused = fixture.put_snapshot(spoiled).await;
    assert_eq!(refused, Err(StoreError::NotReadBack));
    assert_eq!(fixture.count("SELECT count(*) FROM snapshots").await, 2);
    let past = fixture.load(notes).await.unwrap();
    assert_eq!((past.snapshot.as_ref(), past.damaged), (Some(&good[1]), 0));
}

#[tokio::test]
async fn a_document_of_an_unknown_kind_harms_only_itself() {
    let fixture = Fixture::open().await;
    let (notes, other) = (document("notes"), document("other"));
    fixture.append(&notes, 1, 1).await;
    fixture.append(&other, 1, 1).await;
    fixture.close().await.unwrap();
    fixture
        .meddle("UPDATE documents SET kind = 'hologram' WHERE name = 'notes'")
        .await;
    let store = SqliteStore::open(fixture.path()).await.unwrap();
    let unread = store.load(notes.clone()).await;
    assert!(matches!(unread, Err(StoreError::Unavailable(_))));
    let refused = store.append(notes.clone(), Kind::Yjs, vec![change(&notes, REPLICA, 2)]);
    assert!(matches!(refused.await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.load(other).await.unwrap().changes.len(), 1);
    let query = crate::DocumentQuery {
        workspace: "w".to_owned(),
        limit: 10,
        ..Default::default()
    };
    assert_eq!(store.documents(query).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_gist_is_none() {
    for damage in ["clock = x'ff'", "have = x''", "checksum = checksum + 1"] {
        let fixture = Fixture::open().await;
        let notes = document("notes");
        fixture.append(&notes, 1, 5).await;
        let kept = fixture.keep_gist(gist(&notes, &[(REPLICA, 5)], "all"));
        assert_eq!(kept.await, Ok(true));
        assert!(fixture.gist(notes.clone()).await.unwrap().is_some());
        fixture.meddle(&format!("UPDATE gists SET {damage}")).await;
        assert_eq!(fixture.gist(notes).await, Ok(None), "{damage}");
    }
}
