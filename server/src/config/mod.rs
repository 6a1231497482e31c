//! The configuration: defaults, under the file, under the environment, under the flags.
//!
//! Each layer is a flat set of settings as text with their [`Origin`]; the highest one wins, setting by setting. Only the
//! result is read into the typed [`Config`], so a wrong value is reported in the same words wherever it came from. What
//! settings there are, and their defaults, stands in one table ([`SETTINGS`]). A key that is not in it is an error.

mod auth;
pub use auth::{AuthConfig, JwksConfig};

mod cluster;
pub use cluster::{ClusterConfig, SecretUrl};

mod environment;
pub use environment::Environment;

mod error;
pub use error::ConfigError;

mod file;

mod form;
pub use form::StoreChoice;

mod hook;
pub use hook::{HookConfig, HookEvents};

mod layers;
pub use layers::{Flags, Loaded};

mod origin;
pub use origin::Origin;

mod postgres;

mod settings;
pub use settings::{SETTINGS, Setting};

mod sharedb;

mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use engine::WriterPolicy;
use protocol::sharedb::Projections;
use storage::PostgresPools;

use crate::address::AddressRules;
use crate::auth::keys::KeyFile;
use crate::origins::Origins;
use crate::telemetry::logs::LogFormat;
use crate::tls::TlsFiles;
use cluster::{DatabaseUrl, RedisUrl};
use form::{Count, Depth, Filter, FrameSize, HeadSize, Memory, NamedFile, Size, Spread, TypeDepth};
use values::Values;

/// Everything that can be set about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The address that is listened on.
    pub listen: SocketAddr,
    /// The folder that holds all that is kept.
    pub data_dir: PathBuf,
    /// Where changes are stored.
    pub store: StoreChoice,
    /// The database that nodes share.
    pub database_url: Option<SecretUrl>,
    /// The Redis server by which nodes tell each other of what is new.
    pub redis_url: Option<SecretUrl>,
    /// Whether anybody who reaches a non-loopback address may read and write everything.
    pub insecure_allow_anonymous: bool,
    /// Whose word is taken for where a client is, and who may come in.
    pub addresses: AddressRules,
    /// Whose pages may use this server, besides its own; all if none is listed.
    pub origins: Origins,
    /// `[tls]`: what connections are encrypted with; none if they are not.
    pub tls: Option<TlsFiles>,
    /// Whose tokens are good, and what is allowed without one.
    pub auth: AuthConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The bounds of queues and numbers.
    pub limits: LimitsConfig,
    /// How documents are kept in memory and saved.
    pub document: DocumentConfig,
    /// Who is here.
    pub presence: PresenceConfig,
    /// How connections are kept alive.
    pub connection: ConnectionConfig,
    /// `[sharedb]`: whether operations are stored that change nothing.
    pub commits_noops: bool,
    /// `[sharedb]`: the collections that show something of others.
    pub projections: Projections,
    /// The application that is asked and told things.
    pub hook: HookConfig,
    /// How the server stops.
    pub shutdown: ShutdownConfig,
    /// `[postgres]`: how much of the database it takes.
    pub postgres: PostgresPools,
    /// This node among others.
    pub cluster: ClusterConfig,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How a log line looks.
    pub format: LogFormat,
    /// Which lines are logged, as `tracing` filter directives. Already checked.
    pub filter: String,
}

