//! Reaching the database: what is asked of it before anything is entrusted to it, and its schema.
//!
//! Durability rests on settings of the server, so they are read back on every connection, through the eyes of our own
//! session: after a failover the next connection may lead to a server that nobody has looked at yet. No error here shows
//! the address as it was given, since that holds the password.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Row};
use thiserror::Error;

use super::eras::Eras;
use super::failure::{Remedy, pause, remedy};
use super::sql;

/// Why a database was not connected to.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address can not be read.
    #[error(
        "the address of the database can not be used: {0}; it reads postgres://user:password@host:port/database"
    )]
    Address(String),
    /// It does not answer, or lets nobody in.
    #[error("can not connect to Postgres at {place}: {why}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// What was said, or what happened.
        why: String,
    },
    /// A setting on which durability rests is not as it must be.
    #[error(
        "Postgres at {place} would lose what was acknowledged: {setting} is {found}; set it to {wanted}"
    )]
    Unsafe {
        /// Host and port.
        place: String,
        /// The setting, as in `postgresql.conf`.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The server only reads.
    #[error("Postgres at {place} {why}; give the address of the primary")]
    ReadOnly {
        /// Host and port.
        place: String,
        /// What makes it so.
        why: &'static str,
    },
    /// The server is too old, or the database is not made for all text.
    #[error("the database at {place} can not be used: {setting} is {found}, and must be {wanted}")]
    Unfit {
        /// Host and port.
        place: String,
        /// What is wrong with it.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A newer program has taken away what this one needs.
    #[error(
        "the database at {place} needs a program of schema {oldest} or newer, this one knows up to {known}; start the newer program"
    )]
    Newer {
        /// Host and port.
        place: String,
        /// The oldest schema whose programs can use it.
        oldest: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The schema could not be brought to the newest one.
    #[error("can not bring the database at {place} to the newest schema: {source}")]
    Migration {
        /// Host and port.
        place: String,
        /// What went wrong.
        source: MigrateError,
    },
}

