//! A duty: what one node at a time does for all that share the store. Whoever has it says so in the store again and again; when
//! that stops, another takes over within some seconds.
//!
//! A node that was asleep does not know at once that another has taken over. So it goes by the time at which it last asked:
//! by its own clock the duty ends no later than by the store's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::Cluster;

/// Something that this node does whenever no other does it.
#[derive(Debug)]
pub(crate) struct Duty {
    cluster: Arc<Cluster>,
    name: &'static str,
    /// Until when it is this node's; none if it is another's.
    until: Mutex<Option<Instant>>,
}

/// A duty that is asked for again and again.
#[derive(Debug)]
pub(crate) struct OnDuty {
    pub(crate) duty: Arc<Duty>,
    asking: AbortHandle,
}

impl OnDuty {
    /// Wants a duty from now on.
    pub(crate) fn begin(cluster: Arc<Cluster>, name: &'static str) -> Self {
        let duty = Arc::new(Duty {
            cluster,
            name,
            until: Mutex::default(),
        });
        let asking = tokio::spawn(duty.clone().keep_asking());
        Self {
            duty,
            asking: asking.abort_handle(),
        }
    }

    /// Gives the duty up, so that the others need not wait until it ends.
    pub(crate) async fn end(&self) {
        self.asking.abort();
        if self.duty.lock().take().is_some() {
            self.duty.ask(Duration::ZERO).await;
        }
    }
}

impl Duty {
    /// Whether this node is to do it, and no other does.
    pub(crate) fn is_mine(&self) -> bool {
        self.lock().is_some_and(|until| Instant::now() < until)
    }

    async fn keep_asking(self: Arc<Self>) {
        loop {
            let asked = Instant::now();
            if let Some(taken) = self.ask(LASTS).await {
                self.note(taken.then_some(asked + LASTS));
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = self.cluster.leaving.cancelled() => return,
            }
        }
    }

    /// Asks for it. None if the store does not answer: then it is as before until it ends.
    async fn ask(&self, lasts: Duration) -> Option<bool> {
        let (store, holder) = (&self.cluster.store, self.cluster.holder());
        let asked = store.take_duty(self.name.to_owned(), holder, lasts);
        match timeout(INTERVAL, asked).await {
            Ok(Ok(taken)) => Some(taken),
            Ok(Err(failure)) => {
                warn!(
                    duty = self.name,
                    "which node has a duty is not known: {failure}"
                );
                None
            }
            Err(_) => None,
        }
    }

    fn note(&self, until: Option<Instant>) {
        let (is_mine, was_mine) = (until.is_some(), self.is_mine());
        *self.lock() = until;
        if is_mine != was_mine {
            info!(duty = self.name, is_mine, "a duty has changed hands");
        }
    }

    /// No operation leaves it half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after its last word a node is taken for dead.
const LASTS: Duration = Duration::from_secs(4);
/// How often it is asked for; an answer that takes longer is none.
const INTERVAL: Duration = Duration::from_secs(1);
