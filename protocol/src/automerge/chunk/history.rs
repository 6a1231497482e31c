//! The changes of a document, a row each: who made it and its number, its last operation, its time and message, what it
//! depends on by number of row, and what else its client wrote with it.

use super::super::bounds::Budget;
use super::super::scan::Scan;
use super::TIME_MAX;
use super::cells::{Cells, Deltas};
use super::columns::{Columns, Form};
use crate::FrameError;

const ACTOR: u64 = 0;
const SEQ: u64 = 0;
const MAX_OP: u64 = 1;
const TIME: u64 = 2;
const MESSAGE: u64 = 3;
const DEPS: u64 = 4;
const EXTRA: u64 = 5;

/// The columns of a document's changes.
pub(super) struct History<'a> {
    actors: u64,
    actor: Cells<'a, u64>,
    seq: Deltas<'a>,
    max_op: Deltas<'a>,
    time: Deltas<'a>,
    message: Cells<'a, &'a str>,
    deps: Cells<'a, u64>,
    dep: Deltas<'a>,
    extra_meta: Cells<'a, u64>,
    extra: Scan<'a>,
}

impl<'a> History<'a> {
    pub(super) fn new(columns: &Columns<'a>, actors: usize) -> Self {
        let scan = |about, form| columns.scan(about, form);
        Self {
            actors: actors as u64,
            actor: Cells::new(scan(ACTOR, Form::Actor), "change's actor"),
            seq: Deltas::new(scan(SEQ, Form::Delta), "change's number"),
            max_op: Deltas::new(scan(MAX_OP, Form::Delta), "change's last operation"),
            time: Deltas::new(scan(TIME, Form::Delta), "change's time"),
            message: Cells::new(scan(MESSAGE, Form::Text), "change's message"),
            deps: Cells::new(scan(DEPS, Form::Group), "change's dependencies"),
            dep: Deltas::new(scan(DEPS, Form::Delta), "change's dependency"),
            extra_meta: Cells::new(scan(EXTRA, Form::ValueMeta), "change's extra bytes"),
            extra: scan(EXTRA, Form::Value),
        }
    }

    /// Walks over all changes, and tells how many there are.
    pub(super) fn walk(mut self, budget: &mut Budget) -> Result<u64, FrameError> {
        let rows = self.actor.clone().count()?;
        let left = (budget.changes as u64).checked_sub(rows);
        let left = left.ok_or(FrameError::TooMany {
            field: "changes",
            at: self.actor.position(),
            max: budget.bounds.changes_max,
        })?;
        budget.changes = left as usize;
        for row in 0..rows {
            self.row(row, budget)?;
        }
        self.finish()?;
        Ok(rows)
    }

    fn row(&mut self, row: u64, budget: &mut Budget) -> Result<(), FrameError> {
        let (field, at) = ("change's actor", self.actor.position());
        if self.actor.some()? >= self.actors {
            return Err(FrameError::OutOfRange { field, at });
        }
        self.seq.within(1, u32::MAX.into())?;
        self.max_op.within(0, budget.bounds.op_max)?;
        self.check_time()?;
        let message = self.message.next()?.unwrap_or_default();
        budget.say(message, self.message.position())?;
        let deps = self.deps.next()?.unwrap_or_default();
        budget.refer(deps, self.deps.position())?;
        for _ in 0..deps {
            // A change can only depend on what stands before it.
            let before = row.checked_sub(1).ok_or(FrameError::OutOfRange {
                field: "change's dependency",
                at,
            })?;
            self.dep.within(0, before)?;
        }
        let extra = self.extra_meta.next()?.unwrap_or_default();
        self.extra.take(extra >> 4, "change's extra bytes")?;
        Ok(())
    }

    fn check_time(&mut self) -> Result<(), FrameError> {
        let time = self.time.next()?.unwrap_or_default();
        if time.unsigned_abs() > TIME_MAX {
            let (field, at) = ("change's time", self.actor.position());
            return Err(FrameError::OutOfRange { field, at });
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), FrameError> {
        self.seq.finish()?;
        self.max_op.finish()?;
        self.time.finish()?;
        self.message.finish()?;
        self.deps.finish()?;
        self.dep.finish()?;
        self.extra_meta.finish()?;
        self.extra.finish("change's extra bytes")
    }
}
