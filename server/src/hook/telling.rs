//! Telling the application what happens to documents: from the store's account, which a crash does not lose.
//!
//! News is told when it is due, the news of one document in its order, several documents at a time. What was told is taken
//! out of the account; what the application does not take is put off, longer each time, and tried for ever. While it does
//! not answer at all nothing is written and nothing is remembered here: the account waits in the store.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use storage::{News, NewsHabit, Store, StoreError, Told};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use super::client::{Asking, Fault};
use super::{ANSWER_BYTES_MAX, Hook, pause, words};
use crate::config::HookConfig;
use crate::telemetry::metrics;

/// Tells what happens, from now on and until that is ended. What is being told then is told again after the next start.
pub(super) fn start(hook: Arc<Hook>, store: Arc<dyn Store>) -> AbortHandle {
    store.keep_news(habit(&hook.config));
    info!("the application is told of documents");
    let telling = tokio::spawn(async move {
        loop {
            let pause = round(&hook, &*store).await;
            sleep(pause).await;
        }
    });
    telling.abort_handle()
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

/// Tells what is due, and how long to wait before the next round.
async fn round(hook: &Hook, store: &dyn Store) -> Duration {
    let news = match store.news(NEWS_AT_ONCE).await {
        Ok(news) => news,
        Err(failure) => {
            warn!("what the application is to be told can not be read: {failure}");
            return LOOK_MAX;
        }
    };
    let now_ms = wall_ms();
    let late_ms = news
        .first()
        .map_or(0, |first| now_ms.saturating_sub(first.due_ms));
    metrics::hook_late(Duration::from_millis(late_ms));
    if let Some(rests) = hook.requester.rests_for() {
        return rests;
    }
    let next_ms = news
        .iter()
        .map(|news| news.due_ms)
        .find(|due_ms| *due_ms > now_ms);
    let due: Vec<_> = news
        .into_iter()
        .filter(|news| news.due_ms <= now_ms)
        .collect();
    let more = due.len() == NEWS_AT_ONCE;
    let telling = stream::iter(due)
        .map(|news| tell_or_put_off(hook, store, news))
        .buffer_unordered(TOLD_AT_ONCE);
    let is_noted = telling.fold(true, |all, noted| ready(all && noted)).await;
    match (is_noted, more) {
        (false, _) => return STORE_PAUSE,
        (true, true) => return Duration::ZERO,
        (true, false) => {}
    }
    let next = next_ms.map_or(LOOK_MAX, |due_ms| Duration::from_millis(due_ms - now_ms));
    next.clamp(LOOK_MIN, LOOK_MAX.min(hook.config.debounce.max(LOOK_MIN)))
}

/// False if the store did not note what came of it.
async fn tell_or_put_off(hook: &Hook, store: &dyn Store, news: News) -> bool {
    let Err(failure) = tell(hook, store, &news).await else {
        return true;
    };
    let document = &news.document;
    match failure {
        // It is due as soon as the application is tried again.
        Failure::Application(Fault::Resting) => true,
        Failure::Application(fault) => {
            warn!(%document, attempts = news.attempts, "the application is told later: {fault}");
            put_off(store, &news).await
        }
        Failure::Store(failure) => {
            warn!(%document, "the application was told and will be again: {failure}");
            false
        }
    }
}

async fn put_off(store: &dyn Store, news: &News) -> bool {
    let document = &news.document;
    let delay = pause::after(news.attempts, PUT_OFF_MIN, PUT_OFF_MAX);
    let until_ms = wall_ms() + u64::try_from(delay.as_millis()).unwrap_or(0);
    let put_off = store.put_off(document.clone(), until_ms).await;
    if let Err(failure) = &put_off {
        warn!(%document, "what the application is to be told can not be put off: {failure}");
    }
    put_off.is_ok()
}

enum Failure {
    Application(Fault),
    Store(StoreError),
}

/// Tells the news of one document, one thing after another.
async fn tell(hook: &Hook, store: &dyn Store, news: &News) -> Result<(), Failure> {
    if let Some(at_ms) = news.created_ms {
        let told = say(hook, "created", words::created(news, at_ms));
        take_out(store, news, told, Told::Created).await?;
    }
    if let Some(changed) = &news.changed {
        let told = say(hook, "changed", words::changed(news, changed));
        take_out(store, news, told, Told::Changed(changed.through)).await?;
    }
    if let Some(at_ms) = news.deleted_ms {
        let told = say(hook, "deleted", words::deleted(news, at_ms));
        take_out(store, news, told, Told::Deleted).await?;
    }
    Ok(())
}

async fn say(hook: &Hook, event: &'static str, body: Bytes) -> Result<(), Fault> {
    let asking = Asking {
        event,
        answer_max: ANSWER_BYTES_MAX,
        attempts_max: 1,
    };
    hook.requester.ask(asking, body, |_| Ok(())).await
}

async fn take_out(
    store: &dyn Store,
    news: &News,
    telling: impl Future<Output = Result<(), Fault>>,
    told: Told,
) -> Result<(), Failure> {
    telling.await.map_err(Failure::Application)?;
    let taken = store.told(news.document.clone(), told).await;
    taken.map_err(Failure::Store)
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

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
