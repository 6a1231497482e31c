//! The load generator as a process of its own, on the core that the server does not have.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::peers::{Tools, pinned};
use crate::spec::{LoadResult, LoadSpec, Progress};

/// A generator at work.
pub(super) struct Generator {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// When it is given up.
    deadline: Instant,
}

impl Generator {
    /// Starts one, which connects its clients at once.
    pub(super) fn start(tools: &Tools, spec: &LoadSpec, deadline: Instant) -> Result<Self> {
        let mut command = Command::new(&tools.bench);
        command.arg("load");
        let mut child = pinned(&command, GENERATOR_CORE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start the load generator")?;
        let mut input = child.stdin.take().context("its standard input")?;
        let lines = lines(child.stdout.take().context("its standard output")?);
        writeln!(input, "{}", serde_json::to_string(spec)?)?;
        Ok(Self {
            child,
            input,
            lines,
            deadline,
        })
    }

    /// Waits until everyone is connected.
    pub(super) fn ready(&mut self) -> Result<()> {
        self.expect("ready", |progress| matches!(progress, Progress::Ready))
    }

    /// Lets it go, and waits until it is about to send.
    pub(super) fn begin(&mut self) -> Result<()> {
        writeln!(self.input, "go")?;
        self.expect("begin", |progress| matches!(progress, Progress::Begin))
    }

    /// Waits until nothing is under way any more.
    pub(super) fn end(&mut self) -> Result<()> {
        self.expect("end", |progress| matches!(progress, Progress::End))
    }

    /// Waits until all is verified.
    pub(super) fn result(mut self) -> Result<LoadResult> {
        match self.next()? {
            Progress::Result(result) => Ok(*result),
            other => bail!("the generator says {other:?} where a result should be"),
        }
    }

    fn expect(&mut self, what: &str, is: impl Fn(&Progress) -> bool) -> Result<()> {
        let progress = self.next().with_context(|| format!("before {what}"))?;
        match progress {
            progress if is(&progress) => Ok(()),
            other => bail!("the generator says {other:?} where {what} should be"),
        }
    }

    fn next(&mut self) -> Result<Progress> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => serde_json::from_str(&line).with_context(|| format!("read {line:?}")),
            Err(RecvTimeoutError::Timeout) => bail!("not done in time"),
            Err(RecvTimeoutError::Disconnected) => bail!("{}", self.last_words()),
        }
    }

    fn last_words(&mut self) -> String {
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            // What cannot be read is not said.
            let _ = errors.read_to_string(&mut said);
        }
        let said = said.trim().replace('\n', " / ");
        format!("the generator ended: {said}")
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // Who has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

const GENERATOR_CORE: u8 = 1;
