//! Operations, a row each: in which object, at which key or element, what is done with which value, and which operations it
//! takes the place of (in a change) or which took its place (in a document).
//!
//! An operation is called by a counter and its actor, and counters rise: whatever an operation refers to has a lower one.

use super::super::bounds::Budget;
use super::super::scan::{Scan, utf8};
use super::cells::{Cells, Deltas, Truths};
use super::columns::{Columns, Form};
use crate::FrameError;

const OBJECT: u64 = 0;
const KEY: u64 = 1;
const ID: u64 = 2;
const INSERT: u64 = 3;
const ACTION: u64 = 4;
const VALUE: u64 = 5;
const BEFORE: u64 = 7;
const AFTER: u64 = 8;
const EXPAND: u64 = 9;
const MARK_NAME: u64 = 10;

const ACTION_INCREMENT: u64 = 5;
const ACTION_MAX: u64 = 7;

/// Where the counters of the operations themselves are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    /// One after the other from this one: those of a change.
    From(u64),
    /// In columns: those of a document.
    InColumns,
}

/// The columns of operations.
pub(super) struct Rows<'a> {
    own: Own,
    /// What the operations are called that had an id in columns.
    seen: Vec<(u32, u32)>,
    actors: u64,
    id: Ids<'a>,
    object_actor: Cells<'a, u64>,
    object: Cells<'a, u64>,
    key: Ids<'a>,
    key_text: Cells<'a, &'a str>,
    insert: Truths<'a>,
    action: Cells<'a, u64>,
    value_meta: Cells<'a, u64>,
    value: Scan<'a>,
    others_count: Cells<'a, u64>,
    others: Ids<'a>,
    expand: Truths<'a>,
    mark_name: Cells<'a, &'a str>,
}

/// A column of actors and one of counters.
struct Ids<'a> {
    actor: Cells<'a, u64>,
    counter: Deltas<'a>,
}

impl<'a> Rows<'a> {
    /// The rows of columns, of a chunk with so many actors.
    pub(super) fn new(columns: &Columns<'a>, own: Own, actors: usize) -> Self {
        let scan = |about, form| columns.scan(about, form);
        let others = match own {
            Own::From(_) => BEFORE,
            Own::InColumns => AFTER,
        };
        Self {
            own,
            seen: Vec::new(),
            actors: actors as u64,
            id: Ids::new(columns, ID, "operation's id"),
            object_actor: Cells::new(scan(OBJECT, Form::Actor), "operation's object"),
            object: Cells::new(scan(OBJECT, Form::Integer), "operation's object"),
            key: Ids::new(columns, KEY, "operation's element"),
            key_text: Cells::new(scan(KEY, Form::Text), "operation's key"),
            insert: Truths::new(scan(INSERT, Form::Boolean), "operation's insertion"),
            action: Cells::new(scan(ACTION, Form::Integer), "operation's action"),
            value_meta: Cells::new(scan(VALUE, Form::ValueMeta), "operation's value"),
            value: scan(VALUE, Form::Value),
            others_count: Cells::new(scan(others, Form::Group), "other operations"),
            others: Ids::new(columns, others, "other operation"),
            expand: Truths::new(scan(EXPAND, Form::Boolean), "operation's expansion"),
            mark_name: Cells::new(scan(MARK_NAME, Form::Text), "name of a mark"),
        }
    }

    /// Walks over all operations, and tells how many there are.
    pub(super) fn walk(mut self, budget: &mut Budget) -> Result<u64, FrameError> {
        let rows = self.action.clone().count()?;
        let at = self.action.position();
        budget.operate(rows, at)?;
        if let Own::From(start) = self.own {
            // The last one is at most at the bound.
            if start - 1 + rows > budget.bounds.op_max {
                let field = "counter of the last operation";
                return Err(FrameError::OutOfRange { field, at });
            }
        }
        for row in 0..rows {
            self.row(row, budget)?;
        }
        self.finish()?;
        self.check_seen()?;
        Ok(rows)
    }

    fn row(&mut self, row: u64, budget: &mut Budget) -> Result<(), FrameError> {
        let op_max = budget.bounds.op_max;
        let counter = match self.own {
            Own::From(start) => start + row,
            Own::InColumns => {
                let (actor, counter) = self.id.some(1, op_max, self.actors)?;
                self.seen.push((actor as u32, counter as u32));
                counter
            }
        };
        self.check_object(counter)?;
        let is_key = self.check_key(counter, budget)?;
        if self.insert.next()? && is_key {
            return Err(self.fault("operation's insertion"));
        }
        self.check_value()?;
        self.check_others(counter, budget)?;
        self.expand.next()?;
        let name = self.mark_name.next()?.unwrap_or_default();
        budget.say(name, self.mark_name.position())
    }

    /// No object at all is the document's root.
    fn check_object(&mut self, counter: u64) -> Result<(), FrameError> {
        match (self.object_actor.next()?, self.object.next()?) {
            (None, None) => Ok(()),
            (Some(actor), Some(object))
                if actor < self.actors && (1..counter).contains(&object) =>
            {
                Ok(())
            }
            _ => Err(self.fault("operation's object")),
        }
    }

