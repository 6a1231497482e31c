//! Documents: created, described, listed, deleted, and never taken for one another.

use engine::{DocumentKey, Kind, NAME_BYTES_MAX, Order, VectorClock};

use super::*;
use crate::store::{
    Description, DocumentQuery, Place, Store, StoreError, TimelinePage, WorkspaceSummary,
};

/// Deleting leaves a tombstone: nothing is appended, created or listed any more, and the past can still be looked at.
pub async fn a_deleted_document_stays_deleted(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    assert_eq!(store.delete(notes.clone()).await, Ok(false));
    append(store, &notes, changes(&notes, replica, 1, 3)).await;
    assert_eq!(store.delete(notes.clone()).await, Ok(true));
    assert_eq!(store.delete(notes.clone()).await, Ok(false));
    for again in [
        changes(&notes, replica, 4, 4),
        changes(&notes, replica, 1, 1),
        vec![],
    ] {
        let refused = store.append(notes.clone(), Kind::Yjs, again).await;
        assert_eq!(refused, Err(StoreError::Deleted));
    }
    let refused = store.create(notes.clone(), Kind::Yjs).await;
    assert_eq!(refused, Err(StoreError::Deleted));
    assert_eq!(list(store, "", None, 10).await, [""; 0]);
    assert_eq!(store.workspaces().await, Ok(vec![]));
    let described = store.describe(notes.clone()).await.unwrap().unwrap();
    assert!(
        described
            .deleted_ms
            .is_some_and(|at| at >= described.created_ms)
    );
    let past = store.load(notes.clone()).await.unwrap();
    assert_eq!((past.kind, past.deleted), (Some(Kind::Yjs), true));
    assert_eq!(
        (past.changes.len(), past.heads),
        (0, clock(&[(replica, 3)]))
    );
    let past = store
        .load_until(notes.clone(), Order(u64::MAX))
        .await
        .unwrap();
    assert_eq!(plain(&past.changes), changes(&notes, replica, 1, 3));
    assert!(past.deleted);
}

/// What a document is made of does not change after its creation.
pub async fn a_kind_is_fixed(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let (notes, other) = (document("notes"), document("other"));
    store.create(notes.clone(), Kind::Text).await.unwrap();
    let first = changes(&notes, replica, 1, 1);
    let refused = store.append(notes.clone(), Kind::Yjs, first.clone()).await;
    assert_eq!(refused, Err(StoreError::KindDiffers(Kind::Text)));
    store
        .append(notes.clone(), Kind::Text, first)
        .await
        .unwrap();
    store
        .append(other.clone(), Kind::Json0, vec![])
        .await
        .unwrap();
    assert_eq!(store.load(other).await.unwrap().kind, Some(Kind::Json0));
}

/// A created document is empty, described at once, and can not be created again.
pub async fn creating_is_for_new_documents(store: &dyn Store) {
    let notes = document("notes");
    let created = store.create(notes.clone(), Kind::RichText).await.unwrap();
    let described = store.describe(notes.clone()).await.unwrap();
    assert_eq!(described, Some(created.clone()));
    assert!(created.created_ms > 1_500_000_000_000);
    let wanted = Description {
        document: notes.clone(),
        kind: Kind::RichText,
        created_ms: created.created_ms,
        changed_ms: None,
        deleted_ms: None,
        clock: VectorClock::default(),
    };
    assert_eq!(created, wanted);
    let again = store.create(notes.clone(), Kind::RichText).await;
    assert_eq!(again, Err(StoreError::Exists));
    let past = store.load(notes).await.unwrap();
    assert_eq!((past.kind, past.changes.len()), (Some(Kind::RichText), 0));
}

/// Listing goes by the bytes of the names, within a prefix, after a name, and says as much of each as describing does.
pub async fn documents_are_listed_by_prefix_and_cursor(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let mut names = vec![
        "a",
        "a%",
        "a%b",
        "a_b",
        "a/b",
        "ab",
        "A",
        "b",
        "\u{10FFFF}",
        "a\u{10FFFF}",
        "a\u{10FFFF}z",
        "ä",
        "*",
        "a*",
    ];
    for name in &names {
        let notes = document(name);
        append(store, &notes, changes(&notes, replica, 1, 1)).await;
    }
    let elsewhere = DocumentKey::new("w2", "a").unwrap();
    store.create(elsewhere, Kind::Yjs).await.unwrap();
    store.create(document("ax"), Kind::Yjs).await.unwrap();
    store.delete(document("ax")).await.unwrap();
    names.sort_unstable();
    for prefix in ["", "a", "a%", "a_", "a\u{10FFFF}", "b", "c", "%", "*"] {
        let mut wanted = names.clone();
        wanted.retain(|name| name.starts_with(prefix));
        assert_eq!(list(store, prefix, None, 100).await, wanted);
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = list(store, prefix, seen.last().cloned(), 2).await;
            seen.extend(page.iter().cloned());
            if page.len() < 2 {
                break;
            }
        }
        assert_eq!(seen, wanted);
    }
    assert_eq!(list(store, "a", Some("B".to_owned()), 1).await, ["a"]);
    assert_eq!(list(store, "a", Some("b".to_owned()), 1).await, [""; 0]);
    assert_eq!(list(store, "", None, 0).await, [""; 0]);
    let query = DocumentQuery {
        workspace: "w".to_owned(),
        limit: 100,
        ..DocumentQuery::default()
    };
    for listed in store.documents(query).await.unwrap() {
        let described = store.describe(listed.document.clone()).await.unwrap();
        assert_eq!(Some(listed), described);
    }
}

