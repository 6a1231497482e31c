//! Connections of automerge-repo, on which any number of documents is spoken of: each says who it is, and then what it is told
//! to say.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use protocol::automerge::{
    DocumentId, Envelope, Message, Metadata, PROTOCOL, PeerId, Said, StorageId, decode, encode,
};

use crate::load::frames::{self, Inbox, Opcode};
use crate::load::poll::{Poll, Readiness};
use crate::load::stream::Stream;
use crate::load::swarm::{Traffic, farewell, upgrade};

/// All connections, numbered as they were made.
pub(super) struct Lines {
    server: SocketAddrV4,
    lines: Vec<Option<Line>>,
    poll: Poll,
    began: Instant,
    pub(super) traffic: Traffic,
    /// What was said to others while somebody joined.
    meanwhile: Vec<Heard>,
    ready: Vec<Readiness>,
    space: Vec<u8>,
}

/// One connection.
struct Line {
    stream: Stream,
    inbox: Inbox,
    stage: Stage,
    own: PeerId,
    storage: Option<StorageId>,
    server: PeerId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Joining,
    Joined,
}

/// What the server says on a connection.
pub(super) struct Heard {
    pub(super) line: usize,
    pub(super) news: News,
    pub(super) now_us: u32,
}

/// Something that the server says.
pub(super) enum News {
    Said(DocumentId, Said),
    /// The connection is closed, and why.
    Closed(String),
}

impl Lines {
    /// Nobody is connected yet.
    ///
    /// # Errors
    /// The kernel has nothing to wait with.
    pub(super) fn new(server: SocketAddrV4) -> Result<Self> {
        Ok(Self {
            server,
            lines: Vec::new(),
            poll: Poll::new()?,
            began: Instant::now(),
            traffic: Traffic::default(),
            meanwhile: Vec::new(),
            ready: Vec::new(),
            space: vec![0; SPACE],
        })
    }

    pub(super) fn now_us(&self) -> u32 {
        self.began.elapsed().as_micros() as u32
    }

    /// Begins to connect somebody, perhaps one who has a store.
    ///
    /// # Errors
    /// The kernel has no socket for it.
    pub(super) fn connect(&mut self, storage: Option<&str>) -> Result<usize> {
        let number = self.lines.len();
        let mut stream = Stream::connect(self.server, Ipv4Addr::LOCALHOST, None)
            .with_context(|| format!("connection {number}"))?;
        stream.send(upgrade(self.server, "/automerge/default").as_bytes())?;
        self.poll.add(&stream, number)?;
        self.lines.push(Some(Line {
            stream,
            inbox: Inbox::default(),
            stage: Stage::Upgrading,
            own: PeerId(format!("peer-{}-{number}", process::id()).into()),
            storage: storage.map(|storage| StorageId(storage.into())),
            server: PeerId("".into()),
        }));
        Ok(number)
    }

    /// Connects somebody, and waits until he is known.
    ///
    /// # Errors
    /// He was not welcomed in time.
    pub(super) fn join(&mut self, storage: Option<&str>, patience: Duration) -> Result<usize> {
        let number = self.connect(storage)?;
        let late = Instant::now() + patience;
        let mut heard = Vec::new();
        while !self.is_joined(number) {
            self.turn(TURN, &mut heard)?;
            ensure!(Instant::now() < late, "not welcomed");
        }
        self.meanwhile = heard;
        Ok(number)
    }

    pub(super) fn is_joined(&self, number: usize) -> bool {
        let line = self.lines[number].as_ref();
        line.is_some_and(|line| line.stage == Stage::Joined)
    }

    /// Closes a connection.
    pub(super) fn leave(&mut self, number: usize) {
        self.lines[number] = None;
    }

