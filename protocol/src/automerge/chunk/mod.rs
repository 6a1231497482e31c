//! Chunks, in which changes are kept and sent (`src/storage/` of the crate `automerge`), and what of them Automerge is never
//! shown.
//!
//! A chunk is a magic number, the first four bytes of a hash, a kind, a length and a body. The hash is the SHA-256 of kind,
//! length and body, and that of a *change* is its name. A *compressed* change has the body of a change deflated, and its
//! hash. A *document* is the history of many changes in one body; single columns of it may be deflated.
//!
//! What is deflated is inflated here, within a bound, and what is handed on never is: Automerge inflates whatever it is
//! given, before it looks at the checksum. The columns of operations are walked over row by row: what a row refers to is there
//! and older than itself, every number is in its range, and columns are as long as they should be. Whether a change fits its
//! document is not decided here.

mod change;
pub use change::Change;

mod cells;
mod columns;

mod document;
pub use document::Document;

mod header;
mod history;
mod inflate;
mod rows;

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;

use super::bounds::{Bounds, Budget};
use super::scan::Scan;
use super::sync::{SyncMessage, Version};
use crate::FrameError;
use header::{Header, Kind};

/// Who made a change: some bytes that a client chooses anew each time it begins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub Bytes);

/// A chunk that was looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// A change.
    Change(Change),
    /// A document with its history.
    Document(Document),
}

/// Looks through the changes of a sync message. Of version 1 each has to be one change.
///
/// # Errors
/// Something in it is not what it should be, or is beyond the bounds; nothing of it is to be obeyed. `at` counts within the
/// entry, and within a body after it was inflated.
pub fn preflight(message: &SyncMessage, bounds: &Bounds) -> Result<Vec<Chunk>, FrameError> {
    let length = message.changes.iter().map(Bytes::len).sum();
    let mut budget = Budget::new(bounds, length);
    let mut chunks = Vec::with_capacity(message.changes.len());
    for entry in &message.changes {
        let before = chunks.len();
        read_all(entry, &mut budget, &mut chunks)?;
        if message.version == Version::V1 {
            check_alone(&chunks[before..])?;
        }
    }
    Ok(chunks)
}

/// Looks through chunks in a row, as they are in a file.
///
/// # Errors
/// As [`preflight`].
pub fn read_chunks(bytes: &Bytes, bounds: &Bounds) -> Result<Vec<Chunk>, FrameError> {
    let mut budget = Budget::new(bounds, bytes.len());
    let mut chunks = Vec::new();
    read_all(bytes, &mut budget, &mut chunks)?;
    Ok(chunks)
}

/// Cuts chunks in a row apart, which were looked through before. What is behind the last whole one is left out.
pub fn split_changes(bytes: &Bytes) -> Vec<Bytes> {
    let mut scan = Scan::new(bytes, 0);
    let mut chunks = Vec::new();
    while !scan.is_empty() {
        let start = scan.offset();
        match Header::skip(&mut scan) {
            Ok(()) => chunks.push(bytes.slice(start..scan.offset())),
            Err(_) => break,
        }
    }
    chunks
}

fn read_all(bytes: &Bytes, budget: &mut Budget, chunks: &mut Vec<Chunk>) -> Result<(), FrameError> {
    let mut scan = Scan::new(bytes, 0);
    if scan.is_empty() {
        return Err(FrameError::Empty);
    }
    while !scan.is_empty() {
        let header = Header::read(&mut scan, bytes)?;
        chunks.push(match header.kind {
            Kind::Document => Chunk::Document(Document::read(&header, budget)?),
            Kind::Change | Kind::Compressed => Chunk::Change(Change::read(&header, budget)?),
        });
    }
    Ok(())
}

fn check_alone(chunks: &[Chunk]) -> Result<(), FrameError> {
    match chunks {
        [Chunk::Change(_)] => Ok(()),
        _ => Err(FrameError::Wrong {
            field: "change of a message of version 1",
            at: 0,
        }),
    }
}

/// How long an actor's id may be, in bytes. Clients make them of 16.
const ACTOR_BYTES_MAX: usize = 128;

/// How far from the epoch a change's time may be: as far as JavaScript counts. Automerge subtracts one from another.
const TIME_MAX: u64 = 1 << 53;

impl ActorId {
    fn read(scan: &mut Scan<'_>, body: &Bytes) -> Result<Self, FrameError> {
        let field = "actor";
        let at = scan.position();
        let bytes = scan.bytes(field)?;
        if bytes.len() > ACTOR_BYTES_MAX {
            return Err(FrameError::OutOfRange { field, at });
        }
        Ok(Self(body.slice_ref(bytes)))
    }

    /// A list of at most so many, of which none is there twice, nor `own`.
    fn read_list(
        scan: &mut Scan<'_>,
        body: &Bytes,
        own: Option<&Self>,
        max: usize,
    ) -> Result<Vec<Self>, FrameError> {
        let count = scan.count(1, max, "actors")?;
        let mut actors = Vec::new();
        let mut seen: HashSet<_> = own.cloned().into_iter().collect();
        for _ in 0..count {
            let actor = Self::read(scan, body)?;
            if !seen.insert(actor.clone()) {
                let (field, at) = ("actor", scan.position());
                return Err(FrameError::Repeated { field, at });
            }
            actors.push(actor);
        }
        Ok(actors)
    }
}

/// Hexadecimal, as Automerge itself shows them.
impl fmt::Display for ActorId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