    /// A key of a map, an element of a list, or what stands before its first. Tells whether it is a key.
    fn check_key(&mut self, counter: u64, budget: &mut Budget) -> Result<bool, FrameError> {
        let text = self.key_text.next()?;
        let actor = self.key.actor.next()?;
        match (text, actor, self.key.counter.next()?) {
            (Some(text), None, None) => {
                budget.say(text, self.key_text.position())?;
                Ok(true)
            }
            (None, None, Some(0)) => Ok(false),
            (None, Some(actor), Some(element))
                if actor < self.actors && (1..counter as i64).contains(&element) =>
            {
                Ok(false)
            }
            _ => Err(self.fault("operation's key")),
        }
    }

    fn check_value(&mut self) -> Result<(), FrameError> {
        let action = self.action.some()?;
        let value = self.value_meta.next()?.unwrap_or_default();
        let kind = check_scalar(&mut self.value, value)?;
        let is_known = action <= ACTION_MAX;
        if !is_known || (action == ACTION_INCREMENT && !kind.is_integer()) {
            return Err(self.fault("operation's action"));
        }
        Ok(())
    }

    fn check_others(&mut self, counter: u64, budget: &mut Budget) -> Result<(), FrameError> {
        let count = self.others_count.next()?.unwrap_or_default();
        budget.refer(count, self.others_count.position())?;
        let (min, max) = match self.own {
            Own::From(_) => (1, counter - 1),
            Own::InColumns => (counter + 1, budget.bounds.op_max),
        };
        for _ in 0..count {
            self.others.some(min, max, self.actors)?;
        }
        Ok(())
    }

    /// No two operations are called the same.
    fn check_seen(&mut self) -> Result<(), FrameError> {
        self.seen.sort_unstable();
        let (field, at) = ("operation's id", self.action.position());
        match self.seen.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(FrameError::Repeated { field, at }),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), FrameError> {
        self.id.finish()?;
        self.object_actor.finish()?;
        self.object.finish()?;
        self.key.finish()?;
        self.key_text.finish()?;
        self.insert.finish()?;
        self.value_meta.finish()?;
        self.value.finish("operation's value")?;
        self.others_count.finish()?;
        self.others.finish()?;
        self.expand.finish()?;
        self.mark_name.finish()
    }

    fn fault(&self, field: &'static str) -> FrameError {
        let at = self.action.position();
        FrameError::OutOfRange { field, at }
    }
}

impl<'a> Ids<'a> {
    fn new(columns: &Columns<'a>, about: u64, field: &'static str) -> Self {
        Self {
            actor: Cells::new(columns.scan(about, Form::Actor), field),
            counter: Deltas::new(columns.scan(about, Form::Delta), field),
        }
    }

    /// The next one, by an actor that there is, and with a counter in a range.
    fn some(&mut self, min: u64, max: u64, actors: u64) -> Result<(u64, u64), FrameError> {
        let actor = self.actor.some()?;
        if actor >= actors {
            let (field, at) = ("operation's actor", self.actor.position());
            return Err(FrameError::OutOfRange { field, at });
        }
        Ok((actor, self.counter.within(min, max)?))
    }

    fn finish(&mut self) -> Result<(), FrameError> {
        self.actor.finish()?;
        self.counter.finish()
    }
}

/// What kind of value something is: the lowest four bits of what is said of it. The rest is how many bytes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ScalarKind(u64);

impl ScalarKind {
    const UNSIGNED: Self = Self(3);
    const SIGNED: Self = Self(4);
    const FLOAT: Self = Self(5);
    const TEXT: Self = Self(6);
    const COUNTER: Self = Self(8);
    const TIMESTAMP: Self = Self(9);

    fn is_integer(self) -> bool {
        self == Self::UNSIGNED || self == Self::SIGNED
    }
}

/// Reads over a value.
fn check_scalar(values: &mut Scan<'_>, meta: u64) -> Result<ScalarKind, FrameError> {
    let field = "operation's value";
    let (kind, length) = (ScalarKind(meta & 0xf), meta >> 4);
    let bytes = values.take(length, field)?;
    let at = values.position() - bytes.len();
    let mut scan = Scan::new(bytes, at);
    match kind {
        ScalarKind::UNSIGNED => scan.unsigned(field).map(|_| ())?,
        ScalarKind::SIGNED | ScalarKind::COUNTER | ScalarKind::TIMESTAMP => {
            scan.signed(field).map(|_| ())?;
        }
        ScalarKind::FLOAT => scan.take(8, field).map(|_| ())?,
        ScalarKind::TEXT => return utf8(bytes, at, field).map(|_| kind),
        // Nothing, yes and no have no bytes; what is not known may have any.
        ScalarKind(0..=2) => {}
        _ => return Ok(kind),
    }
    scan.finish(field)?;
    Ok(kind)
}
