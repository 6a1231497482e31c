//! Somebody who types into a document of the cluster, whatever happens to it, as an editor in a browser does.
//!
//! A writer keeps its document and shows itself to the others. When its connection ends it goes to the next node that
//! lets it in, with all that it has typed; a wandering one also leaves for no reason. What was acknowledged is noted with
//! the moments at which it was sent and acknowledged, so that a test can say of each moment who was to be acknowledged
//! and who was not. What it writes with is its [`Pen`]: the client of a dialect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::crowd::Orders;
use crate::chance::Chance;
use crate::ledger::Entry;
use crate::sharedb::Committed;
use crate::socket::Socket;

/// What others may know of a writer.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The node that it is connected to and in sync with.
    pub(super) at: Option<usize>,
    /// How many edits wait for their acknowledgement.
    pub(super) unstored: usize,
    pub(super) acks: Vec<Ack>,
    pub(super) entries: Vec<Entry>,
    pub(super) commits: Vec<Committed>,
    pub(super) sights: Vec<Sight>,
    /// How often it joined a node.
    pub(super) joins: u64,
    /// All that it has, if it rests.
    pub(super) resting: Option<Holding>,
    /// What a node did that is not of the protocol.
    pub(super) failure: Option<String>,
}

/// All that a writer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Of a document that merges: one update.
    Merged(Bytes),
    /// Of an ordered one: its version, and what it holds there, in canonical form.
    Ordered(u64, String),
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// Who was acknowledged.
    pub writer: u64,
    /// By which node.
    pub node: usize,
    /// When the edit was sent.
    pub sent: Instant,
    /// When it was known to be stored.
    pub came: Instant,
}

/// What somebody saw when they typed a word.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Who, and which of theirs it was.
    pub word: (u64, u64),
    /// The latest word of each writer that was in the text; those before it had come before it.
    pub seen: BTreeMap<u64, u64>,
}

/// What a writer writes with: the client of a dialect. It keeps its document when its connection ends.
pub(super) trait Pen {
    /// How many edits it has on the way at once.
    const UNSTORED_MAX: usize;

    /// The path of its document's socket.
    fn path(&self) -> String;

    /// Goes on over a new connection, once its document is the node's; false if that ended before.
    async fn join(&mut self, socket: Socket) -> Result<bool>;

    /// Takes the next thing, if it has come already.
    async fn notice(&mut self) -> Result<Option<Noticed>>;

    /// Types something. If it can not be sent, the end of the connection is noticed soon.
    async fn type_on(&mut self, chance: &mut Chance) -> Result<()>;

    /// Shows where it is. If it can not be sent, the end of the connection is noticed soon.
    async fn show(&mut self);

    /// How many edits wait for their acknowledgement.
    fn unstored(&self) -> usize;

    /// All that it has; none if that is nothing yet.
    fn has(&self) -> Option<Holding>;

    /// What it saw when it typed, if that is noted, since this was asked last.
    fn sights(&mut self) -> Vec<Sight> {
        Vec::new()
    }
}

/// What a pen noticed.
#[derive(Debug)]
pub(super) enum Noticed {
    /// An edit that was sent at a moment is stored.
    Stored(Instant, Entry),
    /// An operation is stored.
    Committed(Committed),
    /// Something else.
    Changed,
    /// The connection ended.
    Ended,
}

/// The writer itself, as its task has it.
#[derive(Debug)]
pub(super) struct Writer<P> {
    pub(super) number: u64,
    pub(super) nodes: Arc<Vec<SocketAddr>>,
    /// The node to go to next.
    pub(super) next: usize,
    pub(super) wanders: bool,
    pub(super) chance: Chance,
    pub(super) orders: Arc<Orders>,
    pub(super) record: Arc<Mutex<Record>>,
    pen: P,
    /// Whether anything came or was typed since what it has was last told.
    is_news: bool,
}

impl<P: Pen> Writer<P> {
    pub(super) fn new(
        number: u64,
        pen: P,
        nodes: Arc<Vec<SocketAddr>>,
        orders: Arc<Orders>,
        wanders: bool,
    ) -> Self {
        Self {
            number,
            next: number as usize % nodes.len(),
            nodes,
            wanders,
            chance: Chance::from_seed(number),
            orders,
            record: Arc::default(),
            pen,
            is_news: true,
        }
    }

    /// Types until told to leave, or until a node says something that is not of the protocol.
    pub(super) async fn work(mut self) {
        if let Err(error) = self.type_until_the_end().await {
            self.with(|record| record.failure = Some(format!("{error:#}")));
        }
    }

