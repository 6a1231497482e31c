//! Trying again: connections of a pool, and for how long a request is tried before its caller is told that the database is
//! away.
//!
//! Whatever is tried again was written so that doing it twice is doing it once: a change has its dot, a creation its random
//! number. So a commit whose outcome is unknown, because the connection was lost before the answer came, is simply repeated.

use std::io;
use std::time::{Duration, Instant};

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::connect::{Address, refused};
use super::failure::{Remedy, Stop, pause, remedy, store_error};
use crate::store::StoreError;

/// Connections for one kind of work, so that no other kind waits for them.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    pool: PgPool,
    /// How long one attempt may take.
    attempt: Duration,
}

impl Connections {
    /// Connections that are opened when they are needed.
    pub(super) fn new(address: &Address, most: u32, attempt: Duration) -> Self {
        let address = address.within(attempt);
        let options = address.options();
        let pool = PgPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(CONNECT_MAX)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let address = address.clone();
                Box::pin(async move { address.prove(connection).await.map_err(|e| refused(&e)) })
            })
            .connect_lazy_with(options);
        Self { pool, attempt }
    }

    /// A connection for one attempt. One that is being opened when the wait ends is there for the next: opening one takes
    /// many trips, and a database that is slow would never be reached.
    pub(super) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        if let Some(lent) = self.pool.try_acquire() {
            return Ok(lent);
        }
        let pool = self.pool.clone();
        let lending = tokio::spawn(async move { pool.acquire().await });
        match tokio::time::timeout(ACQUIRE_MAX, lending).await {
            Ok(lent) => lent.unwrap_or(Err(sqlx::Error::WorkerCrashed)),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// One attempt, which takes no longer than it may.
    pub(super) async fn limit<T>(
        &self,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let outcome = tokio::time::timeout(self.attempt, work).await;
        outcome.unwrap_or_else(|_| Err(silence().into()))
    }

    /// The attempt is over. Nobody waits for what a connection that failed may yet answer.
    pub(super) fn take_back<T>(lent: Lent, outcome: &Result<T, Stop>) {
        if let Err(Stop::Failed(error)) = outcome
            && remedy(error) != Remedy::Again
        {
            drop(lent.detach());
        }
    }

    pub(super) async fn close(&self) {
        // A server that is away says no farewell.
        let _ = tokio::time::timeout(CLOSE_MAX, self.pool.close()).await;
    }
}

/// Carries something out on a connection, again and again until it succeeds, is refused, or has been tried for long enough:
/// `with!(connections, connection => future)`. A macro, since no bound says of an asynchronous closure that what it returns
/// can be sent to another thread.
macro_rules! with {
    ($connections:expr, $connection:ident => $work:expr) => {{
        let (connections, mut patience) = (&$connections, Patience::new());
        loop {
            let outcome = match connections.lend().await {
                Ok(mut lent) => {
                    let $connection = &mut *lent;
                    let outcome = connections.limit($work).await;
                    Connections::take_back(lent, &outcome);
                    outcome
                }
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(value) => break Ok(value),
                Err(stop) => {
                    if let Err(error) = patience.again(stop).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}
pub(super) use with;

/// A connection of a pool.
pub(super) type Lent = PoolConnection<Postgres>;

/// How long something has been tried.
#[derive(Debug)]
pub(super) struct Patience {
    since: Instant,
    attempts: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            attempts: 0,
        }
    }

    /// Waits a little before the next attempt, or gives the answer if there is to be none.
    pub(super) async fn again(&mut self, stop: Stop) -> Result<(), StoreError> {
        let error = match stop {
            Stop::Refused(error) => return Err(error),
            Stop::Overtaken if self.is_at_an_end() => return Err(overtaken()),
            Stop::Overtaken => return self.wait().await,
            Stop::Failed(error) => error,
        };
        if remedy(&error) == Remedy::None || self.is_at_an_end() {
            return Err(store_error(&error));
        }
        tracing::debug!(%error, attempts = self.attempts, "database failed, trying again");
        self.wait().await
    }

    async fn wait(&mut self) -> Result<(), StoreError> {
        pause(self.attempts).await;
        self.attempts += 1;
        Ok(())
    }

    fn is_at_an_end(&self) -> bool {
        self.since.elapsed() >= TRIED_MAX
    }
}

/// The failure of a connection that says nothing.
pub(super) fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        "the database does not answer",
    ))
}

fn overtaken() -> StoreError {
    StoreError::Unavailable("others write the same again and again".to_owned())
}

/// No attempt begins later than this after the first, so with the last of them, and the connection that it
/// may need, a caller waits eleven seconds at most; some more if appends have to be looked at one by one.
const TRIED_MAX: Duration = Duration::from_secs(3);
/// For a connection, when all are busy or the server is away.
const ACQUIRE_MAX: Duration = Duration::from_secs(3);
/// How long opening a connection may take, whoever waits for it.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long one attempt may take, from the moment that it has a connection.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_secs(4);
const CLOSE_MAX: Duration = Duration::from_secs(5);
