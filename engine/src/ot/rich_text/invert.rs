//! The delta that takes back what another did to a document.

use super::take::Taking;
use super::{Action, Component, Delta, OtError, attributes};
use crate::ot::work::Work;

impl Delta {
    /// What undoes this delta, if it was made over `before`.
    pub(in crate::ot) fn invert_over(
        &self,
        before: &Self,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        let mut inverse = Self::default();
        let mut base = Taking::new(before);
        for component in &self.components {
            work.step()?;
            match &component.action {
                Action::Insert(_) | Action::Embed(_) => {
                    inverse.push(Component::new(Action::Delete(component.len()), None));
                }
                Action::Amend(_) => {
                    return Err(OtError::NotInvertible(
                        "nobody here knows how to undo a change to the inside of an embedded thing",
                    ));
                }
                Action::Retain(_) | Action::Delete(_) => {
                    inverse.restore(component, &mut base, work)?;
                }
            }
        }
        Ok(inverse.chopped())
    }

    /// Adds what undoes a step that retains or deletes.
    fn restore(
        &mut self,
        component: &Component,
        base: &mut Taking<'_>,
        work: &mut Work,
    ) -> Result<(), OtError> {
        let mut left = component.len();
        while left > 0 && !base.is_done() {
            let was = base.take(left);
            work.each(component.cost() + was.cost())?;
            left -= was.len();
            self.push(match &component.attributes {
                _ if component.deletes() => was,
                None => Component::new(Action::Retain(was.len()), None),
                Some(change) => {
                    let attributes = attributes::invert(change, was.attributes.as_ref());
                    Component::new(Action::Retain(was.len()), attributes)
                }
            });
        }
        Ok(())
    }
}
