//! The bus over a Redis server (version 7 or newer), which carries words and keeps a few things for moments, and is never
//! asked for the truth.
//!
//! [`RedisBus::connect`] returns at once, whether the server is there or not; a task of its own (`link`) keeps two
//! connections: one hears, one says and asks. Whenever one of them breaks, both are made again, and all that is listened to is
//! subscribed to again before the bus says that it is up. Callers put what they say into a bounded queue (`queue`) and
//! never wait. Names of keys and channels are in `names`, rows that expire in `table`, the end of a word's way in
//! `hearing`.
//!
//! Whatever the server answers or sends, be it an error, another's data or nothing, is counted, logged with pauses, and
//! otherwise does what losing a word does: it costs time.

mod hearing;
mod link;
mod names;
mod queue;
mod seldom;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{DocumentKey, Snapshot};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{Cmd, IntoConnectionInfo, ProtocolVersion, Value, cmd};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::bus::{
    Bus, BusAnswer, BusError, BusFigures, BusState, Counters, Ear, NodeEntry, Topic, Word,
    encoding, keeping,
};
use crate::numbers::millis;
use hearing::Hearing;
use names::Names;
use queue::{Item, Queue};
use seldom::Seldom;
use table::Row;

/// A node's bus over Redis.
pub struct RedisBus {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A URL that names no Redis. What it says shows nothing of the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{0}; expected redis://[user:password@]host[:port][/database], or rediss:// for a connection that is encrypted"
)]
pub struct BadRedisUrl(&'static str);

/// What callers and the task have in common.
struct Shared {
    client: redis::Client,
    names: Arc<Names>,
    hearing: Arc<Hearing>,
    queue: Queue,
    counters: Arc<Counters>,
    state: watch::Sender<BusState>,
    /// The connection that asks, while the bus is up.
    mouth: Mutex<Option<MultiplexedConnection>>,
    refusals: Seldom,
    outages: Seldom,
    closing: watch::Sender<bool>,
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
        let task = tokio::spawn(link::keep(shared.clone()));
        Ok(Self {
            shared,
            task: Mutex::new(Some(task)),
        })
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
        let client = redis::Client::open(info);
        let counters = Arc::new(Counters::default());
        Ok(Self {
            client: client.map_err(|_| BadRedisUrl("it can not be used"))?,
            hearing: Arc::new(Hearing::new(names.clone(), counters.clone())),
            names,
            queue: Queue::new(counters.clone()),
            counters,
            state: watch::Sender::new(BusState::Down {
                reason: "not connected yet".to_owned(),
            }),
            mouth: Mutex::new(None),
            refusals: Seldom::default(),
            outages: Seldom::default(),
            closing: watch::Sender::new(false),
        })
    }

    /// Words get through.
    fn up(&self, mouth: &MultiplexedConnection) {
        *self.mouth() = Some(mouth.clone());
        if self.is(BusState::Up) {
            tracing::info!("Redis is there: nodes hear each other");
        }
    }

    /// Words do not get through, or nobody knows.
    fn down(&self, reason: &str) {
        if self.is_down(reason)
            && let Some(times) = self.outages.now()
        {
            tracing::warn!(
                reason,
                times,
                "Redis is away: nodes look at the store instead"
            );
        }
    }

    /// Nobody speaks or listens any more.
    fn gone(&self) {
        self.is_down("closed");
    }

    fn is_down(&self, reason: &str) -> bool {
        *self.mouth() = None;
        self.is(BusState::Down {
            reason: reason.to_owned(),
        })
    }

    /// Whether that is new.
    fn is(&self, state: BusState) -> bool {
        self.state.send_if_modified(|before| {
            let is_new = *before != state;
            *before = state;
            is_new
        })
    }

    fn mouth(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.mouth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came instead of an answer.
    fn refused(&self, what: &str, error: &dyn fmt::Display) {
        self.counters.refused.add(1);
        if let Some(times) = self.refusals.now() {
            tracing::warn!(what, %error, times, "Redis refused something");
        }
    }

    /// Asks, and waits no longer than that.
    async fn ask(&self, what: &str, command: &Cmd, wait: Duration) -> Result<Value, BusError> {
        let mouth = self.mouth().clone();
        let mut mouth = mouth.ok_or_else(|| BusError("not connected".to_owned()))?;
        let answer = timeout(wait, mouth.send_packed_command(command)).await;
        let answer = answer.map_err(|_| BusError("no answer in time".to_owned()))?;
        let answer = answer.and_then(|value| value.extract_error());
        answer.map_err(|error| {
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
        self.shared.hearing.listen(document);
    }

    fn ignore(&self, document: &DocumentKey) {
        self.shared.hearing.ignore(document);
    }

    fn say(&self, topic: &Topic, word: Word) {
        if *self.shared.closing.borrow() {
            return self.shared.counters.dropped.add(1);
        }
        let encoded = encoding::encode(self.shared.hearing.number(), topic, &word);
        self.shared.counters.dropped.add(encoded.left_out);
        let channel = self.shared.names.of_topic(topic);
        for word in encoded.words {
            let command = cmd("SPUBLISH").arg(&channel).arg(&word[..]).take();
            self.shared.queue.push(Item::word(command, word.len()));
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
        let command = self.row(self.shared.names.register(), &node.name, &entry, BEAT_LASTS);
        self.shared.queue.push(Item::other(command, entry.len()));
    }

    /// What the node has counted is forgotten within seconds, as that of a node is which died.
    fn leave(&self, node: &str) -> BusAnswer<'_, ()> {
        let command = cmd("HDEL")
            .arg(self.shared.names.register())
            .arg(node)
            .take();
        Box::pin(async move {
            let left = self.shared.ask("leaving", &command, ASK_MAX).await;
            left.map(drop)
        })
    }

    fn nodes(&self) -> BusAnswer<'_, Vec<NodeEntry>> {
        let command = table::read(self.shared.names.register());
        Box::pin(async move {
            let answer = self.shared.ask("the register", &command, ASK_MAX).await?;
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
            let command = cmd("SET")
                .arg(self.shared.names.hot(&snapshot.document))
                .arg(&bytes[..])
                .arg("PX")
                .arg(millis(HOT_LASTS))
                .take();
            self.shared.queue.push(Item::other(command, bytes.len()));
        }
    }

    fn hot(&self, document: &DocumentKey) -> BusAnswer<'_, Option<Snapshot>> {
        let document = document.clone();
        let command = cmd("GET").arg(self.shared.names.hot(&document)).take();
        Box::pin(async move {
            match self.shared.ask("a snapshot", &command, HOT_MAX).await? {
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
            let answer = self.shared.ask("a count", &command, COUNT_MAX).await?;
            Ok(table::sum_of_others(answer, &node))
        })
    }

    fn close(&self) -> BusAnswer<'_, ()> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let task = task.take();
        self.shared.closing.send_replace(true);
        Box::pin(async move {
            if let Some(mut task) = task
                && timeout(CLOSE_MAX, &mut task).await.is_err()
            {
                task.abort();
                self.shared.gone();
            }
            Ok(())
        })
    }
}

/// The task holds what it shares; so it would outlive the bus.
impl Drop for RedisBus {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
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

/// A node beats every second; one that misses several is gone.
const BEAT_LASTS: Duration = Duration::from_secs(5);

/// Counts are said again as often as they change or are asked for; those of a dead node go as fast as its entry.
const COUNT_LASTS: Duration = Duration::from_secs(5);

/// A hot snapshot helps when many documents are opened by other nodes at once: while nodes are restarted one by one.
const HOT_LASTS: Duration = Duration::from_secs(600);

/// Whoever opens a document has the store to read it from.
const HOT_MAX: Duration = Duration::from_millis(50);

/// Somebody waits to be let in.
const COUNT_MAX: Duration = Duration::from_millis(50);

const ASK_MAX: Duration = Duration::from_secs(1);
const CLOSE_MAX: Duration = Duration::from_secs(1);
