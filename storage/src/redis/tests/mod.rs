//! The bus over a real Redis: the suite of every bus, and what only a server can do to it (`faults`, `strangers`), over
//! a connection that is `encrypted`, and over several servers (`cluster`).

mod cluster;
mod encrypted;
mod faults;
mod strangers;

use std::sync::Arc;

use engine::DocumentKey;
use services::{Redis, require};

use super::RedisBus;
use crate::bus::{Bus, BusState};
use crate::contract::{Hub, Node, document, eventually};

/// A server of the test's own, and whoever is connected to it.
pub(super) struct RedisHub {
    pub(super) redis: Redis,
    /// What goes before the host in a URL.
    pub(super) user: &'static str,
}

impl RedisHub {
    pub(super) fn url(&self) -> String {
        let user = self.user;
        self.redis.url().replace("://", &format!("://{user}"))
    }

    pub(super) fn says(&self, words: &[&str]) -> Vec<u8> {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        self.redis.command(&words).unwrap()
    }
}

impl Hub for RedisHub {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(RedisBus::connect(&self.url()).unwrap())
    }
}

/// A hub, unless this machine has no Redis and need not have one.
pub(super) fn hub() -> Option<RedisHub> {
    hub_with(&[])
}

pub(super) fn hub_with(options: &[&str]) -> Option<RedisHub> {
    if !Redis::is_installed() {
        require::missing("redis", "there is no redis-server").unwrap();
        return None;
    }
    Some(RedisHub {
        redis: Redis::start_with(options).unwrap(),
        user: "",
    })
}

/// One node of a Redis Cluster that has all of it, and is as strict about slots as one that has not.
fn clustered() -> Option<RedisHub> {
    let hub = hub_with(&["--cluster-enabled", "yes"])?;
    hub.says(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    while !String::from_utf8_lossy(&hub.says(&["CLUSTER", "INFO"])).contains("cluster_state:ok") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Some(hub)
}

/// Documents of names that are all different.
pub(super) fn documents(count: usize) -> Vec<DocumentKey> {
    (0..count).map(|it| document(&it.to_string())).collect()
}

/// Waits until a node knows that words do not get through, and why.
pub(super) async fn down(node: &Node) -> String {
    eventually("it is down", || async {
        match node.bus.state() {
            BusState::Up => None,
            BusState::Down { reason } => Some(reason),
        }
    })
    .await
}

crate::bus_contract! { hub() }

mod in_a_cluster {
    crate::bus_contract! { super::clustered() }
}