/// Workspaces are listed in the order of their names, with their living documents; an empty one is none.
pub async fn workspaces_are_counted(store: &dyn Store) {
    for (workspace, name) in [("b", "1"), ("a", "1"), ("a", "2"), ("c", "1"), ("a/b", "1")] {
        let document = DocumentKey::new(workspace, name).unwrap();
        store.create(document, Kind::Yjs).await.unwrap();
    }
    let gone = DocumentKey::new("c", "1").unwrap();
    store.delete(gone).await.unwrap();
    let summary = |name: &str, documents| WorkspaceSummary {
        name: name.to_owned(),
        documents,
    };
    let wanted = vec![summary("a", 2), summary("a/b", 1), summary("b", 1)];
    assert_eq!(store.workspaces().await, Ok(wanted));
}

/// A workspace and a name, however they are divided, make different documents.
pub async fn names_never_run_together(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let pairs = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("ab", "c"),
        ("a", "bc"),
    ];
    let documents = pairs.map(|(workspace, name)| DocumentKey::new(workspace, name).unwrap());
    for document in &documents {
        append(store, document, changes(document, replica, 1, 1)).await;
    }
    for document in documents {
        let past = store.load(document.clone()).await.unwrap();
        assert_eq!(plain(&past.changes), changes(&document, replica, 1, 1));
    }
}

/// Slashes, quotes, wildcards, other scripts, the longest names: all are stored and told apart.
pub async fn awkward_names_are_just_names(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let long = "é".repeat(NAME_BYTES_MAX / 2);
    let names = [
        "'",
        "\"",
        "''",
        "`",
        "%",
        "_",
        "\\",
        "/",
        "..",
        "../..",
        "a/b/c",
        "; DROP TABLE changes",
        "é",
        "e\u{301}",
        "✎ 物語",
        "\u{1F600}",
        " ",
        "a ",
        " a",
        "NULL",
        "?1",
        &long,
    ];
    for name in names {
        let document = DocumentKey::new(name, name).unwrap();
        append(store, &document, changes(&document, replica, 1, 2)).await;
    }
    for name in names {
        let document = DocumentKey::new(name, name).unwrap();
        let past = store.load(document.clone()).await.unwrap();
        assert_eq!(plain(&past.changes), changes(&document, replica, 1, 2));
        assert!(store.delete(document.clone()).await.unwrap());
        assert!(store.load(document).await.unwrap().deleted);
    }
}

/// A document that never was has nothing, and asking does not create it.
pub async fn an_unknown_document_is_empty(store: &dyn Store) {
    let notes = document("notes");
    for past in [
        store.load(notes.clone()).await.unwrap(),
        store.load_until(notes.clone(), Order(9)).await.unwrap(),
    ] {
        assert_eq!(
            (past.kind, past.deleted, past.snapshot),
            (None, false, None)
        );
        assert!(past.changes.is_empty() && past.heads.is_empty());
    }
    assert_eq!(store.describe(notes.clone()).await, Ok(None));
    let page = TimelinePage::After(Order(0), 9);
    assert_eq!(store.timeline(notes.clone(), page).await, Ok(vec![]));
    assert_eq!(store.find(notes, Place::Index(1)).await, Ok(None));
    assert_eq!(store.workspaces().await, Ok(vec![]));
}

/// A store that works says so; a closed one has kept what it was asked before and does nothing more.
pub async fn a_check_succeeds_and_a_closed_store_refuses(store: &dyn Store) {
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    store.check().await.unwrap();
    append(store, &notes, changes(&notes, replica, 1, 1)).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let late = store.append(notes.clone(), Kind::Yjs, changes(&notes, replica, 2, 2));
    assert!(matches!(late.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(
        store.check().await,
        Err(StoreError::Unavailable(_))
    ));
    let read = store.load(notes).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))));
}

async fn list(store: &dyn Store, prefix: &str, after: Option<String>, limit: usize) -> Vec<String> {
    let query = DocumentQuery {
        workspace: "w".to_owned(),
        prefix: prefix.to_owned(),
        after,
        limit,
    };
    let listed = store.documents(query).await.unwrap().into_iter();
    listed.map(|it| it.document.name().to_owned()).collect()
}
