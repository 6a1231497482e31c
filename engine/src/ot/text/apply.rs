//! Walking over a text for good.

use super::{Component, Measure, OtError, Utf16, Walk};
use crate::ot::work::Work;

impl Walk {
    /// The text after this walk.
    ///
    /// The originals cut a deletion that goes past the end; here it is refused, like a skip that does.
    pub(in crate::ot) fn apply(&self, text: &Utf16, work: &mut Work) -> Result<Utf16, OtError> {
        work.carry(text.len())?;
        let mut after = Vec::with_capacity(text.len());
        let mut rest = text.cells();
        for (at, component) in self.components.iter().enumerate() {
            work.step()?;
            match component {
                Component::Skip(count) => {
                    after.extend(self.cut(&mut rest, *count, text.cells(), at)?);
                }
                Component::Insert(inserted) => after.extend(inserted.cells()),
                Component::Delete(deleted) => {
                    let count = self.measure.deleted(deleted);
                    self.cut(&mut rest, count, text.cells(), at)?;
                }
            }
        }
        after.extend(rest);
        Ok(after.into())
    }

    fn cut<'a>(
        &self,
        rest: &mut &'a [u16],
        count: u64,
        text: &[u16],
        at: usize,
    ) -> Result<&'a [u16], OtError> {
        let end = self
            .measure
            .end(rest, count)
            .ok_or_else(|| past_the_end(self.measure, text, at))?;
        let (cut, remains) = rest.split_at(end);
        *rest = remains;
        Ok(cut)
    }
}

pub(super) fn past_the_end(measure: Measure, text: &[u16], at: usize) -> OtError {
    let what = format!(
        "goes past the end of the text, which is {} long",
        measure.length(text)
    );
    OtError::refused(what).within(format_args!("op[{at}]"))
}
