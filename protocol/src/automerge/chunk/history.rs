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

/// The columns of a document's changes, and what was seen of them so far.
pub(super) struct History<'a> {
    /// The number and the last operation of each actor's last change.
    actors: Vec<(u64, u64)>,
    /// The last operation of each change.
    max_ops: Vec<u64>,
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
            actors: vec![(0, 0); actors],
            max_ops: Vec::new(),
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
        budget.change(rows, self.actor.position())?;
        for _ in 0..rows {
            self.row(budget)?;
        }
        self.finish()?;
        Ok(rows)
    }

    fn row(&mut self, budget: &mut Budget) -> Result<(), FrameError> {
        let actor = self.actor.some()?;
        let seq = self.seq.within(1, u32::MAX.into())?;
        let max_op = self.max_op.within(0, budget.bounds.op_max)?;
        self.check_deps(max_op, budget)?;
        self.max_ops.push(max_op);
        let actor = usize::try_from(actor).unwrap_or(usize::MAX);
        match self.actors.get_mut(actor) {
            Some(last) if last.0 + 1 == seq && last.1 <= max_op => *last = (seq, max_op),
            _ => return Err(self.fault("change's number")),
        }
        self.check_time()?;
        let message = self.message.next()?.unwrap_or_default();
        budget.say(message, self.message.position())?;
        let extra = self.extra_meta.next()?.unwrap_or_default();
        self.extra.take(extra >> 4, "change's extra bytes")?;
        Ok(())
    }

    /// A change depends on what stands before it, and its operations come after all of that.
    fn check_deps(&mut self, max_op: u64, budget: &mut Budget) -> Result<(), FrameError> {
        let count = self.deps.next()?.unwrap_or_default();
        budget.refer(count, self.deps.position())?;
        for _ in 0..count {
            let row = self.dep.within(0, budget.bounds.changes_max as u64)? as usize;
            if self.max_ops.get(row).is_none_or(|before| *before > max_op) {
                return Err(self.fault("change's dependency"));
            }
        }
        Ok(())
    }

    fn check_time(&mut self) -> Result<(), FrameError> {
        let time = self.time.next()?.unwrap_or_default();
        if time.unsigned_abs() > TIME_MAX {
            return Err(self.fault("change's time"));
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

    fn fault(&self, field: &'static str) -> FrameError {
        let at = self.actor.position();
        FrameError::OutOfRange { field, at }
    }
}