    /// Says something about a document.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn say(&mut self, number: usize, document: &DocumentId, said: Said) -> Result<()> {
        let line = self.lines[number].as_mut();
        let line = line.with_context(|| format!("connection {number} is closed"))?;
        let message = Message::Document {
            envelope: Envelope {
                sender: line.own.clone(),
                target: Some(line.server.clone()),
            },
            document: document.clone(),
            said,
        };
        self.traffic.bytes_out += line.say(&message)?;
        Ok(())
    }

    /// Waits for something to happen, and adds all that was said.
    ///
    /// # Errors
    /// The kernel refuses, or what came is of no such server.
    pub(super) fn turn(&mut self, most: Duration, heard: &mut Vec<Heard>) -> Result<()> {
        let most = match self.meanwhile.is_empty() {
            true => most,
            false => Duration::ZERO,
        };
        heard.append(&mut self.meanwhile);
        let mut ready = std::mem::take(&mut self.ready);
        self.poll.wait(most, &mut ready)?;
        for Readiness { key, read, write } in ready.drain(..) {
            let line = self.lines[key].as_mut();
            if let Some(line) = line.filter(|_| write) {
                line.stream.flush()?;
            }
            if read {
                self.read(key, heard)?;
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn read(&mut self, number: usize, heard: &mut Vec<Heard>) -> Result<()> {
        while let Some(line) = &mut self.lines[number] {
            let Some(count) = line.stream.read(&mut self.space)? else {
                break;
            };
            let now_us = self.began.elapsed().as_micros() as u32;
            let mut tell = |news| {
                heard.push(Heard {
                    line: number,
                    news,
                    now_us,
                });
            };
            if count == 0 {
                tell(News::Closed("the connection ended".to_owned()));
                break;
            }
            self.traffic.bytes_in += count as u64;
            self.traffic.reads += 1;
            self.traffic.frames_in += line.hear(&self.space[..count], &mut tell)?;
        }
        Ok(())
    }
}

impl Line {
    fn hear(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(News)) -> Result<u64> {
        if self.stage == Stage::Upgrading {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let end = end.context("the answer to the upgrade is cut")?;
            ensure!(bytes.starts_with(b"HTTP/1.1 101"), "no upgrade");
            bytes = &bytes[end + 4..];
            self.greet()?;
        }
        let mut messages = Vec::new();
        let mut pongs = Vec::new();
        let frames = self
            .inbox
            .feed(bytes, &mut None, |opcode, payload| match opcode {
                Opcode::Binary => messages.push(Bytes::copy_from_slice(payload)),
                Opcode::Ping => frames::write(&mut pongs, Opcode::Pong, payload, KEY),
                Opcode::Close => tell(News::Closed(farewell(payload))),
                _ => {}
            })?;
        if !pongs.is_empty() {
            self.stream.send(&pongs)?;
        }
        for message in messages {
            match decode(&message).context("a message of the server")? {
                Message::Peer { envelope, .. } => {
                    self.stage = Stage::Joined;
                    self.server = envelope.sender;
                }
                Message::Document { document, said, .. } => tell(News::Said(document, said)),
                Message::Error { message, .. } => tell(News::Closed(message.into())),
                _ => {}
            }
        }
        Ok(frames)
    }

    fn greet(&mut self) -> Result<()> {
        self.stage = Stage::Joining;
        let message = Message::Join {
            sender: self.own.clone(),
            metadata: Metadata {
                storage: self.storage.clone(),
                is_ephemeral: Some(self.storage.is_none()),
                reads_errors: true,
            },
            versions: vec![PROTOCOL.into()],
        };
        self.say(&message).map(drop)
    }

    /// Says how many bytes that were.
    fn say(&mut self, message: &Message) -> Result<u64> {
        let mut frame = Vec::new();
        frames::write(&mut frame, Opcode::Binary, &encode(message), KEY);
        self.stream.send(&frame)?;
        Ok(frame.len() as u64)
    }
}

/// How long one waits for something to happen before one looks at the clock.
pub(super) const TURN: Duration = Duration::from_millis(10);
/// Any key will do.
const KEY: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];
/// How much is read at once at most.
const SPACE: usize = 256 * 1_024;
