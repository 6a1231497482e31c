//! The clients of a run: their sockets, and what each knows of its document.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::message::{self, Message};
use crate::load::frames::{self, Inbox, Opcode};
use crate::load::poll::{Poll, Readiness};
use crate::load::stream::Stream;
use crate::load::swarm::{Traffic, upgrade};

/// All clients, numbered as they connected.
pub(super) struct Clients {
    server: SocketAddrV4,
    documents: Vec<String>,
    clients: Vec<Client>,
    poll: Poll,
    began: Instant,
    pub(super) traffic: Traffic,
    /// Lent to each turn.
    pub(super) heard: Vec<Said>,
    ready: Vec<Readiness>,
    space: Vec<u8>,
}

/// One client.
pub(super) struct Client {
    stream: Stream,
    inbox: Inbox,
    document: u32,
    stage: Stage,
    /// Whether it makes the document.
    is_first: bool,
    version: u64,
    /// How long the text was when it joined.
    length: usize,
    /// When its operations were sent, by their numbers from 1.
    sent_us: Vec<u32>,
    is_under_way: bool,
    text: Vec<u8>,
    frame: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Greeting,
    /// The document is being made.
    Creating,
    Created,
    Joining,
    Joined,
}

/// What a client was told.
pub(super) struct Said {
    pub(super) client: usize,
    pub(super) message: Message,
    pub(super) now_us: u32,
}

impl Clients {
    /// Nobody is connected yet.
    ///
    /// # Errors
    /// The kernel has nothing to wait with.
    pub(super) fn new(server: SocketAddrV4, documents: Vec<String>) -> Result<Self> {
        Ok(Self {
            server,
            documents,
            clients: Vec::new(),
            poll: Poll::new()?,
            began: Instant::now(),
            traffic: Traffic::default(),
            heard: Vec::new(),
            ready: Vec::new(),
            space: vec![0; 64 * 1_024],
        })
    }