/// Opens connections, each of which is proved safe.
#[derive(Clone, Debug)]
pub(super) struct Address {
    options: PgConnectOptions,
    place: String,
    /// What each session is told at its beginning.
    session: Vec<(&'static str, String)>,
    eras: Arc<Eras>,
}

impl Address {
    /// Reads an address.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("postgres" | "postgresql")) {
            return Err(ConnectError::Address(
                "it does not begin with postgres://".to_owned(),
            ));
        }
        let options = PgConnectOptions::from_str(url);
        let options = options.map_err(|error| ConnectError::Address(veiled(&error, url)))?;
        if options.get_host().contains(',') {
            return Err(ConnectError::Address(
                "it names several hosts, of which one has to lead to the primary".to_owned(),
            ));
        }
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let options = options
            .application_name("quire")
            .disable_statement_logging();
        let session = SETTINGS.map(|(name, value)| (name, value.to_owned()));
        Ok(Self {
            options,
            place,
            session: session.to_vec(),
            eras: Arc::default(),
        })
    }

    /// Waits a while for a server that is just starting, proves it, brings its schema to the newest, and gives the address
    /// by which all later connections are opened.
    pub(super) async fn prepare(self) -> Result<Self, ConnectError> {
        let mut connection = self.first_connection().await?;
        let commits = current(&mut connection, "synchronous_commit").await;
        let commits = commits.map_err(|error| self.unreachable(&error))?;
        drop(connection);
        // What is stricter than needed stays; what was set for this session no reload of the server's takes away.
        let commits = match commits.as_deref() {
            Some(strict @ ("remote_apply" | "remote_write")) => strict.to_owned(),
            _ => "on".to_owned(),
        };
        let address = self.with("synchronous_commit", commits);
        let mut connection = address.first_connection().await?;
        address.prove(&mut connection).await?;
        address.migrate(&mut connection).await?;
        Ok(address)
    }

    /// How long a statement may take that the server is to end by itself.
    pub(super) fn within(&self, limit: Duration) -> Self {
        let limit = format!("{}ms", limit.as_millis());
        self.clone().with("statement_timeout", limit)
    }

    fn with(mut self, setting: &'static str, value: String) -> Self {
        self.session.push((setting, value));
        self
    }

    /// The eras that were met on connections.
    pub(super) fn eras(&self) -> Arc<Eras> {
        Arc::clone(&self.eras)
    }

    /// For a pool, which proves each of its connections.
    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// A connection that was proved.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let proved = self.prove(&mut connection).await;
        proved.map_err(|error| refused(&error))?;
        Ok(connection)
    }

    /// Tells a session what it is to go by. Not while it is opened: poolers refuse, or drop, what they do not know there.
    async fn settle(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let (names, values): (Vec<_>, Vec<_>) = self.session.iter().cloned().unzip();
        let told = sqlx::query(sql::SETTLE).bind(names).bind(values);
        told.execute(connection).await.map(drop)
    }

    /// Makes sure that what is committed on this connection is durable. Notes in which era it is.
    pub(super) async fn prove(&self, connection: &mut PgConnection) -> Result<(), ConnectError> {
        let settled = self.settle(&mut *connection).await;
        settled.map_err(|error| self.unreachable(&error))?;
        let row = sqlx::query(sql::SETTINGS).fetch_one(&mut *connection).await;
        let row = row.map_err(|error| self.unreachable(&error))?;
        let setting = |column| row.try_get::<Option<String>, _>(column).ok().flatten();
        for (column, (setting_name, wanted)) in SAFE.into_iter().enumerate() {
            let found = setting(column).filter(|found| found != wanted);
            if let Some(found) = found.filter(|found| !is_as_safe(setting_name, found)) {
                return Err(ConnectError::Unsafe {
                    place: self.place.clone(),
                    setting: setting_name,
                    found,
                    wanted,
                });
            }
        }
        self.prove_fit(&setting)?;
        let met = self.eras.meet(connection).await;
        met.map_err(|error| self.unreachable(&error))
    }

    fn prove_fit(&self, setting: &dyn Fn(usize) -> Option<String>) -> Result<(), ConnectError> {
        let place = self.place.clone();
        let number = setting(3).and_then(|it| it.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number < OLDEST_SERVER) {
            let (setting, found) = ("server_version", (number / 10_000).to_string());
            let wanted = "13 or newer";
            return Err(ConnectError::Unfit {
                place,
                setting,
                found,
                wanted,
            });
        }
        if let Some(found) = setting(4).filter(|found| found != "UTF8") {
            let (setting, wanted) = ("server_encoding", "UTF8");
            return Err(ConnectError::Unfit {
                place,
                setting,
                found,
                wanted,
            });
        }
        let why = match (setting(5).as_deref(), setting(6).as_deref()) {
            (Some("true"), _) => "is a standby",
            (_, Some("on")) => "only lets its data be read (default_transaction_read_only is on)",
            _ => return Ok(()),
        };
        Err(ConnectError::ReadOnly { place, why })
    }

    async fn first_connection(&self) -> Result<PgConnection, ConnectError> {
        let since = Instant::now();
        for attempt in 0.. {
            let connecting = tokio::time::timeout(START_MAX, self.options.connect()).await;
            let error = match connecting {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.silent()),
            };
            if remedy(&error) == Remedy::None || since.elapsed() > START_MAX {
                return Err(self.unreachable(&error));
            }
            pause(attempt).await;
        }
        Err(self.silent())
    }

    /// Brings the schema to the newest one, unless it is newer already; only one node does at a time.
    async fn migrate(&self, connection: &mut PgConnection) -> Result<(), ConnectError> {
        sqlx::raw_sql(sql::PATIENT_SESSION)
            .execute(&mut *connection)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let migrated = MIGRATIONS.run(&mut *connection).await;
        migrated.map_err(|source| ConnectError::Migration {
            place: self.place.clone(),
            source,
        })?;
        let oldest = sqlx::query_scalar(sql::OLDEST_SCHEMA).fetch_one(connection);
        let oldest: i64 = oldest.await.map_err(|error| self.unreachable(&error))?;
        let known = newest_schema();
        if oldest > known {
            let place = self.place.clone();
            return Err(ConnectError::Newer {
                place,
                oldest,
                known,
            });
        }
        Ok(())
    }

    fn unreachable(&self, error: &sqlx::Error) -> ConnectError {
        ConnectError::Unreachable {
            place: self.place.clone(),
            why: said(error),
        }
    }

    fn silent(&self) -> ConnectError {
        ConnectError::Unreachable {
            place: self.place.clone(),
            why: "nothing answers there as Postgres does".to_owned(),
        }
    }
}

