//! How much memory documents take up together, as their engines estimate it, and how much they may.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all documents of this process weigh.
#[derive(Debug)]
pub struct Memory {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Memory {
    /// Nothing is in memory yet.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }

    /// What all documents weigh.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether no more may be added.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    /// One document weighed `before` and weighs `now`.
    pub(crate) fn account(&self, before: usize, now: usize) {
        self.bytes.fetch_add(now, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }
}

/// Half of what this machine, or the control group that this process is in, has; without either, four gibibytes.
pub(crate) fn half_of_machine() -> usize {
    let limits = [total(), group("/sys/fs/cgroup/memory.max"), group(LIMIT_V1)];
    let least = limits.into_iter().flatten().min();
    least.unwrap_or(MACHINE_BYTES) / 2
}

fn total() -> Option<usize> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A group without a limit says `max`, which is no number.
fn group(path: &str) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

const LIMIT_V1: &str = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
const MACHINE_BYTES: usize = 8 * 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_documents_weigh_is_summed_up() {
        let memory = Memory::new(100);
        memory.account(0, 60);
        memory.account(0, 50);
        assert!(memory.is_full());
        memory.account(60, 10);
        assert_eq!((memory.bytes(), memory.is_full()), (60, false));
        let half = half_of_machine();
        assert!(half > 1024 * 1024 && half < 1 << 50, "{half}");
    }
}
