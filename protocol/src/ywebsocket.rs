//! The y-websocket dialect, as the npm package `y-websocket` 1.x to 3.x and 4.0-rc speak it (`src/y-websocket.js`, and
//! `sync.js`, `awareness.js`, `auth.js` of `y-protocols` 1.0.7). The document's name is in the address, not in the frames.
//!
//! A frame is a varUint type and a body:
//!
//! | type | body |
//! |---|---|
//! | 0 sync | `0` state vector (step 1: send me what I lack), `1` update (step 2: the answer), `2` update |
//! | 1 awareness | a varUint8Array of: how many, then for each client its id, clock and JSON, where `null` means gone |
//! | 2 auth | `0` reason: permission denied |
//! | 3 query awareness | nothing |
//!
//! Clients up to 3.x read only the first message of a frame, so each [`encode`]d frame has one; 4.0-rc may send several,
//! so [`decode`] takes many. Updates and states are passed on as they came, unread.

use bytes::Bytes;
use engine::{CloseReason, Event, Intent, Kind, PresenceEntry, PresenceId, PushTag};

use crate::FrameError;
use crate::preflight::{self, Bounds};
use crate::wire::{Reader, Writer, var_bytes_length, var_uint_length};

/// The kind of document that these clients edit.
pub const KIND: Kind = Kind::Yjs;

/// Marks an edit that a client made while connected.
pub const UPDATE: PushTag = PushTag(MESSAGE_UPDATE as u8);

/// Marks what a client sent because the server lacked it.
pub const STEP2: PushTag = PushTag(MESSAGE_STEP2 as u8);

/// After how long without any frame to a client it is sent a [`keepalive`]. Clients look every 3 s and leave once 30 s
/// have passed in silence; half of that lets one keepalive be late.
pub const KEEPALIVE_AFTER_MS: u64 = 15_000;

/// How many messages are taken in one frame. Real clients send one; without a bound, a frame of single bytes would
/// become intents of many times its size.
pub const MESSAGES_PER_FRAME_MAX: usize = 1_024;

/// How many awareness entries are taken in one frame. A client sends back all that it is shown, so this is also the size
/// of the largest room; without a bound, entries of four bytes would become twelve times as much.
pub const PRESENCES_PER_FRAME_MAX: usize = 65_536;

const TYPE_SYNC: u64 = 0;
const TYPE_AWARENESS: u64 = 1;
const TYPE_AUTH: u64 = 2;
const TYPE_QUERY_AWARENESS: u64 = 3;

const MESSAGE_STEP1: u64 = 0;
const MESSAGE_STEP2: u64 = 1;
const MESSAGE_UPDATE: u64 = 2;

const AUTH_PERMISSION_DENIED: u64 = 0;

/// The update of a client that has nothing: no structs, no deletions.
const EMPTY_UPDATE: &[u8] = &[0, 0];

/// How a client's goodbye is written: `JSON.stringify(null)`.
const GONE: &[u8] = b"null";

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

/// Checks what an intent carries before any library takes it apart.
///
/// # Errors
/// It is malformed or beyond the bounds, with the reason for which its sender is to be closed. Offsets count from the
/// start of what is carried.
pub fn check(intent: &Intent, bounds: &Bounds) -> Result<(), (CloseReason, FrameError)> {
    let (checked, reason) = match intent {
        Intent::Push { payload, .. } => (
            preflight::check_update(payload, bounds).map(drop),
            CloseReason::BadUpdate,
        ),
        Intent::Pull { have } => (
            preflight::check_state_vector(have, bounds),
            CloseReason::BadFrame,
        ),
        Intent::ShowPresence(entries) => (
            preflight::check_presence(entries, bounds),
            CloseReason::BadFrame,
        ),
        Intent::QueryPresence => (Ok(()), CloseReason::BadFrame),
    };
    checked.map_err(|fault| (reason, fault))
}

