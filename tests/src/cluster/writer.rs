//! Somebody who types into a document of the cluster, whatever happens to it, as an editor in a browser does.
//!
//! A writer keeps its document and shows itself to the others. When its connection ends it goes to the next node that
//! lets it in, with all that it has typed; a wandering one also leaves for no reason. What was acknowledged is noted with
//! the moments at which it was sent and acknowledged, so that a test can say of each moment who was to be acknowledged
//! and who was not.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::crowd::Orders;
use crate::chance::Chance;
use crate::client::{Client, Noticed};
use crate::editor::Editor;
use crate::frames::{self, Presence};
use crate::ledger::{Entry, Token};
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
    pub(super) sights: Vec<Sight>,
    /// How often it joined a node.
    pub(super) joins: u64,
    /// All that it has, if it rests.
    pub(super) resting: Option<Bytes>,
    /// What a node did that is not of the protocol.
    pub(super) failure: Option<String>,
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

/// The writer itself, as its task has it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) number: u64,
    pub(super) document: String,
    pub(super) nodes: Arc<Vec<SocketAddr>>,
    /// The node to go to next.
    pub(super) next: usize,
    pub(super) wanders: bool,
    pub(super) notes: bool,
    pub(super) chance: Chance,
    pub(super) orders: Arc<Orders>,
    pub(super) record: Arc<Mutex<Record>>,
    typed: u64,
    shown: u64,
    /// Whether anything came or was typed since what it has was last told.
    is_news: bool,
    /// What was sent on this connection and is not acknowledged.
    sent: HashMap<Bytes, (Token, Instant)>,
}

impl Writer {
    pub(super) fn new(
        number: u64,
        document: String,
        nodes: Arc<Vec<SocketAddr>>,
        orders: Arc<Orders>,
    ) -> Self {
        Self {
            number,
            document,
            next: number as usize % nodes.len(),
            nodes,
            wanders: false,
            notes: false,
            chance: Chance::from_seed(number),
            orders,
            record: Arc::default(),
            typed: 0,
            shown: 0,
            is_news: true,
            sent: HashMap::new(),
        }
    }

    /// Types until told to leave, or until a node says something that is not of the protocol.
    pub(super) async fn work(mut self) {
        if let Err(error) = self.type_until_the_end().await {
            self.with(|record| record.failure = Some(format!("{error:#}")));
        }
    }

    async fn type_until_the_end(&mut self) -> Result<()> {
        let mut editor = Editor::new(self.number);
        while !self.orders.over.load(Ordering::Relaxed) {
            let node = self.next;
            let Some(socket) = self.connect(node).await else {
                self.next = (node + 1) % self.nodes.len();
                sleep(BETWEEN_ATTEMPTS).await;
                continue;
            };
            let mut client = Client::on(socket, editor);
            self.sent.clear();
            let stay = self.stay(&mut client, node).await;
            self.with(|record| (record.at, record.unstored, record.resting) = (None, 0, None));
            editor = client.editor;
            stay.with_context(|| format!("writer {} at node {node}", self.number))?;
        }
        Ok(())
    }

    async fn connect(&self, node: usize) -> Option<Socket> {
        let path = format!("/{}", self.document);
        let connecting = Socket::connect(self.nodes[node], &path);
        timeout(ATTEMPT_MAX, connecting).await.ok()?.ok()
    }

