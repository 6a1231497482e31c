//! Many clients in one thread: sockets that connect, join their document and hand on what they hear.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::chance::Chance;
use super::frames::{self, Inbox, Model, Opcode};
use super::poll::{Poll, Readiness};
use super::speech::{self, Heard};
use super::stream::Stream;
use super::tally::Faults;
use super::unsettled::{Unsettled, Written};
use crate::spec::{Ack, Dialect};

/// Who is told what the clients hear.
pub(crate) trait Listener {
    /// Edits came, or all that a client lacked.
    fn update(&mut self, client: usize, update: &[u8], now_us: u32);
    /// The server says that it took the first edit of which it had not yet.
    fn acknowledged(&mut self, client: usize, now_us: u32);
    /// It was told who is where.
    fn presence(&mut self, client: usize, entries: &[u8], now_us: u32);
}

/// All clients of a run, numbered as they connected.
pub(crate) struct Swarm {
    server: SocketAddrV4,
    dialect: Dialect,
    /// The names of the documents.
    documents: Vec<String>,
    clients: Vec<Client>,
    poll: Poll,
    began: Instant,
    chance: Chance,
    pub(crate) traffic: Traffic,
    pub(crate) faults: Faults,
    joined: usize,
    closed: usize,
    /// What many may be sent.
    model: Model,
    /// Lent to each read, each message and each frame in turn.
    space: Vec<u8>,
    message: Vec<u8>,
    frame: Vec<u8>,
    ready: Vec<Readiness>,
}

/// What went through all sockets so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) frames_in: u64,
    pub(crate) reads: u64,
}

#[derive(Debug)]
struct Client {
    stream: Stream,
    inbox: Inbox,
    document: u32,
    stage: Stage,
    unsettled: Unsettled,
    /// Whether it reads at all; whether there was something when it did not.
    reads: bool,
    began_us: u32,
    joined_us: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The answer to the upgrade, as far as it came.
    Upgrading(Vec<u8>),
    /// The document's content is awaited.
    Joining,
    Joined,
    Closed,
}

/// What a client has to do after what it heard.
#[derive(Clone, Copy, Debug, Default)]
struct Duties {
    joined: bool,
    asked: bool,
}