    async fn type_until_the_end(&mut self) -> Result<()> {
        while !self.orders.over.load(Ordering::Relaxed) {
            let node = self.next;
            let Some(socket) = self.connect(node).await else {
                self.next = (node + 1) % self.nodes.len();
                sleep(BETWEEN_ATTEMPTS).await;
                continue;
            };
            let stay = self.stay(socket, node).await;
            self.with(|record| (record.at, record.unstored, record.resting) = (None, 0, None));
            stay.with_context(|| format!("writer {} at node {node}", self.number))?;
        }
        Ok(())
    }

    async fn connect(&self, node: usize) -> Option<Socket> {
        let path = self.pen.path();
        let connecting = Socket::connect(self.nodes[node], &path);
        timeout(ATTEMPT_MAX, connecting).await.ok()?.ok()
    }

    /// Joins and types until the connection ends or the writer moves on.
    async fn stay(&mut self, socket: Socket, node: usize) -> Result<()> {
        match timeout(JOIN_MAX, self.pen.join(socket)).await {
            Ok(Ok(true)) => {}
            Ok(Err(error)) => return Err(error),
            // Ended, or nothing was said for long: elsewhere it may go better.
            Ok(Ok(false)) | Err(_) => {
                self.next = (node + 1) % self.nodes.len();
                sleep(BETWEEN_ATTEMPTS).await;
                return Ok(());
            }
        }
        self.pen.show().await;
        self.is_news = true;
        self.with(|record| {
            record.at = Some(node);
            record.joins += 1;
        });
        let mut next_show = Instant::now() + SHOW_EVERY;
        while !self.orders.over.load(Ordering::Relaxed) {
            if !self.listen(node).await? {
                return Ok(());
            }
            if Instant::now() > next_show {
                self.pen.show().await;
                next_show += SHOW_EVERY;
            }
            if self.orders.typing.load(Ordering::Relaxed) {
                self.type_on().await?;
                if self.wanders && self.chance.one_in(STEPS_PER_MOVE) {
                    self.next = self.chance.below(self.nodes.len() as u64) as usize;
                    return Ok(());
                }
            }
            self.tell_state();
            sleep(STEP).await;
        }
        Ok(())
    }

    /// Takes what has come; false if the connection ended.
    async fn listen(&mut self, node: usize) -> Result<bool> {
        while let Some(noticed) = self.pen.notice().await? {
            self.is_news = true;
            match noticed {
                Noticed::Stored(sent, entry) => {
                    self.acknowledged(node, sent);
                    self.with(|record| record.entries.push(entry));
                }
                Noticed::Committed(committed) => {
                    self.acknowledged(node, committed.sent);
                    self.with(|record| record.commits.push(committed));
                }
                Noticed::Changed => {}
                Noticed::Ended => return Ok(false),
            }
        }
        Ok(true)
    }

    fn acknowledged(&self, node: usize, sent: Instant) {
        let ack = Ack {
            writer: self.number,
            node,
            sent,
            came: Instant::now(),
        };
        self.with(|record| record.acks.push(ack));
    }

    async fn type_on(&mut self) -> Result<()> {
        if self.pen.unstored() >= P::UNSTORED_MAX || !self.chance.one_in(STEPS_PER_EDIT) {
            return Ok(());
        }
        self.pen.type_on(&mut self.chance).await?;
        let sights = self.pen.sights();
        self.with(|record| record.sights.extend(sights));
        Ok(())
    }

    fn tell_state(&mut self) {
        if !std::mem::take(&mut self.is_news) {
            return;
        }
        let unstored = self.pen.unstored();
        let is_resting = !self.orders.typing.load(Ordering::Relaxed) && unstored == 0;
        let everything = self.pen.has().filter(|_| is_resting);
        // While it types there is always news; the first look after that tells what it has.
        self.is_news = everything.is_none();
        self.with(|record| {
            record.unstored = unstored;
            record.resting = everything;
        });
    }

    fn with(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record());
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // No operation leaves it half changed.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a writer looks about.
const STEP: Duration = Duration::from_millis(5);
const STEPS_PER_EDIT: u64 = 4;
const STEPS_PER_MOVE: u64 = 100;
const SHOW_EVERY: Duration = Duration::from_secs(1);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
/// A node that was stopped takes connections and says nothing.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
const JOIN_MAX: Duration = Duration::from_secs(5);
