//! News: kept where it is wanted, one entry for each document, until it is told; and documents that are created once,
//! with content.

use std::time::Duration;

use engine::{Author, DocumentKey, Kind, Order};

use super::*;
use crate::news::{News, NewsHabit, Told};
use crate::store::{Store, StoreError};

const ALL: NewsHabit = NewsHabit {
    created: true,
    changed: true,
    deleted: true,
    debounce_ms: 1_000,
    debounce_max_ms: 5_000,
};

/// Two who want to give a document its first content, of whom one did: the other is told, and nothing of it is stored.
pub async fn a_document_is_created_with_content_once(store: &dyn Store) {
    let (one, two) = two_replicas(store).await;
    let notes = document("notes");
    let create = |replica, from| {
        let first = changes(&notes, replica, from, 2);
        store.create_with(notes.clone(), Kind::Yjs, first)
    };
    assert!(matches!(
        create(one, 2).await,
        Err(StoreError::HoleInLane(_))
    ));
    assert_eq!(store.describe(notes.clone()).await, Ok(None));
    let (first, second) = tokio::join!(create(one, 1), create(two, 1));
    let winner = if first.is_ok() { one } else { two };
    let outcomes = [first, second];
    assert!(outcomes.contains(&Ok(())) && outcomes.contains(&Err(StoreError::Exists)));
    append(store, &notes, changes(&notes, winner, 3, 3)).await;
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!(plain(&past.changes), changes(&notes, winner, 1, 3));
    store.create(document("empty"), Kind::Yjs).await.unwrap();
    let late = changes(&document("empty"), one, 1, 1);
    let refused = store.create_with(document("empty"), Kind::Yjs, late).await;
    assert_eq!(refused, Err(StoreError::Exists));
    store.delete(notes.clone()).await.unwrap();
    assert_eq!(create(two, 1).await, Err(StoreError::Deleted));
}

/// Nobody asked for news, so there is none.
pub async fn news_is_kept_only_where_it_is_wanted(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 2)).await;
    assert_eq!(store.news(9).await, Ok(vec![]));
    let deletions = NewsHabit {
        created: false,
        changed: false,
        ..ALL
    };
    store.keep_news(deletions);
    append(store, &notes, changes(&notes, replica, 3, 3)).await;
    store.create(document("other"), Kind::Yjs).await.unwrap();
    assert_eq!(store.news(9).await, Ok(vec![]));
    store.delete(notes.clone()).await.unwrap();
    let news = only(store).await;
    assert_eq!((news.document, news.changed), (notes, None));
    assert!(news.deleted_ms.is_some());
}

/// However often a document changes, there is one entry, of the last change. What is refused is no news.
pub async fn news_of_a_document_is_one_entry(store: &dyn Store) {
    store.keep_news(ALL);
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    let mut run = changes(&notes, replica, 1, 40);
    run[39].author = Some(Author::new("ada"));
    append(store, &notes, run).await;
    let news = only(store).await;
    let changed = news.changed.clone().unwrap();
    assert_eq!(changed.through, last_order(store, &notes).await);
    assert_eq!(changed.author, Some(Author::new("ada")));
    assert!(news.due_in_ms <= 1_000, "it waits for company no longer");
    assert_eq!(
        (news.kind, news.deleted_ms, news.attempts),
        (Kind::Yjs, None, 0)
    );
    assert!(news.created_ms.is_some_and(|at| at <= changed.at_ms));
    append(store, &notes, changes(&notes, replica, 41, 41)).await;
    let hole = changes(&notes, replica, 50, 50);
    assert!(store.append(notes.clone(), Kind::Yjs, hole).await.is_err());
    store.delete(notes.clone()).await.unwrap();
    let later = only(store).await;
    let changed = later.changed.unwrap();
    assert_eq!(
        (changed.through, changed.author),
        (last_order(store, &notes).await, None)
    );
    assert_eq!(later.created_ms, news.created_ms);
    assert!(later.deleted_ms.is_some() && later.due_in_ms <= 1_000);
}

/// What is told goes, and nothing else with it: above all no change that came while it was being told.
pub async fn what_was_told_is_news_no_more(store: &dyn Store) {
    store.keep_news(ALL);
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    append(store, &notes, changes(&notes, replica, 1, 1)).await;
    let told = only(store).await.changed.unwrap().through;
    append(store, &notes, changes(&notes, replica, 2, 2)).await;
    let tell = |told| store.told(notes.clone(), told);
    tell(Told::Created).await.unwrap();
    tell(Told::Changed(told)).await.unwrap();
    let news = only(store).await;
    assert_eq!(news.created_ms, None);
    let rest = news.changed.unwrap().through;
    assert_eq!(rest, last_order(store, &notes).await);
    tell(Told::Deleted).await.unwrap();
    assert!(only(store).await.changed.is_some());
    tell(Told::Changed(rest)).await.unwrap();
    assert_eq!(store.news(9).await, Ok(vec![]));
    for again in [Told::Created, Told::Changed(rest), Told::Deleted] {
        tell(again).await.unwrap();
    }
    append(store, &notes, changes(&notes, replica, 3, 3)).await;
    assert_eq!(only(store).await.created_ms, None);
}

/// What could not be told waits as long as was said, however much comes meanwhile; telling it ends that.
pub async fn news_that_was_put_off_waits(store: &dyn Store) {
    store.keep_news(ALL);
    let replica = store.new_replica().await.unwrap();
    let (notes, other) = (document("notes"), document("other"));
    append(store, &notes, changes(&notes, replica, 1, 1)).await;
    append(store, &other, changes(&other, replica, 1, 1)).await;
    let first = store.news(1).await.unwrap().remove(0).document;
    assert_eq!(first, notes);
    let far = Duration::from_secs(1_000_000);
    store.put_off(notes.clone(), far).await.unwrap();
    store.put_off(notes.clone(), far).await.unwrap();
    append(store, &notes, changes(&notes, replica, 2, 2)).await;
    let due: Vec<_> = store.news(9).await.unwrap();
    let due: Vec<_> = due
        .into_iter()
        .map(|it| (it.document, it.attempts))
        .collect();
    assert_eq!(due, [(other.clone(), 0), (notes.clone(), 2)]);
    let waiting = only_of(store, &notes).await;
    assert!((900_000_000..=1_000_000_000).contains(&waiting.due_in_ms));
    store.told(notes.clone(), Told::Created).await.unwrap();
    let waiting = only_of(store, &notes).await;
    assert!(waiting.due_in_ms <= 1_000 && waiting.attempts == 0);
    store.put_off(document("unknown"), far).await.unwrap();
}

async fn only(store: &dyn Store) -> News {
    let mut news = store.news(9).await.unwrap();
    assert_eq!(news.len(), 1, "{news:#?}");
    news.remove(0)
}

async fn only_of(store: &dyn Store, document: &DocumentKey) -> News {
    let news = store.news(9).await.unwrap();
    let mut of = news.into_iter().filter(|it| it.document == *document);
    of.next().expect("there is news of it")
}

async fn last_order(store: &dyn Store, document: &DocumentKey) -> Order {
    let page = crate::store::TimelinePage::Before(None, 1);
    store.timeline(document.clone(), page).await.unwrap()[0].order
}
