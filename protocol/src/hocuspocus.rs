//! The Hocuspocus dialect, as the npm package `@hocuspocus/provider` 2.x to 4.x speaks it (`types.ts` of provider and
//! server 4.7, and the frames under `tests/golden`). Many documents share a socket: each frame begins with the address of
//! one.
//!
//! A frame is an address (varString), a varUint type and a body:
//!
//! | type | body | from |
//! |---|---|---|
//! | 0 sync, 1 awareness | as in all Yjs dialects ([`crate::yjs`]) | both |
//! | 2 auth | `0` token, and from 4.x on the client's version | client |
//! | | `0` send your token; `1` reason: denied; `2` scope: you may, `read-write` or `readonly` | server |
//! | 3 query awareness | nothing | both |
//! | 5 stateless | a string of the application | both |
//! | 7 close | nothing: the client leaves the document; a reason: the server has it leave | both |
//! | 8 sync status | `1` a step 2 or update is stored, `0` it was refused | server |
//!
//! Types 4 and 6 are spoken between servers only, and no client may send them. Besides there are two frames of a single
//! byte without an address, ping (9) and pong (10), which clients from 4.x on know.
//!
//! An address is a document's name, or that, a NUL and a word of the client's own, by which a socket can have one document
//! several times. What can not be read behind an address and a type is bad bytes; only what is plainly a step 2 or an
//! update is an edit, however broken, and answered as one. A client counts what it sent and is not stored, and takes one away with each sync status of `1`: each step
//! 2 and update is answered by exactly one.

use bytes::Bytes;
use engine::{Event, Intent};

use crate::FrameError;
use crate::wire::{Reader, Writer, var_bytes_length};
use crate::yjs::{self, Said, TYPE_AWARENESS, TYPE_SYNC};

/// After how long without any frame to a client it is sent a sign of life. Clients look every 3 s and leave once 30 s have
/// passed in silence; half of that lets one be late.
pub const KEEPALIVE_AFTER_MS: u64 = 15_000;

const TYPE_AUTH: u64 = 2;
const TYPE_QUERY_AWARENESS: u64 = 3;
const TYPE_STATELESS: u64 = 5;
const TYPE_CLOSE: u64 = 7;
const TYPE_SYNC_STATUS: u64 = 8;

const AUTH_TOKEN: u64 = 0;
const AUTH_DENIED: u64 = 1;
const AUTH_GRANTED: u64 = 2;

const PING: &[u8] = &[9];
const PONG: &[u8] = &[10];

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Something about one document.
    Addressed(Address, Message),
    /// It is alive.
    Pong,
}

/// Which document, and for which of the client's providers. Texts in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Bytes);

/// What a client says of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who it is: it wants to join, or has a newer token.
    Token {
        /// As it came; may be empty.
        token: Bytes,
        /// The version of the provider, which from 4.x on says it.
        version: Option<Bytes>,
    },
    /// It asks something of the document.
    Intent(Intent),
    /// An edit that is none: a step 2 or an update whose bytes can not be read. It is answered, as every edit is.
    Unreadable(FrameError),
    /// It leaves the document.
    Leave,
}

/// What a client may do with a document that it was let into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Read and write.
    ReadWrite,
    /// Read, and show itself.
    ReadOnly,
}

impl Scope {
    fn of(may_write: bool) -> Self {
        if may_write {
            Self::ReadWrite
        } else {
            Self::ReadOnly
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "readonly",
        }
    }
}

