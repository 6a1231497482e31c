//! Edits that take back what other edits did.
//!
//! From themselves alone, as far as what they say they delete is what was there, and embedded operations say it at all; or
//! over the document that they were made on, where that counts which was there.

use super::path::Step;
use super::{Change, Component, Edit, Edits, Json, OtError, Work};

impl Edits {
    /// The edits that undo these, from these alone.
    pub(in crate::ot) fn invert(&self) -> Result<Self, OtError> {
        let inverses = self.0.iter().rev().map(Component::invert);
        Ok(Self(inverses.collect::<Result<_, _>>()?))
    }

    /// The edits that undo these, if these were made over `before`.
    pub(in crate::ot) fn invert_over(
        &self,
        before: &Json,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        let (mut here, mut inverses) = (before.clone(), Vec::new());
        for (at, component) in self.0.iter().enumerate() {
            let inverse = component.invert_over(&here, work);
            let done = inverse.and_then(|inverse| {
                inverses.extend(inverse);
                component.apply(&mut here, work)
            });
            let path = &component.path;
            done.map_err(|error| error.within(format_args!("op[{at}] at {path}")))?;
        }
        inverses.reverse();
        Ok(Self(inverses))
    }
}

impl Component {
    /// The edit that undoes this one over `before`; none if this one changes nothing there.
    fn invert_over(&self, before: &Json, work: &mut Work) -> Result<Option<Self>, OtError> {
        let was = find(before, self.path.steps());
        let edit = match &self.edit {
            Edit::Item(Change { deleted, inserted }) => Edit::Item(Change {
                deleted: inserted.clone(),
                inserted: deleted.as_ref().and(was).cloned(),
            }),
            Edit::Member(Change { inserted: None, .. }) if was.is_none() => return Ok(None),
            Edit::Member(Change { inserted, .. }) => Edit::Member(Change {
                deleted: inserted.clone(),
                inserted: was.cloned(),
            }),
            Edit::Embedded(embedded) => {
                let was = was.ok_or_else(|| OtError::refused("finds nothing there"))?;
                Edit::Embedded(embedded.invert_over(was, work)?)
            }
            Edit::Add(_) | Edit::Text(_) | Edit::Move(_) => return self.invert().map(Some),
        };
        let path = self.path.clone();
        Ok(Some(Self { path, edit }))
    }

    fn invert(&self) -> Result<Self, OtError> {
        let mut path = self.path.clone();
        let edit = match &self.edit {
            Edit::Add(number) => Edit::Add(-number),
            Edit::Item(change) => Edit::Item(change.invert()),
            Edit::Member(change) => Edit::Member(change.invert()),
            Edit::Text(splice) => Edit::Text(splice.invert()),
            Edit::Embedded(embedded) => Edit::Embedded(embedded.invert()?),
            Edit::Move(to) => {
                let from = path.last_index().unwrap_or(*to);
                path.set_last_index(*to);
                Edit::Move(from)
            }
        };
        Ok(Self { path, edit })
    }
}

/// What is at a path.
fn find<'a>(document: &'a Json, path: &[Step]) -> Option<&'a Json> {
    path.iter().try_fold(document, |here, step| match step {
        Step::Index(index) => here.as_array()?.get(usize::try_from(*index).ok()?),
        Step::Key(name) => here.as_object()?.get(name),
    })
}
