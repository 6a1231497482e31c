//! One of the nodes: a server process, and its lines to Postgres and Redis.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use rustix::process::Signal;

use super::proxy::{Mood, Proxy};
use crate::server::{Launch, Server};

/// A node.
#[derive(Debug)]
pub struct Node {
    /// The process.
    pub server: Server,
    /// Its line to Postgres.
    pub to_postgres: Proxy,
    /// Its line to Redis.
    pub to_redis: Proxy,
    is_down: bool,
}

/// Where a node finds what it needs.
#[derive(Clone, Debug)]
pub(super) struct Backing {
    pub(super) postgres: SocketAddr,
    /// The URL of the database, with this in place of the address.
    pub(super) database: String,
    pub(super) redis: SocketAddr,
}

impl Node {
    /// Starts a process on a folder of its own, and does not wait until it is ready.
    pub(super) async fn spawn(
        folder: &Path,
        backing: &Backing,
        settings: impl FnOnce(Launch) -> Launch,
    ) -> Result<Self> {
        let to_postgres = Proxy::start(backing.postgres).await?;
        let to_redis = Proxy::start(backing.redis).await?;
        let at = to_postgres.address().to_string();
        let database = backing.database.replace(ADDRESS, &at);
        let redis = format!("redis://{}", to_redis.address());
        let launch = Launch::new(folder)?
            .variable("DATABASE_URL", &database)
            .variable("REDIS_URL", &redis);
        Ok(Self {
            server: settings(launch).spawn()?,
            to_postgres,
            to_redis,
            is_down: false,
        })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Whether its process has ended, by itself or not.
    ///
    /// # Errors
    /// Nobody can tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        self.server.has_ended()
    }

    /// Whether it was ended by the test and not started again.
    pub fn is_down(&self) -> bool {
        self.is_down
    }

    /// Ends it as a crash does.
    ///
    /// # Errors
    /// The process is not ours.
    pub fn kill(&mut self) -> Result<()> {
        self.is_down = true;
        self.server.kill()
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// It does not stop, or not in order.
    pub async fn stop(&mut self) -> Result<()> {
        self.is_down = true;
        let status = self.server.stop().await?;
        anyhow::ensure!(status.success(), "the node stopped with {status}");
        Ok(())
    }

    /// Starts it again, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn start(&mut self) -> Result<()> {
        self.server.restart().await?;
        self.is_down = false;
        Ok(())
    }

    /// Stops it in its tracks.
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&self) -> Result<()> {
        self.server.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&self) -> Result<()> {
        self.server.signal(Signal::CONT)
    }

    /// Lets everything pass on both of its lines.
    pub fn mend(&self) {
        for line in [&self.to_postgres, &self.to_redis] {
            line.lift();
            line.set(Mood::Passing);
        }
    }
}

/// Stands for the address in the URL of a database.
pub(super) const ADDRESS: &str = "{address}";
