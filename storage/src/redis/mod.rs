//! The bus over a Redis server (version 7 or newer), which carries words and keeps a few things for moments, and is never
//! asked for the truth.
//!
//! [`RedisBus::connect`] returns at once, whether the server is there or not; a task of its own (`link`) keeps two
//! connections: one hears, one says and asks. Whenever one of them breaks, both are made again, and all that is listened to is
//! subscribed to again before the bus says that it is up. Callers put what they say into a bounded queue (`queue`) and
//! never wait. Where the server turns out to be one of a Redis Cluster there is one of all that for each of its masters
//! (`server`, `channels`), by who has which `slots`; `servers` holds them together. Names of keys and channels are in `names`,
//! rows that expire in `table`, the end of a word's way in `hearing`.
//!
//! Whatever the server answers or sends, be it an error, another's data or nothing, is counted, logged with pauses, and
//! otherwise does what losing a word does: it costs time.

mod channels;
mod hearing;
mod link;
mod look;
mod names;
mod queue;
mod seldom;
mod server;
mod servers;
mod slots;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{DocumentKey, Snapshot};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{Cmd, IntoConnectionInfo, ProtocolVersion, Value, cmd};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::bus::{
    BEAT_LASTS, Bus, BusAnswer, BusError, BusFigures, BusState, Counters, Ear, NodeEntry, Topic,
    Word, encoding, keeping,
};
use crate::numbers::millis;
use hearing::Hearing;
use names::Names;
use queue::Item;
use seldom::Seldom;
use server::{Server, Spread};
use servers::Servers;
use slots::slot;
use table::Row;

/// A node's bus over Redis.
pub struct RedisBus {
    shared: Arc<Shared>,
}

