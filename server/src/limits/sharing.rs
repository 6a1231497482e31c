//! Counting together with the other nodes, over the bus: what each has of a key is told to the others, who add it to what they
//! have. Without the bus, or where it does not answer at once, each node goes by what it has itself.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{self, SHA256};
use engine::{Author, DocumentKey};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Notify;

use super::Counts;
use crate::cluster::Cluster;
use crate::hub::WeakHub;
use crate::telemetry::metrics;

/// Something that is counted over all nodes.
pub(super) trait Key: Clone + Eq + Hash {
    /// What it is called between the nodes: nothing that could be read, and never what something else is called.
    fn label(&self) -> String;
}

impl Key for IpAddr {
    fn label(&self) -> String {
        name("address", &[&self.to_string()])
    }
}

impl Key for Author {
    fn label(&self) -> String {
        name("user", &[self.as_str()])
    }
}

impl Key for DocumentKey {
    fn label(&self) -> String {
        name("document", &[self.workspace(), self.name()])
    }
}

/// A hash, so that Redis holds no names or addresses of people.
fn name(what: &str, parts: &[&str]) -> String {
    let mut context = digest::Context::new(&SHA256);
    for part in [what].iter().chain(parts) {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let hash = context.finish();
    let digits = hash.as_ref()[..NAME_BYTES].iter();
    let digits: String = digits.map(|byte| format!("{byte:02x}")).collect();
    format!("{what}:{digits}")
}

/// The way to the other nodes.
#[derive(Debug)]
pub(super) struct Sharing {
    cluster: Arc<Cluster>,
    /// Where few places are left, one was taken or given back.
    pub(super) changed: Arc<Notify>,
}

impl Sharing {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self {
            cluster,
            changed: Arc::default(),
        }
    }

    /// Asks the others of a key, if that is called for before a further one is let in. That takes no longer than the bus may
    /// take for an answer.
    pub(super) async fn ask_if_due<K: Key>(&self, counts: &Counts<K>, key: &K) {
        if let Some(here) = counts.to_ask(key, Instant::now()) {
            self.ask(counts, key, here).await;
        }
    }

    /// Tells the others what has changed here, and learns what they have.
    pub(super) async fn round<K: Key>(&self, counts: &Counts<K>) {
        let due = stream::iter(counts.round(Instant::now()));
        let asked = due.for_each_concurrent(AT_ONCE, |(key, here)| async move {
            self.ask(counts, &key, here).await;
        });
        asked.await;
    }

    async fn ask<K: Key>(&self, counts: &Counts<K>, key: &K, here: usize) {
        let Some(bus) = self.cluster.up() else {
            return;
        };
        let name = key.label();
        let answer = bus.share_count(self.cluster.name(), &name, here as u64);
        let answer = answer.await;
        metrics::count_shared(answer.is_ok());
        if let Ok(have) = answer {
            let have = usize::try_from(have).unwrap_or(usize::MAX);
            counts.hear(key, here, have, Instant::now());
        }
    }
}

/// Has the others know what is here, for as long as the hub is there.
pub(crate) async fn keep_up(hub: WeakHub) {
    while let Some(hub) = hub.upgrade() {
        let world = hub.world();
        drop(hub);
        let Some(changed) = world.places.changed() else {
            return;
        };
        world.places.round().await;
        drop(world);
        tokio::time::sleep(ROUNDS_APART).await;
        // Woken or not, it is time for a round.
        let _ = tokio::time::timeout(ROUND_INTERVAL, changed.notified()).await;
    }
}

/// Of a hash; nobody can make two users have the same.
const NAME_BYTES: usize = 16;

/// Keys that the others are asked for at a time.
const AT_ONCE: usize = 64;

const ROUND_INTERVAL: Duration = Duration::from_millis(800);

