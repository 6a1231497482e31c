//! Opening the database: the folder and file, the settings on which durability rests, and the schema.
//!
//! What `synchronous` and `journal_mode` are *set* to proves nothing (a file system may refuse WAL), so both are read
//! back on every write connection, and a database that would not be durable is refused.

use std::fs::{File, create_dir};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row, SqliteConnection};
use thiserror::Error;

use super::cache::Cache;
use super::failure::{SQLITE_ERROR, code};
use super::filing::Habit;
use super::room::Room;
use crate::news::NewsHabit;

/// Why a database was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder of the database can not be made or written.
    #[error("can not make the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no database, and it was to be opened for reading only.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// SQLite can not open the file or make it durable.
    #[error("can not open the database {}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A setting on which durability rests did not take effect.
    #[error(
        "the database {} can not store durably: {setting} is {found}, not {wanted}; \
         a network file system does not serve, use a local one",
        path.display()
    )]
    NotDurable {
        /// The database.
        path: PathBuf,
        /// The setting, as one asks for it.
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The database was written by a newer program.
    #[error(
        "the database {} has schema {found}, this program knows up to {known}; start the newer program",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The database was written by an older program, or is of another one, and was to be opened for reading only.
    #[error(
        "the database {} does not have schema {known}; start the server once to bring it there",
        path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The schema could not be brought to the newest one.
    #[error("can not bring the database {} to the newest schema: {source}", path.display())]
    Migration {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        source: MigrateError,
    },
}

/// Opens write connections, each of which is proved durable.
#[derive(Clone, Debug)]
pub(super) struct WriteOptions {
    path: PathBuf,
    connect: SqliteConnectOptions,
    habit: Habit,
    news: Arc<OnceLock<NewsHabit>>,
}

impl WriteOptions {
    pub(super) fn new(path: &Path) -> Self {
        let connect = common(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", WRITE_CACHE_KIB)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", WAL_KEPT_BYTES);
        Self {
            path: path.to_owned(),
            connect,
            habit: Habit::default(),
            news: Arc::default(),
        }
    }

    /// Where it is said which news is kept, once that is known.
    pub(super) fn news(&self) -> Arc<OnceLock<NewsHabit>> {
        self.news.clone()
    }

    /// Which news is kept; none if nobody wants any.
    pub(super) fn news_habit(&self) -> Option<NewsHabit> {
        self.news.get().copied()
    }

    /// When changes are filed.
    pub(super) fn habit(&self) -> Habit {
        self.habit
    }

    /// The room in its log.
    pub(super) fn room(&self) -> Room {
        Room::of(&self.path)
    }

    /// Files changes at another time than one would.
    #[cfg(test)]
    pub(super) fn file_by(mut self, habit: Habit) -> Self {
        self.habit = habit;
        self
    }

    /// Sets the most pages that the database may have, as if the disk ended there.
    #[cfg(test)]
    pub(super) fn limit_pages(mut self, pages: u32) -> Self {
        self.connect = self.connect.pragma("max_page_count", pages.to_string());
        self
    }

    /// A connection whose durability was read back.
    pub(super) async fn connect(&self) -> Result<SqliteConnection, OpenError> {
        let mut connection = self.connect.connect().await.map_err(|e| self.failed(e))?;
        self.read_back(&mut connection, "PRAGMA journal_mode", "wal")
            .await?;
        self.read_back(&mut connection, "PRAGMA synchronous", SYNCHRONOUS_FULL)
            .await?;
        Ok(connection)
    }

