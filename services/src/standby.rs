//! A standby of a Postgres: it copies the other one and then follows it, until it is promoted and takes its place.
//!
//! It follows asynchronously, so the other one does not wait for it: what is committed while the way between the two is cut
//! is missing here, as it is after many a real failover.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::postgres::{Postgres, USER};

impl Postgres {
    /// A standby, which finds this one on a port of loopback: its own, or one that leads there.
    ///
    /// # Errors
    /// It can not be made, or does not start.
    pub fn standby(&self, through: u16) -> Result<Self> {
        let primary =
            format!("primary_conninfo=host=127.0.0.1 port={through} user={USER} connect_timeout=2");
        let settings = ["wal_retrieve_retry_interval=100ms", &primary];
        let standby = Self::unmade(&settings)?;
        let copied = standby
            .program("pg_basebackup")
            .args(["--wal-method=stream", "--checkpoint=fast", "--no-sync"])
            .args(["--write-recovery-conf", "--dbname", &self.url("postgres")])
            .arg("--pgdata")
            .arg(standby.data())
            .output()?;
        let said = String::from_utf8_lossy(&copied.stderr);
        ensure!(copied.status.success(), "pg_basebackup failed: {said}");
        standby.configure()?;
        standby.start_again()?;
        Ok(standby)
    }

    /// Waits until a standby has all that was committed here by now.
    ///
    /// # Errors
    /// It never does.
    pub fn followed_by(&self, standby: &Self) -> Result<()> {
        let written = self.query("postgres", "SELECT pg_current_wal_flush_lsn()")?;
        let followed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        let since = Instant::now();
        while standby.query("postgres", &followed)? != "t" {
            ensure!(
                since.elapsed() < FOLLOW_MAX,
                "the standby does not follow: {}",
                standby.log()
            );
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Makes a standby the primary, and returns when it takes commits.
    ///
    /// # Errors
    /// It is none, or does not become one.
    pub fn promote(&self) -> Result<()> {
        let promoted = self.query("postgres", PROMOTE)?;
        ensure!(promoted == "t", "it was not promoted: {}", self.log());
        Ok(())
    }
}

/// So long a standby may be behind.
const FOLLOW_MAX: Duration = Duration::from_secs(30);
/// Waits for half a minute at most.
const PROMOTE: &str = "SELECT pg_promote(true, 30)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{free_port, require};

    fn count(server: &Postgres) -> Result<String> {
        server.query("postgres", "SELECT count(*) FROM words")
    }

    #[test]
    fn a_standby_follows_and_takes_over() -> Result<()> {
        if !Postgres::is_installed() {
            return require::missing("postgres", "there is no server of it");
        }
        let primary = Postgres::start(&[])?;
        primary.query("postgres", "CREATE TABLE words (word text)")?;
        let standby = primary.standby(primary.port())?;
        primary.query("postgres", "INSERT INTO words VALUES ('one')")?;
        primary.followed_by(&standby)?;
        assert_eq!(count(&standby)?, "1");
        let insert = "INSERT INTO words VALUES ('two')";
        assert!(standby.query("postgres", insert).is_err(), "it only reads");
        primary.crash()?;
        standby.promote()?;
        standby.query("postgres", insert)?;
        assert_eq!(count(&standby)?, "2");
        Ok(())
    }

    #[test]
    fn a_standby_that_can_not_follow_lacks_what_came_since() -> Result<()> {
        if !Postgres::is_installed() {
            return require::missing("postgres", "there is no server of it");
        }
        let primary = Postgres::start(&[])?;
        primary.query("postgres", "CREATE TABLE words (word text)")?;
        let standby = primary.standby(free_port()?)?;
        primary.query("postgres", "INSERT INTO words VALUES ('one')")?;
        primary.crash()?;
        standby.promote()?;
        assert_eq!(count(&standby)?, "0");
        Ok(())
    }
}
