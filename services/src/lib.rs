//! The services that several nodes share, as processes of a test's own.
//!
//! Each starts on a free port of loopback, in a folder that goes when the test does, and ends with the test, however that
//! ends. So no test needs anything that somebody has started before, and none meets another.

mod process;
pub use process::{Process, free_port};

mod postgres;
pub use postgres::Postgres;
mod standby;

mod redis;
pub use redis::Redis;

mod redis_cluster;
pub use redis_cluster::RedisCluster;

pub mod require;
