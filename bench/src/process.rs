//! What the kernel accounts to a process: processor time, memory, context switches, system calls.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The accounts of a process at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// In user space and in the kernel, of all threads, dead ones included.
    pub(crate) cpu_seconds: f64,
    pub(crate) rss_bytes: u64,
    /// The most that was ever resident.
    pub(crate) peak_bytes: u64,
    /// Of all living threads; voluntary ones are waits.
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    /// Reads and writes, as system calls and as bytes, sockets included where the kernel counts them.
    pub(crate) read_calls: u64,
    pub(crate) write_calls: u64,
}

impl Sample {
    /// Looks at a process now.
    ///
    /// # Errors
    /// There is no such process, or it is somebody else's.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = read(pid, "status")?;
        let io = read(pid, "io").unwrap_or_default();
        let (voluntary_switches, involuntary_switches) = switches(pid)?;
        Ok(Self {
            cpu_seconds: cpu_seconds(&read(pid, "stat")?).context("times in stat")?,
            rss_bytes: field(&status, "VmRSS:") * 1_024,
            peak_bytes: field(&status, "VmHWM:") * 1_024,
            voluntary_switches,
            involuntary_switches,
            read_calls: field(&io, "syscr:"),
            write_calls: field(&io, "syscw:"),
        })
    }
}

/// Forgets the most that was ever resident, so that the next peak is of what comes.
///
/// # Errors
/// There is no such process, or it is somebody else's.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, FORGET_PEAK).with_context(|| path)
}

/// The two times of `stat`, after the name in parentheses, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some((user + system) as f64 / per_second as f64)
}

fn switches(pid: u32) -> Result<(u64, u64)> {
    let mut sums = (0, 0);
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while it is looked at.
        let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        sums.0 += field(&status, "voluntary_ctxt_switches:");
        sums.1 += field(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(sums)
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| path)
}

/// The number after a name at the beginning of a line, or 0.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// What `clear_refs` takes for resetting `VmHWM`, proc(5).
const FORGET_PEAK: &str = "5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_shift_the_times() {
        let stat = "1 (a ) b) S 1 1 1 0 -1 4194560 1 1 0 0 150 50 0 0 20 0 1 0";
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(200.0 / per_second));
    }

    #[test]
    fn a_process_sees_itself() -> Result<()> {
        let sample = Sample::of(std::process::id())?;
        assert!(sample.rss_bytes > 0 && sample.peak_bytes >= sample.rss_bytes);
        Ok(())
    }

    #[test]
    fn what_is_no_number_is_nothing() {
        let status = "VmRSS:\t   64 kB\nVmHWM:\tmuch\nnonvoluntary_ctxt_switches:\t3\n";
        let fields = ["VmRSS:", "VmHWM:", "voluntary_ctxt_switches:"];
        assert_eq!(fields.map(|name| field(status, name)), [64, 0, 0]);
    }

    #[test]
    fn a_peak_can_be_forgotten() -> Result<()> {
        let me = std::process::id();
        drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        let high = Sample::of(me)?.peak_bytes;
        forget_peak(me)?;
        assert!(Sample::of(me)?.peak_bytes < high);
        Ok(())
    }
}
