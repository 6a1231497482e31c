//! The one writer: a task that owns the write connection and commits in groups.
//!
//! It takes every request that waits and carries all of them out in one transaction, so a thousand documents share one
//! trip to the disk. While one commit is at the disk, the next batch gathers in the inbox; where there are many it gathers
//! a little longer (`pace`). Answers go out after the commit. One request's refusal leaves its neighbours alone; a failure (a full disk, a lost file) rolls
//! back and fails the whole batch, and the next one begins with a fresh connection and an empty cache. Between commits it
//! files what has arrived (`filing`), a step at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::cache::Cache;
use super::failure::store_error;
use super::filing::Filing;
use super::open::{OpenError, WriteOptions};
use super::request::{HeldAnswer, Reply, Request};
use super::room::Room;
use crate::pace::Pace;
use crate::store::StoreError;

#[derive(Debug)]
enum Message {
    Write(Request),
    /// Finish what was asked before, close the connection, and stop.
    Close(oneshot::Sender<()>),
}

/// Asks the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    inbox: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the writer with a connection and what is to be known of its database; it opens others by `options` when
    /// that one fails.
    pub(super) fn start(connection: SqliteConnection, cache: Cache, options: WriteOptions) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX_REQUESTS);
        let now = Instant::now();
        let task = Task {
            inbox,
            filing: Filing::new(options.habit(), now),
            room: options.room(),
            options,
            connection: Some(connection),
            cache,
            pace: Pace::new(now),
            closers: Vec::new(),
        };
        tokio::spawn(task.run());
        Self { inbox: sender }
    }

    /// Sends a request and waits for its answer. Waits too while the inbox is full.
    pub(super) async fn ask<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.inbox
            .send(Message::Write(request(reply)))
            .await
            .map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Has the writer finish what was asked before, and returns when it has stopped.
    pub(super) async fn close(&self) {
        let (closer, closed) = oneshot::channel();
        if self.inbox.send(Message::Close(closer)).await.is_ok() {
            // Whether it answers or is gone, it has stopped.
            let _ = closed.await;
        }
    }
}

