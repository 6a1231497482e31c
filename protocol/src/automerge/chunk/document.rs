//! A document with its history, in one chunk.
//!
//! Its changes have no hashes of their own there: Automerge makes the changes again from all the operations, and with them the
//! hashes, which it compares with the heads.

use bytes::Bytes;

use super::super::bounds::Budget;
use super::super::hash::ChangeHash;
use super::super::scan::Scan;
use super::ActorId;
use super::columns::Layout;
use super::header::{Header, Kind, write};
use super::history::History;
use super::rows::{Own, Rows};
use crate::FrameError;

/// A document and its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The changes that no other one of it follows on.
    pub heads: Vec<ChangeHash>,
    /// Who made its changes.
    pub actors: Vec<ActorId>,
    /// How many changes it has.
    pub changes: u64,
    /// How many operations they have that are still there.
    pub ops: u64,
    /// The whole chunk, in which nothing is deflated.
    pub chunk: Bytes,
}

impl Document {
    pub(super) fn read(header: &Header, budget: &mut Budget) -> Result<Self, FrameError> {
        let mut scan = Scan::new(&header.body, header.at);
        front(&mut scan, &header.body, budget)?;
        let (changes, ops) = (Layout::read(&mut scan)?, Layout::read(&mut scan)?);
        if !changes.is_deflated() && !ops.is_deflated() {
            return Self::read_body(&header.body, header.at, header.chunk.clone(), budget);
        }
        let body: Bytes = inflated(&header.body, header.at, budget)?.into();
        let (chunk, _) = write(Kind::Document, &body);
        Self::read_body(&body, 0, chunk, budget)
    }

    fn read_body(
        body: &Bytes,
        at: usize,
        chunk: Bytes,
        budget: &mut Budget,
    ) -> Result<Self, FrameError> {
        let mut scan = Scan::new(body, at);
        let (actors, heads) = front(&mut scan, body, budget)?;
        let (changes, ops) = (Layout::read(&mut scan)?, Layout::read(&mut scan)?);
        let (changes, ops) = (changes.columns(&mut scan)?, ops.columns(&mut scan)?);
        let changes = History::new(&changes, actors.len()).walk(budget)?;
        let ops = Rows::new(&ops, Own::InColumns, actors.len()).walk(budget)?;
        check_heads(&mut scan, heads.len(), changes)?;
        Ok(Self {
            heads,
            actors,
            changes,
            ops,
            chunk,
        })
    }
}

/// What stands before the columns: actors and heads.
fn front(
    scan: &mut Scan<'_>,
    body: &Bytes,
    budget: &Budget,
) -> Result<(Vec<ActorId>, Vec<ChangeHash>), FrameError> {
    let max = budget.bounds.changes_max;
    let actors = ActorId::read_list(scan, body, None, max)?;
    Ok((actors, scan.hashes(max, "heads")?))
}

/// Checks what stands behind the columns: which of the changes are heads. Old clients write nothing there.
fn check_heads(scan: &mut Scan<'_>, heads: usize, changes: u64) -> Result<(), FrameError> {
    let field = "document's heads";
    if heads as u64 > changes {
        let at = scan.position();
        return Err(FrameError::OutOfRange { field, at });
    }
    if !scan.is_empty() {
        for _ in 0..heads {
            scan.at_most(changes.saturating_sub(1), field)?;
        }
    }
    scan.finish("document")
}

/// The body with its columns inflated.
fn inflated(body: &Bytes, at: usize, budget: &mut Budget) -> Result<Vec<u8>, FrameError> {
    let mut scan = Scan::new(body, at);
    front(&mut scan, body, budget)?;
    let mut out = body[..scan.offset()].to_vec();
    let (changes, ops) = (Layout::read(&mut scan)?, Layout::read(&mut scan)?);
    let (changes, ops) = (changes.columns(&mut scan)?, ops.columns(&mut scan)?);
    let mut data = Vec::new();
    changes.inflate(&mut out, &mut data, budget)?;
    ops.inflate(&mut out, &mut data, budget)?;
    out.extend_from_slice(&data);
    out.extend_from_slice(&body[scan.offset()..]);
    Ok(out)
}
