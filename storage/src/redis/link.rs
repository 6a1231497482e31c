//! The task behind a bus: connects, subscribes, says what is to be said, and notices when nothing gets through any more.
//!
//! Two connections make a [`Link`], so that no flood of words from others holds up what is said here, and they live and die
//! together. Both are asked for a sign of life several times a second. When none comes the bus is down at once; the link is
//! given up only when it takes seconds, since a server that was merely slow then has nothing to do over again.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, Value, cmd,
};
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::channels::Turn;
use super::look::{is_elsewhere, view};
use super::queue::Item;
use super::server::Server;
use crate::bus::Counters;
use crate::numbers::random;

/// Why a link ended.
#[derive(Debug)]
pub(super) enum Ended {
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

/// Where what was said had to be said.
enum Sent {
    Here,
    /// Some of it.
    Elsewhere,
}

/// Words on their way. Whoever gives up on them leaves them behind here, to be counted.
struct OnTheWay<'a> {
    words: u64,
    counters: &'a Counters,
}

/// How long to wait before connecting again.
struct Backoff(Duration);

/// Keeps a link to a server until nothing of the server is needed any more.
pub(super) async fn keep(shared: Arc<Shared>, server: Arc<Server>) {
    let mut backoff = Backoff(PAUSE_MIN);
    loop {
        let ended = serve(&shared, &server, &mut backoff).await;
        let Ended::Lost(reason) = ended else { break };
        shared.down(&server, &reason);
        select! {
            () = sleep(backoff.next()) => {}
            () = server.closed() => break,
        }
    }
    shared.down(&server, "closed");
}

async fn serve(shared: &Arc<Shared>, server: &Server, backoff: &mut Backoff) -> Ended {
    let link = select! {
        link = timeout(CONNECT_MAX, Link::open(shared, server)) => link,
        () = server.closed() => return Ended::Closed,
    };
    let link = match link {
        Ok(Ok(link)) => link,
        Ok(Err(ended)) => return ended,
        Err(_) => return Ended::Lost(format!("nothing answers at {} as Redis does", server.place)),
    };
    shared.up(server, &link.mouth);
    let ended = select! {
        ended = link.listen(shared, server) => ended,
        ended = link.speak(shared, server) => ended,
        ended = link.watch(shared, server, backoff) => ended,
        ended = link.look(shared, server) => ended,
        () = link.broken.notified() => Ended::Lost("Redis closed the connection".to_owned()),
    };
    if matches!(ended, Ended::Lost(_)) {
        shared.counters.reconnects.add(1);
    }
    ended
}

impl Link {
    /// Two connections that are alive, and subscribed to all that is listened to at this server.
    async fn open(shared: &Arc<Shared>, server: &Server) -> Result<Self, Ended> {
        let broken = Arc::new(Notify::new());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_push_sender(pushed(shared, server, broken.clone()));
        let connect = || {
            server
                .client
                .get_multiplexed_async_connection_with_config(&config)
        };
        let unreached = |error| unreached(server, &error);
        let ear = connect().await.map_err(unreached)?;
        let mouth = connect().await.map_err(unreached)?;
        let link = Self { ear, mouth, broken };
        link.ping().await?;
        shared.saw(server, view(link.mouth.clone(), server).await?);
        link.subscribe(server, &server.channels.all()).await?;
        Ok(link)
    }

    /// What another server has is asked for again, here or there.
    async fn subscribe(&self, server: &Server, turns: &[Turn]) -> Result<(), Ended> {
        for turns in turns.chunks(SUBSCRIBE_MANY) {
            let mut pipeline = Pipeline::with_capacity(turns.len());
            for turn in turns {
                pipeline.add_command(turn.command());
            }
            let mut ear = self.ear.clone();
            let answers = ear.send_packed_commands(&pipeline, 0, turns.len()).await?;
            for (turn, answer) in turns.iter().zip(answers) {
                turn.answered(server, answer)?;
            }
        }
        Ok(())
    }

