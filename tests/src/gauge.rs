//! What a deed costs the server: memory at its peak, processor time, and time on the wall, as the kernel counts them.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A measurement that has begun.
#[derive(Debug)]
pub struct Gauge {
    process: u32,
    resident: u64,
    busy: Duration,
    began: Instant,
}

/// What was used since a measurement began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// The most memory beyond what was in use at the beginning, in bytes.
    pub memory: u64,
    /// Time on processors, over all threads.
    pub busy: Duration,
    /// Time on the wall.
    pub wall: Duration,
}

impl Gauge {
    /// Begins to measure a process, and has the kernel forget the peak before.
    ///
    /// # Errors
    /// The process has ended.
    pub fn begin(process: u32) -> Result<Self> {
        fs::write(format!("/proc/{process}/clear_refs"), "5")?;
        Ok(Self {
            process,
            resident: memory(process)?,
            busy: busy(process)?,
            began: Instant::now(),
        })
    }

    /// What was used.
    ///
    /// # Errors
    /// The process has ended.
    pub fn end(&self) -> Result<Spent> {
        Ok(Spent {
            memory: peak(self.process)?.saturating_sub(self.resident),
            busy: busy(self.process)?.saturating_sub(self.busy),
            wall: self.began.elapsed(),
        })
    }
}

/// Memory that a process has in use, in bytes.
///
/// # Errors
/// The process has ended.
pub fn memory(process: u32) -> Result<u64> {
    status(process, "VmRSS:")
}

/// The most memory that a process has had in use since the last measurement began, in bytes.
///
/// # Errors
/// The process has ended.
pub fn peak(process: u32) -> Result<u64> {
    status(process, "VmHWM:")
}

fn status(process: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("the kernel says {field}"))?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// Time on processors, in user and kernel mode (proc_pid_stat(5), fields 14 and 15).
fn busy(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name in brackets, and may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("stat names the program")?;
    let fields = rest.split_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * MS_PER_TICK))
}

/// Lets this process open as many files as it may: the server does this for itself, and the harness has as many sockets.
///
/// # Errors
/// It is not allowed.
pub fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Linux counts in hundredths of a second towards programs (`USER_HZ`), whatever it does itself.
const MS_PER_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_after_it_is_over() -> Result<()> {
        let gauge = Gauge::begin(std::process::id())?;
        let much = std::hint::black_box(vec![1_u8; 64 << 20]);
        drop(much);
        assert!(gauge.end()?.memory > 60 << 20);
        Ok(())
    }
}