/// What a client is told that no event of a document says. Texts are for people, or for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// It may not have the document. The socket stays, and it may try again.
    Denied(&'a str),
    /// It has joined.
    Granted(Scope),
    /// It is to send its token, which may be newer than the one that it had sent.
    SendToken,
    /// A string of the application.
    Stateless(&'a str),
    /// It has to leave the document. The socket stays.
    Close(&'a str),
    /// Whether a step 2 or an update of its own is stored.
    Status {
        /// It is; otherwise it was refused.
        is_stored: bool,
    },
    /// Nothing: awareness of nobody, so that providers before 4.x do not take silence for death.
    KeepAlive,
}

impl Address {
    /// The document's name.
    pub fn document(&self) -> &str {
        self.as_str().split('\0').next().unwrap_or_default()
    }

    /// Whether there may be several of this client's for one document.
    pub fn has_session(&self) -> bool {
        self.0.contains(&0)
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        utf8(&self.0)
    }
}

/// How an address begins each frame.
fn head(address: &str) -> Bytes {
    let mut writer = Writer::with_capacity(var_bytes_length(address.len()));
    writer.var_string(address);
    writer.finish()
}

impl From<&str> for Address {
    fn from(address: &str) -> Self {
        Self(Bytes::copy_from_slice(address.as_bytes()))
    }
}

/// A text that was checked when it was read.
fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Reads a client's frame.
///
/// # Errors
/// The frame is empty, is cut off, goes on after its end, or holds something that no client says; nothing of it is to be
/// obeyed.
pub fn decode(frame: &Bytes) -> Result<Frame, FrameError> {
    if frame.is_empty() {
        return Err(FrameError::Empty);
    }
    if frame == PONG {
        return Ok(Frame::Pong);
    }
    let mut reader = Reader::new(frame);
    let address = Address(reader.var_string("document name")?);
    let message = message(&mut reader)?;
    Ok(Frame::Addressed(address, message))
}

/// Whether a client's own push is stored, if the event is about one.
pub fn answer(event: &Event) -> Option<bool> {
    match event {
        Event::Ack { .. } => Some(true),
        Event::Refused { .. } => Some(false),
        _ => None,
    }
}

/// Writes an event as one frame, or nothing if clients need not hear of it.
pub fn encode(address: &str, event: &Event) -> Option<Bytes> {
    if let Some(is_stored) = answer(event) {
        return Some(Notice::Status { is_stored }.encode(address));
    }
    match event {
        Event::Rights { may_write } => Some(Notice::Granted(Scope::of(*may_write)).encode(address)),
        Event::Signal(text) => Some(Notice::Stateless(utf8(text)).encode(address)),
        other => Said::of(other).map(|said| said.write(&head(address))),
    }
}

/// A frame that asks a client from 4.x on for a sign of life. Older ones can not read it.
pub fn ping() -> Bytes {
    Bytes::from_static(PING)
}

impl Notice<'_> {
    /// Writes it as one frame.
    pub fn encode(self, address: &str) -> Bytes {
        let mut writer = Writer::with_capacity(var_bytes_length(address.len()) + NOTICE_BYTES);
        writer.var_string(address);
        match self {
            Self::Denied(reason) => writer.say(&[TYPE_AUTH, AUTH_DENIED], Some(reason)),
            Self::Granted(scope) => {
                writer.say(&[TYPE_AUTH, AUTH_GRANTED], Some(scope.as_str()));
            }
            Self::SendToken => writer.say(&[TYPE_AUTH, AUTH_TOKEN], None),
            Self::Stateless(text) => writer.say(&[TYPE_STATELESS], Some(text)),
            Self::Close(reason) => writer.say(&[TYPE_CLOSE], Some(reason)),
            Self::Status { is_stored } => {
                writer.say(&[TYPE_SYNC_STATUS, is_stored.into()], None);
            }
            Self::KeepAlive => writer.say(&[TYPE_AWARENESS, 1, 0], None),
        }
        writer.finish()
    }
}

impl Writer {
    fn say(&mut self, numbers: &[u64], text: Option<&str>) {
        numbers.iter().for_each(|number| self.var_uint(*number));
        if let Some(text) = text {
            self.var_string(text);
        }
    }
}

fn message(reader: &mut Reader) -> Result<Message, FrameError> {
    let at = reader.position();
    let field = "message type";
    let message = match reader.var_uint(field)? {
        TYPE_SYNC => return sync(reader),
        TYPE_AWARENESS => yjs::awareness(reader, &mut 0).map(Message::Intent),
        TYPE_AUTH => token(reader),
        TYPE_QUERY_AWARENESS => Ok(Message::Intent(Intent::QueryPresence)),
        TYPE_STATELESS => reader
            .var_string("payload")
            .map(|text| Message::Intent(Intent::Signal(text))),
        TYPE_CLOSE => Ok(Message::Leave),
        value => Err(FrameError::Unknown { field, at, value }),
    }?;
    reader.finish("message")?;
    Ok(message)
}

/// An edit that can not be read is one still: its client counts it.
fn sync(reader: &mut Reader) -> Result<Message, FrameError> {
    let is_edit = yjs::is_edit(reader);
    let intent = yjs::sync(reader).and_then(|intent| {
        reader.finish("message")?;
        Ok(Message::Intent(intent))
    });
    intent.or_else(|fault| {
        if is_edit {
            Ok(Message::Unreadable(fault))
        } else {
            Err(fault)
        }
    })
}

fn token(reader: &mut Reader) -> Result<Message, FrameError> {
    let at = reader.position();
    let field = "auth message type";
    match reader.var_uint(field)? {
        AUTH_TOKEN => {
            let token = reader.var_string("token")?;
            let says_more = !reader.is_empty();
            let version = says_more
                .then(|| reader.var_string("version"))
                .transpose()?;
            Ok(Message::Token { token, version })
        }
        value => Err(FrameError::Unknown { field, at, value }),
    }
}

/// About what a notice takes besides its address.
const NOTICE_BYTES: usize = 32;
