//! Collections that somebody watches: which documents are in them, and at which versions.
//!
//! A store has no word for a collection: it lists documents by how their names begin. So whatever commits an operation, or hears
//! of one, says that the document's collection has stirred; one task for each collection that is watched lists it then, and
//! everybody who watches looks at what is different. What stirs while it lists is found by the next list. Where nodes share a
//! store, they say so to each other over the bus, and the list is read now and then whatever was said.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::DocumentKey;
use protocol::sharedb;
use storage::{DocumentQuery, StoreError, Word};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::hub::{Hub, WeakHub};
use crate::world::World;

/// The collections that are watched on this node.
#[derive(Debug, Default)]
pub struct Collections(Mutex<HashMap<DocumentKey, Arc<Collection>>>);

/// One that is.
#[derive(Debug)]
struct Collection {
    /// How often it has stirred, or somebody came who wants it as it is now.
    stirred: watch::Sender<u64>,
    listed: watch::Sender<Listed>,
}

/// The documents of a collection.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// All that stirred the collection up to this number is in it.
    stirred: u64,
    /// Those that are ordered, in the order of their names, with their versions. It is the same as the one before, if nothing
    /// has changed.
    pub(crate) documents: Result<Arc<Documents>, Unlisted>,
}

/// Documents and their versions.
pub(crate) type Documents = Vec<(DocumentKey, u64)>;

/// Why there is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// There are more documents than are looked at.
    TooMany,
    /// The store does not answer.
    Unavailable,
}

/// Somebody who watches a collection.
#[derive(Debug)]
pub(crate) struct Watcher {
    collection: Arc<Collection>,
    listed: watch::Receiver<Listed>,
    /// The first list that is late enough.
    from: u64,
    /// What was given last.
    given: Option<Arc<Documents>>,
}

impl Watcher {
    /// The documents as they are now, or as they have become since this was asked last.
    pub(crate) async fn next(&mut self) -> Result<Arc<Documents>, Unlisted> {
        loop {
            let from = self.from;
            let listed = self.listed.wait_for(|listed| listed.stirred >= from).await;
            let Ok(listed) = listed.map(|listed| listed.clone()) else {
                return Err(Unlisted::Unavailable);
            };
            self.from = listed.stirred + 1;
            let documents = listed.documents?;
            let given = self.given.replace(documents.clone());
            if given.is_none_or(|given| !Arc::ptr_eq(&given, &documents)) {
                return Ok(documents);
            }
        }
    }

    /// Has the collection listed again, a little later, and all of it given once more.
    pub(crate) async fn look_again(&mut self) {
        sleep(LISTED_AGAIN_AFTER_FAILURE).await;
        self.given = None;
        self.collection.stir();
    }
}

impl Collections {
    /// Watches a collection from now on.
    pub(crate) fn watch(&self, hub: &Hub, topic: &DocumentKey) -> Watcher {
        let mut collections = self.collections();
        let collection = collections.entry(topic.clone()).or_insert_with(|| {
            if let Some(cluster) = &hub.world().cluster {
                cluster.listen(topic);
            }
            let collection = Arc::new(Collection::new());
            tokio::spawn(keep(hub.downgrade(), topic.clone(), collection.clone()));
            collection
        });
        let listed = collection.listed.subscribe();
        collection.stir();
        let from = *collection.stirred.borrow();
        Watcher {
            collection: collection.clone(),
            listed,
            from,
            given: None,
        }
    }

    /// Something in a collection has changed.
    pub(crate) fn stir(&self, topic: &DocumentKey) {
        if let Some(collection) = self.collections().get(topic) {
            collection.stir();
        }
    }

    /// Forgets a collection that nobody watches any more. False if somebody does.
    fn forget(&self, topic: &DocumentKey, world: &World) -> bool {
        let mut collections = self.collections();
        let is_watched = |it: &Arc<Collection>| it.listed.receiver_count() > 0;
        if collections.get(topic).is_some_and(is_watched) {
            return false;
        }
        collections.remove(topic);
        if let Some(cluster) = &world.cluster {
            cluster.ignore(topic);
        }
        true
    }

