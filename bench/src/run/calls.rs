//! System calls of a server, counted by strace while a load lasts. Counting slows the server down several times, so what is
//! counted is never timed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A strace that counts.
pub(super) struct Counting {
    child: Child,
    table: std::path::PathBuf,
}

impl Counting {
    /// Attaches to all threads of a process.
    pub(super) fn of(pid: u32, folder: &Path) -> Result<Self> {
        let table = folder.join("calls");
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "strace",
                "-f",
                "-c",
                "-U",
                "calls,name",
                "-p",
                &pid.to_string(),
                "-o",
            ])
            .arg(&table)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start strace")?;
        wait_until_traced(pid)?;
        Ok(Self { child, table })
    }

    /// Lets the process go; tells how often each call was made.
    pub(super) fn finish(mut self) -> Result<BTreeMap<String, u64>> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        self.child.wait()?;
        let table = std::fs::read_to_string(&self.table).context("what strace has counted")?;
        Ok(counts(&table))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // After `finish` it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until_traced(pid: u32) -> Result<()> {
    let began = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let tracer = status.lines().find_map(|l| l.strip_prefix("TracerPid:"));
        if tracer.is_some_and(|pid| pid.trim() != "0") {
            return Ok(());
        }
        ensure!(began.elapsed() < ATTACH_MAX, "strace may not trace");
        sleep(Duration::from_millis(5));
    }
}

/// The lines of the table that are a number and a name, but not their sum.
fn counts(table: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (count, name) = (words.next()?.parse().ok()?, words.next()?);
        (name != "total").then(|| (name.to_owned(), count))
    };
    table.lines().filter_map(line).collect()
}

const ATTACH_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read() {
        let table = "    calls syscall\n--------- ----------------\n     1200 writev\n      340 epoll_wait\n--------- ----------------\n     1540 total\n";
        let expected = [("writev", 1_200), ("epoll_wait", 340)];
        let expected: BTreeMap<_, _> = expected
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        assert_eq!(counts(table), expected);
    }
}
