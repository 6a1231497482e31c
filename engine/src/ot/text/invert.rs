//! Walks that take back what other walks did.

use super::apply::past_the_end;
use super::{Component, Deleted, OtError, Utf16, Walk};
use crate::ot::work::Work;

impl Walk {
    /// The walk that undoes this one. Its deletions have to carry what they delete.
    pub(in crate::ot) fn invert(&self) -> Result<Self, OtError> {
        let mut inverse = Self::new(self.measure);
        for component in &self.components {
            inverse.append(match component {
                Component::Skip(count) => Component::Skip(*count),
                Component::Insert(text) => Component::Delete(Deleted::Text(text.clone())),
                Component::Delete(Deleted::Text(text)) => Component::Insert(text.clone()),
                Component::Delete(Deleted::Count(_)) => {
                    return Err(OtError::NotInvertible("it does not say what it deletes"));
                }
            });
        }
        Ok(inverse.trimmed())
    }

    /// The walk that undoes this one, if this was made over `before`.
    pub(in crate::ot) fn invert_over(
        &self,
        before: &Utf16,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        let inverse = self.telling(before, work)?.invert()?;
        Ok(match self.measure {
            super::Measure::Cells => inverse.counting(),
            super::Measure::CodePoints => inverse,
        })
    }

    /// The same walk, with the text in its deletions: that which is there, whatever they say.
    fn telling(&self, before: &Utf16, work: &mut Work) -> Result<Self, OtError> {
        work.carry(before.len())?;
        let mut telling = Self::new(self.measure);
        let mut rest = before.cells();
        for (at, component) in self.components.iter().enumerate() {
            work.step()?;
            let count = match component {
                Component::Insert(_) => 0,
                walked => self.measure.of(walked),
            };
            let end = self
                .measure
                .end(rest, count)
                .ok_or_else(|| past_the_end(self.measure, before.cells(), at))?;
            let (walked, remains) = rest.split_at(end);
            rest = remains;
            telling.append(match component {
                Component::Delete(_) => Component::Delete(Deleted::Text(walked.into())),
                other => other.clone(),
            });
        }
        Ok(telling)
    }

    /// The same walk, without text in its deletions.
    fn counting(&self) -> Self {
        let mut counting = Self::new(self.measure);
        for component in &self.components {
            counting.append(match component {
                Component::Delete(deleted) => {
                    Component::Delete(Deleted::Count(self.measure.deleted(deleted)))
                }
                other => other.clone(),
            });
        }
        counting
    }
}
