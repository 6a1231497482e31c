//! Where bad inputs are tried: one server, two pairs of bystanders, and a printed table of what came back.
//!
//! One pair edits the very document (the *ward*) that refused frames are thrown at; the other pair a document of its own; and a
//! third pair an Automerge document, which is the ward of those who speak that dialect.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use protocol::automerge::{DocumentId, Said};
use quire_tests::automerge::{Peer, id};
use quire_tests::bystanders::Bystanders;
use quire_tests::client::Client;
use quire_tests::frames::{self, Frame};
use quire_tests::gauge::{Gauge, Spent};
use quire_tests::server::{Launch, Server};
use quire_tests::socket::{Heard, Socket};
use quire_tests::wait::within;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::row::{CameBack, Deed, Row, Wanted};

pub(crate) struct Yard {
    _folder: TempDir,
    server: Server,
    bystanders: Bystanders,
    ward: Bystanders,
    automerge_ward: Bystanders,
    rows: usize,
    failures: Vec<String>,
}

/// What the server has counted and said of an end.
#[derive(Debug, PartialEq)]
struct Tally {
    closed: f64,
    said: usize,
}

impl Yard {
    pub(crate) async fn open() -> Result<Self> {
        let folder = TempDir::new()?;
        let server = Launch::new(folder.path())?
            .variable("QUIRE_CONNECTION__PING_INTERVAL", "2s")
            .variable("QUIRE_CONNECTION__SILENCE_TIMEOUT", "8s")
            .variable("QUIRE_LIMITS__MESSAGE_BYTES", "8MiB")
            .start()
            .await?;
        let bystanders = Bystanders::begin(server.address(), "bystanders").await?;
        let ward = Bystanders::begin(server.address(), WARD).await?;
        let automerge_ward =
            Bystanders::begin_automerge(server.address(), automerge_ward()).await?;
        let (rows, failures) = (0, Vec::new());
        println!("{HEAD}");
        Ok(Self {
            _folder: folder,
            server,
            bystanders,
            ward,
            automerge_ward,
            rows,
            failures,
        })
    }

    /// Does what a row says, and writes down what came of it.
    pub(crate) async fn try_row(&mut self, row: Row) -> Result<()> {
        let what = format!("{:>3} {}", row.number, row.name);
        if let Deed::Later(why) = row.deed {
            self.rows += 1;
            println!("{what:<72} later: {why}");
            return Ok(());
        }
        let (wanted, memory, busy) = (row.wanted, row.memory_max_mib, row.busy_max);
        let gauge = Gauge::begin(self.server.pid())?;
        let came = self.outcome(row.number, row.deed, wanted).await;
        let spent = gauge.end().with_context(|| what.clone())?;
        let mut slowest = Duration::ZERO;
        for pair in [&self.bystanders, &self.ward, &self.automerge_ward] {
            slowest = slowest.max(pair.go_on().await.with_context(|| what.clone())?);
        }
        let said = match &came {
            Ok(came) => came.to_string(),
            Err(error) => format!("{error:#}"),
        };
        self.rows += 1;
        println!("{}", line(&what, &said, spent, slowest));
        let as_wanted = came.as_ref().is_ok_and(|came| wanted.is(came));
        self.must(as_wanted, &what, || format!("{said}, wanted {wanted:?}"));
        self.must(spent.memory <= memory << 20, &what, || format!("{spent:?}"));
        let busy_max = busy + spent.wall.mul_f64(BYSTANDERS_BUSY);
        self.must(spent.busy <= busy_max, &what, || format!("{spent:?}"));
        self.must(slowest <= SLOWEST_MAX, &what, || format!("{slowest:?}"));
        Ok(())
    }

