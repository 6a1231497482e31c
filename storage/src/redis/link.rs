//! The task behind a bus: connects, subscribes, says what is to be said, and notices when nothing gets through any more.
//!
//! Two connections make a [`Link`], so that no flood of words from others holds up what is said here, and they live and die
//! together. Both are asked for a sign of life several times a second. When none comes the bus is down at once; the link is
//! given up only when it takes seconds, since a server that was merely slow then has nothing to do over again.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Pipeline, PushInfo, PushKind, RedisError, Value, cmd};
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::hearing::Turn;
use super::queue::Item;
use crate::bus::Counters;
use crate::numbers::random;

/// Why a link ended.
#[derive(Debug)]
enum Ended {
    /// The bus was closed, and all was said.
    Closed,
    /// It broke, or there was none.
    Lost(String),
}

/// Two connections to the server.
struct Link {
    ear: MultiplexedConnection,
    mouth: MultiplexedConnection,
    broken: Arc<Notify>,
}

/// Words on their way. Whoever gives up on them leaves them behind here, to be counted.
struct OnTheWay<'a> {
    words: u64,
    counters: &'a Counters,
}

/// How long to wait before connecting again.
struct Backoff(Duration);

/// Keeps a link until the bus is closed.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut backoff = Backoff(PAUSE_MIN);
    loop {
        let ended = serve(&shared, &mut backoff).await;
        let Ended::Lost(reason) = ended else { break };
        shared.down(&reason);
        select! {
            () = sleep(backoff.next()) => {}
            () = closed(&shared) => break,
        }
    }
    shared.gone();
}

async fn closed(shared: &Shared) {
    // The sender lives as long as the bus.
    let _ = shared.closing.subscribe().wait_for(|it| *it).await;
}

async fn serve(shared: &Shared, backoff: &mut Backoff) -> Ended {
    let link = select! {
        link = timeout(CONNECT_MAX, Link::open(shared)) => link,
        () = closed(shared) => return Ended::Closed,
    };
    let link = match link {
        Ok(Ok(link)) => link,
        Ok(Err(ended)) => return ended,
        Err(_) => return Ended::Lost("Redis does not answer".to_owned()),
    };
    shared.up(&link.mouth);
    let ended = select! {
        ended = link.listen(shared) => ended,
        ended = link.speak(shared) => ended,
        ended = link.watch(shared, backoff) => ended,
        () = link.broken.notified() => Ended::Lost("Redis closed the connection".to_owned()),
    };
    if matches!(ended, Ended::Lost(_)) {
        shared.counters.reconnects.add(1);
    }
    ended
}

impl Link {
    /// Two connections that are alive, and subscribed to all that is listened to.
    async fn open(shared: &Shared) -> Result<Self, Ended> {
        let broken = Arc::new(Notify::new());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_push_sender(pushed(shared, broken.clone()));
        let connect = || {
            shared
                .client
                .get_multiplexed_async_connection_with_config(&config)
        };
        let (ear, mouth) = (connect().await?, connect().await?);
        let link = Self { ear, mouth, broken };
        link.ping().await?;
        link.subscribe(&shared.hearing.all()).await?;
        Ok(link)
    }

    async fn subscribe(&self, turns: &[Turn]) -> Result<(), Ended> {
        for turns in turns.chunks(SUBSCRIBE_MANY) {
            let mut pipeline = Pipeline::with_capacity(turns.len());
            for turn in turns {
                pipeline.add_command(turn.command());
            }
            let mut ear = self.ear.clone();
            let answers = ear.send_packed_commands(&pipeline, 0, turns.len()).await?;
            for answer in answers {
                answer
                    .extract_error()
                    .map_err(|error| unsubscribed(&error))?;
            }
        }
        Ok(())
    }

    /// Tells the server what is listened to, as that changes.
    async fn listen(&self, shared: &Shared) -> Ended {
        loop {
            let turns = shared.hearing.changes().await;
            if let Err(ended) = self.subscribe(&turns).await {
                return ended;
            }
        }
    }

    /// Says what is to be said. While answers are on their way the next words gather.
    async fn speak(&self, shared: &Shared) -> Ended {
        loop {
            let batch = select! {
                biased;
                batch = shared.queue.batch() => batch,
                () = closed(shared) => return Ended::Closed,
            };
            if let Err(ended) = self.send(shared, batch).await {
                return ended;
            }
        }
    }