    /// Tells the server what is listened to, as that changes.
    async fn listen(&self, shared: &Arc<Shared>, server: &Server) -> Ended {
        loop {
            let turns = server.channels.changes().await;
            if !server.channels.are_heard() {
                shared.judge();
            }
            if let Err(ended) = self.subscribe(server, &turns).await {
                return ended;
            }
            if !server.channels.are_heard() {
                shared.servers.look();
                sleep(LOOK_PAUSE).await;
            }
        }
    }

    /// Asks again and again who has what, where it is not all in one place.
    async fn look(&self, shared: &Arc<Shared>, server: &Server) -> Ended {
        loop {
            let is_time = async {
                match server.is_one_of_several() {
                    true => sleep(LOOK_EVERY).await,
                    false => pending().await,
                }
            };
            select! {
                () = is_time => {}
                () = server.look.notified() => {}
            }
            match view(self.mouth.clone(), server).await {
                Ok(view) => shared.saw(server, view),
                Err(ended) => return ended,
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Says what is to be said. While answers are on their way the next words gather.
    async fn speak(&self, shared: &Shared, server: &Server) -> Ended {
        loop {
            let batch = select! {
                biased;
                batch = server.queue.batch() => batch,
                () = server.closed() => return Ended::Closed,
            };
            match self.send(shared, server, batch).await {
                Ok(Sent::Here) => {}
                Ok(Sent::Elsewhere) => {
                    shared.servers.look();
                    sleep(LOOK_PAUSE).await;
                }
                Err(ended) => return ended,
            }
        }
    }

    /// What this server has not, or not any more, goes back into the queue, which follows it to whoever has it.
    async fn send(
        &self,
        shared: &Shared,
        server: &Server,
        batch: Vec<Item>,
    ) -> Result<Sent, Ended> {
        let mut on_the_way = OnTheWay::new(&batch, &shared.counters);
        let kept = match server.is_one_of_several() {
            true => batch.clone(),
            false => Vec::new(),
        };
        let answers = self.exchange(batch).await?;
        let (mut elsewhere, mut end) = (Vec::new(), None);
        let mut kept = kept.into_iter();
        for (is_word, answer) in answers {
            match (answer.extract_error(), kept.next()) {
                (Ok(_), _) => on_the_way.arrived(is_word),
                (Err(error), Some(item)) if is_elsewhere(&error) => {
                    on_the_way.turned_back(is_word);
                    elsewhere.push(item);
                }
                (Err(error), _) if is_the_end(&error, is_word) => end = Some(error.into()),
                (Err(error), _) => shared.refused("what was sent", &error),
            }
        }
        let sent = match elsewhere.is_empty() {
            true => Sent::Here,
            false => Sent::Elsewhere,
        };
        server.queue.put_back(elsewhere);
        end.map_or(Ok(sent), Err)
    }

    /// Whether each was a word, and what the server says to it.
    async fn exchange(&self, batch: Vec<Item>) -> Result<Vec<(bool, Value)>, Ended> {
        let (mut pipeline, count) = (Pipeline::with_capacity(batch.len()), batch.len());
        let is_word: Vec<_> = batch.iter().map(|item| item.is_word).collect();
        for item in batch {
            pipeline.add_command(item.command);
        }
        let mut mouth = self.mouth.clone();
        let answers = mouth.send_packed_commands(&pipeline, 0, count).await?;
        Ok(is_word.into_iter().zip(answers).collect())
    }

    /// Asks for signs of life, and says whether they come.
    async fn watch(&self, shared: &Arc<Shared>, server: &Server, backoff: &mut Backoff) -> Ended {
        loop {
            sleep(PING_EVERY).await;
            let ping = self.ping();
            tokio::pin!(ping);
            let soon = timeout(PING_LATE, &mut ping).await;
            let answer = match soon {
                Ok(answer) => Ok(answer),
                Err(_) => {
                    shared.down(server, "Redis does not answer");
                    server.look.notify_one();
                    timeout(GIVEN_UP, &mut ping).await
                }
            };
            match answer {
                Ok(Ok(())) => shared.up(server, &self.mouth),
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
        _ => Err(Ended::Lost(WRONG_ANSWER.to_owned())),
    }
}

/// Where the library puts what comes unasked.
fn pushed(
    shared: &Shared,
    server: &Server,
    broken: Arc<Notify>,
) -> impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static {
    let (hearing, channels) = (shared.hearing.clone(), server.channels.clone());
    move |push| {
        if push.kind == PushKind::Disconnection {
            broken.notify_one();
        } else {
            hearing.take(push, &channels);
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
        cmd(command).arg(&**channel).take()
    }

    /// Takes an answer for what it says of the channel. One of another channel was sent unasked, and all after it are shifted.
    fn answered(&self, server: &Server, answer: Value) -> Result<(), Ended> {
        let answer = match (self, answer.extract_error()) {
            (_, Ok(answer)) => answer,
            (Self::Subscribe(channel), Err(error)) if is_elsewhere(&error) => {
                server.channels.lost(channel);
                return Ok(());
            }
            (Self::Unsubscribe(_), Err(error)) if is_elsewhere(&error) => return Ok(()),
            (_, Err(error)) => return Err(unsubscribed(&error)),
        };
        match (self, answer) {
            (Self::Subscribe(channel), Value::Push { kind, data })
                if kind == PushKind::SSubscribe && is_about(&data, channel) =>
            {
                server.channels.is_heard(channel);
                Ok(())
            }
            (Self::Unsubscribe(channel), Value::Push { kind, data })
                if kind == PushKind::SUnsubscribe && is_about(&data, channel) =>
            {
                Ok(())
            }
            _ => Err(Ended::Lost(WRONG_ANSWER.to_owned())),
        }
    }
}

fn is_about(data: &[Value], channel: &str) -> bool {
    matches!(data.first(), Some(Value::BulkString(name)) if name == channel.as_bytes())
}

/// Why there is no connection.
fn unreached(server: &Server, error: &RedisError) -> Ended {
    let place = &server.place;
    let is_dropped = error.is_connection_dropped() && !error.is_connection_refusal();
    Ended::Lost(match is_dropped || error.kind() == ErrorKind::Parse {
        true => format!("what is at {place} hangs up, or does not speak as Redis does"),
        false => format!("no connection to {place}: {}", said(error)),
    })
}

/// Whether nothing more is to be had from a server that says this: it has become a replica, or its cluster passes no words.
fn is_the_end(error: &RedisError, is_word: bool) -> bool {
    error.code() == Some(READ_ONLY) || is_word && error.is_cluster_error()
}

fn unsubscribed(error: &RedisError) -> Ended {
    let detail = error.detail().unwrap_or_default();
    if detail.contains("unknown command") {
        return Ended::Lost(
            "Redis is older than version 7, and has no sharded channels".to_owned(),
        );
    }
    Ended::Lost(format!("Redis lets nobody listen: {}", said(error)))
}

/// What the server said, in its own words, or the library's if it said nothing.
pub(super) fn said(error: &RedisError) -> String {
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

impl<'a> OnTheWay<'a> {
    fn new(batch: &[Item], counters: &'a Counters) -> Self {
        let words = batch.iter().filter(|item| item.is_word).count() as u64;
        Self { words, counters }
    }

    fn arrived(&mut self, is_word: bool) {
        self.words -= u64::from(is_word);
        self.counters.said.add(u64::from(is_word));
    }

    fn turned_back(&mut self, is_word: bool) {
        self.words -= u64::from(is_word);
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

/// How often a server of a Redis Cluster is asked who has what, if nothing tells of a change; and the pause between two times
/// if something does.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(50);

const WRONG_ANSWER: &str = "Redis gave a wrong answer";

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
