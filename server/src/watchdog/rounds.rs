//! The watchdog's rounds: it looks again and again at what every session is at, on a thread of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use engine::CloseReason;
use tokio::runtime::Handle;
use tracing::{error, warn};

use super::{Watchdog, WatchdogLimits, Watched};
use crate::hub::{Hub, WeakHub};
use crate::quarantine::{self, cause::Cause};
use crate::telemetry::metrics;

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
        let mut pause = Duration::ZERO;
        while let Some(hub) = hub.upgrade() {
            let looked = Instant::now();
            self.look(&hub, pause);
            pause = self.pause(&hub.world().watchdog.limits);
            drop(hub);
            thread::sleep(pause.saturating_sub(looked.elapsed()));
        }
    }

    /// How long until the next look: not long if something was seen, to tell whether it lasts.
    fn pause(&self, limits: &WatchdogLimits) -> Duration {
        let round = limits.round();
        if self.busy.is_empty() {
            round
        } else {
            round.min(ROUND_BUSY)
        }
    }

    /// One round. A step that was seen in the round before has lasted since.
    fn look(&mut self, hub: &Hub, since: Duration) {
        let watchdog = hub.world().watchdog.clone();
        let watched: Vec<_> = watchdog.busy().iter().map(busy).collect();
        let watched: HashMap<_, _> = watched.into_iter().flatten().collect();
        self.busy
            .retain(|id, seen| watched.get(id).is_some_and(|(step, _)| *step == seen.step));
        self.busy.values_mut().for_each(|seen| seen.lasted += since);
        for (id, (step, watched)) in watched {
            let seen = self.busy.entry(id).or_insert(Seen {
                step,
                lasted: Duration::ZERO,
                warned: false,
            });
            if seen.judge(&watchdog.limits, &watched) {
                abandon(hub, &watchdog, &watched);
            }
        }
        self.relieve(&watchdog);
        let world = hub.world();
        metrics::memory(world.memory.bytes(), world.receiving.bytes());
        let stuck = self.busy.values().filter(|seen| seen.warned).count();
        metrics::documents_stuck(stuck);
    }

    /// Has a spare thread at work for each that is at one step for long, or lost.
    fn relieve(&self, watchdog: &Watchdog) {
        let lasts = |seen: &&Seen| seen.lasted > Duration::ZERO;
        let long = self.busy.values().filter(lasts).count();
        if let Some(spares) = &watchdog.spares {
            spares.wake(long + watchdog.threads_lost());
        }
    }
}

/// A session that is at something, and not given up yet.
fn busy(watched: &Arc<Watched>) -> Option<(u64, (u64, Arc<Watched>))> {
    let step = watched.step.load(Ordering::Acquire);
    let given_up = watched.abandoned.load(Ordering::Acquire);
    (step != 0 && !given_up).then(|| (watched.id, (step, watched.clone())))
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
    metrics::limit_hit("step_max");
    error!(document = %watched.key, abandoned, "document is given up because it does not come back; whoever comes opens it anew");
    if let Some(suspect) = watched.suspect().take() {
        let quarantined = suspect.quarantined(&watched.key, hub.world().clock.now().wall_ms);
        quarantine::keep(hub, quarantined, Cause::Stuck);
    }
    hub.abandon(&watched.key, &watched.mailbox);
    watched.mailbox.abandon();
    watched.members.lock().close_all(CloseReason::NotReady);
}

impl WatchdogLimits {
    /// How often to look: a quarter of the shorter time, and not so often that looking is work.
    fn round(&self) -> Duration {
        let shorter = self.step_warn.min(self.step_max);
        (shorter / 4).clamp(ROUND_MIN, ROUND_MAX)
    }
}

/// How soon to look again at a step that was under way: documents that wait for its thread are not to wait for long.
const ROUND_BUSY: Duration = Duration::from_millis(10);
const ROUND_MIN: Duration = Duration::from_millis(5);
const ROUND_MAX: Duration = Duration::from_millis(250);