/// `[limits]`: every queue has its bound here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// The longest message taken from a socket, in bytes.
    pub message_bytes: usize,
    /// Items in one update; also its deleted ranges.
    pub update_items: u64,
    /// Clients in one update.
    pub update_clients: u64,
    /// What taking one update in may need at its peak, in bytes.
    pub update_memory: u64,
    /// How far one update may advance the clock of one client.
    pub client_advance: u64,
    /// Nesting of a value.
    pub value_depth: usize,
    /// Nesting of shared types in one document.
    pub type_depth: u16,
    /// What one document may weigh, in bytes.
    pub document_memory: usize,
    /// What becomes of edits under the client id of somebody else who is connected.
    pub client_ids: WriterPolicy,
    /// Presence entries that one connection may own.
    pub presence_entries: usize,
    /// The longest presence state, in bytes.
    pub presence_state_bytes: usize,
    /// The longest head of a request, in bytes.
    pub request_head_bytes: usize,
    /// How long the head of a request may take to arrive, and again its body.
    pub request_time: Duration,
    /// Edits of one document that may wait while the store is down, in bytes.
    pub unsaved_document_bytes: usize,
    /// Edits of all documents that may wait while the store is down, in bytes.
    pub unsaved_node_bytes: usize,
    /// Messages that may wait for one document's session.
    pub mailbox: usize,
    /// Bytes that may wait for one connection's reader.
    pub outbox_bytes: usize,
    /// Messages that may wait for one connection's reader.
    pub outbox_frames: usize,
    /// Sockets that are being opened at once.
    pub handshakes: usize,
    /// Documents that are being read from the store at once.
    pub documents_opening: usize,
    /// Connections open at once.
    pub connections: usize,
    /// Connections open at once from one address.
    pub connections_per_address: usize,
    /// Connections open at once of one user.
    pub connections_per_user: usize,
    /// Connections open at once to one document.
    pub connections_per_document: usize,
    /// Messages that one connection may send in a second.
    pub messages_per_second: RateConfig,
    /// Bytes that one connection may send in a second.
    pub bytes_per_second: RateConfig,
    /// Documents that one connection may have open.
    pub documents_per_connection: usize,
    /// The same of a connection in the ShareDB dialect.
    pub sharedb_documents_per_connection: usize,
    /// The same in the dialect of automerge-repo, whose clients name all documents that they have open.
    pub automerge_documents_per_connection: usize,
    /// Bytes of messages that may wait until their sender has said who it is.
    pub pre_auth_bytes: usize,
    /// Messages that may wait until their sender has said who it is.
    pub pre_auth_messages: usize,
    /// How long a client may take to say who it is.
    pub pre_auth_time: Duration,
    /// Documents in memory at once.
    pub documents_open: usize,
    /// What all documents in memory may weigh, in bytes.
    pub memory_bytes: usize,
    /// What all connections together may have received that is not worked off, in bytes.
    pub receiving_bytes: usize,
    /// How long a document may be at one step before it is warned of.
    pub step_warn: Duration,
    /// How long a document may be at one step before it is given up.
    pub step_max: Duration,
    /// How long an edit may take before its sender is closed.
    pub message_cpu: Duration,
}

/// How much may come in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateConfig {
    /// So much, in the long run.
    pub per_second: usize,
    /// Whether somebody said so. The default is not enforced in development, where one client may replay a whole history.
    pub is_set: bool,
}

/// `[document]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentConfig {
    /// How long a document stays in memory after its last connection has left.
    pub idle: Duration,
    /// Changes after which a new snapshot is taken.
    pub snapshot_changes: u64,
    /// Bytes of changes after which a new snapshot is taken.
    pub snapshot_bytes: u64,
}

/// `[presence]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceConfig {
    /// How long somebody is shown without a sign of life.
    pub timeout: Duration,
    /// How long news of presence waits at most for what comes soon after.
    pub wait_max: Duration,
}

/// `[connection]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// How often a connection is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long a connection may be silent before it is closed.
    pub silence_timeout: Duration,
}

/// `[shutdown]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    /// How long a stop waits for edits to be stored and connections to be closed.
    pub grace: Duration,
    /// Over how long clients are let go, once all is stored; none if that goes by whether there are other nodes.
    pub spread: Option<Duration>,
}