    /// What the writer is to know of the database from the beginning.
    pub(super) async fn read_cache(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Cache, OpenError> {
        Cache::read(connection).await.map_err(|e| self.failed(e))
    }

    /// Reaches the failpoint before each commit from now on: all is written by then, however many statements it took.
    #[cfg(feature = "failpoints")]
    pub(super) async fn arm(&self, connection: &mut SqliteConnection) -> Result<(), OpenError> {
        use crate::failpoint::Failpoint;
        let mut handle = connection.lock_handle().await.map_err(|e| self.failed(e))?;
        handle.set_commit_hook(|| {
            Failpoint::BeforeCommit.reach();
            true
        });
        Ok(())
    }

    /// There are no failpoints.
    #[cfg(not(feature = "failpoints"))]
    pub(super) async fn arm(&self, _connection: &mut SqliteConnection) -> Result<(), OpenError> {
        Ok(())
    }

    async fn read_back(
        &self,
        connection: &mut SqliteConnection,
        setting: &'static str,
        wanted: &'static str,
    ) -> Result<(), OpenError> {
        let found = pragma(connection, setting)
            .await
            .map_err(|e| self.failed(e))?;
        if found == wanted {
            return Ok(());
        }
        Err(OpenError::NotDurable {
            path: self.path.clone(),
            setting,
            wanted,
            found,
        })
    }

    fn failed(&self, source: sqlx::Error) -> OpenError {
        failed(&self.path, source)
    }
}

/// Makes the folder of the database, so that it is still there after a crash of the machine.
pub(super) fn make_folder(folder: &Path) -> Result<(), OpenError> {
    make_durable_folder(folder).map_err(|source| OpenError::Folder {
        path: folder.to_owned(),
        source,
    })
}

/// Brings the schema to the newest one.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), OpenError> {
    MIGRATIONS.run(connection).await.map_err(|source| {
        let (path, known) = (path.to_owned(), newest_schema());
        match source {
            MigrateError::VersionMissing(found) if found > known => {
                OpenError::Newer { path, found, known }
            }
            source => OpenError::Migration { path, source },
        }
    })
}

/// Works the log into the database, and makes it begin anew.
pub(super) async fn empty_log(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), OpenError> {
    let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
    let emptied = emptied.execute(connection).await;
    emptied.map(drop).map_err(|source| failed(path, source))
}

/// Opens the pool of connections that only read.
///
/// They are opened for writing as far as SQLite is concerned, since only so a log left by a crash can be read, and are
/// then forbidden to write. They never create a database.
pub(super) async fn open_readers(path: &Path) -> Result<SqlitePool, OpenError> {
    if !path.is_file() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let connect = common(path)
        .create_if_missing(false)
        .row_buffer_size(ROWS_READ_AHEAD)
        .pragma("query_only", "ON");
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(connect)
        .await
        .map_err(|source| failed(path, source))
}

/// Makes sure that a database which may not be written has the schema that this program reads.
pub(super) async fn check_schema(readers: &SqlitePool, path: &Path) -> Result<(), OpenError> {
    let known = newest_schema();
    let path = path.to_owned();
    let found = sqlx::query_scalar::<_, i64>("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(readers)
        .await;
    match found {
        Ok(found) if found == known => Ok(()),
        Ok(found) if found > known => Err(OpenError::Newer { path, found, known }),
        Ok(_) => Err(OpenError::Older { path, known }),
        Err(error) if code(&error) == Some(SQLITE_ERROR) => Err(OpenError::Older { path, known }),
        Err(source) => Err(OpenError::Database { path, source }),
    }
}

/// What a PRAGMA answers, as text.
async fn pragma(
    connection: &mut SqliteConnection,
    setting: &'static str,
) -> Result<String, sqlx::Error> {
    sqlx::query(setting)
        .fetch_one(connection)
        .await?
        .try_get_unchecked(0)
}

fn common(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

fn failed(path: &Path, source: sqlx::Error) -> OpenError {
    OpenError::Database {
        path: path.to_owned(),
        source,
    }
}

fn newest_schema() -> i64 {
    MIGRATIONS
        .iter()
        .map(|step| step.version)
        .max()
        .unwrap_or(0)
}

fn make_durable_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_durable_folder(parent)?;
    create_dir(folder)?;
    File::open(parent)?.sync_all()
}

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// How SQLite numbers `synchronous = FULL`: every commit is on disk before it returns.
const SYNCHRONOUS_FULL: &str = "2";

/// How long to wait for another process, such as a backup, that holds the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Negative means KiB: the ends of some ten thousand lanes stay in memory while they are written.
const WRITE_CACHE_KIB: &str = "-65536";

/// The log is worked into the database after 32 MiB: seldom enough that commits rarely pay for it, and small enough
/// that recovery after a crash is a matter of milliseconds.
const CHECKPOINT_PAGES: &str = "8192";

/// What remains of the log's file after a burst.
const WAL_KEPT_BYTES: &str = "67108864";

/// Readers at a time; more wait. Reading is bounded by the disk and two cores, not by connections.
const READERS: u32 = 4;

/// Rows that a reader's thread has ready before they are asked for. Each may hold a payload as large as a frame.
const ROWS_READ_AHEAD: usize = 64;
