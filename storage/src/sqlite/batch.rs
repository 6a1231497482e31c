//! One transaction of the writer: every request of a batch is carried out in turn, new changes gather and are inserted
//! together, and the answers are held back until the commit.
//!
//! A request is refused on what is stored and on what the batch has taken before it; a refusal leaves nothing behind and
//! the others go on. Every statement costs a hop to the connection's own thread, so the [`Cache`] answers what it can, the
//! transaction begins only where the database is asked, and a few changes that are all there is to do are a statement
//! that commits by itself.

use std::collections::VecDeque;
use std::time::Duration;

use engine::{Change, DocumentKey, Kind, ReplicaId, VectorClock};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteArguments;

use super::cache::{Cache, Pending};
use super::failure::store_error;
use super::news::NewNews;
use super::request::{HeldAnswer, Reply, Request};
use super::sql;
use crate::failpoint::Failpoint;
use crate::news::NewsHabit;
use crate::numbers::{millis, now_ms, saturated};
use crate::store::{Description, StoreError};

/// Why a request was not carried out: refused on its own account, or failed with the whole batch.
pub(super) enum Stop {
    Refused(StoreError),
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// A statement, or several in a row, with their arguments.
pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

/// A transaction under way.
pub(super) struct Batch<'a> {
    connection: &'a mut SqliteConnection,
    has_begun: bool,
    pub(super) cache: &'a mut Cache,
    answers: &'a mut Vec<HeldAnswer>,
    /// Changes that were taken and not yet inserted.
    pub(super) pending: Vec<Pending>,
    /// What is to be told of documents, if anybody wants to know.
    pub(super) news: Option<NewNews>,
    pub(super) now_ms: i64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        connection: &'a mut SqliteConnection,
        cache: &'a mut Cache,
        answers: &'a mut Vec<HeldAnswer>,
        habit: Option<NewsHabit>,
    ) -> Self {
        cache.forget_if_large();
        Self {
            connection,
            has_begun: false,
            cache,
            answers,
            pending: Vec::new(),
            news: habit.map(NewNews::new),
            now_ms: saturated(now_ms()),
        }
    }

    /// Carries the requests out and commits.
    pub(super) async fn commit(
        mut self,
        requests: &mut VecDeque<Request>,
    ) -> Result<(), sqlx::Error> {
        while let Some(request) = requests.pop_front() {
            self.carry_out(request).await?;
        }
        if !self.commit_at_once().await? {
            self.insert_pending().await?;
            self.insert_news().await?;
            if !self.has_begun {
                return Ok(());
            }
            self.execute("COMMIT").await?;
        }
        Failpoint::Committed.reach();
        Ok(())
    }

    /// The database, within the transaction: it begins here at the latest.
    pub(super) async fn database(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        if !self.has_begun {
            self.execute("BEGIN IMMEDIATE").await?;
            self.has_begun = true;
        }
        Ok(self.connection)
    }

    /// Runs statements without beginning the transaction.
    pub(super) async fn run(&mut self, query: Query<'_>) -> Result<(), sqlx::Error> {
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    /// The time so long after this batch's.
    pub(super) fn until_ms(&self, lasts: Duration) -> i64 {
        self.now_ms.saturating_add(saturated(millis(lasts)))
    }

    /// Whether the database was asked for anything.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    async fn carry_out(&mut self, request: Request) -> Result<(), sqlx::Error> {
        match request {
            Request::Append(document, kind, changes, reply) => {
                let answer = self.append(&document, kind, changes).await;
                self.hold(reply, answer)
            }
            Request::AppendAll(appends, reply) => {
                let answer = self.append_all(appends).await;
                self.hold(reply, answer)
            }
            Request::Create(document, kind, reply) => {
                let answer = self.create(document, kind).await;
                self.hold(reply, answer)
            }
            Request::CreateWith(document, kind, changes, reply) => {
                let answer = self.create_with(&document, kind, changes).await;
                self.hold(reply, answer)
            }
            Request::Delete(document, reply) => {
                let answer = self.delete(&document).await;
                self.hold(reply, answer)
            }
            Request::NewReplica(reply) => {
                let answer = self.new_replica().await;
                self.hold(reply, answer)
            }
            Request::Hold(replica, holder, lasts, reply) => {
                let answer = self.hold_replica(replica, &holder, lasts).await;
                self.hold(reply, answer)
            }
            Request::Check(reply) => {
                let answer = self.check().await;
                self.hold(reply, answer)
            }
            Request::PutSnapshot(snapshot, reply) => {
                let answer = self.put_snapshot(&snapshot).await;
                self.hold(reply, answer)
            }
            Request::RemoveSnapshot(id, reply) => {
                let answer = self.remove_snapshot(id).await;
                self.hold(reply, answer)
            }
            Request::ThinSnapshots(document, reply) => {
                let answer = self.thin_snapshots(&document).await;
                self.hold(reply, answer)
            }
            Request::KeepGist(gist, reply) => {
                let answer = self.keep_gist(&gist).await;
                self.hold(reply, answer)
            }
            Request::Quarantine(quarantined, reply) => {
                let answer = self.quarantine(&quarantined).await;
                self.hold(reply, answer)
            }
            Request::ForgetQuarantined(document, hash, reply) => {
                let answer = self.forget_quarantined(&document, hash).await;
                self.hold(reply, answer)
            }
            Request::Told(document, told, reply) => {
                let answer = self.told(&document, told).await;
                self.hold(reply, answer)
            }
            Request::PutOff(document, delay, reply) => {
                let answer = self.put_off(&document, delay).await;
                self.hold(reply, answer)
            }
            Request::Revoke(revocation, reply) => {
                let answer = self.revoke(&revocation).await;
                self.hold(reply, answer)
            }
            Request::LiftRevocation(number, reply) => {
                let answer = self.lift_revocation(number).await;
                self.hold(reply, answer)
            }
            Request::KeepTicket(ticket, bounds, reply) => {
                let answer = self.keep_ticket(&ticket, bounds).await;
                self.hold(reply, answer)
            }
            Request::UseTicket(hash, reply) => {
                let answer = self.use_ticket(hash).await;
                self.hold(reply, answer)
            }
            Request::TakeDuty(duty, holder, lasts, reply) => {
                let answer = self.take_duty(&duty, &holder, lasts).await;
                self.hold(reply, answer)
            }
        }
    }

    /// Holds an answer back until the commit. A failure is passed on, and will replace all answers of the batch.
    fn hold<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        answer: Result<T, Stop>,
    ) -> Result<(), sqlx::Error> {
        let (answer, outcome) = match answer {
            Ok(value) => (Ok(value), Ok(())),
            Err(Stop::Refused(error)) => (Err(error), Ok(())),
            Err(Stop::Failed(error)) => (Err(store_error(&error)), Err(error)),
        };
        self.answers.push(Box::new(move |failure| {
            // The caller may have stopped waiting.
            let _ = reply.send(failure.map_or(answer, |error| Err(error.clone())));
        }));
        outcome
    }

    async fn create(&mut self, document: DocumentKey, kind: Kind) -> Result<Description, Stop> {
        match self.known(&document).await? {
            Some(known) if known.deleted => return Err(StoreError::Deleted.into()),
            Some(_) => return Err(StoreError::Exists.into()),
            None => self.insert_document(document.clone(), kind).await?,
        };
        Ok(Description {
            document,
            kind,
            created_ms: self.now_ms.cast_unsigned(),
            changed_ms: None,
            deleted_ms: None,
            clock: VectorClock::default(),
        })
    }

    async fn create_with(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<(), Stop> {
        match self.known(document).await? {
            Some(known) if known.deleted => Err(StoreError::Deleted.into()),
            Some(_) => Err(StoreError::Exists.into()),
            None => self.append(document, kind, changes).await,
        }
    }

    async fn delete(&mut self, document: &DocumentKey) -> Result<bool, Stop> {
        let id = match self.known(document).await? {
            Some(known) if !known.deleted => {
                known.deleted = true;
                known.id
            }
            _ => return Ok(false),
        };
        sqlx::query("UPDATE documents SET deleted_ms = ?2 WHERE id = ?1")
            .bind(id)
            .bind(self.now_ms)
            .execute(self.database().await?)
            .await?;
        self.note_deleted(id);
        Ok(true)
    }

    async fn new_replica(&mut self) -> Result<ReplicaId, Stop> {
        let inserted = sqlx::query(sql::INSERT_REPLICA)
            .bind(self.now_ms)
            .bind(std::process::id())
            .execute(self.database().await?)
            .await?;
        u32::try_from(inserted.last_insert_rowid())
            .map(ReplicaId)
            .map_err(|_| StoreError::Unavailable("all replica ids are used up".to_owned()).into())
    }

    async fn check(&mut self) -> Result<(), Stop> {
        sqlx::query("UPDATE writer SET checked_ms = ?1")
            .bind(self.now_ms)
            .execute(self.database().await?)
            .await?;
        Ok(())
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.run(sqlx::query(sql)).await
    }
}
