//! What a run took: what stood on the meters when it began, and when it ended.

use rustix::time::ClockId;

use super::swarm::Traffic;
use super::tally::Tally;
use crate::spec::LoadResult;

/// Where things stood when the first edit was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    at_us: u32,
    traffic: Traffic,
    cpu_seconds: f64,
}

impl Account {
    pub(crate) fn open(now_us: u32, traffic: Traffic) -> Self {
        Self {
            at_us: now_us,
            traffic,
            cpu_seconds: cpu_seconds(),
        }
    }

    pub(crate) fn at_us(&self) -> u32 {
        self.at_us
    }

    /// The result so far: until the last arrival, or until now if nothing arrived.
    pub(crate) fn close(
        &self,
        now_us: u32,
        after: Traffic,
        tally: &Tally,
        seed: u64,
    ) -> LoadResult {
        let before = self.traffic;
        let end_us = match tally.last_arrival_us {
            last if last > self.at_us => last,
            _ => now_us,
        };
        LoadResult {
            seed,
            edits: tally.edits,
            deliveries: tally.deliveries,
            acked: tally.acked,
            seconds: f64::from(end_us - self.at_us) / 1e6,
            latency: tally.latency.quantiles(),
            ack: (tally.acked > 0).then(|| tally.ack.quantiles()),
            bytes_in: after.bytes_in - before.bytes_in,
            bytes_out: after.bytes_out - before.bytes_out,
            frames_in: after.frames_in - before.frames_in,
            reads: after.reads - before.reads,
            generator_cpu_seconds: cpu_seconds() - self.cpu_seconds,
            ..LoadResult::default()
        }
    }
}

/// Processor time of this process.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
