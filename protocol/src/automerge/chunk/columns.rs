//! The columns in which operations and changes lie: first a list of what each is and how long, then their bytes.
//!
//! What a column is, is one number: four bits and more for what it is about, one that says whether it is deflated, and three
//! for how it is written.

use super::super::bounds::Budget;
use super::super::scan::{Scan, write_unsigned};
use super::inflate::inflate;
use crate::FrameError;

/// How many columns there may be. Automerge has 17.
const COLUMNS_MAX: usize = 64;

const DEFLATED: u64 = 1 << 3;

/// How a column is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Group = 0,
    Actor = 1,
    Integer = 2,
    Delta = 3,
    Boolean = 4,
    Text = 5,
    ValueMeta = 6,
    Value = 7,
}

/// What columns there are, before their bytes.
#[derive(Debug)]
pub(super) struct Layout(Vec<(u64, u64)>);

/// Columns with their bytes, none of which is deflated.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    /// What each is, where its bytes begin, and these.
    columns: Vec<(u64, usize, &'a [u8])>,
}

impl Layout {
    /// Reads what columns there are. They are in order, each there once.
    pub(super) fn read(scan: &mut Scan<'_>) -> Result<Self, FrameError> {
        let field = "columns";
        let count = scan.count(2, COLUMNS_MAX, field)?;
        let mut columns: Vec<(u64, u64)> = Vec::with_capacity(count);
        for _ in 0..count {
            let at = scan.position();
            let spec = scan.at_most(u32::MAX.into(), "column")?;
            let last = columns.last().map(|(spec, _)| spec & !DEFLATED);
            if last.is_some_and(|last| last >= spec & !DEFLATED) {
                return Err(FrameError::Wrong { field, at });
            }
            columns.push((spec, scan.unsigned("column's length")?));
        }
        Ok(Self(columns))
    }

    /// Reads the bytes of all columns.
    pub(super) fn columns<'a>(&self, scan: &mut Scan<'a>) -> Result<Columns<'a>, FrameError> {
        let mut columns = Vec::with_capacity(self.0.len());
        for (spec, length) in &self.0 {
            let bytes = scan.take(*length, "column")?;
            columns.push((*spec, scan.position() - bytes.len(), bytes));
        }
        Ok(Columns { columns })
    }

    pub(super) fn is_deflated(&self) -> bool {
        self.0.iter().any(|(spec, _)| spec & DEFLATED != 0)
    }
}

impl<'a> Columns<'a> {
    /// The bytes of a column: none if it is not there.
    pub(super) fn scan(&self, about: u64, form: Form) -> Scan<'a> {
        let wanted = about << 4 | form as u64;
        let column = self.columns.iter().find(|(spec, ..)| *spec == wanted);
        let (at, bytes) = column.map_or((0, &[][..]), |(_, at, bytes)| (*at, *bytes));
        Scan::new(bytes, at)
    }

    /// Writes the list of the columns to `layout` and their bytes to `data`, inflated.
    pub(super) fn inflate(
        &self,
        layout: &mut Vec<u8>,
        data: &mut Vec<u8>,
        budget: &mut Budget,
    ) -> Result<(), FrameError> {
        write_unsigned(layout, self.columns.len() as u64);
        for (spec, at, bytes) in &self.columns {
            let before = data.len();
            if spec & DEFLATED == 0 {
                data.extend_from_slice(bytes);
            } else {
                data.extend_from_slice(&inflate(bytes, *at, "column", budget)?);
            }
            write_unsigned(layout, spec & !DEFLATED);
            write_unsigned(layout, (data.len() - before) as u64);
        }
        Ok(())
    }
}
