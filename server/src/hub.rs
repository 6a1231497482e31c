//! The hub: which documents are hot, and the one door to each of their sessions.
//!
//! Opening is single-flight: whoever comes first starts the session, everyone else finds it. Joining and putting away
//! exclude each other by the hub's lock, so nobody joins a session that is just leaving. Nothing slow happens under it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use engine::{ConnectionId, DocumentKey, Input, Kind};
use storage::{StoreError, Word};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::joins::Joins;
use crate::mail::{Inbox, Mail, Mailbox, Newcomer};
use crate::telemetry::metrics;
use crate::world::World;

/// Starts the session of a document, which reads its mailbox until it puts itself away.
///
/// It is of the kind that whoever comes first expects; ordered, if they expect none.
pub type StartSession = fn(&Hub, DocumentKey, Option<Kind>, Mailbox, Inbox);

/// Knows every hot document. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

/// A hub that does not live on for this.
#[derive(Clone, Debug)]
pub(crate) struct WeakHub(Weak<Inner>);

impl WeakHub {
    /// The hub, if it still is.
    pub(crate) fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

/// The bounds of a hub.
#[derive(Clone, Copy, Debug)]
pub struct HubLimits {
    /// Mails that may wait in one session's mailbox; then its senders wait.
    pub mailbox_max: usize,
    /// Documents that may be hot at once; further ones are refused, retryably.
    pub documents_max: usize,
}

/// Why a connection could not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The server is stopping.
    Stopping,
    /// As many documents are hot as may be, or they take up as much memory as they may.
    Full,
}

#[derive(Debug)]
struct Inner {
    world: Arc<World>,
    limits: HubLimits,
    start_session: StartSession,
    sessions: Mutex<Sessions>,
    tasks: TaskTracker,
    /// Tells those who are in no document that the server stops.
    stopping: CancellationToken,
    next_connection: AtomicU64,
    joins: Joins,
}

#[derive(Debug, Default)]
struct Sessions {
    open: HashMap<DocumentKey, Mailbox>,
    stopping: bool,
}

impl Hub {
    /// A hub without hot documents.
    pub fn new(world: World, limits: HubLimits, start_session: StartSession) -> Self {
        Self(Arc::new(Inner {
            world: Arc::new(world),
            limits,
            start_session,
            sessions: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            next_connection: AtomicU64::new(1),
            joins: Joins::default(),
        }))
    }

