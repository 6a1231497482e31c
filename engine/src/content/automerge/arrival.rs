//! Payloads taken apart: which changes are in them, told without a document.
//!
//! A payload is any number of change chunks, one behind the other, each as its author wrote it: plain (type 1) or deflated
//! (type 2). Nothing is ever written anew, so the log has the author's own bytes; whoever hands payloads in has bounded
//! what they inflate to. The layout of a chunk is that of the Automerge binary format: four bytes of magic, the first four
//! of the hash, the type, the length of the data in LEB128, the data. The library reads a change without comparing the
//! hash that it states with its own, so that is done here.

use automerge::{ActorId, Change, ChangeHash};
use bytes::Bytes;

use crate::content::{ContentError, alone};

/// A change that came, with what has to be known of it to place it among others.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) hash: ChangeHash,
    /// The changes that it builds on.
    pub(super) deps: Vec<ChangeHash>,
    pub(super) actor: ActorId,
    /// Who else made something that it refers to.
    pub(super) others: Box<[ActorId]>,
    /// How many of `deps`, and then of `others`, were met so far.
    pub(super) met: usize,
    /// The how manieth of its actor it is, from one.
    pub(super) seq: u64,
    /// The numbers of its operations: the first, and the last, which is one less where there is none.
    pub(super) first_op: u64,
    pub(super) last_op: u64,
    /// Whether it names the author behind its actor.
    pub(super) names_author: bool,
    /// The chunk.
    pub(super) raw: Raw,
}

/// The bytes of a change, within the payload that it came in.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) payload: Bytes,
    at: u32,
    len: u32,
}

impl Raw {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.payload[self.at as usize..][..self.len as usize]
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        self.payload.slice_ref(self.bytes())
    }

    /// The change, read again.
    pub(super) fn change(&self) -> Result<Change, ContentError> {
        Change::try_from(self.bytes()).map_err(|error| undecodable(&error))
    }
}

/// The changes of a payload.
///
/// # Errors
/// It is not made of change chunks, or one of them is damaged.
pub(super) fn arrivals(payload: &Bytes) -> Result<Vec<Arrival>, ContentError> {
    let mut at = 0;
    let mut found = Vec::new();
    while at < payload.len() {
        let len = chunk_length(&payload[at..])?;
        found.push(arrival(payload, at, len)?);
        at += len;
    }
    Ok(found)
}

/// The type of the first chunk of some bytes, if they begin with one.
pub(super) fn chunk_type(bytes: &[u8]) -> Option<u8> {
    let is_chunk = bytes.starts_with(&MAGIC);
    bytes.get(TYPE_AT).copied().filter(|_| is_chunk)
}

fn arrival(payload: &Bytes, at: usize, len: usize) -> Result<Arrival, ContentError> {
    let small = |number: usize| {
        u32::try_from(number).map_err(|_| ContentError::Undecodable("too long".to_owned()))
    };
    let raw = Raw {
        payload: payload.clone(),
        at: small(at)?,
        len: small(len)?,
    };
    // A library that fails while it reads bytes leaves nothing half done, for there is no document yet.
    let change = alone(|| raw.change()).map_err(|error| match error {
        ContentError::Panicked(why) => ContentError::Undecodable(why),
        error => error,
    })?;
    if raw.bytes()[MAGIC.len()..TYPE_AT] != change.hash().0[..TYPE_AT - MAGIC.len()] {
        return Err(ContentError::Undecodable(
            "the checksum of a change does not match".to_owned(),
        ));
    }
    let first_op = change.start_op().get();
    let last_op = first_op.checked_add(change.len() as u64);
    let last_op = last_op.filter(|beyond| *beyond <= OPS_MAX);
    let last_op = last_op.ok_or_else(|| {
        ContentError::Undecodable("the operations of a change have too great numbers".to_owned())
    })?;
    Ok(Arrival {
        hash: change.hash(),
        deps: change.deps().to_vec(),
        actor: change.actor_id().clone(),
        others: change.other_actor_ids().into(),
        met: 0,
        seq: change.seq(),
        first_op,
        last_op: last_op - 1,
        names_author: change.author().is_some(),
        raw,
    })
}

/// How long the first chunk is, with its header.
fn chunk_length(bytes: &[u8]) -> Result<usize, ContentError> {
    let bad = |why: &str| ContentError::Undecodable(why.to_owned());
    if !matches!(chunk_type(bytes), Some(CHANGE | DEFLATED)) {
        return Err(bad("no chunk of a change"));
    }
    let mut length: u64 = 0;
    for (number, byte) in bytes
        .iter()
        .skip(TYPE_AT + 1)
        .take(LENGTH_BYTES_MAX)
        .enumerate()
    {
        length |= u64::from(byte & 0x7f) << (7 * number);
        if byte & 0x80 == 0 {
            let header = TYPE_AT + 2 + number;
            let length = usize::try_from(length).map_err(|_| bad("a chunk is too long"))?;
            let end = header.checked_add(length).filter(|end| *end <= bytes.len());
            return end.ok_or_else(|| bad("a chunk ends too early"));
        }
    }
    Err(bad("a chunk has no length"))
}

fn undecodable(error: &automerge::LoadChangeError) -> ContentError {
    ContentError::Undecodable(error.to_string())
}

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Where the type of a chunk stands, behind the magic and the checksum.
const TYPE_AT: usize = 8;
const CHANGE: u8 = 1;
const DEFLATED: u8 = 2;
/// No length takes more bytes: that is 512 gibibytes.
const LENGTH_BYTES_MAX: usize = 5;
/// The library counts operations in 32 bits here and there.
const OPS_MAX: u64 = u32::MAX as u64;
