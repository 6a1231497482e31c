//! What all Yjs dialects have in common: the bodies of sync and awareness messages, as `sync.js` and `awareness.js` of
//! `y-protocols` 1.0.7 write them. Each dialect puts its own head before them.
//!
//! | body | |
//! |---|---|
//! | sync | `0` state vector (step 1: send me what I lack), `1` update (step 2: the answer), `2` update |
//! | awareness | a varUint8Array of: how many, then for each client its id, clock and JSON, where `null` means gone |
//!
//! Updates and states are passed on as they came, unread.

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
pub const STEP2: PushTag = PushTag::ANSWER;

/// How many awareness entries are taken in one frame. A client sends back all that it is shown, so this is also the size
/// of the largest room; without a bound, entries of four bytes would become twelve times as much.
pub const PRESENCES_PER_FRAME_MAX: usize = 65_536;

/// The type of a message with a sync body.
pub(crate) const TYPE_SYNC: u64 = 0;
/// The type of a message with an awareness body.
pub(crate) const TYPE_AWARENESS: u64 = 1;

const MESSAGE_STEP1: u64 = 0;
const MESSAGE_STEP2: u64 = 1;
const MESSAGE_UPDATE: u64 = 2;

/// The update of a client that has nothing: no structs, no deletions.
const EMPTY_UPDATE: &[u8] = &[0, 0];

/// How a client's goodbye is written: `JSON.stringify(null)`.
const GONE: &[u8] = b"null";

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
        Intent::PullKept | Intent::QueryPresence | Intent::Signal(_) | Intent::Announce { .. } => {
            (Ok(()), CloseReason::BadFrame)
        }
    };
    checked.map_err(|fault| (reason, fault))
}

/// Reads a sync body.
pub(crate) fn sync(reader: &mut Reader) -> Result<Intent, FrameError> {
    let at = reader.position();
    let field = "sync message type";
    let tag = match reader.var_uint(field)? {
        MESSAGE_STEP1 => {
            let have = reader.var_bytes("state vector")?;
            return Ok(Intent::Pull { have });
        }
        MESSAGE_STEP2 => STEP2,
        MESSAGE_UPDATE => UPDATE,
        value => return Err(FrameError::Unknown { field, at, value }),
    };
    let payload = reader.var_bytes("update")?;
    Ok(Intent::Push { payload, tag })
}

/// Whether a sync body is of a kind that brings an edit, whatever follows.
pub(crate) fn is_edit(body: &Reader) -> bool {
    let kind = body.clone().var_uint("sync message type");
    matches!(kind, Ok(MESSAGE_STEP2 | MESSAGE_UPDATE))
}

/// Reads an awareness body. `so_far` counts the entries of the whole frame.
pub(crate) fn awareness(reader: &mut Reader, so_far: &mut usize) -> Result<Intent, FrameError> {
    let mut body = reader.nested("awareness")?;
    let declared = body.var_uint("awareness count")?;
    let mut entries = Vec::new();
    for _ in 0..declared {
        let at = body.position();
        let field = "awareness entries";
        count(field, so_far, PRESENCES_PER_FRAME_MAX, at)?;
        entries.push(presence(&mut body)?);
    }
    body.finish("awareness")?;
    Ok(Intent::ShowPresence(entries))
}

/// Counts one more of something.
pub(crate) fn count(
    field: &'static str,
    so_far: &mut usize,
    max: usize,
    at: usize,
) -> Result<(), FrameError> {
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

/// What a message says, as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    Step1(&'a [u8]),
    Step2(&'a [u8]),
    Update(&'a [u8]),
    Awareness(&'a [PresenceEntry]),
}

impl<'a> Said<'a> {
    /// What clients of every dialect are told of an event; nothing of one that each dialect tells in its own way, or not.
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event::Have { have } => Some(Self::Step1(have)),
            Event::Missing { payload } => Some(Self::Step2(payload)),
            Event::Change { payload } => Some(Self::Update(payload)),
            Event::Ack { .. } | Event::Refused { .. } | Event::Rights { .. } | Event::Signal(_) => {
                None
            }
            Event::Presence(entries) => (!entries.is_empty()).then_some(Self::Awareness(entries)),
        }
    }

    /// The message's type and body, behind `head`.
    pub(crate) fn write(self, head: &[u8]) -> Bytes {
        match self {
            Self::Step1(have) => write_sync(head, MESSAGE_STEP1, have),
            Self::Step2(update) => write_sync(head, MESSAGE_STEP2, update),
            Self::Update(update) => write_sync(head, MESSAGE_UPDATE, update),
            Self::Awareness(entries) => write_awareness(head, entries),
        }
    }
}

/// Whether a push that is stored is to be echoed to clients which take that for an answer: an answer to our step 1 only if
/// there was something in it to store.
pub(crate) fn owes_echo(tag: PushTag, payload: &[u8], news: bool) -> bool {
    tag == UPDATE || (news && payload != EMPTY_UPDATE)
}

fn write_sync(head: &[u8], message: u64, body: &[u8]) -> Bytes {
    let mut writer = Writer::with_capacity(head.len() + 2 + var_bytes_length(body.len()));
    writer.raw(head);
    writer.var_uint(TYPE_SYNC);
    writer.var_uint(message);
    writer.var_bytes(body);
    writer.finish()
}

fn write_awareness(head: &[u8], entries: &[PresenceEntry]) -> Bytes {
    let count = entries.len() as u64;
    let body = var_uint_length(count) + entries.iter().map(presence_length).sum::<usize>();
    let mut writer = Writer::with_capacity(head.len() + 1 + var_bytes_length(body));
    writer.raw(head);
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
