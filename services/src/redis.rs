//! A Redis of a test's own: nothing of it outlives the test, and it can be stopped, paused, emptied and spoken to directly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Process, free_port};

/// A Redis server on a port of loopback, which it keeps when it is started again. It stores nothing on disk.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    options: Vec<String>,
    folder: TempDir,
    process: Option<Process>,
}

impl Redis {
    /// Whether this machine has one.
    pub fn is_installed() -> bool {
        let version = Command::new(PROGRAM).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    }

    /// Starts one that anybody of this machine may use.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one with further options, as its command line takes them.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start_with(options: &[&str]) -> Result<Self> {
        let mut redis = Self {
            port: free_port()?,
            options: options.iter().map(|it| (*it).to_owned()).collect(),
            folder: tempfile::tempdir()?,
            process: None,
        };
        for _ in 0..PORTS_TRIED {
            if redis.restart().is_ok() {
                return Ok(redis);
            }
            redis.port = free_port()?;
        }
        redis.restart()?;
        Ok(redis)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash does.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it on its port again, empty, and waits until it answers. One that still runs is ended first.
    ///
    /// # Errors
    /// It does not start within seconds.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        let started = Process::start(PROGRAM, &mut self.command_line())?;
        let process = self.process.insert(started);
        let begun = Instant::now();
        while !answers(self.port) {
            ensure!(process.runs(), "Redis ended at once");
            ensure!(begun.elapsed() < START_MAX, "Redis does not answer");
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Stops it in its tracks; its sockets stay open.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.running()?.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    /// Takes away all that it holds.
    ///
    /// # Errors
    /// It does not answer.
    pub fn flush(&self) -> Result<()> {
        self.command(&[b"FLUSHALL"]).map(drop)
    }

    /// Gives it a command and returns its answer as it comes, in the second version of its protocol.
    ///
    /// # Errors
    /// It does not answer, or with an error.
    pub fn command(&self, words: &[&[u8]]) -> Result<Vec<u8>> {
        let answer = exchange(self.port, words)?;
        ensure!(
            !answer.starts_with(b"-"),
            "Redis says {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(answer)
    }

    fn running(&self) -> Result<&Process> {
        self.process.as_ref().context("Redis does not run")
    }

    fn command_line(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

fn answers(port: u16) -> bool {
    let answer = exchange(port, &[b"PING"]);
    answer.is_ok_and(|it| it.starts_with(b"+PONG") || it.starts_with(b"-NOAUTH"))
}

/// What comes within a moment after the first byte is taken for all of the answer: enough for what tests ask.
fn exchange(port: u16, words: &[&[u8]]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
    stream.write_all(&request)?;
    let mut answer = vec![0; 64 * 1024];
    let length = stream.read(&mut answer)?;
    if length == 0 {
        bail!("Redis closed the connection");
    }
    answer.truncate(length);
    Ok(answer)
}

const PROGRAM: &str = "redis-server";

/// Somebody may take a port between the moment it is found free and the moment Redis has it.
const PORTS_TRIED: usize = 4;

const START_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::require;

    #[test]
    fn it_forgets_what_it_held_and_keeps_its_port() -> Result<()> {
        if !Redis::is_installed() {
            return require::missing("redis", "there is no redis-server");
        }
        let mut redis = Redis::start()?;
        let url = redis.url();
        redis.command(&[b"SET", b"a", b"1"])?;
        assert_eq!(redis.command(&[b"GET", b"a"])?, b"$1\r\n1\r\n");
        redis.flush()?;
        assert_eq!(redis.command(&[b"GET", b"a"])?, b"$-1\r\n");
        redis.pause()?;
        redis.resume()?;
        redis.stop();
        assert!(redis.command(&[b"PING"]).is_err());
        redis.restart()?;
        assert_eq!(redis.url(), url);
        redis.command(&[b"PING"]).map(drop)
    }
}
