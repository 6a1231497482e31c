//! The y-websocket dialect, as the npm package `y-websocket` 1.x to 3.x and 4.0-rc speak it (`src/y-websocket.js`, and
//! `auth.js` of `y-protocols` 1.0.7). The document's name is in the address, not in the frames.
//!
//! A frame is a varUint type and a body:
//!
//! | type | body |
//! |---|---|
//! | 0 sync, 1 awareness | as in all Yjs dialects ([`crate::yjs`]) |
//! | 2 auth | `0` reason: permission denied |
//! | 3 query awareness | nothing |
//!
//! Clients up to 3.x read only the first message of a frame, so each [`encode`]d frame has one; 4.0-rc may send several,
//! so [`decode`] takes many.

use bytes::Bytes;
use engine::{Event, Intent};

use crate::FrameError;
use crate::wire::{Reader, Writer, var_bytes_length};
use crate::yjs::{self, Said, TYPE_AWARENESS, TYPE_SYNC};

/// After how long without any frame to a client it is sent a [`keepalive`]. Clients look every 3 s and leave once 30 s
/// have passed in silence; half of that lets one keepalive be late.
pub const KEEPALIVE_AFTER_MS: u64 = 15_000;

/// How many messages are taken in one frame. Real clients send one; without a bound, a frame of single bytes would
/// become intents of many times its size.
pub const MESSAGES_PER_FRAME_MAX: usize = 1_024;

const TYPE_AUTH: u64 = 2;
const TYPE_QUERY_AWARENESS: u64 = 3;

const AUTH_PERMISSION_DENIED: u64 = 0;

/// Reads a client's frame.
///
/// # Errors
/// The frame is empty, is cut off, or holds something that is not of the dialect; nothing of it is to be obeyed.
pub fn decode(frame: &Bytes) -> Result<Vec<Intent>, FrameError> {
    if frame.is_empty() {
        return Err(FrameError::Empty);
    }
    let mut decoder = Decoder {
        reader: Reader::new(frame),
        messages: 0,
        presences: 0,
    };
    // Real clients send one message a frame.
    let mut intents = Vec::with_capacity(1);
    while !decoder.reader.is_empty() {
        intents.extend(decoder.message()?);
    }
    Ok(intents)
}

/// Writes an event as one frame, or nothing if clients need not hear of it.
///
/// A client's own update comes back to it when it is stored: clients of 4.0-rc show what has not come back as unsaved,
/// and all others ignore what they already have. An answer to our step 1 does only if there was something in it to store.
pub fn encode(event: &Event) -> Option<Bytes> {
    let said = match event {
        Event::Ack { tag, payload, news } => {
            yjs::owes_echo(*tag, payload, *news).then_some(Said::Update(payload))
        }
        other => Said::of(other),
    };
    said.map(|said| said.write(&[]))
}

/// A frame that tells a client that it may not have the document. Clients only print it; to keep them away, close with a
/// permanent code as well.
pub fn denied(reason: &str) -> Bytes {
    let mut writer = Writer::with_capacity(2 + var_bytes_length(reason.len()));
    writer.var_uint(TYPE_AUTH);
    writer.var_uint(AUTH_PERMISSION_DENIED);
    writer.var_string(reason);
    writer.finish()
}

/// A frame that says nothing: awareness of nobody. It keeps a client from taking the connection for dead.
pub fn keepalive() -> Bytes {
    Bytes::from_static(&[TYPE_AWARENESS as u8, 1, 0])
}

struct Decoder {
    reader: Reader,
    messages: usize,
    presences: usize,
}

impl Decoder {
    fn message(&mut self) -> Result<Option<Intent>, FrameError> {
        let at = self.reader.position();
        yjs::count("messages", &mut self.messages, MESSAGES_PER_FRAME_MAX, at)?;
        let field = "message type";
        match self.reader.var_uint(field)? {
            TYPE_SYNC => yjs::sync(&mut self.reader).map(Some),
            TYPE_AWARENESS => yjs::awareness(&mut self.reader, &mut self.presences).map(Some),
            TYPE_AUTH => self.auth().map(|()| None),
            TYPE_QUERY_AWARENESS => Ok(Some(Intent::QueryPresence)),
            value => Err(FrameError::Unknown { field, at, value }),
        }
    }

    /// The servers of npm ignore what a client says about permission, and so do we.
    fn auth(&mut self) -> Result<(), FrameError> {
        let at = self.reader.position();
        let field = "auth message type";
        match self.reader.var_uint(field)? {
            AUTH_PERMISSION_DENIED => self.reader.var_string("auth reason").map(|_| ()),
            value => Err(FrameError::Unknown { field, at, value }),
        }
    }
}
