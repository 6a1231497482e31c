//! How positions and lengths in text are counted: in UTF-16 cells or in code points.

use super::{Component, Deleted};

/// A way of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// UTF-16 cells, as JavaScript counts; a character above U+FFFF has two, which may be parted.
    Cells,
    /// Code points.
    CodePoints,
}

impl Measure {
    /// How long a text is.
    pub(super) fn length(self, cells: &[u16]) -> u64 {
        let seconds = match self {
            Self::Cells => 0,
            Self::CodePoints => cells.iter().filter(|cell| is_second_half(**cell)).count(),
        };
        (cells.len() - seconds) as u64
    }

    /// Where so much of a text ends, in cells; `None` if the text is shorter.
    pub(super) fn end(self, cells: &[u16], count: u64) -> Option<usize> {
        let count = usize::try_from(count).ok()?;
        match self {
            Self::Cells => Some(count).filter(|end| *end <= cells.len()),
            Self::CodePoints => {
                let mut starts = (0..cells.len()).filter(|at| !is_second_half(cells[*at]));
                match starts.nth(count) {
                    Some(end) => Some(end),
                    None => (self.length(cells) == count as u64).then_some(cells.len()),
                }
            }
        }
    }

    /// How much a component skips, inserts or deletes.
    pub(super) fn of(self, component: &Component) -> u64 {
        match component {
            Component::Skip(count) => *count,
            Component::Insert(text) => self.length(text.cells()),
            Component::Delete(deleted) => self.deleted(deleted),
        }
    }

    pub(super) fn deleted(self, deleted: &Deleted) -> u64 {
        match deleted {
            Deleted::Count(count) => *count,
            Deleted::Text(text) => self.length(text.cells()),
        }
    }
}

/// Text that is counted in code points has no halves on their own, so this is the second of two.
fn is_second_half(cell: u16) -> bool {
    (0xdc00..=0xdfff).contains(&cell)
}
