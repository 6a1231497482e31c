//! An application behind the hook: a small HTTP server that checks every signature, remembers what it is asked and told,
//! and answers as a test wants, or does not.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::server::Launch;
use crate::wait::until;

/// What the application answers.
#[derive(Clone, Debug)]
pub enum Say {
    /// Status 200 and JSON.
    Json(Value),
    /// Status 200 and whatever this is.
    Raw(Vec<u8>),
    /// Another status, and no body.
    Status(u16),
    /// Nothing, for as long as it is waited for.
    Nothing,
    /// Nothing, and the connection ends.
    HangUp,
}

type Answering = Box<dyn FnMut(&Value) -> Say + Send>;

/// A running application.
pub struct Application {
    address: SocketAddr,
    folder: TempDir,
    state: Arc<Mutex<State>>,
    serving: Option<AbortHandle>,
}

struct State {
    answering: Answering,
    heard: Vec<Value>,
    forged: Vec<String>,
}

impl Application {
    /// An application that answers everything alike.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn start(answering: impl FnMut(&Value) -> Say + Send + 'static) -> Result<Self> {
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("secret"), SECRET)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut application = Self {
            address: listener.local_addr()?,
            folder,
            state: Arc::new(Mutex::new(State {
                answering: Box::new(answering),
                heard: Vec::new(),
                forged: Vec::new(),
            })),
            serving: None,
        };
        application.serve(listener);
        Ok(application)
    }

    /// Has a server ask this application.
    pub fn hook(&self, launch: Launch) -> Launch {
        let secret = self.secret_file();
        launch
            .variable("QUIRE_HOOK__URL", &format!("http://{}/quire", self.address))
            .variable("QUIRE_HOOK__SECRET_FILE", &secret.display().to_string())
            .variable("QUIRE_HOOK__DEBOUNCE", "50ms")
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answering: impl FnMut(&Value) -> Say + Send + 'static) {
        self.state().answering = Box::new(answering);
    }

    /// Listens no more, and breaks off what is under way.
    pub fn go_down(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }

    /// Listens again, where it did.
    ///
    /// # Errors
    /// Somebody else does.
    pub async fn come_up(&mut self) -> Result<()> {
        self.go_down();
        let listener = TcpListener::bind(self.address).await?;
        self.serve(listener);
        Ok(())
    }

    /// What it was asked and told of one event, in the order in which it came.
    ///
    /// # Errors
    /// A request was not signed as it should be.
    pub fn heard(&self, event: &str) -> Result<Vec<Value>> {
        let state = self.state();
        ensure!(state.forged.is_empty(), "{:?}", state.forged);
        let of = |asked: &&Value| asked["event"] == event;
        Ok(state.heard.iter().filter(of).cloned().collect())
    }

    /// Waits until it has heard of an event what is wanted.
    ///
    /// # Errors
    /// It never did.
    pub async fn hears(&self, event: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<()> {
        let what = format!("the application hears what is wanted of {event}");
        until(&what, async || Ok(wanted(&self.heard(event)?))).await
    }

    fn secret_file(&self) -> std::path::PathBuf {
        let folder: &Path = self.folder.path();
        folder.join("secret")
    }

    fn serve(&mut self, listener: TcpListener) {
        let state = self.state.clone();
        let task = tokio::spawn(async move {
            // They end with the listener.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, state.clone()));
            }
        });
        self.serving = Some(task.abort_handle());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.go_down();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request and its answer. Whoever asks may have gone meanwhile.
async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let (head, body) = read(&mut stream).await?;
    let say = take(&head, &body, &mut lock(&state));
    let (status, body) = match say {
        Say::Json(json) => (200, json.to_string().into_bytes()),
        Say::Raw(body) => (200, body),
        Say::Status(status) => (status, Vec::new()),
        Say::Nothing => return std::future::pending().await,
        Say::HangUp => return Ok(()),
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nLocation: /\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    Ok(())
}

fn take(head: &[String], body: &[u8], state: &mut State) -> Say {
    match checked(head, body) {
        Ok(asked) => {
            state.heard.push(asked.clone());
            (state.answering)(&asked)
        }
        Err(fault) => {
            state.forged.push(format!("{fault:#}: {head:?}"));
            Say::Status(401)
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

/// What was asked, if it is signed with the secret, now.
fn checked(head: &[String], body: &[u8]) -> Result<Value> {
    let timestamp = header(head, "x-quire-timestamp").context("no timestamp")?;
    let signature = header(head, "x-quire-signature-256").context("no signature")?;
    let hex = signature.strip_prefix("sha256=").context("no sha256")?;
    let digits = (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16));
    let digits: Vec<u8> = digits.collect::<Result<_, _>>()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.trim_ascii_end().as_bytes());
    let signed = [timestamp.as_bytes(), b".", body].concat();
    ensure!(
        hmac::verify(&key, &signed, &digits).is_ok(),
        "bad signature"
    );
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_secs();
    ensure!(now.abs_diff(timestamp.parse()?) < 300, "old timestamp");
    let asked: Value = serde_json::from_slice(body)?;
    let event = header(head, "x-quire-event").context("no event")?;
    ensure!(asked["event"] == event, "the event differs");
    Ok(asked)
}

fn header<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    let mut fields = head.iter().filter_map(|line| line.split_once(": "));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

const SECRET: &str = "correct horse battery staple\n";
