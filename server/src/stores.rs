//! Which store and bus a configuration means, opened; and what this process has to itself on the disk.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use storage::{Bus, MemoryStore, PostgresStore, RedisBus, SqliteStore, Store};

use crate::cluster::Node;
use crate::config::{Config, ConfigError, StoreChoice};

/// Opens the store.
pub(crate) async fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match config.store {
        StoreChoice::Memory => Arc::new(MemoryStore::new()),
        StoreChoice::Sqlite => Arc::new(SqliteStore::open(&config.data_dir).await?),
        StoreChoice::Postgres => {
            let store = PostgresStore::connect_with(database(config)?, config.postgres);
            Arc::new(store.await.context("database_url")?)
        }
    })
}

/// Opens the store to look into it; none if there is nothing to look into from another process.
pub(crate) async fn open_to_look(config: &Config) -> anyhow::Result<Option<Arc<dyn Store>>> {
    Ok(match config.store {
        StoreChoice::Memory => None,
        StoreChoice::Sqlite => Some(Arc::new(
            SqliteStore::open_read_only(&config.data_dir).await?,
        )),
        StoreChoice::Postgres => Some(open(config).await?),
    })
}

fn database(config: &Config) -> anyhow::Result<&str> {
    let url = config.database_url.as_ref();
    Ok(url.ok_or(ConfigError::PostgresWithoutUrl)?.reveal())
}

/// This process as one of several nodes, if its store is one that is shared.
pub(crate) fn node(config: &Config, name: String) -> anyhow::Result<Option<Node>> {
    if config.store != StoreChoice::Postgres {
        return Ok(None);
    }
    let bus = match &config.redis_url {
        Some(url) => Some(Arc::new(RedisBus::connect(url.reveal())?) as Arc<dyn Bus>),
        None => None,
    };
    Ok(Some(Node { name, bus }))
}

/// What a node is called: as somebody said, or by its machine and port.
pub(crate) fn node_name(config: &Config, listening: SocketAddr) -> String {
    let own = || {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        format!("{host}-{}", listening.port())
    };
    config.cluster.node.clone().unwrap_or_else(own)
}

/// The folder that a process has to itself. Its lock keeps a second one away for as long as it is held.
#[derive(Debug)]
pub(crate) struct OwnFolder {
    path: PathBuf,
    _lock: File,
}

impl OwnFolder {
    /// All of the data folder where the data is in it: two servers would take each other's writes for their own. Else one
    /// for each node, for what it notes of its work. None where nothing is kept.
    pub(crate) fn lock(config: &Config, node: &str) -> anyhow::Result<Option<Self>> {
        let data = &config.data_dir;
        let (path, who) = match config.store {
            StoreChoice::Memory => return Ok(None),
            StoreChoice::Sqlite => (
                data.clone(),
                "another server uses the data in {folder}; stop it, or choose another folder with --data-dir",
            ),
            StoreChoice::Postgres => (
                data.join(NODES).join(node),
                "another node of this name uses {folder}; give each node a name of its own with cluster.node, or a folder with --data-dir",
            ),
        };
        let taken = || who.replace("{folder}", &path.display().to_string());
        Self::lock_at(&path, taken).map(Some)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn lock_at(folder: &Path, taken: impl Fn() -> String) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("can not make the folder {}", folder.display()))?;
        let path = folder.join(LOCK_FILE);
        let lock =
            File::create(&path).with_context(|| format!("can not write {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: folder.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => bail!("{}", taken()),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("can not lock {}", path.display()))
            }
        }
    }
}

/// The file whose lock says that a process uses the folder.
const LOCK_FILE: &str = "quire.lock";
/// The folder that has one for each node.
const NODES: &str = "nodes";