impl Swarm {
    /// Knows where to connect, and has no clients yet.
    ///
    /// # Errors
    /// The kernel has nothing to wait with.
    pub(crate) fn new(
        server: SocketAddrV4,
        dialect: Dialect,
        documents: Vec<String>,
        seed: u64,
    ) -> Result<Self> {
        Ok(Self {
            server,
            dialect,
            documents,
            clients: Vec::new(),
            poll: Poll::new()?,
            began: Instant::now(),
            chance: Chance::new(seed),
            traffic: Traffic::default(),
            faults: Faults::default(),
            joined: 0,
            closed: 0,
            model: None,
            space: vec![0; SPACE],
            message: Vec::new(),
            frame: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// Begins to connect a client to a document, and returns its number. What it is sent is read only if it `reads`.
    ///
    /// # Errors
    /// The kernel has no socket for it.
    pub(crate) fn connect(
        &mut self,
        document: u32,
        receive_buffer: Option<usize>,
    ) -> Result<usize> {
        let number = self.clients.len();
        let source = (number / PORTS_PER_ADDRESS) as u32;
        let from = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + source);
        let mut stream = Stream::connect(self.server, from, receive_buffer)
            .with_context(|| format!("connection {number} from {from}"))?;
        let path = speech::path(self.dialect, &self.documents[document as usize]);
        stream.send(upgrade(self.server, &path).as_bytes())?;
        self.poll.add(&stream, number)?;
        self.clients.push(Client {
            stream,
            inbox: Inbox::default(),
            document,
            stage: Stage::Upgrading(Vec::new()),
            unsettled: Unsettled::default(),
            reads: true,
            began_us: self.now_us(),
            joined_us: 0,
        });
        Ok(number)
    }

    /// Waits up to so long, and works off what came.
    ///
    /// # Errors
    /// The kernel does not tell any more.
    pub(crate) fn turn(&mut self, timeout: Duration, listener: &mut impl Listener) -> Result<()> {
        let mut ready = std::mem::take(&mut self.ready);
        self.poll.wait(timeout, &mut ready)?;
        for readiness in ready.drain(..) {
            self.attend(readiness, listener);
        }
        self.ready = ready;
        Ok(())
    }

    /// Sends an edit.
    pub(crate) fn edit(&mut self, client: usize, update: &[u8]) {
        let document = &self.documents[self.clients[client].document as usize];
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        speech::update(self.dialect, document, update, &mut message);
        self.say(client, Opcode::Binary, &message);
        self.message = message;
        self.wrote(client, Written::Edit);
    }

    /// Tells who is where.
    pub(crate) fn show(&mut self, client: usize, entries: &[u8]) {
        let document = &self.documents[self.clients[client].document as usize];
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        speech::presence(self.dialect, document, entries, &mut message);
        self.say(client, Opcode::Binary, &message);
        self.message = message;
    }

    /// From now on a client does not read, or does again.
    pub(crate) fn set_reads(&mut self, client: usize, reads: bool, listener: &mut impl Listener) {
        self.clients[client].reads = reads;
        if reads {
            let readiness = Readiness {
                key: client,
                read: true,
                write: true,
            };
            self.attend(readiness, listener);
        }
    }

    /// Microseconds since the swarm began.
    pub(crate) fn now_us(&self) -> u32 {
        self.began.elapsed().as_micros() as u32
    }

    /// Whether a client has the document and is connected.
    pub(crate) fn is_joined(&self, client: usize) -> bool {
        self.clients[client].stage == Stage::Joined
    }

    /// How long a client took from connecting to having the document.
    pub(crate) fn took_us(&self, client: usize) -> u32 {
        let client = &self.clients[client];
        client.joined_us.saturating_sub(client.began_us)
    }

    /// When a client began to connect.
    pub(crate) fn began_us(&self, client: usize) -> u32 {
        self.clients[client].began_us
    }

    /// How many ever joined, and how many were closed.
    pub(crate) fn joined(&self) -> usize {
        self.joined
    }

    pub(crate) fn closed(&self) -> usize {
        self.closed
    }

    fn attend(&mut self, readiness: Readiness, listener: &mut impl Listener) {
        let number = readiness.key;
        if self.clients[number].stage == Stage::Closed {
            return;
        }
        if readiness.write
            && let Err(error) = self.flush(number)
        {
            return self.close(number, || format!("{error}"));
        }
        if readiness.read
            && self.clients[number].reads
            && let Err(error) = self.read(number, listener)
        {
            self.close(number, || format!("{error:#}"));
        }
    }

    fn flush(&mut self, number: usize) -> io::Result<()> {
        let stream = &mut self.clients[number].stream;
        let before = stream.written();
        stream.flush()?;
        self.traffic.bytes_out += stream.written() - before;
        Ok(())
    }

    /// Reads until nothing is left.
    fn read(&mut self, number: usize, listener: &mut impl Listener) -> Result<()> {
        let mut space = std::mem::take(&mut self.space);
        let read = self.read_into(&mut space, number, listener);
        self.space = space;
        read
    }

    fn read_into(
        &mut self,
        space: &mut [u8],
        number: usize,
        listener: &mut impl Listener,
    ) -> Result<()> {
        while self.clients[number].stage != Stage::Closed {
            let Some(count) = self.clients[number].stream.read(space)? else {
                return Ok(());
            };
            ensure!(count > 0, "the server hung up");
            self.traffic.reads += 1;
            self.traffic.bytes_in += count as u64;
            self.take(number, &space[..count], listener)?;
            // Less than there was space for: what comes later is told anew.
            if count < space.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take(&mut self, number: usize, bytes: &[u8], listener: &mut impl Listener) -> Result<()> {
        let Stage::Upgrading(head) = &mut self.clients[number].stage else {
            return self.hear(number, bytes, listener);
        };
        head.extend_from_slice(bytes);
        let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
            ensure!(head.len() < HEAD_MAX, "no end of the answer's head");
            return Ok(());
        };
        let rest = head.split_off(end + 4);
        let status = String::from_utf8_lossy(&head[..end]);
        let line = status.lines().next().unwrap_or_default();
        ensure!(line.contains(" 101"), "not upgraded: {line}");
        self.upgraded(number);
        self.hear(number, &rest, listener)
    }

    fn upgraded(&mut self, number: usize) {
        self.clients[number].stage = Stage::Joining;
        let document = self.documents[self.clients[number].document as usize].clone();
        let dialect = self.dialect;
        speech::greet(dialect, &document, &mut |message| {
            self.say(number, Opcode::Binary, message);
        });
        if dialect == Dialect::Raw {
            self.now_joined(number);
        }
    }

    fn hear(&mut self, number: usize, bytes: &[u8], listener: &mut impl Listener) -> Result<()> {
        let now_us = self.now_us();
        let mut duties = Duties::default();
        let mut fault = None;
        let mut pings: Vec<Vec<u8>> = Vec::new();
        let dialect = self.dialect;
        let client = &mut self.clients[number];
        let frames = client
            .inbox
            .feed(bytes, &mut self.model, |opcode, payload| match opcode {
                Opcode::Binary => {
                    let heard = speech::hear(dialect, payload, |heard| match heard {
                        Heard::Have => duties.asked = true,
                        Heard::Missing(update) => {
                            duties.joined = true;
                            listener.update(number, update, now_us);
                        }
                        Heard::Update(update) => listener.update(number, update, now_us),
                        Heard::Status(is_taken) => match client.unsettled.settle(is_taken) {
                            Ok(Written::Edit) => listener.acknowledged(number, now_us),
                            Ok(Written::NothingMore) => {}
                            Err(error) => fault = Some(format!("{error:#}")),
                        },
                        Heard::Presence(entries) => listener.presence(number, entries, now_us),
                        Heard::Refused(why) => {
                            fault = Some(format!("refused: {}", String::from_utf8_lossy(why)));
                        }
                    });
                    if let Err(error) = heard {
                        fault = Some(format!("{error:#}"));
                    }
                }
                Opcode::Ping => pings.push(payload.to_vec()),
                Opcode::Close => fault = Some(farewell(payload)),
                _ => {}
            })?;
        self.traffic.frames_in += frames;
        for ping in pings {
            self.say(number, Opcode::Pong, &ping);
        }
        if let Some(fault) = fault {
            anyhow::bail!(fault);
        }
        self.fulfil(number, duties);
        Ok(())
    }

    fn fulfil(&mut self, number: usize, duties: Duties) {
        if duties.asked {
            let document = &self.documents[self.clients[number].document as usize];
            let mut message = Vec::new();
            speech::nothing_more(self.dialect, document, &mut message);
            self.say(number, Opcode::Binary, &message);
            // A status comes for the answer to the question that joining brings, not to those that come by themselves.
            if self.clients[number].stage == Stage::Joining {
                self.wrote(number, Written::NothingMore);
            }
        }
        if duties.joined && self.clients[number].stage == Stage::Joining {
            self.now_joined(number);
        }
    }

    fn wrote(&mut self, number: usize, written: Written) {
        if self.dialect.ack() == Ack::Status {
            self.clients[number].unsettled.wrote(written);
        }
    }

    fn now_joined(&mut self, number: usize) {
        let now_us = self.now_us();
        let client = &mut self.clients[number];
        client.stage = Stage::Joined;
        client.joined_us = now_us;
        self.joined += 1;
    }

    fn say(&mut self, number: usize, opcode: Opcode, message: &[u8]) {
        if self.clients[number].stage == Stage::Closed {
            return;
        }
        self.frame.clear();
        let key = (self.chance.next() as u32).to_le_bytes();
        frames::write(&mut self.frame, opcode, message, key);
        let stream = &mut self.clients[number].stream;
        let before = stream.written();
        let sent = stream.send(&self.frame);
        self.traffic.bytes_out += stream.written() - before;
        if let Err(error) = sent {
            self.close(number, || format!("{error}"));
        }
    }

    #[cold]
    fn close(&mut self, number: usize, why: impl FnOnce() -> String) {
        self.clients[number].stage = Stage::Closed;
        self.closed += 1;
        self.faults
            .note("closed", || format!("connection {number}: {}", why()));
    }
}

/// The request for a WebSocket. The key is that of the RFC; the answer's proof is taken on trust.
/// What asks for a WebSocket.
pub(super) fn upgrade(server: SocketAddrV4, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// What a close frame says.
pub(super) fn farewell(payload: &[u8]) -> String {
    match payload.split_at_checked(2) {
        Some((code, reason)) => format!(
            "closed with {}: {}",
            u16::from_be_bytes([code[0], code[1]]),
            String::from_utf8_lossy(reason)
        ),
        None => "closed without a code".to_owned(),
    }
}

/// How much is read at once at most.
const SPACE: usize = 256 * 1_024;
/// Fewer than an address has ports to connect from.
const PORTS_PER_ADDRESS: usize = 20_000;
const HEAD_MAX: usize = 16 * 1_024;