    async fn send(&self, shared: &Shared, batch: Vec<Item>) -> Result<(), Ended> {
        let words = batch.iter().filter(|item| item.is_word).count();
        let mut on_the_way = OnTheWay {
            words: words as u64,
            counters: &shared.counters,
        };
        let (mut pipeline, count) = (Pipeline::with_capacity(batch.len()), batch.len());
        let is_word: Vec<_> = batch.iter().map(|item| item.is_word).collect();
        for item in batch {
            pipeline.add_command(item.command);
        }
        let mut mouth = self.mouth.clone();
        let answers = mouth.send_packed_commands(&pipeline, 0, count).await?;
        for (answer, is_word) in answers.into_iter().zip(is_word) {
            match answer.extract_error() {
                Ok(_) => on_the_way.arrived(is_word),
                Err(error) if error.code() == Some(READ_ONLY) => return Err(error.into()),
                Err(error) => shared.refused("what was sent", &error),
            }
        }
        Ok(())
    }

    /// Asks for signs of life, and says whether they come.
    async fn watch(&self, shared: &Shared, backoff: &mut Backoff) -> Ended {
        loop {
            sleep(PING_EVERY).await;
            let ping = self.ping();
            tokio::pin!(ping);
            let soon = timeout(PING_LATE, &mut ping).await;
            let answer = match soon {
                Ok(answer) => Ok(answer),
                Err(_) => {
                    shared.down("Redis does not answer");
                    timeout(GIVEN_UP, &mut ping).await
                }
            };
            match answer {
                Ok(Ok(())) => shared.up(&self.mouth),
                Ok(Err(ended)) => return ended,
                Err(_) => return Ended::Lost("Redis does not answer".to_owned()),
            }
            backoff.0 = PAUSE_MIN;
        }
    }

    async fn ping(&self) -> Result<(), Ended> {
        tokio::try_join!(ping(self.ear.clone()), ping(self.mouth.clone()))?;
        Ok(())
    }
}

/// What does not answer with its own answer has lost count, and is worth nothing any more.
async fn ping(mut connection: MultiplexedConnection) -> Result<(), Ended> {
    let answer = connection.send_packed_command(&cmd("PING")).await?;
    match answer.extract_error()? {
        Value::SimpleString(pong) if pong == "PONG" => Ok(()),
        _ => Err(Ended::Lost("Redis gave a wrong answer".to_owned())),
    }
}

/// Where the library puts what comes unasked.
fn pushed(
    shared: &Shared,
    broken: Arc<Notify>,
) -> impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static {
    let hearing = shared.hearing.clone();
    move |push| {
        if push.kind == PushKind::Disconnection {
            broken.notify_one();
        } else {
            hearing.take(push);
        }
        Ok(())
    }
}

impl Turn {
    fn command(&self) -> redis::Cmd {
        let (command, channel) = match self {
            Self::Subscribe(channel) => ("SSUBSCRIBE", channel),
            Self::Unsubscribe(channel) => ("SUNSUBSCRIBE", channel),
        };
        cmd(command).arg(channel).take()
    }
}

fn unsubscribed(error: &RedisError) -> Ended {
    let detail = error.detail().unwrap_or_default();
    if detail.contains("unknown command") {
        return Ended::Lost(
            "Redis is older than version 7, and has no sharded channels".to_owned(),
        );
    }
    if error.is_cluster_error() {
        return Ended::Lost("Redis is one node of several of a Redis Cluster".to_owned());
    }
    Ended::Lost(format!("Redis lets nobody listen: {}", said(error)))
}

/// What the server said, in its own words, or the library's if it said nothing.
fn said(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

impl From<RedisError> for Ended {
    fn from(error: RedisError) -> Self {
        Self::Lost(said(&error))
    }
}

impl OnTheWay<'_> {
    fn arrived(&mut self, is_word: bool) {
        self.words -= u64::from(is_word);
        self.counters.said.add(u64::from(is_word));
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.counters.dropped.add(self.words);
    }
}

impl Backoff {
    /// Somewhere between a half and all of it, so that nodes that lost their server together do not come back together.
    fn next(&mut self) -> Duration {
        let half = self.0 / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        self.0 = (self.0 * 2).min(PAUSE_MAX);
        half + Duration::from_micros(random() % spread)
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Together less than the second within which a bus is to know that it is down.
const PING_EVERY: Duration = Duration::from_millis(350);
const PING_LATE: Duration = Duration::from_millis(550);

/// How long a late answer may still come.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// How long connecting may take, with all that has to be subscribed to.
const CONNECT_MAX: Duration = Duration::from_secs(5);

const SUBSCRIBE_MANY: usize = 1_000;

/// The server has become a replica, and another one is to be found behind its name.
const READ_ONLY: &str = "READONLY";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_never_the_same_for_all() {
        let mut backoff = Backoff(PAUSE_MIN);
        let pauses: Vec<_> = (0..10).map(|_| backoff.next()).collect();
        assert!(pauses[0] >= PAUSE_MIN / 2 && pauses[0] < PAUSE_MIN);
        assert!(pauses[9] >= PAUSE_MAX / 2 && pauses[9] < PAUSE_MAX);
        let last: std::collections::HashSet<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(last.len() > 1);
    }
}
