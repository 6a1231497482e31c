//! A server as a process: pinned to its core, listening, and ended with the benchmark whatever ends that.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{Server, Tools};

/// A server that listens.
pub(crate) struct Running {
    pub(crate) server: Server,
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Running {
    /// Starts a server with its data in a folder, which may hold what an earlier one left there.
    ///
    /// # Errors
    /// It does not listen in time; the message holds the last of what it said.
    pub(crate) fn start(server: Server, tools: &Tools, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        let log = folder.join("log");
        let output = File::options().create(true).append(true).open(&log)?;
        let child = pinned(&server.command(tools, port, folder), SERVER_CORE)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", server.title()))?;
        let mut running = Self {
            server,
            child,
            port,
            log,
        };
        running.wait_until_it_listens()?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks it to stop, and tells how it did.
    ///
    /// # Errors
    /// It was no more, ended with an error, or had to be killed.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "the server ended by itself: {status}; {}",
                self.last_words()
            );
        }
        kill_process(self.process(), Signal::TERM)?;
        let Some(status) = self.wait(STOP_MAX)? else {
            bail!("the server had to be killed after {STOP_MAX:?}");
        };
        // A peer that knows nothing of signals is ended by them, which is as good.
        ensure!(
            self.server.is_peer() || self.server.is_ceiling() || status.success(),
            "the server stopped with {status}; {}",
            self.last_words()
        );
        Ok(())
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}; {}", self.last_words());
            }
            ensure!(
                began.elapsed() < START_MAX,
                "the server does not listen after {START_MAX:?}; {}",
                self.last_words()
            );
            sleep(STEP);
        }
        Ok(())
    }

    fn wait(&mut self, max: Duration) -> Result<Option<ExitStatus>> {
        let began = Instant::now();
        while began.elapsed() < max {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            sleep(STEP);
        }
        Ok(None)
    }

    fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<_> = said.trim_end().lines().rev().take(3).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command on one core, which the kernel ends when this process ends in whatever way.
pub(crate) fn pinned(command: &Command, core: u8) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", &core.to_string(), "setpriv", "--pdeathsig", "KILL"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(name, value);
        }
    }
    pinned
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Servers have this core alone; the generator has the other.
const SERVER_CORE: u8 = 0;
const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(5);
