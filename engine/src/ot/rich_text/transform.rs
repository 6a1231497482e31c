//! One delta as it has to go after another was made.

use super::compose::embedded_name;
use super::take::Taking;
use super::{Action, Component, Delta, OtError, attributes};
use crate::ot::Side;
use crate::ot::work::{OtBug, Work};

impl Delta {
    /// This delta, to be made after another one that was made first. As `left` it gives way to that one.
    pub(in crate::ot) fn transform(
        &self,
        made: &Self,
        side: Side,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        let priority = side == Side::Left;
        let attributes_priority = priority != work.is(OtBug::AttributeLost);
        let (mut made, mut own) = (Taking::new(made), Taking::new(self));
        let mut after = Self::default();
        while !(made.is_done() && own.is_done()) {
            if made.inserts() && (priority || !own.inserts()) {
                work.step()?;
                let length = made.take_rest().len() + u64::from(work.is(OtBug::OneOff));
                after.push(Component::new(Action::Retain(length), None));
            } else if own.inserts() {
                let insert = own.take_rest();
                work.each(insert.cost())?;
                after.push(insert);
            } else {
                let length = made.len().min(own.len());
                let steps = (made.take(length), own.take(length));
                work.each(steps.0.cost() + steps.1.cost())?;
                after.push_after(steps, attributes_priority)?;
            }
        }
        after.chopped().bounded()
    }

    /// Adds what a step that does not insert comes to after another one of the same length.
    fn push_after(
        &mut self,
        (made, own): (Component, Component),
        priority: bool,
    ) -> Result<(), OtError> {
        if made.deletes() {
            return Ok(());
        }
        if own.deletes() {
            self.push(own);
            return Ok(());
        }
        if let (Action::Amend(first), Action::Amend(second)) = (&made.action, &own.action)
            && embedded_name(first) == embedded_name(second)
        {
            return Err(OtError::refused(
                "both change the inside of the same embedded thing, which nobody here knows how to do",
            ));
        }
        let attributes =
            attributes::transform(own.attributes.as_ref(), made.attributes.as_ref(), priority);
        self.push(Component::new(own.action, attributes));
        Ok(())
    }
}
