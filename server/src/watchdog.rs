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

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{Author, CloseReason, ConnectionId, DocumentKey, Dot, PayloadHash, Quarantined};
use tokio::runtime::Handle;
use tracing::{error, warn};

use crate::hub::{Hub, WeakHub};
use crate::mail::Mailbox;
use crate::quarantine::{self, Cause};
use crate::session::SharedMembers;
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
    watched: Mutex<HashMap<u64, Arc<Watched>>>,
    next: AtomicU64,
    abandoned: AtomicUsize,
}

/// A session that is watched.
#[derive(Debug)]
struct Watched {
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
    id: u64,
    watched: Arc<Watched>,
    steps: u64,
}

impl Watchdog {
    /// A watchdog that watches nobody yet.
    pub fn new(limits: WatchdogLimits) -> Self {
        Self {
            limits,
            watched: Mutex::default(),
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
            key,
            mailbox,
            members,
            step: AtomicU64::new(0),
            suspect: Mutex::default(),
            abandoned: AtomicBool::new(false),
        });
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.watched().insert(id, watched.clone());
        Watch {
            watchdog: self.clone(),
            id,
            watched,
            steps: 0,
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

    /// A panic elsewhere can not leave the map half changed, so a poisoned lock is as good as any.
    fn watched(&self) -> MutexGuard<'_, HashMap<u64, Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The engine is about to be given something; `suspect` if it came from others.
    pub(crate) fn begin(&mut self, suspect: Option<Suspect>) {
        *self.watched.suspect() = suspect;
        self.steps += 1;
        self.watched.step.store(self.steps, Ordering::Release);
    }

    /// The engine has come back.
    pub(crate) fn end(&self) {
        self.watched.step.store(0, Ordering::Release);
    }

    /// Whether the session was given up: nothing of what the engine said may be done.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.watched.abandoned.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchdog.watched().remove(&self.id);
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

/// Starts the watchdog's thread. It ends with the hub.
pub(crate) fn start(hub: &Hub, runtime: Handle) -> std::io::Result<()> {
    let hub = hub.downgrade();
    let spawned = thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || Rounds::default().walk(&hub, &runtime));
    spawned.map(drop)
}

/// What was seen in the rounds so far.
#[derive(Default)]
struct Rounds {
    busy: HashMap<u64, Seen>,
}

/// A step that was under way when it was looked at.
struct Seen {
    step: u64,
    lasted: Duration,
    warned: bool,
}

impl Rounds {
    fn walk(&mut self, hub: &WeakHub, runtime: &Handle) {
        // What is kept is kept by tasks of the runtime, whenever that gets to it.
        let _in_runtime = runtime.enter();
        while let Some(hub) = hub.upgrade() {
            let round = hub.world().watchdog.limits.round();
            let looked = Instant::now();
            self.look(&hub, round);
            drop(hub);
            thread::sleep(round.saturating_sub(looked.elapsed()));
        }
    }

    /// One round. A step that was seen in the round before has lasted for a round more.
    fn look(&mut self, hub: &Hub, round: Duration) {
        let watchdog = hub.world().watchdog.clone();
        let watched: Vec<_> = watchdog.watched().iter().map(busy).collect();
        let watched: HashMap<_, _> = watched.into_iter().flatten().collect();
        self.busy
            .retain(|id, seen| watched.get(id).is_some_and(|(step, _)| *step == seen.step));
        for (id, (step, watched)) in watched {
            let seen = self.busy.entry(id).or_insert(Seen {
                step,
                lasted: Duration::ZERO,
                warned: false,
            });
            if seen.judge(&watchdog.limits, &watched) {
                abandon(hub, &watchdog, &watched);
            }
            seen.lasted += round;
        }
        let world = hub.world();
        metrics::memory(world.memory.bytes(), world.receiving.bytes());
        let stuck = self.busy.values().filter(|seen| seen.warned).count();
        metrics::documents_stuck(stuck);
    }
}

/// A session that is at something, and not given up yet.
fn busy((id, watched): (&u64, &Arc<Watched>)) -> Option<(u64, (u64, Arc<Watched>))> {
    let step = watched.step.load(Ordering::Acquire);
    let given_up = watched.abandoned.load(Ordering::Acquire);
    (step != 0 && !given_up).then(|| (*id, (step, watched.clone())))
}

impl Seen {
    /// Warns once; true when the session is to be given up.
    fn judge(&mut self, limits: &WatchdogLimits, watched: &Watched) -> bool {
        if self.lasted >= limits.step_warn && !self.warned {
            self.warned = true;
            warn!(document = %watched.key, "document is stuck in one step");
        }
        self.lasted >= limits.step_max
    }
}

fn abandon(hub: &Hub, watchdog: &Watchdog, watched: &Watched) {
    watched.abandoned.store(true, Ordering::Release);
    let abandoned = watchdog.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
    metrics::threads_abandoned(abandoned);
    error!(document = %watched.key, abandoned, "document is given up because it does not come back; whoever comes opens it anew");
    if let Some(suspect) = watched.suspect().take() {
        let quarantined = suspect.quarantined(&watched.key, hub.world().clock.now().wall_ms);
        quarantine::keep(hub, quarantined, Cause::Stuck);
    }
    hub.abandon(&watched.key, &watched.mailbox);
    watched.mailbox.abandon();
    watched.members.lock().close_all(CloseReason::NotReady);
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

impl WatchdogLimits {
    /// How often to look: a quarter of the shorter time, and not so often that looking is work.
    fn round(&self) -> Duration {
        let shorter = self.step_warn.min(self.step_max);
        (shorter / 4).clamp(ROUND_MIN, ROUND_MAX)
    }
}

/// Threads that may be lost. The runtime has as many more than there are processors.
pub(crate) const ABANDONED_MAX: usize = 2;

const ROUND_MIN: Duration = Duration::from_millis(5);
const ROUND_MAX: Duration = Duration::from_millis(250);
