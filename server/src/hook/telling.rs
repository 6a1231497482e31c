//! Telling the application what happens to documents: from the store's account, which a crash does not lose.
//!
//! News is told when it is due, the news of one document in its order, several documents at a time. What was told is taken
//! out of the account; what the application does not take is put off, longer each time, and tried for ever. While it does
//! not answer at all nothing is written and nothing is remembered here: the account waits in the store.
//!
//! Of several nodes that share the store one tells. When it dies another goes on some seconds later, and tells again what the
//! first was just telling.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use storage::{News, NewsHabit, Store, StoreError, Told};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use super::client::{Asking, Fault};
use super::{ANSWER_BYTES_MAX, Hook, pause, words};
use crate::cluster::{Cluster, Duty, OnDuty};
use crate::config::HookConfig;
use crate::telemetry::metrics;

/// Tells what happens, from its start on and until it is stopped. What is being told then is told again after the next start.
#[derive(Debug)]
pub(super) struct Telling {
    task: AbortHandle,
    /// Which node tells; none where there is one.
    on_duty: Option<OnDuty>,
}

/// Who tells what of which account.
struct Teller {
    hook: Arc<Hook>,
    store: Arc<dyn Store>,
    /// Whether it is for this node to tell; none where there is no other.
    duty: Option<Arc<Duty>>,
}

impl Telling {
    pub(super) fn start(
        hook: Arc<Hook>,
        store: Arc<dyn Store>,
        cluster: Option<Arc<Cluster>>,
    ) -> Self {
        store.keep_news(habit(&hook.config));
        info!("the application is told of documents");
        let on_duty = cluster.map(|cluster| OnDuty::begin(cluster, DUTY));
        let duty = on_duty.as_ref().map(|it| it.duty.clone());
        let teller = Teller { hook, store, duty };
        let task = tokio::spawn(teller.tell_on()).abort_handle();
        Self { task, on_duty }
    }

    pub(super) async fn stop(&self) {
        self.task.abort();
        if let Some(on_duty) = &self.on_duty {
            on_duty.end().await;
        }
    }
}

fn habit(config: &HookConfig) -> NewsHabit {
    let debounce_ms = u64::try_from(config.debounce.as_millis()).unwrap_or(u64::MAX);
    NewsHabit {
        created: config.events.created,
        changed: config.events.changed,
        deleted: config.events.deleted,
        debounce_ms,
        debounce_max_ms: debounce_ms.saturating_mul(DEBOUNCES_MAX),
    }
}

impl Teller {
    async fn tell_on(self) {
        loop {
            sleep(self.round().await).await;
        }
    }

    /// Whether another node tells, or may do so by now.
    fn is_off_duty(&self) -> bool {
        self.duty.as_ref().is_some_and(|duty| !duty.is_mine())
    }

    /// Tells what is due, and how long to wait before the next round.
    async fn round(&self) -> Duration {
        if self.is_off_duty() {
            metrics::hook_late(Duration::ZERO);
            return LOOK_MAX;
        }
        let news = match self.store.news(NEWS_AT_ONCE).await {
            Ok(news) => news,
            Err(failure) => {
                warn!("what the application is to be told can not be read: {failure}");
                return LOOK_MAX;
            }
        };
        let late = news.first().map_or(Duration::ZERO, late);
        metrics::hook_late(late);
        if let Some(rests) = self.hook.requester.rests_for() {
            return rests;
        }
        let next = news.iter().find_map(waits);
        let due = news.into_iter().filter(|news| waits(news).is_none());
        match self.tell_all(due.collect()).await {
            Some(pause) => pause,
            None => self.until(next),
        }
    }

    /// Tells some news. How long to wait after it, if that is not until the next is due.
    async fn tell_all(&self, due: Vec<News>) -> Option<Duration> {
        let more = due.len() == NEWS_AT_ONCE;
        let telling = stream::iter(due)
            .map(|news| self.tell_or_put_off(news))
            .buffer_unordered(TOLD_AT_ONCE);
        let is_noted = telling.fold(true, |all, noted| ready(all && noted)).await;
        match (is_noted, more) {
            (false, _) => Some(STORE_PAUSE),
            (true, true) => Some(Duration::ZERO),
            (true, false) => None,
        }
    }