/// Writes an event as one frame, or nothing if clients need not hear of it.
///
/// A client's own update comes back to it when it is stored: clients of 4.0-rc show what has not come back as unsaved,
/// and all others ignore what they already have. An answer to our step 1 does only if there was something in it to store.
pub fn encode(event: &Event) -> Option<Bytes> {
    match event {
        Event::Have { have } => Some(sync(MESSAGE_STEP1, have)),
        Event::Missing { payload } => Some(sync(MESSAGE_STEP2, payload)),
        Event::Change { payload } => Some(sync(MESSAGE_UPDATE, payload)),
        Event::Ack { tag, payload, news } => {
            let owed = *tag == UPDATE || (*news && payload != EMPTY_UPDATE);
            owed.then(|| sync(MESSAGE_UPDATE, payload))
        }
        Event::Presence(entries) => (!entries.is_empty()).then(|| awareness(entries)),
    }
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
        count("messages", &mut self.messages, MESSAGES_PER_FRAME_MAX, at)?;
        let field = "message type";
        match self.reader.var_uint(field)? {
            TYPE_SYNC => self.sync().map(Some),
            TYPE_AWARENESS => self.awareness().map(Some),
            TYPE_AUTH => self.auth().map(|()| None),
            TYPE_QUERY_AWARENESS => Ok(Some(Intent::QueryPresence)),
            value => Err(FrameError::Unknown { field, at, value }),
        }
    }

    fn sync(&mut self) -> Result<Intent, FrameError> {
        let at = self.reader.position();
        let field = "sync message type";
        match self.reader.var_uint(field)? {
            MESSAGE_STEP1 => {
                let have = self.reader.var_bytes("state vector")?;
                Ok(Intent::Pull { have })
            }
            MESSAGE_STEP2 => self.push(STEP2),
            MESSAGE_UPDATE => self.push(UPDATE),
            value => Err(FrameError::Unknown { field, at, value }),
        }
    }

    fn push(&mut self, tag: PushTag) -> Result<Intent, FrameError> {
        let payload = self.reader.var_bytes("update")?;
        Ok(Intent::Push { payload, tag })
    }

    fn awareness(&mut self) -> Result<Intent, FrameError> {
        let mut body = self.reader.nested("awareness")?;
        let declared = body.var_uint("awareness count")?;
        let mut entries = Vec::new();
        for _ in 0..declared {
            let at = body.position();
            count(
                "awareness entries",
                &mut self.presences,
                PRESENCES_PER_FRAME_MAX,
                at,
            )?;
            entries.push(presence(&mut body)?);
        }
        body.finish("awareness")?;
        Ok(Intent::ShowPresence(entries))
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

fn count(field: &'static str, so_far: &mut usize, max: usize, at: usize) -> Result<(), FrameError> {
    if *so_far == max {
        return Err(FrameError::TooMany { field, at, max });
    }
    *so_far += 1;
    Ok(())
}

fn presence(body: &mut Reader) -> Result<PresenceEntry, FrameError> {
    let id = PresenceId(body.var_uint("awareness client")?);
    let version = body.var_u32("awareness clock")?;
    let state = body.var_string("awareness state")?;
    Ok(PresenceEntry {
        id,
        version,
        state: (state != GONE).then_some(state),
    })
}

fn sync(message: u64, body: &[u8]) -> Bytes {
    let mut writer = Writer::with_capacity(2 + var_bytes_length(body.len()));
    writer.var_uint(TYPE_SYNC);
    writer.var_uint(message);
    writer.var_bytes(body);
    writer.finish()
}

fn awareness(entries: &[PresenceEntry]) -> Bytes {
    let count = entries.len() as u64;
    let body = var_uint_length(count) + entries.iter().map(presence_length).sum::<usize>();
    let mut writer = Writer::with_capacity(1 + var_bytes_length(body));
    writer.var_uint(TYPE_AWARENESS);
    writer.var_uint(body as u64);
    writer.var_uint(count);
    for entry in entries {
        writer.var_uint(entry.id.0);
        writer.var_uint(entry.version.into());
        writer.var_bytes(state_of(entry));
    }
    writer.finish()
}

fn presence_length(entry: &PresenceEntry) -> usize {
    var_uint_length(entry.id.0)
        + var_uint_length(entry.version.into())
        + var_bytes_length(state_of(entry).len())
}

fn state_of(entry: &PresenceEntry) -> &[u8] {
    entry.state.as_deref().unwrap_or(GONE)
}
