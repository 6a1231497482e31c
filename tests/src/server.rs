//! A real server process: the release binary on a free loopback port, with a data folder and a file that holds its log.
//!
//! `QUIRE_BIN` names another binary. A test can end the process in every way that the world has (`kill -9`, SIGTERM, a
//! stop that lasts), and start it again on the same port and folder. Dropping it kills it.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::gauge;
use crate::http::{self, Answer};
use crate::wait::{until, within};

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    data_dir: PathBuf,
    address: SocketAddr,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// Another one than [`binary`].
    binary: Option<PathBuf>,
}

/// A running server, or one that ended and can be started again.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    child: Child,
    log: PathBuf,
}

impl Launch {
    /// A server for a data folder, on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(data_dir: &Path) -> Result<Self> {
        let address = free_address()?;
        Ok(Self {
            data_dir: data_dir.to_owned(),
            address,
            arguments: Vec::new(),
            variables: Vec::new(),
            binary: None,
        })
    }

    /// Adds an argument of `quire serve`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets a variable, for settings such as `QUIRE_DOCUMENT__IDLE`.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the binary that has failpoints and fails on purpose.
    ///
    /// # Errors
    /// There is none; the message says how to build it.
    pub fn faulty(mut self) -> Result<Self> {
        self.binary = Some(faulty_binary()?);
        Ok(self)
    }

    /// Listens here instead of on the free port.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    /// It did not become ready.
    pub async fn start(self) -> Result<Server> {
        let mut server = self.spawn()?;
        server.ready().await?;
        Ok(server)
    }

    /// Starts the server and does not wait.
    ///
    /// # Errors
    /// There is no binary.
    pub fn spawn(self) -> Result<Server> {
        let log = log_path(&self.data_dir);
        let child = self.command(&log)?.spawn().context("starting the server")?;
        Ok(Server {
            launch: self,
            child,
            log,
        })
    }

    fn command(&self, log: &Path) -> Result<Command> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let binary = self.binary.clone().map_or_else(binary, Ok)?;
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--listen")
            .arg(self.address.to_string())
            .arg("--data-dir")
            .arg(&self.data_dir);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        for (name, _) in env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command
            .env("QUIRE_LOG__FORMAT", "json")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl Server {
    /// Starts a server for a data folder, and waits until it is ready.
    ///
    /// # Errors
    /// There is no binary, or it did not become ready.
    pub async fn start(data_dir: &Path) -> Result<Self> {
        Launch::new(data_dir)?.start().await
    }

    /// Starts the server again after it ended, on the same port and folder, and waits until it is ready.
    ///
    /// # Errors
    /// It did not become ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.respawn()?;
        self.ready().await
    }

    /// Starts the server again after it ended, and does not wait.
    ///
    /// # Errors
    /// It runs still.
    pub fn respawn(&mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_some(), "the server runs still");
        self.child = self.launch.command(&self.log)?.spawn()?;
        Ok(())
    }

    /// The same with one more variable, for this start only.
    ///
    /// # Errors
    /// It runs still.
    pub fn respawn_with(&mut self, name: &str, value: &str) -> Result<()> {
        ensure!(self.child.try_wait()?.is_some(), "the server runs still");
        let launch = self.launch.clone().variable(name, value);
        self.child = launch.command(&self.log)?.spawn()?;
        Ok(())
    }

    /// Waits until the server says that it can serve.
    ///
    /// # Errors
    /// It ended, or never said so.
    pub async fn ready(&mut self) -> Result<()> {
        let address = self.launch.address;
        let deadline = Instant::now() + READY_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the server ended with {status}; its log:\n{}",
                    self.log_tail()
                );
            }
            if http::get(address, "/readyz")
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the server is not ready; its log:\n{}",
                self.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.launch.address
    }

    /// Its data folder.
    pub fn data_dir(&self) -> &Path {
        &self.launch.data_dir
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash does: `kill -9`.
    ///
    /// # Errors
    /// The process is not ours.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?).context("a process has a number")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// It did not stop.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended().await
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// Nobody can tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It runs still.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let child = &mut self.child;
        let ending = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("the server ends", ending).await?
    }

    /// Asks it for a path.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        http::get(self.address(), path).await
    }

    /// What the API says under the path of a document of the default workspace.
    ///
    /// # Errors
    /// The answer is not 200.
    pub async fn document(&self, document: &str, rest: &str) -> Result<Answer> {
        let answer = self.get(&format!("{DOCUMENTS}/{document}{rest}")).await?;
        ensure!(
            answer.status == 200,
            "{document}{rest} is answered {}: {}",
            answer.status,
            answer.text()?
        );
        Ok(answer)
    }

    /// The text of a document as the API gives it.
    ///
    /// # Errors
    /// There is none.
    pub async fn text(&self, document: &str) -> Result<String> {
        self.document(document, "/content?format=text&field=text")
            .await?
            .text()
    }

    /// All changes of a document, oldest first.
    ///
    /// # Errors
    /// There is no such document.
    pub async fn changes(&self, document: &str) -> Result<Vec<Value>> {
        self.timeline(document, "").await
    }

    /// The same of an ordered document, with what each operation was.
    ///
    /// # Errors
    /// There is no such document.
    pub async fn operations(&self, document: &str) -> Result<Vec<Value>> {
        self.timeline(document, "&payloads=true").await
    }

    async fn timeline(&self, document: &str, wanted: &str) -> Result<Vec<Value>> {
        let mut changes = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self
                .document(document, &format!("/changes?limit=1000{wanted}{cursor}"))
                .await?
                .json()?;
            changes.extend(
                page["items"]
                    .as_array()
                    .context("a page has items")?
                    .iter()
                    .cloned(),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(changes),
            }
        }
    }

    /// Whether the API knows a document.
    ///
    /// # Errors
    /// There was no answer, or one that is neither yes nor no.
    pub async fn knows(&self, document: &str) -> Result<bool> {
        match self.get(&format!("{DOCUMENTS}/{document}")).await?.status {
            200 => Ok(true),
            404 => Ok(false),
            other => bail!("the document is answered {other}"),
        }
    }

    /// The value of a metric, named with its labels as it stands on the page; 0 if it does not.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let page = self.get("/metrics").await?.text()?;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.map_or(Ok(0.0), str::parse)?)
    }

    /// Waits until a metric is at least so large.
    ///
    /// # Errors
    /// It never was.
    pub async fn metric_reaches(&self, name: &str, least: f64) -> Result<()> {
        let condition = async || Ok(self.metric(name).await? >= least);
        until(&format!("{name} reaches {least}"), condition).await
    }

    /// Its memory, in bytes (`VmRSS`).
    ///
    /// # Errors
    /// It has ended.
    pub fn memory(&self) -> Result<u64> {
        gauge::memory(self.pid())
    }

    /// All that it has logged and printed, over all of its starts.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended cannot be killed again.
        let _ = self.kill();
        if std::thread::panicking() {
            println!("the server's log:\n{}", self.log_tail());
        }
    }
}