    /// Joins and types until the connection ends or the writer moves on.
    async fn stay(&mut self, client: &mut Client, node: usize) -> Result<()> {
        match timeout(JOIN_MAX, client.sync()).await {
            Ok(Ok(())) => {}
            // Ended, or nothing was said for long: elsewhere it may go better.
            _ => {
                self.next = (node + 1) % self.nodes.len();
                sleep(BETWEEN_ATTEMPTS).await;
                return Ok(());
            }
        }
        self.show(client).await;
        self.is_news = true;
        self.with(|record| {
            record.at = Some(node);
            record.joins += 1;
        });
        let mut next_show = Instant::now() + SHOW_EVERY;
        while !self.orders.over.load(Ordering::Relaxed) {
            if !self.listen(client, node).await? {
                return Ok(());
            }
            if Instant::now() > next_show {
                self.show(client).await;
                next_show += SHOW_EVERY;
            }
            if self.orders.typing.load(Ordering::Relaxed) {
                self.type_on(client).await;
                if self.wanders && self.chance.one_in(STEPS_PER_MOVE) {
                    self.next = self.chance.below(self.nodes.len() as u64) as usize;
                    return Ok(());
                }
            }
            self.tell_state(client);
            sleep(STEP).await;
        }
        Ok(())
    }

    /// Takes what has come; false if the connection ended.
    async fn listen(&mut self, client: &mut Client, node: usize) -> Result<bool> {
        while let Some(noticed) = client.try_notice().await? {
            self.is_news = true;
            match noticed {
                Noticed::Stored(update) => self.acknowledged(update, node)?,
                Noticed::Ended(_) => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    fn acknowledged(&mut self, update: Bytes, node: usize) -> Result<()> {
        let Some((token, sent)) = self.sent.remove(&update) else {
            bail!("something was acknowledged that was not sent");
        };
        let ack = Ack {
            writer: self.number,
            node,
            sent,
            came: Instant::now(),
        };
        self.with(|record| {
            record.acks.push(ack);
            record.entries.push(Entry { token, update });
        });
        Ok(())
    }

    async fn type_on(&mut self, client: &mut Client) {
        if client.unstored() >= UNSTORED_MAX || !self.chance.one_in(STEPS_PER_EDIT) {
            return;
        }
        if self.notes {
            let (word, seen) = ((self.number, self.typed), seen(&client.editor.text()));
            self.with(|record| record.sights.push(Sight { word, seen }));
        }
        let token = Token::new(self.number, self.typed);
        let update = token.write(&client.editor, self.typed);
        self.typed += 1;
        self.sent.insert(update.clone(), (token, Instant::now()));
        // If it can not be sent, the end of the connection is noticed soon.
        let _ = client.send(update).await;
    }

    async fn show(&mut self, client: &mut Client) {
        self.shown += 1;
        let entry = Presence {
            client: self.number,
            clock: self.shown,
            state: format!("{{\"writer\":{},\"at\":{}}}", self.number, self.typed),
        };
        let _ = client.socket.send(frames::presence(&[entry])).await;
    }

    fn tell_state(&mut self, client: &Client) {
        if !std::mem::take(&mut self.is_news) {
            return;
        }
        let is_resting = !self.orders.typing.load(Ordering::Relaxed) && client.unstored() == 0;
        let everything = is_resting.then(|| client.editor.everything());
        // While it types there is always news; the first look after that tells what it has.
        self.is_news = !is_resting;
        self.with(|record| {
            record.unstored = client.unstored();
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

/// The latest word of each writer in a text.
fn seen(text: &str) -> BTreeMap<u64, u64> {
    let words = text.split(['<', '>']).filter_map(|word| {
        let (writer, number) = word.strip_prefix('w')?.split_once('n')?;
        Some((writer.parse().ok()?, number.parse().ok()?))
    });
    let mut seen = BTreeMap::<u64, u64>::new();
    for (writer, number) in words {
        let latest = seen.entry(writer).or_insert(number);
        *latest = number.max(*latest);
    }
    seen
}

/// How often a writer looks about.
const STEP: Duration = Duration::from_millis(5);
const STEPS_PER_EDIT: u64 = 4;
const STEPS_PER_MOVE: u64 = 100;
/// Edits that a writer has on the way at once.
const UNSTORED_MAX: usize = 64;
const SHOW_EVERY: Duration = Duration::from_secs(1);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
/// A node that was stopped takes connections and says nothing.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
const JOIN_MAX: Duration = Duration::from_secs(5);
