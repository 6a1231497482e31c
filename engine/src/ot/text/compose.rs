//! Two walks, one after the other, as one.

use super::take::{Taking, Whole};
use super::{Component, Deleted, Measure, OtError, Utf16, Walk};
use crate::ot::work::Work;

impl Walk {
    /// One walk that does what this and then the other does.
    pub(in crate::ot) fn compose(&self, then: &Self, work: &mut Work) -> Result<Self, OtError> {
        let mut both = Self::new(self.measure);
        let mut taking = Taking::new(self);
        for component in &then.components {
            work.step()?;
            match component {
                Component::Skip(count) => keep(&mut both, &mut taking, *count, work)?,
                Component::Insert(_) => both.append(component.clone()),
                Component::Delete(deleted) => delete(&mut both, &mut taking, deleted, work)?,
            }
        }
        while let Some(rest) = taking.rest() {
            work.step()?;
            both.append(rest);
        }
        both.trimmed().bounded()
    }
}

/// The second walk leaves so much of what the first has made as it is.
fn keep(
    both: &mut Walk,
    taking: &mut Taking<'_>,
    mut count: u64,
    work: &mut Work,
) -> Result<(), OtError> {
    while count > 0 {
        work.step()?;
        let first = taking.take(count, Whole::Deletes);
        if !matches!(first, Component::Delete(_)) {
            count -= both.measure.of(&first);
        }
        both.append(first);
    }
    Ok(())
}

/// The second walk deletes so much of what the first has made: what that inserted vanishes from both.
fn delete(
    both: &mut Walk,
    taking: &mut Taking<'_>,
    deleted: &Deleted,
    work: &mut Work,
) -> Result<(), OtError> {
    let measure = both.measure;
    let mut remains = Remains { deleted, gone: 0 };
    let mut count = measure.deleted(deleted);
    while count > 0 {
        work.step()?;
        match taking.take(count, Whole::Deletes) {
            Component::Skip(skipped) => {
                both.append(Component::Delete(remains.next(skipped, measure)));
                count -= skipped;
            }
            Component::Insert(text) => {
                let inserted = measure.length(text.cells());
                remains.next(inserted, measure);
                count -= inserted;
            }
            earlier => both.append(earlier),
        }
    }
    Ok(())
}

/// What remains of a deletion.
struct Remains<'a> {
    deleted: &'a Deleted,
    /// In cells.
    gone: usize,
}

impl Remains<'_> {
    fn next(&mut self, count: u64, measure: Measure) -> Deleted {
        let text = match self.deleted {
            Deleted::Count(_) => return Deleted::Count(count),
            Deleted::Text(text) => text,
        };
        let rest = &text.cells()[self.gone..];
        let end = measure.end(rest, count).unwrap_or(rest.len());
        self.gone += end;
        Deleted::Text(Utf16::from(&rest[..end]))
    }
}
