//! A child process that ends with whoever started it.
//!
//! A test that passes or fails drops it. One that is killed can not: beside each [`Process`] a small watchman waits for the
//! end of a pipe that only this process holds open, and then kills it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A process of a test's own, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watchman: Child,
    name: &'static str,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// There is no such program, or it cannot be started.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("can not start {name}; `make setup` installs it"))?;
        match watchman(child.id()) {
            Ok(watchman) => Ok(Self {
                child,
                watchman,
                name,
            }),
            Err(error) => {
                end(child);
                Err(error)
            }
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let sent = kill_process(Pid::from_child(&self.child), signal);
        sent.with_context(|| format!("{} takes no signal", self.name))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Nobody can wait for it.
    pub fn wait(&mut self) -> Result<()> {
        let ended = self.child.wait();
        ended.with_context(|| format!("{} can not be waited for", self.name))?;
        Ok(())
    }
}

/// The watchman goes first: once the process is gone, its number may soon be another's.
impl Drop for Process {
    fn drop(&mut self) {
        for child in [&mut self.watchman, &mut self.child] {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port of loopback that nobody listens on just now.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Kills a process once this one has ended, and the pipe with it.
fn watchman(id: u32) -> Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"$1\"", "watchman"])
        .arg(id.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("can not start a shell")
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}