struct Task {
    inbox: mpsc::Receiver<Message>,
    options: WriteOptions,
    connection: Option<SqliteConnection>,
    cache: Cache,
    pace: Pace,
    filing: Filing,
    room: Room,
    closers: Vec<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.receive(&mut waiting).await > 0 {
            self.gather(&mut waiting).await;
            let requests = waiting.drain(..).filter_map(|it| self.sort_out(it));
            let requests: VecDeque<_> = requests.collect();
            self.meet(&requests);
            self.pace.note(Instant::now());
            self.commit(requests).await;
            self.make_room().await;
            self.file_if_due().await;
        }
        self.finish().await;
    }

    /// Waits for requests, and files while there are none; then it rests. Zero when there will be no more.
    async fn receive(&mut self, waiting: &mut Vec<Message>) -> usize {
        let mut rest = Some(Instant::now() + REST_AFTER);
        loop {
            let filing = self.filing.due(&self.cache.arrivals);
            let Some(due) = filing.or(rest) else {
                return self.inbox.recv_many(waiting, INBOX_REQUESTS).await;
            };
            let receiving = self.inbox.recv_many(waiting, INBOX_REQUESTS);
            if let Ok(received) = tokio::time::timeout_at(due.into(), receiving).await {
                return received;
            }
            match filing {
                Some(_) => self.file().await,
                None => {
                    rest = None;
                    self.rest().await;
                }
            }
        }
    }

    /// Gives back the memory of pages that are kept for what may be written next.
    async fn rest(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match sqlx::raw_sql("PRAGMA shrink_memory")
            .execute(&mut connection)
            .await
        {
            Ok(_) => self.connection = Some(connection),
            Err(error) => {
                tracing::warn!(%error, "memory was not given back");
                self.forget(connection).await;
            }
        }
    }

    /// A step of filing after each commit, while it is due: it also goes on where requests never cease.
    async fn file_if_due(&mut self) {
        let due = self.filing.due(&self.cache.arrivals);
        if due.is_some_and(|due| due <= Instant::now()) {
            self.file().await;
        }
    }

    /// A step after each commit, until the log has the room that it is going to need.
    async fn make_room(&mut self) {
        if self.room.is_enough() {
            return;
        }
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match self.room.step(&mut connection).await {
            Ok(()) => self.connection = Some(connection),
            Err(error) => {
                tracing::warn!(%error, "the log was not given room");
                self.forget(connection).await;
            }
        }
    }

    async fn file(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let step = self.filing.step(&mut connection, &mut self.cache.arrivals);
        match step.await {
            Ok(()) => self.connection = Some(connection),
            Err(error) => {
                tracing::error!(%error, "changes were not filed, and stay where they arrived");
                self.filing.failed(Instant::now());
                self.forget(connection).await;
            }
        }
    }

    fn meet(&mut self, requests: &VecDeque<Request>) {
        for request in requests {
            match request {
                Request::Append(document, ..) => self.pace.meet(document),
                Request::AppendAll(appends, _) => {
                    appends.iter().for_each(|it| self.pace.meet(&it.0));
                }
                _ => {}
            }
        }
    }

    /// Lets others join what waits, if commits have been many.
    async fn gather(&mut self, waiting: &mut Vec<Message>) {
        if let Some(until) = self.pace.wait(Instant::now()) {
            tokio::time::sleep_until(until.into()).await;
            while waiting.len() < INBOX_REQUESTS
                && let Ok(message) = self.inbox.try_recv()
            {
                waiting.push(message);
            }
        }
    }

    /// Once someone asks to close, the inbox takes no more, and the loop ends when it is empty.
    fn sort_out(&mut self, message: Message) -> Option<Request> {
        match message {
            Message::Write(request) => Some(request),
            Message::Close(closer) => {
                self.inbox.close();
                self.closers.push(closer);
                None
            }
        }
    }

    async fn commit(&mut self, mut requests: VecDeque<Request>) {
        let mut answers = Vec::with_capacity(requests.len());
        let outcome = self.transact(&mut requests, &mut answers).await;
        let failure = outcome.err();
        if let Some(error) = &failure {
            let requests = requests.len() + answers.len();
            tracing::error!(%error, requests, "commit failed");
        }
        for answer in answers {
            answer(failure.as_ref());
        }
        if let Some(error) = failure {
            requests.into_iter().for_each(|it| it.fail(&error));
        }
    }

    /// One transaction. Requests move from `requests` to `answers` as they are carried out.
    async fn transact(
        &mut self,
        requests: &mut VecDeque<Request>,
        answers: &mut Vec<HeldAnswer>,
    ) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen().await.map_err(reopen_error)?,
        };
        let before = self.cache.arrivals.amount();
        let batch = Batch::new(
            &mut connection,
            &mut self.cache,
            answers,
            self.options.news_habit(),
        );
        match batch.commit(requests).await {
            Ok(()) => {
                self.filing
                    .note(before, &self.cache.arrivals, Instant::now());
                self.connection = Some(connection);
                Ok(())
            }
            Err(error) => {
                self.filing.failed(Instant::now());
                self.forget(connection).await;
                Err(store_error(&error))
            }
        }
    }

    /// Lets go of a connection that failed, and of what was known by it.
    async fn forget(&mut self, connection: SqliteConnection) {
        self.cache = Cache::default();
        close(connection).await;
    }

    async fn reopen(&mut self) -> Result<SqliteConnection, OpenError> {
        let mut connection = self.options.connect().await?;
        self.options.arm(&mut connection).await?;
        self.cache = self.options.read_cache(&mut connection).await?;
        Ok(connection)
    }

    /// Files all that is left, since there will be no better time, and closes.
    async fn finish(mut self) {
        while self.connection.is_some() && !self.cache.arrivals.is_empty() {
            self.file().await;
        }
        if let Some(mut connection) = self.connection {
            self.cache.give_back_orders(&mut connection).await;
            close(connection).await;
        }
        for closer in self.closers {
            // Whoever asked may have stopped waiting.
            let _ = closer.send(());
        }
    }
}

/// Closes a connection; a transaction that is still open on it is rolled back.
async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "write connection did not close cleanly");
    }
}

fn reopen_error(error: OpenError) -> StoreError {
    match error {
        OpenError::Database { source, .. } => store_error(&source),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("store is closed".to_owned())
}

/// The inbox: as many requests as may wait, and so the most that one transaction carries out. A session has one append
/// under way at a time, so this many documents can be busy before a sender waits.
const INBOX_REQUESTS: usize = 4096;

/// How long nothing is asked before memory is given back.
const REST_AFTER: Duration = Duration::from_secs(10);