    /// A panic elsewhere can not leave the map half changed, so a poisoned lock is as good as any.
    fn collections(&self) -> MutexGuard<'_, HashMap<DocumentKey, Arc<Collection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collection {
    fn new() -> Self {
        let nothing = Listed {
            stirred: 0,
            documents: Err(Unlisted::Unavailable),
        };
        Self {
            stirred: watch::Sender::new(0),
            listed: watch::Sender::new(nothing),
        }
    }

    fn stir(&self) {
        self.stirred.send_modify(|stirred| *stirred += 1);
    }
}

impl World {
    /// An operation of a document was stored here, or the document was deleted.
    pub(crate) fn stir(&self, document: &DocumentKey) {
        if let Some(topic) = sharedb::collection_of(document) {
            self.collections.stir(&topic);
            self.say(&topic, Word::Stirred);
        }
    }
}

/// Lists a collection whenever it has stirred, for as long as somebody watches it.
async fn keep(hub: WeakHub, topic: DocumentKey, collection: Arc<Collection>) {
    let mut stirred = collection.stirred.subscribe();
    loop {
        let Some(world) = hub.upgrade().map(|hub| hub.world()) else {
            return;
        };
        let number = *stirred.borrow_and_update();
        let documents = list(&world, &topic).await;
        collection.listed.send_modify(|listed| {
            let is_same =
                matches!((&documents, &listed.documents), (Ok(new), Ok(old)) if *new == **old);
            if !is_same {
                listed.documents = documents.map(Arc::new);
            }
            listed.stirred = number;
        });
        let again = pause(&world, &collection);
        drop(world);
        // What stirs at once is listed at once.
        sleep(LISTED_AGAIN_AFTER).await;
        tokio::select! {
            _ = stirred.changed() => {}
            () = again => collection.stir(),
            () = collection.listed.closed() => {
                if hub.upgrade().is_none_or(|hub| hub.world().collections.forget(&topic, &hub.world())) {
                    return;
                }
            }
        }
    }
}

/// How long a collection is believed to rest while nobody says otherwise: what other nodes say may be lost.
fn pause(world: &World, collection: &Collection) -> impl Future<Output = ()> + use<> {
    let has_failed = collection.listed.borrow().documents.is_err();
    let others = world.cluster.as_ref().map(|cluster| cluster.looks_every());
    let pause = if has_failed {
        Some(LISTED_AGAIN_AFTER_FAILURE)
    } else {
        others
    };
    async move {
        match pause {
            Some(pause) => sleep(pause).await,
            None => pending().await,
        }
    }
}

/// The documents of a collection as they are now.
///
/// # Errors
/// There are too many, or the store does not answer.
pub(crate) async fn list(world: &World, topic: &DocumentKey) -> Result<Documents, Unlisted> {
    let query = DocumentQuery {
        workspace: topic.workspace().to_owned(),
        prefix: sharedb::prefix_of(topic),
        after: None,
        limit: LOOKED_AT_MAX + 1,
    };
    let listed = timeout(LIST_MAX, world.store.documents(query)).await;
    let late = |_| Err(StoreError::Unavailable("it does not answer".to_owned()));
    let listed = listed
        .unwrap_or_else(late)
        .map_err(|_| Unlisted::Unavailable)?;
    if listed.len() > LOOKED_AT_MAX {
        return Err(Unlisted::TooMany);
    }
    let ordered = listed.into_iter().filter(|it| it.kind.is_ordered());
    Ok(ordered.map(|it| (it.document, it.clock.count())).collect())
}

/// Documents that are looked at for one query.
pub(crate) const LOOKED_AT_MAX: usize = 1_000;
/// A collection in which much happens is listed no more often than this.
const LISTED_AGAIN_AFTER: Duration = Duration::from_millis(10);
const LISTED_AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long the store may take to list it.
const LIST_MAX: Duration = Duration::from_secs(10);