    /// All rows are tried before the first failure is one.
    fn must(&mut self, holds: bool, what: &str, but: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(format!("{what}: {}", but()));
        }
    }

    async fn outcome(&mut self, number: u8, deed: Deed, wanted: Wanted) -> Result<CameBack> {
        let address = self.server.address();
        let mut came = Vec::new();
        match deed {
            Deed::Bytes(bytes) => came.push(answers(address, &bytes).await?),
            Deed::Open(path) => {
                let before = self.tally(wanted).await?;
                came.push(end_of(Socket::connect(address, &path).await?).await?);
                self.told_once(wanted, &before).await?;
            }
            Deed::Each(messages) => {
                for message in messages {
                    let before = self.tally(wanted).await?;
                    let mut sender = Client::join(address, WARD, 9).await?.socket;
                    // The server may close before it has read all of it.
                    let _ = sender.send_message(message).await;
                    came.push(end_of(sender).await?);
                    self.told_once(wanted, &before).await?;
                }
            }
            Deed::EachRaw(several) => {
                for bytes in several {
                    let before = self.tally(wanted).await?;
                    let mut sender = Client::join(address, WARD, 9).await?.socket;
                    let _ = sender.send_raw(&bytes).await;
                    came.push(end_of(sender).await?);
                    self.told_once(wanted, &before).await?;
                }
            }
            Deed::EachPeer(frames) => {
                for frame in frames {
                    let before = self.tally(wanted).await?;
                    let mut sender = Peer::join(address, ATTACKER).await?;
                    sender.request(&automerge_ward()).await?;
                    sender.hear_sync(&automerge_ward()).await?;
                    let _ = sender.socket.send(frame).await;
                    came.push(end_of_peer(sender).await?);
                    self.told_once(wanted, &before).await?;
                }
            }
            Deed::Sequence(frames) => {
                let document = format!("row-{number}-{}", self.rows);
                let mut sender = Client::join(address, &document, 9).await?.socket;
                for frame in frames {
                    let _ = sender.send(frame).await;
                }
                came.push(end_of(sender).await?);
            }
            Deed::Own(deed) => came.push(deed(address).await?),
            Deed::Later(_) => bail!("nothing is to be done"),
        }
        let same = came.iter().all(|one| *one == came[0]);
        ensure!(same, "not all ended alike: {came:?}");
        Ok(came[0].clone())
    }

    async fn tally(&self, wanted: Wanted) -> Result<Option<Tally>> {
        let Wanted::Closed(_, label) = wanted else {
            return Ok(None);
        };
        let metric = closed_metric(label);
        let log = self.server.log();
        Ok(Some(Tally {
            closed: self.server.metric(&metric).await?,
            said: log.lines().filter(|line| tells_of_an_end(line)).count(),
        }))
    }

    /// An end is counted once and logged once.
    async fn told_once(&self, wanted: Wanted, before: &Option<Tally>) -> Result<()> {
        let (Wanted::Closed(_, label), Some(before)) = (wanted, before) else {
            return Ok(());
        };
        let metric = closed_metric(label);
        let expected = Tally {
            closed: before.closed + 1.0,
            said: before.said + 1,
        };
        self.server
            .metric_reaches(&metric, expected.closed)
            .await
            .with_context(|| format!("{label} is counted"))?;
        let now = self.tally(wanted).await?;
        ensure!(now == Some(expected), "from {before:?} to {now:?}");
        Ok(())
    }

    /// What must hold when all has been tried.
    pub(crate) async fn close(mut self) -> Result<()> {
        let used = self.server.memory()?;
        println!(
            "{} rows; in the end the server uses {} MiB",
            self.rows,
            used >> 20
        );
        self.must(used < MEMORY_END_MAX, "in the end", || format!("{used}"));
        let page = self.server.get("/metrics").await?.text()?;
        let automerge_ward = automerge_ward().to_string();
        let named = ["ward", "bystanders", "row-", &automerge_ward, ATTACKER]
            .into_iter()
            .find(|name| page.contains(name));
        self.must(named.is_none(), "metrics", || format!("{named:?} is named"));
        let (rounds, text) = self.ward.end().await?;
        self.bystanders.end().await?;
        let (set, last) = self.automerge_ward.end().await?;
        let server = &mut self.server;
        check_edits(server, WARD, rounds).await?;
        check_edits(server, &automerge_ward, set).await?;
        for when in ["in the end", "after a restart"] {
            for (document, text) in [(WARD, &text), (&automerge_ward, &last)] {
                let kept = server.text(document).await?;
                ensure!(kept == *text, "{document} {when}: {kept:?}, not {text:?}");
            }
            server.stop().await?;
            server.restart().await?;
        }
        check_log(&server.log())?;
        ensure!(self.failures.is_empty(), "{:#?}", self.failures);
        Ok(())
    }
}

/// Each edit that was made is in the timeline.
async fn check_edits(server: &Server, document: &str, made: u64) -> Result<()> {
    let changes = server.changes(document).await?;
    let edits = changes
        .iter()
        .filter_map(|change| change["updates"].as_u64());
    let edits = edits.sum::<u64>();
    ensure!(
        edits == made,
        "{edits} edits are in the timeline of {document}, {made} were made"
    );
    Ok(())
}

/// Nothing that a client sent stands in the log as it came, and nothing panicked.
fn check_log(log: &str) -> Result<()> {
    ensure!(!log.contains(SECRET), "content is in the log");
    ensure!(!log.contains('\x1b'), "an escape sequence is in the log");
    ensure!(!log.contains("panicked"), "something panicked:\n{log}");
    let injected = log.lines().find(|line| line.starts_with(INJECTED));
    ensure!(
        injected.is_none(),
        "a line was put into the log: {injected:?}"
    );
    Ok(())
}