/// However much changes.
const ROUNDS_APART: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use engine::Limit;
    use storage::{MemoryBusHub, MemoryStore};

    use super::*;
    use crate::cluster::Node;
    use crate::cluster::Replicas;
    use crate::cluster::replicas::OwnReplica;
    use crate::config::{Config, Environment, Flags};
    use crate::limits::{Places, PlacesLimits};

    /// Nodes of which each user and address may have four connections together, and each document two.
    async fn nodes<const COUNT: usize>(hub: &MemoryBusHub) -> [Places; COUNT] {
        let limits = PlacesLimits {
            per_address_max: 4,
            per_user_max: 4,
            per_document_max: 2,
        };
        let config = Config::load_in(&Environment::default(), &Flags::default());
        let (config, store) = (config.unwrap().config, Arc::new(MemoryStore::new()));
        let mut nodes = Vec::new();
        for number in 0..COUNT {
            let node = Node {
                name: number.to_string(),
                bus: Some(Arc::new(hub.bus())),
            };
            let first = OwnReplica::take(&*store).await.unwrap();
            let replicas = Arc::new(Replicas::new(store.clone(), first));
            let cluster = Cluster::join(node, replicas, &config, store.clone()).await;
            nodes.push(Places::new(limits, Some(Arc::new(cluster.unwrap()))));
        }
        nodes.try_into().unwrap()
    }

    async fn until(mut condition: impl AsyncFnMut() -> bool) {
        let holds = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), holds).await;
        assert!(waited.is_ok(), "it came to nothing");
    }

    fn ada() -> Option<Author> {
        Some(Author::new("ada"))
    }

    #[tokio::test]
    async fn a_user_has_so_many_connections_of_all_nodes_together() {
        let hub = MemoryBusHub::default();
        let [one, two] = nodes(&hub).await;
        let here = [one.of_user(ada()).await, one.of_user(ada()).await];
        assert!(here.iter().all(Result::is_ok));
        one.round().await;
        let there = [two.of_user(ada()).await, two.of_user(ada()).await];
        assert!(there.iter().all(Result::is_ok));
        let fifth = two.of_user(ada()).await;
        assert_eq!(fifth.err(), Some(Limit::ConnectionsPerUser));
        assert!(two.of_user(Some(Author::new("bob"))).await.is_ok());
        assert!(two.of_user(None).await.is_ok());
        until(async || {
            two.round().await;
            one.round().await;
            one.of_expected_user(ada()).is_err()
        })
        .await;
        drop(there);
        until(async || {
            two.round().await;
            one.of_user(ada()).await.is_ok()
        })
        .await;
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_a_node_that_died_has_none() {
        let hub = MemoryBusHub::default();
        let [one, two] = nodes(&hub).await;
        let address = || Some("203.0.113.5".parse().unwrap());
        let mut here = Vec::new();
        for _ in 0..4 {
            here.push(one.of_address(address()).await.unwrap());
        }
        one.round().await;
        let refused = two.of_address(address()).await;
        assert_eq!(refused.err(), Some(Limit::ConnectionsPerAddress));
        // What a node has said is forgotten if it does not say it again.
        hub.flush();
        until(async || two.of_address(address()).await.is_ok()).await;
    }

    #[tokio::test]
    async fn a_document_has_so_many() {
        let hub = MemoryBusHub::default();
        let [one, two] = nodes(&hub).await;
        let plan = DocumentKey::new("default", "plan").unwrap();
        let (mut here, there) = (one.of_document(plan.clone()), two.of_document(plan));
        for count in 1..=2 {
            assert!(here.may_have_more());
            here.set(count);
        }
        one.round().await;
        assert!(there.may_have_more(), "it is not known yet");
        two.round().await;
        assert!(!there.may_have_more());
        drop(here);
        until(async || {
            one.round().await;
            two.round().await;
            there.may_have_more()
        })
        .await;
    }

    #[test]
    fn names_are_unlike_each_other_and_cannot_be_read() {
        let address: IpAddr = "203.0.113.5".parse().unwrap();
        let ada = Author::new("ada");
        let (one, other) = (
            DocumentKey::new("a", "bc").unwrap(),
            DocumentKey::new("ab", "c").unwrap(),
        );
        let names = [address.label(), ada.label(), one.label(), other.label()];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name));
            assert!(!name.contains("203") && !name.contains("ada"), "{name}");
            assert!(name.len() <= 48, "{name}");
        }
        assert_eq!(ada.label(), Author::new("ada").label());
        assert_ne!(Author::new("203.0.113.5").label(), address.label());
    }
}
