//! The cells of one column, one after the other.
//!
//! Most columns are runs: a positive number and a value that stands so many times; a negative one and so many values; zero and
//! how many cells are empty. A column of deltas holds the differences of its numbers, one of truths how many are false, then
//! true, and so on. When a column is at its end, all further cells are empty. Nothing is built for a run, however long.

use super::super::scan::Scan;
use crate::FrameError;

/// What may stand in a cell.
pub(super) trait Cell<'a>: Copy {
    fn read(scan: &mut Scan<'a>, field: &'static str) -> Result<Self, FrameError>;
}

impl<'a> Cell<'a> for u64 {
    fn read(scan: &mut Scan<'a>, field: &'static str) -> Result<Self, FrameError> {
        scan.unsigned(field)
    }
}

impl<'a> Cell<'a> for i64 {
    fn read(scan: &mut Scan<'a>, field: &'static str) -> Result<Self, FrameError> {
        scan.signed(field)
    }
}

impl<'a> Cell<'a> for &'a str {
    fn read(scan: &mut Scan<'a>, field: &'static str) -> Result<Self, FrameError> {
        scan.text(field)
    }
}

/// What the next cells hold.
#[derive(Clone, Debug)]
enum Run<T> {
    /// Each its own.
    Each,
    /// The same, or nothing.
    Same(Option<T>),
}

/// A column of runs.
#[derive(Clone, Debug)]
pub(super) struct Cells<'a, T> {
    scan: Scan<'a>,
    field: &'static str,
    run: Run<T>,
    left: u64,
}

impl<'a, T: Cell<'a>> Cells<'a, T> {
    pub(super) fn new(scan: Scan<'a>, field: &'static str) -> Self {
        Self {
            scan,
            field,
            run: Run::Each,
            left: 0,
        }
    }

    /// How many cells there are, up to the last one that is written.
    pub(super) fn count(mut self) -> Result<u64, FrameError> {
        let mut count: u64 = 0;
        loop {
            self.fill()?;
            if self.left == 0 {
                return Ok(count);
            }
            count = count.saturating_add(self.left);
            if let Run::Each = self.run {
                for _ in 0..self.left {
                    T::read(&mut self.scan, self.field)?;
                }
            }
            self.left = 0;
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<T>, FrameError> {
        self.fill()?;
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.run {
            Run::Each => T::read(&mut self.scan, self.field).map(Some),
            Run::Same(value) => Ok(value),
        }
    }

    /// The next cell, which is not empty.
    pub(super) fn some(&mut self) -> Result<T, FrameError> {
        let field = self.field;
        self.next()?.ok_or(FrameError::Missing { field })
    }

    /// Checks that no cell is left.
    pub(super) fn finish(&mut self) -> Result<(), FrameError> {
        self.fill()?;
        ended(&self.scan, self.field, self.left)
    }

    pub(super) fn position(&self) -> usize {
        self.scan.position()
    }

    /// Begins the next run, if this one is over and there is one.
    fn fill(&mut self) -> Result<(), FrameError> {
        while self.left == 0 && !self.scan.is_empty() {
            let (field, at) = (self.field, self.scan.position());
            let count = self.scan.signed(field)?;
            if count < 0 {
                (self.run, self.left) = (Run::Each, count.unsigned_abs());
                if self.left > self.scan.left() as u64 {
                    return Err(FrameError::OutOfRange { field, at });
                }
            } else if count > 0 {
                let value = T::read(&mut self.scan, field)?;
                (self.run, self.left) = (Run::Same(Some(value)), count as u64);
            } else {
                (self.run, self.left) =
                    (Run::Same(None), self.scan.at_most(i64::MAX as u64, field)?);
            }
        }
        Ok(())
    }
}

/// A column of deltas.
#[derive(Clone, Debug)]
pub(super) struct Deltas<'a> {
    cells: Cells<'a, i64>,
    value: i64,
}

impl<'a> Deltas<'a> {
    pub(super) fn new(scan: Scan<'a>, field: &'static str) -> Self {
        Self {
            cells: Cells::new(scan, field),
            value: 0,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<i64>, FrameError> {
        let Some(delta) = self.cells.next()? else {
            return Ok(None);
        };
        let (field, at) = (self.cells.field, self.cells.position());
        let value = self.value.checked_add(delta);
        self.value = value.ok_or(FrameError::OutOfRange { field, at })?;
        Ok(Some(self.value))
    }

    /// The next cell, which is in a range.
    pub(super) fn within(&mut self, min: u64, max: u64) -> Result<u64, FrameError> {
        let value = self.some()?;
        let (field, at) = (self.cells.field, self.cells.position());
        let value = u64::try_from(value).ok();
        let value = value.filter(|value| (min..=max).contains(value));
        value.ok_or(FrameError::OutOfRange { field, at })
    }

    /// The next cell, which is not empty.
    pub(super) fn some(&mut self) -> Result<i64, FrameError> {
        let field = self.cells.field;
        self.next()?.ok_or(FrameError::Missing { field })
    }

    pub(super) fn finish(&mut self) -> Result<(), FrameError> {
        self.cells.finish()
    }
}

/// A column of truths.
#[derive(Clone, Debug)]
pub(super) struct Truths<'a> {
    scan: Scan<'a>,
    field: &'static str,
    is_true: bool,
    left: u64,
}

impl<'a> Truths<'a> {
    pub(super) fn new(scan: Scan<'a>, field: &'static str) -> Self {
        Self {
            scan,
            field,
            is_true: true,
            left: 0,
        }
    }

    pub(super) fn next(&mut self) -> Result<bool, FrameError> {
        self.fill()?;
        let is_true = self.left > 0 && self.is_true;
        self.left = self.left.saturating_sub(1);
        Ok(is_true)
    }

    pub(super) fn finish(&mut self) -> Result<(), FrameError> {
        self.fill()?;
        ended(&self.scan, self.field, self.left)
    }

    fn fill(&mut self) -> Result<(), FrameError> {
        while self.left == 0 && !self.scan.is_empty() {
            self.left = self.scan.unsigned(self.field)?;
            self.is_true = !self.is_true;
        }
        Ok(())
    }
}

/// That a column ends where the rows do: none of a run is left.
fn ended(scan: &Scan<'_>, field: &'static str, left: u64) -> Result<(), FrameError> {
    let at = scan.position();
    match left {
        0 => Ok(()),
        _ => Err(FrameError::Trailing { field, at }),
    }
}