impl Config {
    /// Loads the configuration of this process.
    ///
    /// # Errors
    /// The file cannot be read, or some layer has an unknown key or a value that cannot be read.
    pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
        Self::load_in(&Environment::of_process(), flags)
    }

    /// Loads the configuration as a process with this environment would.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_in(environment: &Environment, flags: &Flags) -> Result<Loaded, ConfigError> {
        layers::load(environment, flags)
    }

    /// Refuses what every setting alone allows, but all together do not.
    ///
    /// # Errors
    /// The server would be open to everybody without anybody having said so, or would close every quiet connection; or it
    /// is not clear where changes are stored, or clients could not be let go in time.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_local = self.listen.ip().is_loopback();
        if !is_local && !self.insecure_allow_anonymous && !self.asks_for_tokens() {
            return Err(ConfigError::OpenToEverybody {
                listen: self.listen,
            });
        }
        self.hook.check()?;
        let (database, redis) = (self.database_url.as_ref(), self.redis_url.as_ref());
        cluster::check(self.store, database, redis)?;
        self.check_times()
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let ShutdownConfig { grace, spread } = self.shutdown;
        if let Some(spread) = spread.filter(|spread| *spread >= grace) {
            return Err(ConfigError::SpreadBeyondGrace { spread, grace });
        }
        let lease = self.cluster.lease;
        if lease < LEASE_MIN {
            return Err(ConfigError::ShortLease { lease });
        }
        let ConnectionConfig {
            ping_interval,
            silence_timeout,
        } = self.connection;
        if silence_timeout <= ping_interval {
            return Err(ConfigError::SilenceBeforePing {
                ping_interval,
                silence_timeout,
            });
        }
        Ok(())
    }

    /// Whether somebody has to show who they are, or has been said what they may do without.
    pub fn asks_for_tokens(&self) -> bool {
        // A key file that cannot be read is one: the server will say so, and not start.
        let has_keys =
            || KeyFile::read(&self.data_dir).map_or(true, |file| !file.keys().is_empty());
        let is_said = self.auth.jwks.is_some() || self.auth.anonymous.is_some();
        is_said || self.hook.authenticate || has_keys()
    }

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let DatabaseUrl(database_url) = values.get("database_url")?;
        let RedisUrl(redis_url) = values.get("redis_url")?;
        Ok(Self {
            listen: values.get("listen")?,
            data_dir: values.get("data_dir")?,
            store: cluster::store(values)?,
            database_url,
            redis_url,
            insecure_allow_anonymous: values.get("insecure_allow_anonymous")?,
            addresses: read_addresses(values)?,
            origins: values.get("origins")?,
            tls: read_tls(values)?,
            auth: AuthConfig::read(values)?,
            log: LogConfig::read(values)?,
            limits: LimitsConfig::read(values)?,
            document: DocumentConfig::read(values)?,
            presence: PresenceConfig {
                timeout: values.get("presence.timeout")?,
                wait_max: values.get("presence.wait_max")?,
            },
            connection: ConnectionConfig::read(values)?,
            commits_noops: values.get("sharedb.commit_noops")?,
            projections: sharedb::projections(values)?,
            hook: HookConfig::read(values)?,
            shutdown: ShutdownConfig::read(values)?,
            postgres: postgres::read(values)?,
            cluster: ClusterConfig::read(values)?,
        })
    }
}

impl ShutdownConfig {
    fn read(values: &Values) -> Result<Self, ConfigError> {
        let Spread(spread) = values.get("shutdown.spread")?;
        Ok(Self {
            grace: values.get("shutdown.grace")?,
            spread,
        })
    }

    /// Over how long clients are let go: where there are other nodes they should not all come to those at once.
    pub fn spread(&self, has_others: bool) -> Duration {
        let usual = match has_others {
            true => SPREAD_AMONG_OTHERS.min(self.grace / 2),
            false => Duration::ZERO,
        };
        self.spread.unwrap_or(usual)
    }
}

fn read_addresses(values: &Values) -> Result<AddressRules, ConfigError> {
    Ok(AddressRules {
        trusted_proxies: values.get("trusted_proxies")?,
        header: values.get("forwarded_header")?,
        allow: values.get("allow")?,
        deny: values.get("deny")?,
    })
}

fn read_tls(values: &Values) -> Result<Option<TlsFiles>, ConfigError> {
    let NamedFile(certificate) = values.get("tls.certificate")?;
    let NamedFile(key) = values.get("tls.key")?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::HalfOfTls { missing: "tls.key" }),
        (None, Some(_)) => Err(ConfigError::HalfOfTls {
            missing: "tls.certificate",
        }),
    }
}

