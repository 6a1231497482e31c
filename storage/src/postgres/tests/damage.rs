//! Rows that are not what was written, and text that Postgres would not take as text.

use engine::{Author, DocumentKey, Dot, Kind, Order, ReplicaId};

use super::{Fixture, append};
use crate::contract::{changes, document, gist, snapshot};
use crate::store::{Store, TimelinePage};

/// A document with six changes of a new replica.
async fn six_changes(fixture: &Fixture, notes: &DocumentKey) -> ReplicaId {
    let replica = fixture.new_replica().await.unwrap();
    let all = changes(notes, replica, 1, 6);
    append(fixture, notes, all).await.unwrap();
    replica
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_rows_are_left_out_and_counted() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let replica = fixture.new_replica().await.unwrap();
    let notes = document("notes");
    let all = changes(&notes, replica, 1, 6);
    append(&fixture, &notes, all.clone()).await.unwrap();
    for (counter, set) in [
        (2, "payload = 'other'"),
        (3, "author = ''"),
        (4, "context = '\\x07'"),
    ] {
        fixture.meddle(&format!(
            "UPDATE changes SET {set} WHERE counter = {counter}"
        ));
    }
    let past = fixture.load(notes.clone()).await.unwrap();
    let whole: Vec<_> = past.changes.iter().map(|it| it.change.clone()).collect();
    assert_eq!(whole, [&all[..1], &all[4..]].concat());
    assert_eq!((past.damaged, past.heads.get(replica)), (3, 6));
    let page = TimelinePage::After(Order(0), 3);
    let page = fixture.timeline(notes.clone(), page).await.unwrap();
    assert_eq!(page.len(), 3);
    fixture.meddle("DELETE FROM changes WHERE counter = 5");
    let past = fixture.load(notes).await.unwrap();
    assert_eq!((past.damaged, past.changes.len()), (4, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let notes = document("notes");
    let replica = six_changes(&fixture, &notes).await;
    let earlier = snapshot(&notes, &[Dot::new(replica, 2)], "earlier");
    let later = snapshot(&notes, &[Dot::new(replica, 5)], "later");
    for snapshot in [&earlier, &later] {
        fixture.put_snapshot(snapshot.clone()).await.unwrap();
    }
    fixture.meddle("UPDATE snapshots SET state = 'else' WHERE covered = 5");
    let past = fixture.load(notes).await.unwrap();
    assert_eq!((past.snapshot, past.damaged), (Some(earlier), 1));
    assert_eq!(past.changes.len(), 4);
}

/// Its state is not even read, so this is also how it is known that it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_given_stands_for_one_that_is_damaged() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let notes = document("notes");
    let replica = six_changes(&fixture, &notes).await;
    let newest = snapshot(&notes, &[Dot::new(replica, 5)], "newest");
    fixture.put_snapshot(newest.clone()).await.unwrap();
    fixture.meddle("UPDATE snapshots SET state = 'else'");
    let past = fixture.load_beyond(notes.clone(), newest.clone()).await;
    let past = past.unwrap();
    assert_eq!((past.snapshot.as_ref(), past.damaged), (Some(&newest), 0));
    assert!(past.was_given);
    fixture.meddle("UPDATE snapshots SET checksum = checksum + 1");
    let past = fixture.load_beyond(notes.clone(), newest.clone()).await;
    let past = past.unwrap();
    assert_eq!((past.snapshot, past.damaged), (None, 1));
    fixture.meddle(
        "UPDATE snapshots SET checksum = checksum - 1; DELETE FROM changes WHERE counter > 4",
    );
    let past = fixture.load_beyond(notes, newest).await.unwrap();
    assert_eq!((past.snapshot, past.damaged), (None, 1));
    assert_eq!(past.changes.len(), 4);
}

/// One such append would fail the whole batch, and its neighbours with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_author_may_have_a_nul() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let replica = fixture.new_replica().await.unwrap();
    let notes = document("notes");
    let mut odd = changes(&notes, replica, 1, 1);
    odd[0].author = Some(Author::new("a\0b"));
    let appended = fixture.append(notes.clone(), Kind::Yjs, odd.clone()).await;
    assert_eq!(appended, Ok(()));
    let past = fixture.load(notes).await.unwrap();
    assert_eq!(past.changes[0].change, odd[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_gist_is_none() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let notes = document("notes");
    let replica = six_changes(&fixture, &notes).await;
    let kept = fixture.keep_gist(gist(&notes, &[(replica, 6)], "all"));
    assert_eq!(kept.await, Ok(true));
    assert!(fixture.gist(notes.clone()).await.unwrap().is_some());
    fixture.meddle("UPDATE gists SET have = 'other'");
    assert_eq!(fixture.gist(notes).await, Ok(None));
}
