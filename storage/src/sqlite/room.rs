//! Room in the log: its file is made as long as it is ever going to be before that is needed.
//!
//! A commit at the end of a file makes it longer, so that flushing it takes a second trip to the disk, for the journal of the
//! file system. One that writes over what the file has already is flushed in a single one. SQLite writes from the beginning
//! again after each checkpoint; until the first one, zeros are put behind what is there, a step after each commit. They
//! are no frames, and whoever recovers the log stops at them. On a disk that is nearly full the log grows as it is written.
//! `docs/decisions/0008-the-log-has-its-length-early.md` has figures.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;

/// The log's file, and whether it is long enough.
#[derive(Debug)]
pub(super) struct Room {
    log: PathBuf,
    is_enough: bool,
}

impl Room {
    /// That of a database, which may have any length yet.
    pub(super) fn of(database: &Path) -> Self {
        Self {
            log: log_of(database),
            is_enough: false,
        }
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_enough(&self) -> bool {
        self.is_enough
    }

    /// One step. Where the disk has no room to give, commits go on without.
    pub(super) async fn step(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        // Nobody writes to the log meanwhile, not even another process.
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        let log = self.log.clone();
        let lengthened = tokio::task::spawn_blocking(move || lengthen(&log, FREE_BYTES_MIN)).await;
        self.is_enough = !matches!(lengthened, Ok(Ok(true)));
        sqlx::query("ROLLBACK").execute(connection).await?;
        Ok(())
    }
}

/// The log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    let mut log = OsString::from(database);
    log.push("-wal");
    log.into()
}

/// False if it was long enough, or the disk has fewer free bytes than that.
fn lengthen(log: &Path, free_min: u64) -> io::Result<bool> {
    let mut log = File::options().append(true).open(log)?;
    let is_short = log.metadata()?.len() < LOG_BYTES && bytes_free(&log)? >= free_min;
    if is_short {
        log.write_all(&vec![0; STEP_BYTES])?;
        log.sync_data()?;
    }
    Ok(is_short)
}

/// How many bytes the disk of a file has for us.
fn bytes_free(file: &File) -> io::Result<u64> {
    let disk = rustix::fs::fstatvfs(file)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What is written between checkpoints (`CHECKPOINT_PAGES`), and the head of each page.
const LOG_BYTES: u64 = 33 << 20;
/// With less than that left, none of it is spent on zeros.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// So much is written in some two milliseconds.
const STEP_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_lengthened_until_it_is_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of(&folder.path().join("db"));
        assert!(lengthen(&room.log, 0).is_err(), "nobody else makes it");
        std::fs::write(folder.path().join("db-wal"), b"frames").unwrap();
        let full = lengthen(&room.log, u64::MAX);
        assert!(!full.unwrap(), "what is free is for edits");
        let steps = (0..100).take_while(|_| lengthen(&room.log, 0).unwrap());
        assert_eq!(steps.count() as u64, LOG_BYTES >> 20);
        let log = std::fs::read(&room.log).unwrap();
        assert_eq!(log.split_at(6).0, b"frames");
        assert!(log[6..].iter().all(|byte| *byte == 0));
    }
}