/// The binary under test.
///
/// # Errors
/// There is none; the message says how to build it.
pub fn binary() -> Result<PathBuf> {
    let named = env::var_os("QUIRE_BIN").map(PathBuf::from);
    let path = named.map_or_else(release_binary, Ok)?;
    let hint = "build it with `cargo build --release`, or name another one with QUIRE_BIN";
    ensure!(
        File::open(&path).is_ok(),
        "there is no server at {}; {hint}",
        path.display()
    );
    Ok(path)
}

/// The binary with the features `failpoints` and `sabotage`, which is never the one that people run.
///
/// # Errors
/// There is none; the message says how to build it.
pub fn faulty_binary() -> Result<PathBuf> {
    let named = env::var_os("QUIRE_FAULTY_BIN").map(PathBuf::from);
    let path = named.map_or_else(|| Ok(target()?.join("faulty").join("quire")), anyhow::Ok)?;
    ensure!(
        File::open(&path).is_ok(),
        "there is no server with failpoints at {}; build it with `make faulty`, or name one with QUIRE_FAULTY_BIN",
        path.display()
    );
    Ok(path)
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The release build in the target folder that holds the running test.
fn release_binary() -> Result<PathBuf> {
    Ok(target()?.join("release").join("quire"))
}

fn target() -> Result<PathBuf> {
    let test = env::current_exe()?;
    let target = test
        .ancestors()
        .nth(3)
        .context("tests run in target/{profile}/deps")?;
    Ok(target.to_owned())
}

fn log_path(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

fn is_setting(variable: &str) -> bool {
    variable.starts_with("QUIRE_") || matches!(variable, "PORT" | "RUST_LOG")
}

/// A port that nothing listens on. It is below those that the kernel gives to outgoing connections, so that it is free
/// again when a server is restarted.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % u32::from(PORTS))?;
    for _ in 0..PORTS {
        let port = FIRST_PORT + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

const DOCUMENTS: &str = "/api/v1/workspaces/default/documents";
const READY_MAX: Duration = Duration::from_secs(30);
const LOG_TAIL_LINES: usize = 40;
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
