//! The watchdog: a thread that sees which sessions are stuck, and gives up those that stay so.
//!
//! A session says which step it is at; the watchdog looks again and again whether it still is. A library that runs for
//! ever cannot be stopped, so its session is *abandoned*: what it was given is quarantined, its connections are closed
//! and come back, the hub forgets it, and whoever comes opens the document anew from the log. Should the thread ever
//! come back, all it has to say is thrown away. The thread is lost until then, so only few may be, and then the server
//! says that it is not ready.
//!
//! It has a thread of its own and never waits for the runtime, which may be what is stuck. Time counts only as far as the
//! watchdog itself was running: a process that was stopped for a minute was not stuck for one.

pub(crate) mod rounds;

mod spares;
pub(crate) use spares::Spares;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::{Author, ConnectionId, DocumentKey, Dot, PayloadHash, Quarantined};

use crate::mail::Mailbox;
use crate::session::members::SharedMembers;
use crate::telemetry::metrics;

/// How long one step may take.
#[derive(Clone, Copy, Debug)]
pub struct WatchdogLimits {
    /// Then it is warned of.
    pub step_warn: Duration,
    /// Then its document is given up.
    pub step_max: Duration,
}

/// Knows what every session is at.
#[derive(Debug)]
pub struct Watchdog {
    limits: WatchdogLimits,
    /// The sessions that are at something: no more than threads, however many documents are open.
    busy: Mutex<Vec<Arc<Watched>>>,
    next: AtomicU64,
    abandoned: AtomicUsize,
    /// The threads that do the work of those that are at something for long, if this runtime has any.
    spares: Option<Spares>,
}

/// A session that is watched.
#[derive(Debug)]
struct Watched {
    id: u64,
    key: DocumentKey,
    mailbox: Mailbox,
    members: SharedMembers,
    /// The number of the step that is under way; 0 between steps.
    step: AtomicU64,
    suspect: Mutex<Option<Suspect>>,
    abandoned: AtomicBool,
}

/// What the engine was given in the present step.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) payload: Bytes,
    pub(crate) author: Option<Author>,
    pub(crate) connection: ConnectionId,
    /// The change that carries it, if it is stored.
    pub(crate) dot: Option<Dot>,
}

/// A session's end: says what it is at. The session is no longer watched once this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    watchdog: Arc<Watchdog>,
    watched: Arc<Watched>,
    steps: u64,
    is_busy: bool,
}

impl Watchdog {
    /// A watchdog that watches nobody yet.
    pub(crate) fn new(limits: WatchdogLimits, spares: Option<Spares>) -> Self {
        Self {
            limits,
            spares,
            busy: Mutex::default(),
            next: AtomicU64::new(0),
            abandoned: AtomicUsize::new(0),
        }
    }

    /// Watches a session.
    pub(crate) fn watch(
        self: &Arc<Self>,
        key: DocumentKey,
        mailbox: Mailbox,
        members: SharedMembers,
    ) -> Watch {
        let watched = Arc::new(Watched {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            key,
            mailbox,
            members,
            step: AtomicU64::new(0),
            suspect: Mutex::default(),
            abandoned: AtomicBool::new(false),
        });
        Watch {
            watchdog: self.clone(),
            watched,
            steps: 0,
            is_busy: false,
        }
    }

    /// Threads that are lost to sessions which were given up and have not come back.
    pub fn threads_lost(&self) -> usize {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether so many threads are lost that this process should be replaced.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.threads_lost() > ABANDONED_MAX
    }

    /// A panic elsewhere can not leave the list half changed, so a poisoned lock is as good as any.
    fn busy(&self) -> MutexGuard<'_, Vec<Arc<Watched>>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The engine is about to be given something; `suspect` if it came from others.
    pub(crate) fn begin(&mut self, suspect: Option<Suspect>) {
        *self.watched.suspect() = suspect;
        self.steps += 1;
        self.watched.step.store(self.steps, Ordering::Release);
        if !self.is_busy {
            self.is_busy = true;
            self.watchdog.busy().push(self.watched.clone());
        }
    }

    /// The engine has come back. Nothing of what it was given is held on to.
    pub(crate) fn end(&mut self) {
        self.watched.step.store(0, Ordering::Release);
        *self.watched.suspect() = None;
        if self.is_busy {
            self.is_busy = false;
            let mut busy = self.watchdog.busy();
            let at = busy.iter().position(|it| it.id == self.watched.id);
            at.map(|at| busy.swap_remove(at));
        }
    }

    /// Whether the session was given up: nothing of what the engine said may be done.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.watched.abandoned.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
        if self.is_abandoned() {
            let before = self.watchdog.abandoned.fetch_sub(1, Ordering::Relaxed);
            metrics::threads_abandoned(before.saturating_sub(1));
        }
    }
}

impl Watched {
    fn suspect(&self) -> MutexGuard<'_, Option<Suspect>> {
        self.suspect.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Suspect {
    fn quarantined(self, document: &DocumentKey, wall_ms: u64) -> Quarantined {
        Quarantined {
            document: document.clone(),
            hash: PayloadHash::of(&self.payload),
            payload: self.payload,
            author: self.author,
            connection: Some(self.connection),
            dot: self.dot,
            reason: "did not come to an end".to_owned(),
            wall_ms,
        }
    }
}

/// Threads that may be lost. The runtime has as many more than there are processors.
pub(crate) const ABANDONED_MAX: usize = 2;