    /// How long to wait where the next news is due after a while.
    fn until(&self, next: Option<Duration>) -> Duration {
        let debounce = self.hook.config.debounce;
        next.unwrap_or(LOOK_MAX)
            .clamp(LOOK_MIN, LOOK_MAX.min(debounce.max(LOOK_MIN)))
    }

    /// False if the store did not note what came of it.
    async fn tell_or_put_off(&self, news: News) -> bool {
        let Err(failure) = self.tell(&news).await else {
            return true;
        };
        let document = &news.document;
        match failure {
            // It is due as soon as the application is tried again, or is told by another node.
            Failure::Application(Fault::Resting) | Failure::OffDuty => true,
            Failure::Application(fault) => {
                warn!(%document, attempts = news.attempts, "the application is told later: {fault}");
                self.put_off(&news).await
            }
            Failure::Store(failure) => {
                warn!(%document, "the application was told and will be again: {failure}");
                false
            }
        }
    }

    async fn put_off(&self, news: &News) -> bool {
        let document = &news.document;
        let delay = pause::after(news.attempts, PUT_OFF_MIN, PUT_OFF_MAX);
        let put_off = self.store.put_off(document.clone(), delay).await;
        if let Err(failure) = &put_off {
            warn!(%document, "what the application is to be told can not be put off: {failure}");
        }
        put_off.is_ok()
    }

    /// Tells the news of one document, one thing after another.
    async fn tell(&self, news: &News) -> Result<(), Failure> {
        if let Some(at_ms) = news.created_ms {
            let body = words::created(news, at_ms);
            self.say(news, "created", body, Told::Created).await?;
        }
        if let Some(changed) = &news.changed {
            let (body, told) = (
                words::changed(news, changed),
                Told::Changed(changed.through),
            );
            self.say(news, "changed", body, told).await?;
        }
        if let Some(at_ms) = news.deleted_ms {
            let body = words::deleted(news, at_ms);
            self.say(news, "deleted", body, Told::Deleted).await?;
        }
        Ok(())
    }

    /// Tells one thing, and takes it out of the account.
    async fn say(
        &self,
        news: &News,
        event: &'static str,
        body: Bytes,
        told: Told,
    ) -> Result<(), Failure> {
        if self.is_off_duty() {
            return Err(Failure::OffDuty);
        }
        let asking = Asking {
            event,
            answer_max: ANSWER_BYTES_MAX,
            attempts_max: 1,
        };
        let said = self.hook.requester.ask(asking, body, |_| Ok(())).await;
        said.map_err(Failure::Application)?;
        let taken = self.store.told(news.document.clone(), told).await;
        taken.map_err(Failure::Store)
    }
}

enum Failure {
    Application(Fault),
    Store(StoreError),
    /// Another node tells by now.
    OffDuty,
}

/// How long ago it was due.
fn late(news: &News) -> Duration {
    match waits(news) {
        Some(_) => Duration::ZERO,
        None => Duration::from_millis(news.due_in_ms.unsigned_abs()),
    }
}

/// How long it waits yet; none if it is due.
fn waits(news: &News) -> Option<Duration> {
    let in_ms = u64::try_from(news.due_in_ms).ok().filter(|ms| *ms > 0);
    in_ms.map(Duration::from_millis)
}

/// What the node that tells is asked for by.
const DUTY: &str = "telling";
/// News waits at most so many times as long as for the first to follow it.
const DEBOUNCES_MAX: u64 = 5;
/// Documents whose news is read at once.
const NEWS_AT_ONCE: usize = 64;
/// Documents of which the application is told at the same time.
const TOLD_AT_ONCE: usize = 8;
/// How often the account is looked at: nobody says when something comes into it.
const LOOK_MAX: Duration = Duration::from_millis(500);
const LOOK_MIN: Duration = Duration::from_millis(20);
/// What the store does not note is told again; not at once.
const STORE_PAUSE: Duration = Duration::from_secs(2);
const PUT_OFF_MIN: Duration = Duration::from_secs(1);
const PUT_OFF_MAX: Duration = Duration::from_secs(5 * 60);