    /// The hub for somebody who must not keep it alive.
    pub(crate) fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }

    /// What every session shares.
    pub fn world(&self) -> Arc<World> {
        self.0.world.clone()
    }

    /// A connection id that was not used before.
    pub fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// Who has joined in the dialect of automerge-repo.
    pub(crate) fn joins(&self) -> &Joins {
        &self.0.joins
    }

    /// Runs a task that a stop waits for.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    /// Waits until the server stops.
    pub(crate) fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.0.stopping.clone().cancelled_owned()
    }

    /// Marks a task that runs elsewhere as one that a stop waits for.
    pub fn track<F: Future<Output = ()>>(&self, task: F) -> impl Future<Output = ()> + use<F> {
        self.0.tasks.track_future(task)
    }

    /// Joins a document, opening it if need be, and returns the way to its session.
    ///
    /// # Errors
    /// The server is stopping, or as many documents are hot as may be.
    pub async fn join(
        &self,
        key: &DocumentKey,
        mut newcomer: Newcomer,
    ) -> Result<Mailbox, JoinError> {
        loop {
            let mailbox = match self.try_join(key, newcomer)? {
                Ok(mailbox) => return Ok(mailbox),
                Err((mailbox, returned)) => {
                    newcomer = returned;
                    mailbox
                }
            };
            // The mailbox was full. Waiting for room does not take it: by then the session may have been put away.
            mailbox.room().await;
        }
    }

    /// Deletes a document and tells its session, if it is hot.
    ///
    /// # Errors
    /// The store could not delete it.
    pub async fn delete(&self, key: DocumentKey) -> Result<bool, StoreError> {
        let deleted = self.0.world.store.delete(key.clone()).await?;
        if deleted {
            self.0.world.say(&key, Word::Deleted);
            self.0.world.stir(&key);
        }
        let mailbox = self.sessions().open.get(&key).cloned();
        if let Some(mailbox) = mailbox {
            // A session that is being put away has nobody left to tell.
            let _ = mailbox.send(Mail::Deleted).await;
        }
        Ok(deleted)
    }

    /// Tells every hot document that passes were revoked.
    pub async fn revoked(&self) {
        if let Some(hook) = &self.0.world.hook {
            hook.forget_decisions();
        }
        let mailboxes: Vec<_> = self.sessions().open.values().cloned().collect();
        for mailbox in mailboxes {
            // A session that is being put away has nobody left to close.
            let _ = mailbox.send(Mail::Revoked).await;
        }
    }

    /// Takes in what other nodes have revoked, for whoever is about to ask what was.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn look_up_revoked(&self) -> Result<(), StoreError> {
        let is_shared = self.0.world.cluster.is_some();
        if is_shared && self.0.world.auth.reload_revocations().await? {
            self.revoked().await;
        }
        Ok(())
    }

    /// Tells the other nodes that passes were revoked.
    pub fn say_revoked(&self) {
        if let Some(cluster) = &self.0.world.cluster {
            cluster.say_revoked();
        }
    }

    /// Gives a hot document what another node says of it. False if it was dropped for want of room.
    pub(crate) fn hear(&self, key: &DocumentKey, word: Input) -> bool {
        let mailbox = self.sessions().open.get(key).cloned();
        mailbox.is_none_or(|mailbox| mailbox.hear(word))
    }

    /// The way to the session of a document, if it is hot.
    pub(crate) fn mailbox(&self, key: &DocumentKey) -> Option<Mailbox> {
        self.sessions().open.get(key).cloned()
    }

    /// Tells every hot document something of the other nodes. One that has no room for it does without.
    pub(crate) fn tell_all(&self, word: impl Fn() -> Input) {
        for (_, mailbox) in self.open() {
            mailbox.hear(word());
        }
    }

    /// The hot documents, and the way to each of their sessions.
    pub(crate) fn open(&self) -> Vec<(DocumentKey, Mailbox)> {
        let sessions = self.sessions();
        let open = sessions.open.iter();
        open.map(|(key, mailbox)| (key.clone(), mailbox.clone()))
            .collect()
    }

    /// Passes something on to all who have a document open, on whichever node. False if nobody has it open here.
    pub async fn signal(&self, key: &DocumentKey, text: Bytes) -> bool {
        self.0.world.say(key, Word::Signal(text.clone()));
        let mailbox = self.sessions().open.get(key).cloned();
        match mailbox {
            Some(mailbox) => mailbox.send(Mail::Signal(text)).await.is_ok(),
            None => false,
        }
    }

    /// Has a hot document stored, its connections closed, and opened anew by whoever comes back.
    pub async fn reopen(&self, key: &DocumentKey) {
        let mailbox = self.sessions().open.get(key).cloned();
        if let Some(mailbox) = mailbox {
            // A session that is being put away is opened anew anyway.
            let _ = mailbox.send(Mail::Drain).await;
        }
    }

    /// The same, on every node: what is kept out of the document has changed.
    pub async fn reopen_everywhere(&self, key: &DocumentKey) {
        self.0.world.say(key, Word::Reopen);
        self.reopen(key).await;
    }

    /// Puts a session away, unless someone has just joined. Called by the session itself.
    pub(crate) fn retire(&self, key: &DocumentKey, inbox: &Inbox) -> bool {
        let mut sessions = self.sessions();
        let idle = inbox.is_empty();
        if idle {
            self.put_away(&mut sessions, key);
        }
        idle
    }

    /// Forgets a session that has ended, however it ended.
    pub(crate) fn forget(&self, key: &DocumentKey) {
        let mut sessions = self.sessions();
        if sessions.open.get(key).is_some_and(Mailbox::is_gone) {
            self.put_away(&mut sessions, key);
        }
    }

    /// Forgets a session that is given up, so that the document is opened anew by whoever comes.
    pub(crate) fn abandon(&self, key: &DocumentKey, mailbox: &Mailbox) {
        let mut sessions = self.sessions();
        if sessions.open.get(key).is_some_and(|it| it.is_same(mailbox)) {
            self.put_away(&mut sessions, key);
        }
    }

    /// Other nodes are listened to for exactly as long as there is a session, hence under the lock.
    fn put_away(&self, sessions: &mut Sessions, key: &DocumentKey) {
        sessions.open.remove(key);
        metrics::documents_open(sessions.open.len());
        if let Some(cluster) = &self.0.world.cluster {
            cluster.ignore(key);
            cluster.say_nobody_is_here(key, self.0.world.clock.now());
        }
    }

    /// How many documents are hot.
    pub fn documents_open(&self) -> usize {
        self.sessions().open.len()
    }

    /// Stops: lets nobody join any more, has every session store what it holds and close its connections, and waits
    /// until all sessions and connections have ended.
    pub async fn drain(&self) {
        let mailboxes: Vec<_> = {
            let mut sessions = self.sessions();
            sessions.stopping = true;
            sessions.open.values().cloned().collect()
        };
        for mailbox in mailboxes {
            let _ = mailbox.send(Mail::Drain).await;
        }
        self.0.stopping.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Hands the joining connection back with the mailbox if that is full.
    #[allow(
        clippy::result_large_err,
        reason = "the error carries the connection to its next try"
    )]
    fn try_join(
        &self,
        key: &DocumentKey,
        newcomer: Newcomer,
    ) -> Result<Result<Mailbox, (Mailbox, Newcomer)>, JoinError> {
        let mut sessions = self.sessions();
        if sessions.stopping {
            return Err(JoinError::Stopping);
        }
        let mailbox = self.find_or_open(&mut sessions, key, &newcomer)?;
        Ok(match mailbox.try_send(Mail::Join(newcomer)) {
            Ok(()) => Ok(mailbox),
            Err(Mail::Join(newcomer)) => Err((mailbox, newcomer)),
            Err(_) => unreachable!("the mail that was sent comes back"),
        })
    }

    fn find_or_open(
        &self,
        sessions: &mut Sessions,
        key: &DocumentKey,
        newcomer: &Newcomer,
    ) -> Result<Mailbox, JoinError> {
        let hot = sessions.open.len();
        match sessions.open.entry(key.clone()) {
            Entry::Occupied(entry) if !entry.get().is_gone() => Ok(entry.get().clone()),
            Entry::Vacant(_) if self.is_full(hot) => Err(JoinError::Full),
            entry => {
                let (mailbox, inbox) = Mailbox::new(self.0.limits.mailbox_max);
                // Before the past is read, so that nothing falls between the two.
                if let Some(cluster) = &self.0.world.cluster {
                    cluster.listen(key);
                }
                let kind = newcomer.dialect.kind();
                (self.0.start_session)(self, key.clone(), kind, mailbox.clone(), inbox);
                entry.insert_entry(mailbox.clone());
                metrics::documents_open(hot + 1);
                Ok(mailbox)
            }
        }
    }

    /// Whether no further document may be opened.
    fn is_full(&self, hot: usize) -> bool {
        let limit = if hot >= self.0.limits.documents_max {
            "documents_open"
        } else if self.0.world.memory.is_full() {
            "memory_bytes"
        } else {
            return false;
        };
        metrics::limit_hit(limit);
        true
    }

    /// A panic elsewhere can not leave the map half changed, so a poisoned lock is as good as any.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