/// A URL that names no Redis. What it says shows nothing of the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{0}; expected redis://[user:password@]host[:port][/database], or rediss:// for a connection that is encrypted"
)]
pub struct BadRedisUrl(&'static str);

/// What callers and the tasks have in common.
struct Shared {
    names: Arc<Names>,
    hearing: Arc<Hearing>,
    servers: Servers,
    counters: Arc<Counters>,
    state: watch::Sender<BusState>,
    refusals: Seldom,
    outages: Seldom,
    is_closing: AtomicBool,
}

impl RedisBus {
    /// Begins to connect, and returns at once.
    ///
    /// # Errors
    /// The URL is none of Redis. That there is no Redis behind it is no error, but a state.
    ///
    /// # Panics
    /// There is no Tokio runtime.
    pub fn connect(url: &str) -> Result<Self, BadRedisUrl> {
        let shared = Arc::new(Shared::new(url)?);
        let begun = shared.servers.begin(&|it| shared.keep(it));
        begun.map_err(|_| BadRedisUrl("it can not be used"))?;
        Ok(Self { shared })
    }

    fn row(&self, table: &str, name: &str, value: &[u8], lasts: Duration) -> Cmd {
        let row = Row { name, value, lasts };
        table::enter(table, &row)
    }
}

impl Shared {
    fn new(url: &str) -> Result<Self, BadRedisUrl> {
        let info = url.into_connection_info();
        let info = info.map_err(|_| BadRedisUrl("it is no URL of a Redis"))?;
        if is_insecure(url) {
            return Err(BadRedisUrl("certificates are always checked"));
        }
        let settings = info.redis_settings().clone();
        let names = Arc::new(Names::of_database(settings.db()));
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let at_once = TcpSettings::default().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(at_once);
        let counters = Arc::new(Counters::default());
        let hearing = Arc::new(Hearing::new(names.clone(), counters.clone()));
        Ok(Self {
            servers: Servers::new(info, hearing.clone(), counters.clone()),
            hearing,
            names,
            counters,
            state: watch::Sender::new(BusState::Down {
                reason: "not connected yet".to_owned(),
            }),
            refusals: Seldom::default(),
            outages: Seldom::default(),
            is_closing: AtomicBool::new(false),
        })
    }

    /// Keeps a server connected.
    fn keep(self: &Arc<Self>, server: &Arc<Server>) -> JoinHandle<()> {
        tokio::spawn(link::keep(self.clone(), server.clone()))
    }

    /// Words get through at a server.
    fn up(self: &Arc<Self>, server: &Server, mouth: &MultiplexedConnection) {
        server.up(mouth);
        self.judge();
    }

    /// Words do not get through at a server, or nobody knows.
    fn down(self: &Arc<Self>, server: &Server, reason: &str) {
        server.down(reason);
        self.judge();
    }

    /// A server has said who has what.
    fn saw(self: &Arc<Self>, server: &Server, view: Spread) {
        self.servers.saw(server, view, &|it| self.keep(it));
        self.judge();
    }

    /// Finds out whether words get through everywhere. One at a time, so that no older finding replaces a newer one.
    fn judge(self: &Arc<Self>) {
        self.state.send_if_modified(|before| {
            let trouble = self.servers.trouble(&|it| self.keep(it));
            let state = match trouble {
                None => BusState::Up,
                Some(reason) => BusState::Down { reason },
            };
            let is_new = *before != state;
            *before = state;
            if is_new {
                self.log(before);
            }
            is_new
        });
    }

    fn log(&self, state: &BusState) {
        match state {
            BusState::Up => tracing::info!("Redis is there: nodes hear each other"),
            BusState::Down { reason } => {
                if let Some(times) = self.outages.now() {
                    tracing::warn!(
                        reason,
                        times,
                        "Redis (redis_url) is away: nodes look at the store instead"
                    );
                }
            }
        }
    }

    /// What came instead of an answer.
    fn refused(&self, what: &str, error: &dyn fmt::Display) {
        self.counters.refused.add(1);
        if let Some(times) = self.refusals.now() {
            tracing::warn!(what, %error, times, "Redis refused something");
        }
    }

    /// Asks whoever has a key, and waits no longer than that.
    async fn ask(
        &self,
        (what, key): (&str, &str),
        command: &Cmd,
        wait: Duration,
    ) -> Result<Value, BusError> {
        let mouth = self.servers.of(slot(key)).and_then(|it| it.mouth());
        let mut mouth = mouth.ok_or_else(|| BusError("not connected".to_owned()))?;
        let answer = timeout(wait, mouth.send_packed_command(command)).await;
        let answer = answer.map_err(|_| BusError("no answer in time".to_owned()))?;
        let answer = answer.and_then(|value| value.extract_error());
        answer.map_err(|error| {
            if error.is_cluster_error() {
                self.servers.look();
            }
            self.refused(what, &error);
            BusError(format!("Redis refused {what}"))
        })
    }
}

impl Bus for RedisBus {
    fn attach(&self, ear: Ear) {
        self.shared.hearing.attach(ear);
    }

    fn listen(&self, document: &DocumentKey) {
        let channel = self.shared.names.channel(document);
        self.shared.servers.listen(channel.into());
    }

    fn ignore(&self, document: &DocumentKey) {
        let channel = self.shared.names.channel(document);
        self.shared.servers.ignore(&channel);
    }

    fn say(&self, topic: &Topic, word: Word) {
        if self.shared.is_closing.load(Ordering::Relaxed) {
            return self.shared.counters.dropped.add(1);
        }
        let encoded = encoding::encode(self.shared.hearing.number(), topic, &word);
        self.shared.counters.dropped.add(encoded.left_out);
        let channel = self.shared.names.of_topic(topic);
        let slot = slot(&channel);
        for word in encoded.words {
            let command = cmd("SPUBLISH").arg(&channel).arg(&word[..]).take();
            let item = Item::word(command, slot, word.len());
            self.shared.servers.push(item);
        }
    }

    fn states(&self) -> watch::Receiver<BusState> {
        self.shared.state.subscribe()
    }

    fn figures(&self) -> BusFigures {
        self.shared.counters.figures()
    }

    fn beat(&self, node: NodeEntry) {
        let entry = keeping::encode_node(&node);
        let register = self.shared.names.register();
        let command = self.row(register, &node.name, &entry, BEAT_LASTS);
        let item = Item::other(command, slot(register), entry.len());
        self.shared.servers.push(item);
    }

    /// What the node has counted is forgotten within seconds, as that of a node is which died.
    fn leave(&self, node: &str) -> BusAnswer<'_, ()> {
        let register = self.shared.names.register();
        let command = cmd("HDEL").arg(register).arg(node).take();
        Box::pin(async move {
            let question = ("leaving", register);
            let left = self.shared.ask(question, &command, ASK_MAX).await;
            left.map(drop)
        })
    }

    fn nodes(&self) -> BusAnswer<'_, Vec<NodeEntry>> {
        let register = self.shared.names.register();
        let command = table::read(register);
        Box::pin(async move {
            let question = ("the register", register);
            let answer = self.shared.ask(question, &command, ASK_MAX).await?;
            let rows = table::rows(answer).into_values();
            let nodes = rows.filter_map(|entry| match keeping::decode_node(entry) {
                Ok(node) => Some((node.name.clone(), node)),
                Err(unreadable) => {
                    self.shared.hearing.unreadable(unreadable);
                    None
                }
            });
            let nodes: std::collections::BTreeMap<_, _> = nodes.collect();
            Ok(nodes.into_values().collect())
        })
    }

    fn keep_hot(&self, snapshot: Snapshot) {
        let is_up = *self.shared.state.borrow() == BusState::Up;
        if let Some(bytes) = is_up.then(|| keeping::encode_snapshot(&snapshot)).flatten() {
            let key = self.shared.names.hot(&snapshot.document);
            let mut command = cmd("SET");
            let lasts = millis(HOT_LASTS);
            command.arg(&key).arg(&bytes[..]).arg("PX").arg(lasts);
            let item = Item::other(command, slot(&key), bytes.len());
            self.shared.servers.push(item);
        }
    }

    fn hot(&self, document: &DocumentKey) -> BusAnswer<'_, Option<Snapshot>> {
        let document = document.clone();
        let key = self.shared.names.hot(&document);
        let command = cmd("GET").arg(&key).take();
        Box::pin(async move {
            let question = ("a snapshot", &*key);
            match self.shared.ask(question, &command, HOT_MAX).await? {
                Value::BulkString(bytes) => {
                    let snapshot = keeping::decode_snapshot(&document, bytes.into());
                    let unreadable = |error| self.shared.hearing.unreadable(error);
                    Ok(snapshot.map_err(unreadable).ok())
                }
                _ => Ok(None),
            }
        })
    }

    fn share_count(&self, node: &str, what: &str, here: u64) -> BusAnswer<'_, u64> {
        let node = node.to_owned();
        let here = here.to_string();
        let table = self.shared.names.count(what);
        let command = self.row(&table, &node, here.as_bytes(), COUNT_LASTS);
        Box::pin(async move {
            let question = ("a count", &*table);
            let answer = self.shared.ask(question, &command, COUNT_MAX).await?;
            Ok(table::sum_of_others(answer, &node))
        })
    }

    fn close(&self) -> BusAnswer<'_, ()> {
        self.shared.is_closing.store(true, Ordering::Relaxed);
        let closing = self.shared.servers.close();
        Box::pin(async move {
            let until = Instant::now() + CLOSE_MAX;
            for (server, mut task) in closing {
                if timeout_at(until, &mut task).await.is_err() {
                    task.abort();
                }
                server.abort();
            }
            self.shared.judge();
            Ok(())
        })
    }
}

/// The tasks hold what they share; so they would outlive the bus.
impl Drop for RedisBus {
    fn drop(&mut self) {
        self.shared.servers.abort();
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus")
            .field("state", &*self.shared.state.borrow())
            .finish_non_exhaustive()
    }
}

/// What the client's library takes for leave to skip checking certificates.
fn is_insecure(url: &str) -> bool {
    url.ends_with("#insecure")
}

/// Counts are said again as often as they change or are asked for.
const COUNT_LASTS: Duration = Duration::from_secs(5);

/// A hot snapshot helps when many documents are opened by other nodes at once: while nodes are restarted one by one.
const HOT_LASTS: Duration = Duration::from_secs(600);

/// Whoever opens a document has the store to read it from.
const HOT_MAX: Duration = Duration::from_millis(50);

/// Somebody waits to be let in.
const COUNT_MAX: Duration = Duration::from_millis(50);

const ASK_MAX: Duration = Duration::from_secs(1);
const CLOSE_MAX: Duration = Duration::from_secs(1);
