//! A cluster of real processes: Postgres, Redis, three nodes, and a line of our own from each node to either of them, which
//! a test can spoil.
//!
//! [`Cluster`] starts and ends all of it. [`Crowd`] has people write to it while something happens, and knows what was
//! acknowledged to whom and when; [`Cluster::settles`] then looks at everything that has to be true again:
//!
//! - every acknowledged edit is there exactly once, by a word of its own in the text or a key of its own in a map
//! - each change is in the timeline once, lanes have no holes, and all nodes tell the same timeline
//! - all nodes, the store and all clients hold the same, byte for byte in canonical form
//! - an ordered document has one operation on each version, each acknowledged one on that which its author was told, and at
//!   each version it holds what those before it come to
//! - every node shows exactly those who are there

mod content;
pub use content::Content;

mod crowd;
pub use crowd::{Crowd, Seats};

mod fault;
pub use fault::{EDIT, Fault};

mod history;
pub use history::{Clock, Dot, History, read_clock};

mod meddler;
pub use meddler::Meddler;

mod node;
pub use node::Node;

mod ordered;
pub use ordered::Ordered;

mod proxy;
pub use proxy::{Mood, Proxy, Trap, Way};

mod scene;
pub use scene::Scene;

mod settled;

mod sharedb_pen;

mod standby;
pub use standby::Standby;

mod typing;

mod writer;
pub use writer::{Ack, Holding, Sight};

mod yjs_pen;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use services::{Postgres, Redis, require};
use tempfile::TempDir;

use crate::server::Launch;
use node::{ADDRESS, Backing};

/// Postgres, Redis and the nodes.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The bus between them.
    pub redis: Redis,
    /// The store of all of them.
    pub postgres: Postgres,
    /// The database in it.
    pub database: String,
    folder: TempDir,
    given: AtomicU64,
}

impl Cluster {
    /// Starts so many nodes and waits until all are ready; nothing if this machine lacks a service.
    ///
    /// # Errors
    /// Something does not start, or what is lacking is required.
    pub async fn start(nodes: usize) -> Result<Option<Self>> {
        Self::start_with(nodes, |_, launch| launch).await
    }

    /// The same, each node launched as told.
    ///
    /// # Errors
    /// Something does not start, or what is lacking is required.
    pub async fn start_with(
        nodes: usize,
        settings: impl Fn(usize, Launch) -> Launch,
    ) -> Result<Option<Self>> {
        if !Postgres::is_installed() {
            require::missing("postgres", "there is no server of it")?;
            return Ok(None);
        }
        if !Redis::is_installed() {
            require::missing("redis", "there is no redis-server")?;
            return Ok(None);
        }
        let mut cluster = Self {
            nodes: Vec::new(),
            redis: Redis::start()?,
            postgres: Postgres::start(&[])?,
            database: String::new(),
            folder: tempfile::tempdir()?,
            given: AtomicU64::new(0),
        };
        cluster.database = cluster.postgres.new_database(None)?;
        let backing = cluster.backing();
        // All at once: whoever comes first migrates, and the others wait.
        for number in 0..nodes {
            let folder = cluster.folder.path().join(format!("node-{number}"));
            let settings = |launch| settings(number, launch);
            let node = Node::spawn(&folder, &backing, settings).await?;
            cluster.nodes.push(node);
        }
        for node in &mut cluster.nodes {
            node.server.ready().await?;
        }
        Ok(Some(cluster))
    }

    /// Where clients find the nodes.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Node::address).collect()
    }

    /// Has people write to documents of its own.
    pub fn crowd(&self, seats: &Seats) -> Crowd {
        Crowd::begin(self.addresses(), seats)
    }

    /// The nodes that run, with their numbers.
    pub fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| !node.is_down())
    }

    /// A number that was not given before.
    fn fresh(&self) -> u64 {
        self.given.fetch_add(1, Ordering::Relaxed)
    }

    fn backing(&self) -> Backing {
        let postgres = SocketAddr::from((Ipv4Addr::LOCALHOST, self.postgres.port()));
        let database = self.postgres.url(&self.database);
        Backing {
            database: database.replace(&postgres.to_string(), ADDRESS),
            postgres,
            redis: (Ipv4Addr::LOCALHOST, self.redis.port()).into(),
        }
    }
}

/// How long a fault lasts: `QUIRE_FAULT_SECONDS`, and three unless that is set.
pub fn fault_time() -> Duration {
    let said = env::var("QUIRE_FAULT_SECONDS").ok();
    let seconds = said.and_then(|said| said.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}
