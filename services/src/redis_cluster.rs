//! A Redis Cluster of a test's own: several masters, each with a replica if that is asked for, on ports of loopback.
//!
//! It is put together by commands, and taken apart by them: slots go from one master to another, masters end and come again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::free_port;
use crate::redis::Redis;

/// The servers of a Redis Cluster; masters first, their replicas after them in the same order.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<Redis>,
    /// Where they speak to each other.
    gossip: Vec<u16>,
}

impl RedisCluster {
    /// Starts one with so many masters that share all slots evenly.
    ///
    /// # Errors
    /// Redis is not installed, or the cluster does not come about.
    pub fn start(masters: usize) -> Result<Self> {
        Self::start_with(masters, false)
    }

    /// Starts one whose masters have a replica each, which takes over when its master is away for a second.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_replicas(masters: usize) -> Result<Self> {
        Self::start_with(masters, true)
    }

    fn start_with(masters: usize, with_replicas: bool) -> Result<Self> {
        let count = masters * (1 + usize::from(with_replicas));
        let servers: Vec<_> = (0..count).map(|_| server()).collect::<Result<_>>()?;
        let (servers, gossip) = servers.into_iter().unzip();
        let cluster = Self { servers, gossip };
        for at in 0..masters {
            let first = at * SLOTS / masters;
            let last = (at + 1) * SLOTS / masters - 1;
            let (first, last) = (first.to_string(), last.to_string());
            cluster.tell(at, &["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
            // Of two that claim the same, the one of the higher epoch has it; so no two may be the same.
            let epoch = (at + 1).to_string();
            cluster.tell(at, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
        }
        for at in 1..count {
            let port = cluster.servers[at].port().to_string();
            let gossip = cluster.gossip[at].to_string();
            cluster.tell(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &gossip])?;
        }
        cluster.wait("all know each other", |it| {
            (0..count).all(|at| it.knows(at) == count)
        })?;
        for at in masters..count {
            let master = cluster.id(at - masters)?;
            cluster.tell(at, &["CLUSTER", "REPLICATE", &master])?;
        }
        cluster.is_whole()?;
        cluster.wait("replicas follow", |it| {
            (masters..count).all(|at| it.info(at, "REPLICATION").contains("master_link_status:up"))
        })?;
        Ok(cluster)
    }

    /// Where one of its servers is.
    pub fn url(&self, at: usize) -> String {
        self.servers[at].url()
    }

    /// One of its servers.
    pub fn server(&self, at: usize) -> &Redis {
        &self.servers[at]
    }

    /// One of its servers, to be ended or started again.
    pub fn server_mut(&mut self, at: usize) -> &mut Redis {
        &mut self.servers[at]
    }

    /// Which master has a slot, as that is known to whoever has it.
    ///
    /// # Errors
    /// Nobody has it.
    pub fn holder(&self, slot: u16) -> Result<usize> {
        let has = |at: &usize| {
            let own = self.own_slots(*at).unwrap_or_default();
            own.iter()
                .any(|(first, last)| (*first..=*last).contains(&slot))
        };
        (0..self.servers.len()).find(has).context("nobody has it")
    }

    /// Hands a slot over to another master, with all that is in it.
    ///
    /// # Errors
    /// One of the two does not do its part.
    pub fn hand_over(&self, slot: u16, to: usize) -> Result<()> {
        let from = self.holder(slot)?;
        if from == to {
            return Ok(());
        }
        let (giver, taker, number) = (self.id(from)?, self.id(to)?, slot.to_string());
        self.tell(to, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &giver])?;
        self.tell(from, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &taker])?;
        let port = self.servers[to].port().to_string();
        loop {
            let keys = self.ask(from, &["CLUSTER", "GETKEYSINSLOT", &number, "100"])?;
            let keys: Vec<_> = keys.split("\r\n").skip(2).step_by(2).collect();
            let keys: Vec<_> = keys.into_iter().filter(|key| !key.is_empty()).collect();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000", "REPLACE"];
                self.tell(from, &migrate)?;
            }
        }
        for at in [to, from] {
            self.tell(at, &["CLUSTER", "SETSLOT", &number, "NODE", &taker])?;
        }
        Ok(())
    }

    /// Waits until all servers that run find the cluster whole, and agree on who has what.
    ///
    /// # Errors
    /// They do not within seconds.
    pub fn is_whole(&self) -> Result<()> {
        self.wait("the cluster is whole", |it| {
            let running = (0..it.servers.len()).filter(|at| it.ask(*at, &["PING"]).is_ok());
            let mut views = running.map(|at| {
                let is_ok = it.info(at, "CLUSTER").contains("cluster_state:ok");
                is_ok.then(|| it.view(at)).flatten()
            });
            let first = views.next().flatten();
            first.is_some() && views.all(|view| view == first)
        })
    }

    /// Gives one of its servers a command and returns its answer.
    ///
    /// # Errors
    /// It does not answer, or with an error.
    pub fn ask(&self, at: usize, words: &[&str]) -> Result<String> {
        let words: Vec<_> = words.iter().map(|it| it.as_bytes()).collect();
        let answer = self.servers[at].command(&words)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn tell(&self, at: usize, words: &[&str]) -> Result<()> {
        self.ask(at, words).map(drop)
    }

    fn info(&self, at: usize, what: &str) -> String {
        let words: &[&str] = match what {
            "CLUSTER" => &["CLUSTER", "INFO"],
            part => &["INFO", part],
        };
        self.ask(at, words).unwrap_or_default()
    }

    fn id(&self, at: usize) -> Result<String> {
        let answer = self.ask(at, &["CLUSTER", "MYID"])?;
        let id = answer.split("\r\n").nth(1);
        Ok(id.context("it has no id")?.to_owned())
    }

    fn knows(&self, at: usize) -> usize {
        let nodes = self.ask(at, &["CLUSTER", "NODES"]).unwrap_or_default();
        let known = nodes
            .lines()
            .filter(|it| it.ends_with(char::is_alphanumeric));
        let known = known.filter(|it| it.contains(" connected") && !it.contains("handshake"));
        known.count()
    }

    /// The slots of each server, as one of them has it.
    fn view(&self, at: usize) -> Option<Vec<String>> {
        let nodes = self.ask(at, &["CLUSTER", "NODES"]).ok()?;
        let masters = nodes
            .lines()
            .filter(|it| it.contains("master") && !it.contains("fail"));
        let mut slots: Vec<_> = masters
            .map(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                let slots = words.iter().skip(8).filter(|it| !it.starts_with('['));
                let slots: Vec<_> = slots.copied().collect();
                format!("{} {}", words[0], slots.join(" "))
            })
            .collect();
        slots.sort();
        Some(slots)
    }

    fn own_slots(&self, at: usize) -> Option<Vec<(u16, u16)>> {
        let nodes = self.ask(at, &["CLUSTER", "NODES"]).ok()?;
        let own = nodes.lines().find(|it| it.contains("myself,master"))?;
        let stretches = own.split_whitespace().skip(8);
        let stretches = stretches.filter_map(|it| {
            let (first, last) = it.split_once('-').unwrap_or((it, it));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(stretches.collect())
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let begun = Instant::now();
        while !is_so(self) {
            ensure!(begun.elapsed() < WAIT_MAX, "never: {what}");
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn server() -> Result<(Redis, u16)> {
    let mut tries = 0;
    loop {
        let gossip = free_port()?;
        let port = gossip.to_string();
        let options = [&["--cluster-port", &*port], OPTIONS].concat();
        match Redis::start_with(&options) {
            Ok(server) => return Ok((server, gossip)),
            Err(error) if tries == PORTS_TRIED => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

/// What makes a master's end noticed in a second, and its replica take over whatever it missed.
const OPTIONS: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "1000",
    "--cluster-replica-validity-factor",
    "0",
    "--repl-diskless-sync-delay",
    "0",
];

const SLOTS: usize = 16_384;
const PORTS_TRIED: usize = 4;
const WAIT_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::require;

    #[test]
    fn slots_go_over_and_a_replica_takes_over() -> Result<()> {
        if !Redis::is_installed() {
            return require::missing("redis", "there is no redis-server");
        }
        let mut cluster = RedisCluster::start_with_replicas(3)?;
        // The slot of `{bar}`.
        assert_eq!(cluster.holder(5_061)?, 0);
        cluster.ask(0, &["SET", "{bar}", "kept"])?;
        cluster.hand_over(5_061, 1)?;
        cluster.is_whole()?;
        assert_eq!(cluster.ask(1, &["GET", "{bar}"])?, "$4\r\nkept\r\n");
        cluster.server_mut(1).stop();
        cluster.wait("the replica takes over", |it| {
            it.holder(5_061).is_ok_and(|at| at == 4)
        })?;
        cluster.server_mut(1).restart()?;
        cluster.is_whole()
    }
}
