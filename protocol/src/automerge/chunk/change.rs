//! One change.

use bytes::Bytes;

use super::super::bounds::Budget;
use super::super::hash::ChangeHash;
use super::super::scan::Scan;
use super::ActorId;
use super::TIME_MAX;
use super::columns::Layout;
use super::header::{Header, Kind, write};
use super::inflate::inflate;
use super::rows::{Own, Rows};
use crate::FrameError;

/// A change, and its place in the history of its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is called.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: ActorId,
    /// Its number among the changes of its actor, from 1.
    pub seq: u64,
    /// The counter of its first operation, from 1.
    pub start_op: u64,
    /// How many operations it has.
    pub ops: u64,
    /// The changes that it follows on.
    pub deps: Vec<ChangeHash>,
    /// Who else made operations that it refers to. Automerge panics if one of them has made no change that it depends on.
    pub others: Vec<ActorId>,
    /// When its author's clock said that it was made: seconds, or what its client takes for them.
    pub timestamp: i64,
    /// What its author said of it.
    pub message: Option<Box<str>>,
    /// The whole chunk, not compressed: what is stored and passed on.
    pub chunk: Bytes,
}

impl Change {
    /// The counter of its last operation; of a change without one, what was the last before it.
    pub fn max_op(&self) -> u64 {
        self.start_op + self.ops - 1
    }

    pub(super) fn read(header: &Header, budget: &mut Budget) -> Result<Self, FrameError> {
        let at = header.at;
        budget.change(1, at)?;
        if let Some(hash) = header.hash {
            return Self::read_body(&header.body, at, header.chunk.clone(), hash, budget);
        }
        let body: Bytes = inflate(&header.body, at, "compressed change", budget)?.into();
        let (chunk, hash) = write(Kind::Change, &body);
        header.check(&hash)?;
        Self::read_body(&body, 0, chunk, hash, budget)
    }

    fn read_body(
        body: &Bytes,
        at: usize,
        chunk: Bytes,
        hash: ChangeHash,
        budget: &mut Budget,
    ) -> Result<Self, FrameError> {
        let mut scan = Scan::new(body, at);
        let deps = deps(&mut scan, budget)?;
        let actor = ActorId::read(&mut scan, body)?;
        let seq = within(&mut scan, 1, u32::MAX.into(), "change's number")?;
        let start_op = within(
            &mut scan,
            1,
            budget.bounds.op_max,
            "counter of the first operation",
        )?;
        let timestamp = time(&mut scan)?;
        let message = message(&mut scan)?;
        let max = budget.bounds.changes_max;
        let others = ActorId::read_list(&mut scan, body, Some(&actor), max)?;
        let layout = Layout::read(&mut scan)?;
        if layout.is_deflated() {
            let (field, at) = ("change's columns", scan.position());
            return Err(FrameError::Wrong { field, at });
        }
        let columns = layout.columns(&mut scan)?;
        let own = Own::From(start_op);
        let ops = Rows::new(&columns, own, 1 + others.len()).walk(budget)?;
        Ok(Self {
            hash,
            actor,
            seq,
            start_op,
            ops,
            deps,
            others,
            timestamp,
            message,
            chunk,
        })
    }
}

fn deps(scan: &mut Scan<'_>, budget: &mut Budget) -> Result<Vec<ChangeHash>, FrameError> {
    let field = "dependencies";
    let deps = scan.hashes(usize::MAX, field)?;
    budget.refer(deps.len() as u64, scan.position())?;
    let mut sorted = deps.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        let at = scan.position();
        return Err(FrameError::Repeated { field, at });
    }
    Ok(deps)
}

fn time(scan: &mut Scan<'_>) -> Result<i64, FrameError> {
    let (field, at) = ("change's time", scan.position());
    let time = scan.signed(field)?;
    if time.unsigned_abs() > TIME_MAX {
        return Err(FrameError::OutOfRange { field, at });
    }
    Ok(time)
}

fn message(scan: &mut Scan<'_>) -> Result<Option<Box<str>>, FrameError> {
    let text = scan.text("change's message")?;
    Ok((!text.is_empty()).then(|| text.into()))
}

fn within(scan: &mut Scan<'_>, min: u64, max: u64, field: &'static str) -> Result<u64, FrameError> {
    let at = scan.position();
    let value = scan.at_most(max, field)?;
    if value < min {
        return Err(FrameError::OutOfRange { field, at });
    }
    Ok(value)
}