/// A connection that was refused is as good as none: another may lead elsewhere.
pub(super) fn refused(error: &ConnectError) -> sqlx::Error {
    sqlx::Error::Protocol(error.to_string())
}

/// What the server said, or what happened, in no more words than that.
fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Says what is wrong with an address without what stands before the `@`.
fn veiled(error: &sqlx::Error, url: &str) -> String {
    let said = error.to_string();
    let secret = url
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'));
    match secret.and_then(|(secret, _)| secret.split_once(':')) {
        Some((_, password)) if !password.is_empty() => said.replace(password, "***"),
        _ => said,
    }
}

fn is_as_safe(setting: &str, found: &str) -> bool {
    setting == "synchronous_commit" && matches!(found, "remote_apply" | "remote_write")
}

async fn current(
    connection: &mut PgConnection,
    setting: &str,
) -> Result<Option<String>, sqlx::Error> {
    let current = sqlx::query_scalar("SELECT current_setting($1, true)").bind(setting);
    current.fetch_one(connection).await
}

fn newest_schema() -> i64 {
    let versions = MIGRATIONS.iter().map(|step| step.version);
    versions.max().unwrap_or(0)
}

/// Where a newer program has added to the schema, this one runs beside it.
static MIGRATIONS: std::sync::LazyLock<Migrator> = std::sync::LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations/postgres");
    migrations.set_ignore_missing(true);
    migrations
});

/// What durability rests on, in the order of the columns of [`sql::SETTINGS`].
const SAFE: [(&str, &str); 3] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
];

/// What each session is told at its beginning. Compiling a plan pays for queries that pass over millions of rows; there are
/// none. And a plan that was made while a table was small shall not pass over it when it has grown.
const SETTINGS: [(&str, &str); 5] = [
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("default_transaction_isolation", "read committed"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
];

/// `server_version_num`: partitions are pruned while a query runs, and identity columns are partitioned, since long before.
const OLDEST_SERVER: u32 = 130_000;

/// So long a server may take to come up beside us.
const START_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_the_password() {
        for url in [
            "mysql://ada:s3cret@host/db",
            "postgres://ada:s3cret@host:s3cret/db",
            "postgres://ada:s3cret@host:99999999/db",
            "postgres://ada:s3cret@host/db?sslmode=s3cret",
            "postgres://ada:s3cret@[host/db",
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_server_is_named_by_host_or_socket() {
        let place = |url| Address::parse(url).map(|it| it.place);
        let of_special = place("postgres://ada:p%40ss%2Fw%3Ard%231@db.example/quire").unwrap();
        assert_eq!(of_special, "db.example:5432");
        let of_socket = place("postgres://ada@%2Frun%2Fpostgresql/quire").unwrap();
        assert_eq!(of_socket, "/run/postgresql");
        let several = place("postgres://ada@one,two/quire").unwrap_err();
        assert!(several.to_string().contains("several hosts"), "{several}");
    }
}
