//! One thing that goes wrong in a cluster, drawn from a seed.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::{Cluster, Mood, Trap, Way};
use crate::chance::Chance;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node ends as in a crash, and is started again.
    Killed(usize),
    /// A node is told to stop, and is started again.
    Restarted(usize),
    /// A node stops in its tracks and goes on.
    Frozen(usize),
    /// The line from a node to Postgres is so for a while.
    ToPostgres(usize, Mood),
    /// The line from a node to Redis is so for a while.
    ToRedis(usize, Mood),
    /// The line from a node to Postgres is cut at a place.
    CutToPostgres(usize, Trap),
    /// The line from a node to Redis is cut at a place.
    CutToRedis(usize, Trap),
    /// The lines of all nodes to Postgres are so for a while.
    AllToPostgres(Mood),
    /// All nodes lose all connections to Postgres at once, and may try again.
    ResetPostgres,
    /// Redis ends and is started again, empty.
    RedisStopped,
    /// Redis stops in its tracks; then comes all that was said meanwhile.
    RedisPaused,
    /// Redis forgets everything.
    RedisFlushed,
    /// Postgres ends as in a crash, and is started again.
    PostgresRestarted,
}

impl Fault {
    /// One of them, of a cluster with so many nodes. Those that take long are rarer.
    pub fn draw(chance: &mut Chance, nodes: usize) -> Self {
        let node = chance.below(nodes as u64) as usize;
        match chance.below(100) {
            0..10 => Self::Killed(node),
            10..14 => Self::Restarted(node),
            14..24 => Self::Frozen(node),
            24..44 => Self::ToPostgres(node, draw_mood(chance)),
            44..60 => Self::ToRedis(node, draw_mood(chance)),
            60..76 => Self::CutToPostgres(node, draw_trap(chance)),
            76..82 => Self::CutToRedis(node, draw_trap(chance)),
            82..86 => Self::ResetPostgres,
            86..91 => Self::RedisStopped,
            91..95 => Self::RedisPaused,
            95..99 => Self::RedisFlushed,
            _ => Self::PostgresRestarted,
        }
    }

    /// Has it happen, last so long, and be over. Returns the moment from which on everybody could be served again: that
    /// at which it was over, but if a node ended, that at which it did.
    ///
    /// # Errors
    /// Something can not be ended, or does not start again.
    pub async fn happen(&self, cluster: &mut Cluster, lasting: Duration) -> Result<Instant> {
        let began = Instant::now();
        match self {
            Self::Killed(node) => {
                cluster.nodes[*node].kill()?;
                sleep(lasting).await;
                cluster.nodes[*node].start().await?;
            }
            Self::Restarted(node) => {
                cluster.nodes[*node].stop().await?;
                cluster.nodes[*node].start().await?;
            }
            Self::Frozen(node) => {
                cluster.nodes[*node].freeze()?;
                sleep(lasting).await;
                cluster.nodes[*node].thaw()?;
            }
            Self::ToPostgres(node, mood) => {
                cluster.nodes[*node].to_postgres.set(*mood);
                sleep(lasting).await;
            }
            Self::ToRedis(node, mood) => {
                cluster.nodes[*node].to_redis.set(*mood);
                sleep(lasting).await;
            }
            Self::CutToPostgres(node, trap) => {
                cluster.nodes[*node].to_postgres.lay(trap.clone());
                sleep(lasting).await;
            }
            Self::CutToRedis(node, trap) => {
                cluster.nodes[*node].to_redis.lay(trap.clone());
                sleep(lasting).await;
            }
            _ => self.happen_to_service(cluster, lasting).await?,
        }
        let is_end = matches!(self, Self::Killed(_) | Self::Restarted(_));
        let over = if is_end { began } else { Instant::now() };
        cluster.nodes.iter().for_each(super::Node::mend);
        Ok(over)
    }

    async fn happen_to_service(&self, cluster: &mut Cluster, lasting: Duration) -> Result<()> {
        match self {
            Self::AllToPostgres(mood) => {
                let lines = cluster.nodes.iter().map(|node| &node.to_postgres);
                lines.for_each(|line| line.set(*mood));
                sleep(lasting).await;
            }
            Self::ResetPostgres => {
                let lines = cluster.nodes.iter().map(|node| &node.to_postgres);
                lines.for_each(super::Proxy::reset);
                sleep(lasting).await;
            }
            Self::RedisStopped => {
                cluster.redis.stop();
                sleep(lasting).await;
                cluster.redis.restart()?;
            }
            Self::RedisPaused => {
                cluster.redis.pause()?;
                sleep(lasting).await;
                cluster.redis.resume()?;
            }
            Self::RedisFlushed => {
                cluster.redis.flush()?;
                sleep(lasting).await;
            }
            _ => {
                cluster.postgres.crash()?;
                sleep(lasting).await;
                cluster.postgres.start_again()?;
            }
        }
        Ok(())
    }
}

fn draw_mood(chance: &mut Chance) -> Mood {
    match chance.below(4) {
        0 => Mood::Late(Duration::from_millis(20 + chance.below(480))),
        1 => Mood::Narrow(2_000 + chance.below(50_000)),
        2 => Mood::Silent,
        _ => Mood::Cut,
    }
}

fn draw_trap(chance: &mut Chance) -> Trap {
    match chance.below(3) {
        0 => Trap::AnswerTo(EDIT),
        1 => Trap::After(Way::There, chance.below(20_000)),
        _ => Trap::After(Way::Back, chance.below(5_000)),
    }
}

/// What every edit of a writer contains that goes into the text, and hence what goes to the store when it is committed.
pub const EDIT: &[u8] = b"<w";