impl LogConfig {
    fn read(values: &Values) -> Result<Self, ConfigError> {
        let Filter(filter) = values.get("log.filter")?;
        Ok(Self {
            format: values.get("log.format")?,
            filter,
        })
    }
}

impl LimitsConfig {
    fn read(values: &Values) -> Result<Self, ConfigError> {
        let size = |key| values.get(key).map(|Size(bytes)| bytes);
        let count = |key| values.get(key).map(|Count(count)| count);
        let FrameSize(message_bytes) = values.get("limits.message_bytes")?;
        let Depth(value_depth) = values.get("limits.value_depth")?;
        let TypeDepth(type_depth) = values.get("limits.type_depth")?;
        let HeadSize(request_head_bytes) = values.get("limits.request_head_bytes")?;
        Ok(Self {
            message_bytes,
            update_items: count("limits.update_items")? as u64,
            update_clients: count("limits.update_clients")? as u64,
            update_memory: size("limits.update_memory")? as u64,
            client_advance: count("limits.client_advance")? as u64,
            value_depth,
            type_depth,
            document_memory: size("limits.document_memory")?,
            client_ids: values.get("limits.client_ids")?,
            presence_entries: count("limits.presence_entries")?,
            presence_state_bytes: size("limits.presence_state_bytes")?,
            request_head_bytes,
            request_time: values.get("limits.request_time")?,
            unsaved_document_bytes: size("limits.unsaved_document_bytes")?,
            unsaved_node_bytes: size("limits.unsaved_node_bytes")?,
            mailbox: count("limits.mailbox")?,
            outbox_bytes: size("limits.outbox_bytes")?,
            outbox_frames: count("limits.outbox_frames")?,
            handshakes: count("limits.handshakes")?,
            documents_opening: count("limits.documents_opening")?,
            connections: count("limits.connections")?,
            connections_per_address: count("limits.connections_per_address")?,
            connections_per_user: count("limits.connections_per_user")?,
            connections_per_document: count("limits.connections_per_document")?,
            messages_per_second: RateConfig {
                per_second: count("limits.messages_per_second")?,
                is_set: values.is_set("limits.messages_per_second"),
            },
            bytes_per_second: RateConfig {
                per_second: size("limits.bytes_per_second")?,
                is_set: values.is_set("limits.bytes_per_second"),
            },
            documents_per_connection: count("limits.documents_per_connection")?,
            sharedb_documents_per_connection: count("limits.sharedb_documents_per_connection")?,
            automerge_documents_per_connection: count("limits.automerge_documents_per_connection")?,
            pre_auth_bytes: size("limits.pre_auth_bytes")?,
            pre_auth_messages: count("limits.pre_auth_messages")?,
            pre_auth_time: values.get("limits.pre_auth_time")?,
            documents_open: count("limits.documents_open")?,
            memory_bytes: values
                .get("limits.memory_bytes")
                .map(|Memory(bytes)| bytes)?,
            receiving_bytes: size("limits.receiving_bytes")?,
            step_warn: values.get("limits.step_warn")?,
            step_max: values.get("limits.step_max")?,
            message_cpu: values.get("limits.message_cpu")?,
        })
    }
}

impl DocumentConfig {
    fn read(values: &Values) -> Result<Self, ConfigError> {
        let Count(changes) = values.get("document.snapshot_changes")?;
        let Size(bytes) = values.get("document.snapshot_bytes")?;
        Ok(Self {
            idle: values.get("document.idle")?,
            snapshot_changes: changes as u64,
            snapshot_bytes: bytes as u64,
        })
    }
}

impl ConnectionConfig {
    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            ping_interval: values.get("connection.ping_interval")?,
            silence_timeout: values.get("connection.silence_timeout")?,
        })
    }
}

/// It is renewed every third of it, and once is allowed to fail.
const LEASE_MIN: Duration = Duration::from_secs(3);
const SPREAD_AMONG_OTHERS: Duration = Duration::from_secs(5);