fn line(what: &str, came: &str, spent: Spent, slowest: Duration) -> String {
    format!(
        "{what:<72} {came:<26} {:>6.1} {:>7} {:>7} {:>6}",
        spent.memory as f64 / 1_048_576.0,
        spent.busy.as_millis(),
        spent.wall.as_millis(),
        slowest.as_millis(),
    )
}

/// Sends bytes on a connection of their own and reads until the server closes it.
pub(crate) async fn answers(address: SocketAddr, bytes: &[u8]) -> Result<CameBack> {
    let mut stream = TcpStream::connect(address).await?;
    // The server may close while there is more to send.
    let _ = within("the server reads", stream.write_all(bytes)).await?;
    read_answers(stream).await
}

/// Reads until the server closes the connection, and counts HTTP answers.
pub(crate) async fn read_answers(mut stream: TcpStream) -> Result<CameBack> {
    let mut read = Vec::new();
    // A reset after an answer does not take back the answer.
    let _ = within("the server closes", stream.read_to_end(&mut read)).await?;
    let text = String::from_utf8_lossy(&read);
    let count = text.matches("HTTP/1.").count();
    if count == 0 {
        return Ok(CameBack::Gone);
    }
    let status = text.split(' ').nth(1).context("an answer has a status")?;
    let code = text
        .split("\"code\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    Ok(CameBack::Answers(
        count,
        status.parse()?,
        code.map(str::to_owned),
    ))
}

/// How it ends for a client who asks once more, after all that it has sent, for the whole document.
pub(crate) async fn end_of(mut sender: Socket) -> Result<CameBack> {
    // One who was closed cannot ask.
    let _ = sender.send(frames::have(&[0])).await;
    loop {
        match sender.next().await? {
            Heard::Frame(frame) => {
                if let Frame::Missing(_) = Frame::read(&frame)? {
                    return Ok(CameBack::Served);
                }
            }
            Heard::Text(_) | Heard::Pong => {}
            Heard::Closed(code, reason) => {
                ensure!(!reason.contains(SECRET), "the reason is {reason:?}");
                return Ok(CameBack::Closed(code));
            }
            Heard::Gone => return Ok(CameBack::Gone),
        }
    }
}

/// How it ends for a peer who asks once more, after all that it has sent, for a document that nobody has.
pub(crate) async fn end_of_peer(mut sender: Peer) -> Result<CameBack> {
    // One who was closed cannot ask.
    let _ = sender.request(&absent()).await;
    loop {
        let frame = match sender.socket.next().await? {
            Heard::Frame(frame) => frame,
            Heard::Text(_) | Heard::Pong => continue,
            Heard::Closed(code, reason) => {
                ensure!(!reason.contains(SECRET), "the reason is {reason:?}");
                return Ok(CameBack::Closed(code));
            }
            Heard::Gone => return Ok(CameBack::Gone),
        };
        match protocol::automerge::decode(&frame)? {
            protocol::automerge::Message::Error { message, .. } => {
                ensure!(!message.contains(SECRET), "it is told {message:?}");
            }
            protocol::automerge::Message::Document {
                document,
                said: Said::Unavailable,
                ..
            } if document == absent() => return Ok(CameBack::Served),
            _ => {}
        }
    }
}

/// A request, and what is answered.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<CameBack> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    answers(address, head.as_bytes()).await
}

fn closed_metric(label: &str) -> String {
    format!("quire_connections_closed_total{{reason=\"{label}\"}}")
}

fn tells_of_an_end(line: &str) -> bool {
    line.contains("connection closed") || line.contains("connection refused")
}

/// The document that refused frames of automerge-repo are thrown at.
pub(crate) fn automerge_ward() -> DocumentId {
    id(0)
}

/// One that nobody has.
fn absent() -> DocumentId {
    id(255)
}

/// What those call themselves who throw them.
pub(crate) const ATTACKER: &str = "the-attacker";
/// The document that refused frames are thrown at.
pub(crate) const WARD: &str = "ward";
/// Stands in what bad clients send, and must stand in no log.
pub(crate) const SECRET: &str = "the-secret-of-the-bad-client";
/// What a forged line of the log would begin with.
pub(crate) const INJECTED: &str = "{\"level\":\"ERROR\",\"forged\"";
const HEAD: &str = "No. bad input                                                            came back                  MiB more  cpu ms wall ms slowest";
/// A round of the bystanders takes a few milliseconds; this is for machines that have much else to do.
const SLOWEST_MAX: Duration = Duration::from_secs(5);
/// The part of a processor that the bystanders keep busy, at most.
const BYSTANDERS_BUSY: f64 = 0.4;
const MEMORY_END_MAX: u64 = 512 << 20;
