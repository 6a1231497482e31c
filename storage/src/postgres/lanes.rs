//! The writing lanes: tasks with a connection each, among which the documents are divided. A document always goes the same
//! way, so its appends stay in their order.
//!
//! A lane takes all that waits and commits it at once; while a commit is under way, the next batch gathers. Where there are
//! many it gathers a little longer ([`Pace`]). When the connection is lost the batch is tried again on another one, until
//! its patience ends; then those that are not decided are told that the database is away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use engine::{Change, DocumentKey, Kind};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::batch::{Askers, Batch, Waiting, choose};
use super::connect::Address;
use super::documents::Deed;
use super::failure::{Remedy, Stop, remedy};
use super::patience::{ATTEMPT_MAX, CONNECT_MAX, Patience, silence};
use super::tally::Tally;
use crate::news::NewsHabit;
use crate::pace::Pace;
use crate::store::StoreError;

/// Appends through the lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    inboxes: Vec<mpsc::Sender<Message>>,
}

#[derive(Debug)]
enum Message {
    Append(Asked),
    /// Finish what was asked before, close the connection, and stop.
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Asked {
    waiting: Waiting,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Lanes {
    /// Starts so many; each connects when it is asked for the first time.
    pub(super) fn start(
        count: usize,
        address: &Address,
        news: &Arc<OnceLock<NewsHabit>>,
        tally: &Arc<Tally>,
    ) -> Self {
        let start = |_| {
            let (sender, inbox) = mpsc::channel(INBOX_REQUESTS);
            let lane = Lane {
                inbox,
                address: address.within(ATTEMPT_MAX),
                connection: None,
                connecting: None,
                pace: Pace::new(Instant::now()),
                news: Arc::clone(news),
                tally: Arc::clone(tally),
                closers: Vec::new(),
            };
            tokio::spawn(lane.run());
            sender
        };
        let inboxes = (0..count.max(1)).map(start).collect();
        Self { inboxes }
    }

    /// Appends, and returns when that is committed. Waits too while the inbox is full.
    pub(super) async fn append(
        &self,
        document: DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        let lane = hasher.finish() % self.inboxes.len() as u64;
        let (reply, answer) = oneshot::channel();
        let deed = Deed::new();
        let waiting = Waiting {
            document,
            kind,
            changes,
            deed,
        };
        self.inboxes[lane as usize]
            .send(Message::Append(Asked { waiting, reply }))
            .await
            .map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Has each lane finish what it was asked before, and returns when they have stopped.
    pub(super) async fn close(&self) {
        let mut closing = Vec::new();
        for inbox in &self.inboxes {
            let (closer, closed) = oneshot::channel();
            if inbox.send(Message::Close(closer)).await.is_ok() {
                closing.push(closed);
            }
        }
        for closed in closing {
            // Whether it answers or is gone, it has stopped.
            let _ = closed.await;
        }
    }
}

struct Lane {
    inbox: mpsc::Receiver<Message>,
    address: Address,
    connection: Option<PgConnection>,
    /// A connection that is being opened.
    connecting: Option<JoinHandle<Result<PgConnection, sqlx::Error>>>,
    pace: Pace,
    news: Arc<OnceLock<NewsHabit>>,
    tally: Arc<Tally>,
    closers: Vec<oneshot::Sender<()>>,
}

impl Lane {
    async fn run(mut self) {
        let (mut messages, mut waiting) = (Vec::new(), Vec::new());
        loop {
            if waiting.is_empty() && self.inbox.recv_many(&mut messages, BATCH_REQUESTS).await == 0
            {
                break;
            }
            self.gather(&mut messages, waiting.len()).await;
            waiting.extend(messages.drain(..).filter_map(|it| {
                let Message::Append(asked) = it else {
                    return self.note_close(it);
                };
                self.pace.meet(&asked.waiting.document);
                Some(asked)
            }));
            let (chosen, rest) = choose(waiting, |asked| &asked.waiting);
            waiting = rest;
            if !chosen.is_empty() {
                self.pace.note(Instant::now());
                self.commit(chosen).await;
            }
        }
        self.finish().await;
    }

    /// Lets others join what waits, if commits have been many, and takes all that is there.
    async fn gather(&mut self, messages: &mut Vec<Message>, waiting: usize) {
        if let Some(until) = self.pace.wait(Instant::now()) {
            tokio::time::sleep_until(until.into()).await;
        }
        while messages.len() + waiting < BATCH_REQUESTS
            && let Ok(message) = self.inbox.try_recv()
        {
            messages.push(message);
        }
    }

    /// Once someone asks to close, the inbox takes no more, and the loop ends when it is empty.
    fn note_close(&mut self, message: Message) -> Option<Asked> {
        if let Message::Close(closer) = message {
            self.inbox.close();
            self.closers.push(closer);
        }
        None
    }

    async fn commit(&mut self, asked: Vec<Asked>) {
        let (appends, mut askers): (Vec<_>, Askers) = asked
            .into_iter()
            .map(|asked| (asked.waiting, Some(asked.reply)))
            .unzip();
        if let Err(error) = self.try_until_decided(&appends, &mut askers).await {
            let undecided: Vec<_> = askers.into_iter().flatten().collect();
            tracing::error!(%error, appends = appends.len(), undecided = undecided.len(), "commit failed");
            for asker in undecided {
                // He may have stopped waiting.
                let _ = asker.send(Err(error.clone()));
            }
        }
    }

    async fn try_until_decided(
        &mut self,
        appends: &[Waiting],
        askers: &mut Askers,
    ) -> Result<(), StoreError> {
        let mut patience = Patience::new();
        loop {
            let stop = match self.attempt(appends, askers).await {
                Ok(()) if askers.iter().all(Option::is_none) => return Ok(()),
                Ok(()) => Stop::Overtaken,
                Err(error) => Stop::Failed(error),
            };
            patience.again(stop).await?;
        }
    }

    /// One attempt. A connection that failed is let go of; what it may yet do is found out by the next.
    async fn attempt(
        &mut self,
        appends: &[Waiting],
        askers: &mut Askers,
    ) -> Result<(), sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let batch = Batch {
            appends,
            habit: self.news.get().copied(),
            tally: &self.tally,
        };
        let outcome = batch.run(&mut connection, askers).await;
        let is_lost = matches!(&outcome, Err(error) if remedy(error) != Remedy::Again);
        self.connection = (!is_lost).then_some(connection);
        outcome
    }

    /// A new connection. Opening one takes many trips: where that is longer than this attempt may wait, the next goes on
    /// with what is begun, or a database that is slow would never be reached.
    async fn connect(&mut self) -> Result<PgConnection, sqlx::Error> {
        let connecting = self.connecting.get_or_insert_with(|| {
            let address = self.address.clone();
            tokio::spawn(async move {
                let connecting = tokio::time::timeout(CONNECT_MAX, address.connect());
                connecting.await.unwrap_or_else(|_| Err(silence()))
            })
        });
        let connected = tokio::time::timeout(ATTEMPT_MAX, connecting).await;
        let connected = connected.map_err(|_| silence())?;
        self.connecting = None;
        connected.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    async fn finish(self) {
        if let Some(connecting) = self.connecting {
            connecting.abort();
        }
        if let Some(connection) = self.connection {
            let closing = tokio::time::timeout(ATTEMPT_MAX.min(CLOSE_MAX), connection.close());
            if !matches!(closing.await, Ok(Ok(()))) {
                tracing::warn!("write connection did not close cleanly");
            }
        }
        for closer in self.closers {
            // Whoever asked may have stopped waiting.
            let _ = closer.send(());
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("store is closed".to_owned())
}

/// How many requests may wait for a lane before a sender does.
const INBOX_REQUESTS: usize = 4_096;
/// How many go into one commit: the statement takes some ten milliseconds then.
const BATCH_REQUESTS: usize = 1_024;
const CLOSE_MAX: Duration = Duration::from_secs(2);