    pub(super) fn now_us(&self) -> u32 {
        self.began.elapsed().as_micros() as u32
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Begins to connect a client. The first of a document makes it.
    ///
    /// # Errors
    /// The kernel has no socket for it.
    pub(super) fn connect(&mut self, document: u32) -> Result<()> {
        let number = self.clients.len();
        let mut stream = Stream::connect(self.server, Ipv4Addr::LOCALHOST, None)
            .with_context(|| format!("connection {number}"))?;
        stream.send(upgrade(self.server, "/sharedb/default").as_bytes())?;
        self.poll.add(&stream, number)?;
        self.clients.push(Client {
            stream,
            inbox: Inbox::default(),
            document,
            stage: Stage::Upgrading,
            is_first: number < self.documents.len(),
            version: 0,
            length: 0,
            sent_us: Vec::new(),
            is_under_way: false,
            text: Vec::new(),
            frame: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn all(&self, is_so: impl Fn(&Client) -> bool) -> bool {
        self.clients.iter().all(is_so)
    }

    /// Has each client do something.
    ///
    /// # Errors
    /// A connection is broken.
    pub(super) fn each(&mut self, act: impl Fn(&mut Client, &str) -> Result<()>) -> Result<()> {
        for client in &mut self.clients {
            act(client, &self.documents[client.document as usize])?;
        }
        Ok(())
    }

    pub(super) fn is_joined(&self, number: usize) -> bool {
        self.clients[number].is_joined()
    }

    pub(super) fn document(&self, number: usize) -> usize {
        self.clients[number].document as usize
    }

    pub(super) fn version(&self, number: usize) -> u64 {
        self.clients[number].version
    }

    /// How long the text was when a client joined.
    pub(super) fn length(&self, number: usize) -> usize {
        self.clients[number].length
    }

    pub(super) fn sent_us(&self, number: usize, operation: u64) -> Option<u32> {
        let at = usize::try_from(operation.checked_sub(1)?).ok()?;
        self.clients[number].sent_us.get(at).copied()
    }

    /// Whether all clients of each document have the same version.
    pub(super) fn are_even(&self) -> bool {
        let mut versions = vec![None; self.documents.len()];
        self.clients.iter().all(|client| {
            let version = versions[client.document as usize].get_or_insert(client.version);
            *version == client.version
        })
    }

    /// The server has told a client what it is called.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn greeted(&mut self, number: usize, _source: String) -> Result<()> {
        let client = &mut self.clients[number];
        let document = &self.documents[client.document as usize];
        if client.stage != Stage::Greeting {
            return Ok(());
        }
        match client.is_first {
            true => client.create(document, self.began),
            false => {
                client.stage = Stage::Created;
                client.subscribe(document)
            }
        }
    }

    /// The client's document was made.
    ///
    /// # Errors
    /// None: it is told to subscribe with the others.
    pub(super) fn created(&mut self, number: usize) -> Result<()> {
        self.clients[number].stage = Stage::Created;
        Ok(())
    }

    pub(super) fn joined(&mut self, number: usize, version: u64, length: usize) {
        let client = &mut self.clients[number];
        client.stage = Stage::Joined;
        client.version = version;
        client.length = length;
    }

    /// Sends an operation.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn submit(&mut self, number: usize) -> Result<()> {
        let now_us = self.now_us();
        let client = &mut self.clients[number];
        let document = &self.documents[client.document as usize];
        client.is_under_way = true;
        client.sent_us.push(now_us);
        let (version, seq) = (client.version, client.sent_us.len());
        client.say(format_args!(
            r#"{{"a":"op","c":"bench","d":"{document}","v":{version},"seq":{seq},"x":{{}},"op":[{{"p":["s",0],"si":"x"}}]}}"#
        ))
    }

    /// An operation of a client was acknowledged: when it was sent; none if that was not to come.
    pub(super) fn acknowledged(
        &mut self,
        number: usize,
        version: u64,
        operation: u64,
    ) -> Option<u32> {
        let client = &mut self.clients[number];
        let is_next = operation == client.sent_us.len() as u64 && version == client.version;
        if !is_next || !std::mem::take(&mut client.is_under_way) {
            return None;
        }
        client.version += 1;
        client.sent_us.last().copied()
    }

    /// A client was sent an operation: whether that is the next; its version, if one was left out.
    pub(super) fn follow(&mut self, number: usize, version: u64) -> Result<bool, u64> {
        let client = &mut self.clients[number];
        if version > client.version {
            return Err(client.version);
        }
        let is_next = version == client.version && client.stage == Stage::Joined;
        client.version += u64::from(is_next);
        Ok(is_next)
    }

    /// Waits for something to happen, and gives all that was said.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn turn(&mut self, most: Duration, heard: &mut Vec<Said>) -> Result<()> {
        let mut ready = std::mem::take(&mut self.ready);
        self.poll.wait(most, &mut ready)?;
        for Readiness { key, read, write } in ready.drain(..) {
            if write {
                self.clients[key].stream.flush()?;
            }
            if read {
                self.read(key, heard)?;
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn read(&mut self, number: usize, heard: &mut Vec<Said>) -> Result<()> {
        while let Some(count) = self.clients[number].stream.read(&mut self.space)? {
            let now_us = self.now_us();
            let mut say = |message| {
                heard.push(Said {
                    client: number,
                    message,
                    now_us,
                });
            };
            if count == 0 {
                say(Message::Closed);
                break;
            }
            self.traffic.bytes_in += count as u64;
            self.traffic.reads += 1;
            let read = &self.space[..count];
            self.traffic.frames_in += self.clients[number].hear(read, &mut say)?;
        }
        Ok(())
    }
}

impl Client {
    pub(super) fn is_created(&self) -> bool {
        matches!(self.stage, Stage::Created | Stage::Joining | Stage::Joined)
    }

    pub(super) fn is_joined(&self) -> bool {
        self.stage == Stage::Joined
    }

    /// Asks for the document, if it has not.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn subscribe(&mut self, document: &str) -> Result<()> {
        if self.stage != Stage::Created {
            return Ok(());
        }
        self.stage = Stage::Joining;
        self.say(format_args!(
            r#"{{"a":"s","c":"bench","d":"{document}","v":null}}"#
        ))
    }

    fn create(&mut self, document: &str, began: Instant) -> Result<()> {
        self.stage = Stage::Creating;
        self.is_under_way = true;
        self.sent_us.push(began.elapsed().as_micros() as u32);
        let text = "y".repeat(CHARACTERS);
        self.say(format_args!(
            r#"{{"a":"op","c":"bench","d":"{document}","v":0,"seq":1,"x":{{}},"create":{{"type":"http://sharejs.org/types/JSONv0","data":{{"s":"{text}"}}}}}}"#
        ))
    }

    fn hear(&mut self, bytes: &[u8], say: &mut impl FnMut(Message)) -> Result<u64> {
        let mut bytes = bytes;
        if self.stage == Stage::Upgrading {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                anyhow::bail!("the answer to the upgrade is cut");
            };
            anyhow::ensure!(bytes.starts_with(b"HTTP/1.1 101"), "no upgrade");
            bytes = &bytes[end + 4..];
            self.stage = Stage::Greeting;
            self.say(format_args!(
                r#"{{"a":"hs","id":null,"protocol":1,"protocolMinor":2}}"#
            ))?;
        }
        let mut pongs = Vec::new();
        let frames = self
            .inbox
            .feed(bytes, &mut None, |opcode, payload| match opcode {
                Opcode::Text => say(message::read(payload)),
                Opcode::Ping => frames::write(&mut pongs, Opcode::Pong, payload, KEY),
                Opcode::Close => say(Message::Closed),
                _ => {}
            })?;
        if !pongs.is_empty() {
            self.stream.send(&pongs)?;
        }
        Ok(frames)
    }

    fn say(&mut self, text: std::fmt::Arguments<'_>) -> Result<()> {
        self.text.clear();
        self.text.write_fmt(text)?;
        self.frame.clear();
        frames::write(&mut self.frame, Opcode::Text, &self.text, KEY);
        self.stream.send(&self.frame)?;
        Ok(())
    }
}

/// The length of the text that each document begins with.
pub(super) const CHARACTERS: usize = 1_000;
/// Any key will do.
const KEY: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];
