//! A child process that ends with whoever started it.

use std::net::TcpListener;
use std::process::{Child, Command};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A process of a test's own, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
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
        Ok(Self { child, name })
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let sent = kill_process(Pid::from_child(&self.child), signal);
        sent.with_context(|| format!("{} takes no signal", self.name))
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

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
