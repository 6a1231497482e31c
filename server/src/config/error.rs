//! What can be wrong with a configuration. Each message says where, what, and what to write instead.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use humantime::format_duration;
use thiserror::Error;

use super::form::StoreChoice;
use super::origin::Origin;

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path:?} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{origin}: not valid TOML: {message}")]
    Syntax {
        /// The file and line.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting {key:?}{}", did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A value is not what it has to be.
    #[error("{origin}: {key} is {found}, expected {expected}")]
    BadValue {
        /// Where it stands.
        origin: Origin,
        /// The setting.
        key: String,
        /// The value.
        found: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// Everybody on the network could read and write everything.
    #[error(
        "listening on {listen} would let everybody who can reach it read and write every document; \
         make a key with `quire key new`, so that a token is asked for, \
         listen on a loopback address such as 127.0.0.1:{}, \
         or say that this is meant with --insecure-allow-anonymous", listen.port()
    )]
    OpenToEverybody {
        /// The address.
        listen: SocketAddr,
    },
    /// An application is to be asked or told things, and nobody said where it is.
    #[error("{key} is set and hook.url is none; set hook.url to the address of the application")]
    HookWithoutUrl {
        /// The setting.
        key: &'static str,
    },
    /// The application could not tell requests of this server from anybody's.
    #[error(
        "hook.url is set and hook.secret_file is none; write a random secret of 32 bytes or more to a file, \
         for example with `openssl rand -hex 32`, and set hook.secret_file to its path"
    )]
    HookWithoutSecret,
    /// Others could read what the application is sent.
    #[error(
        "hook.url is {url}, which would send tokens and content over the network in the clear; \
         use https, or say that this is meant with hook.allow_insecure"
    )]
    HookInTheClear {
        /// The address.
        url: String,
    },
    /// Of a certificate and its key there is only one.
    #[error(
        "a certificate needs its key, and a key its certificate: set {missing} too, or neither of them"
    )]
    HalfOfTls {
        /// The setting that is not set.
        missing: &'static str,
    },
    /// A database is meant, and nobody said which.
    #[error(
        "store is postgres and database_url is none; set DATABASE_URL to the address of the database"
    )]
    PostgresWithoutUrl,
    /// Changes can not be stored in two places.
    #[error(
        "store is {} and database_url is set too; leave one of them out: database_url means postgres", store.as_str()
    )]
    TwoStores {
        /// The other one.
        store: StoreChoice,
    },
    /// Nodes that share no store have nothing to tell each other.
    #[error(
        "redis_url is set and database_url is none; Redis only carries words between nodes that share a Postgres database: \
         set DATABASE_URL too, or leave redis_url out"
    )]
    RedisAlone,
    /// A lease would be over before it is renewed.
    #[error("cluster.lease ({}) has to be 3s or longer", format_duration(*lease))]
    ShortLease {
        /// `cluster.lease`
        lease: Duration,
    },
    /// Clients would be cut off before they are let go.
    #[error(
        "shutdown.spread ({}) has to be shorter than shutdown.grace ({})",
        format_duration(*spread), format_duration(*grace)
    )]
    SpreadBeyondGrace {
        /// `shutdown.spread`
        spread: Duration,
        /// `shutdown.grace`
        grace: Duration,
    },
    /// Every quiet connection would be closed before it was asked for a sign of life.
    #[error(
        "connection.silence_timeout ({}) has to be longer than connection.ping_interval ({})",
        format_duration(*silence_timeout), format_duration(*ping_interval)
    )]
    SilenceBeforePing {
        /// `connection.ping_interval`
        ping_interval: Duration,
        /// `connection.silence_timeout`
        silence_timeout: Duration,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"))
}
