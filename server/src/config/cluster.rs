//! What a node shares with others, and `[cluster]`: what it is called among them.
//!
//! Where the database and the bus are is told by URLs that may hold passwords. They are read here and handed on; no error,
//! log line or command shows them.

use std::fmt;
use std::time::Duration;

use axum::http::Uri;

use super::error::ConfigError;
use super::form::{Form, StoreChoice};
use super::values::Values;

/// A URL that may hold a password. It is printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

/// `[cluster]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// What this node is called; by its host and port if nobody said it.
    pub node: Option<String>,
    /// Where clients and load balancers reach it.
    pub address: Option<String>,
    /// How much it takes compared with others.
    pub weight: u32,
    /// How long this process is believed to live after it last said so.
    pub lease: Duration,
    /// How often it is looked up what other nodes have stored.
    pub heads_interval: Duration,
}

/// A URL of a Postgres database, or none.
pub(super) struct DatabaseUrl(pub(super) Option<SecretUrl>);

/// A URL of a Redis server, or none.
pub(super) struct RedisUrl(pub(super) Option<SecretUrl>);

/// The name of a node; none for one that it gives itself.
struct NodeName(Option<String>);

/// Where a node is reached, if that is said.
struct Reached(Option<String>);

struct Weight(u32);

impl SecretUrl {
    /// The URL, for whoever connects.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(not shown)")
    }
}

impl ClusterConfig {
    pub(super) fn read(values: &Values) -> Result<Self, ConfigError> {
        let NodeName(node) = values.get("cluster.node")?;
        let Reached(address) = values.get("cluster.address")?;
        let Weight(weight) = values.get("cluster.weight")?;
        Ok(Self {
            node,
            address,
            weight,
            lease: values.get("cluster.lease")?,
            heads_interval: values.get("cluster.heads_interval")?,
        })
    }
}

/// The store that is meant: a database is used by whoever says where it is.
pub(super) fn store(values: &Values) -> Result<StoreChoice, ConfigError> {
    let DatabaseUrl(url) = values.get("database_url")?;
    match url {
        Some(_) if !values.is_set("store") => Ok(StoreChoice::Postgres),
        _ => values.get("store"),
    }
}

/// Refuses a store that is not there, one of two that are named, and a bus between nodes that share nothing.
pub(super) fn check(
    store: StoreChoice,
    database: Option<&SecretUrl>,
    redis: Option<&SecretUrl>,
) -> Result<(), ConfigError> {
    match (store, database) {
        (StoreChoice::Postgres, None) => Err(ConfigError::PostgresWithoutUrl),
        (StoreChoice::Sqlite | StoreChoice::Memory, Some(_)) => {
            Err(ConfigError::TwoStores { store })
        }
        (StoreChoice::Sqlite | StoreChoice::Memory, None) if redis.is_some() => {
            Err(ConfigError::RedisAlone)
        }
        _ => Ok(()),
    }
}

/// A URL with one of these schemes and a host, if the text is one.
fn url_of(text: &str, schemes: &[&str]) -> Option<SecretUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let is_fit =
        schemes.contains(&scheme) && !rest.is_empty() && !text.contains(char::is_whitespace);
    is_fit.then(|| SecretUrl(text.to_owned()))
}

impl Form for DatabaseUrl {
    const EXPECTED: &'static str =
        "none, or a URL such as postgres://user:password@db.example.com:5432/quire";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        match text {
            NONE => Some(Self(None)),
            url => url_of(url, &["postgres", "postgresql"]).map(|url| Self(Some(url))),
        }
    }
}

impl Form for RedisUrl {
    const EXPECTED: &'static str =
        "none, or a URL such as redis://user:password@redis.example.com:6379, with rediss for TLS";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        match text {
            NONE => Some(Self(None)),
            url => url_of(url, &["redis", "rediss"]).map(|url| Self(Some(url))),
        }
    }
}

impl Form for NodeName {
    const EXPECTED: &'static str =
        "auto, or a name of at most 64 letters, digits, '.', '_' and '-'";

    fn parse(text: &str) -> Option<Self> {
        let is_fit = |symbol: char| symbol.is_ascii_alphanumeric() || "._-".contains(symbol);
        match text {
            "auto" => Some(Self(None)),
            // They name folders.
            "" | "." | ".." => None,
            name if name.len() <= NAME_BYTES_MAX && name.chars().all(is_fit) => {
                Some(Self(Some(name.to_owned())))
            }
            _ => None,
        }
    }
}

impl Form for Reached {
    const EXPECTED: &'static str = "none, or an address such as https://a.example.com or 10.0.0.7:1234, without user or password";

    fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self(None));
        }
        let url: Uri = text.parse().ok()?;
        let is_http = matches!(url.scheme_str(), None | Some("http" | "https"));
        let authority = url.authority()?;
        let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        let is_short = url.path_and_query().is_none_or(|path| path == "/");
        let address = text.trim_end_matches('/').to_owned();
        (is_http && is_plain && is_short).then_some(Self(Some(address)))
    }
}

impl Form for Weight {
    const EXPECTED: &'static str = "a whole number from 1 to 1000";

    fn parse(text: &str) -> Option<Self> {
        let weight = text.parse().ok()?;
        (1..=1000).contains(&weight).then_some(Self(weight))
    }
}

const NONE: &str = "none";
const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_reached_by_a_plain_address() {
        let reached = |text| Reached::parse(text).and_then(|Reached(address)| address);
        assert_eq!(reached("10.0.0.7:1234").as_deref(), Some("10.0.0.7:1234"));
        assert_eq!(
            reached("https://a.example/").as_deref(),
            Some("https://a.example")
        );
        for text in ["", "ftp://a", "https://u:p@a", "https://a/path", "/path"] {
            assert!(Reached::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_node_has_a_name_that_can_stand_anywhere() {
        let name = |text| NodeName::parse(text).and_then(|NodeName(name)| name);
        assert_eq!(name("web-1.a_b").as_deref(), Some("web-1.a_b"));
        assert!(NodeName::parse("auto").is_some_and(|NodeName(name)| name.is_none()));
        for text in ["", "..", "a/b", "a b", "é", &"a".repeat(65)] {
            assert!(NodeName::parse(text).is_none(), "{text}");
        }
    }
}
