//! One walk as it has to go after another was made.

use super::take::{Taking, Whole};
use super::{Component, Measure, OtError, Walk};
use crate::ot::Side;
use crate::ot::work::{OtBug, Work};

impl Walk {
    /// This walk over a text that another has been over already. At one place, the left one's text comes first.
    pub(in crate::ot) fn transform(
        &self,
        other: &Self,
        side: Side,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        let side = match work.is(OtBug::TextLast) {
            true => side.other(),
            false => side,
        };
        let mut after = Self::new(self.measure);
        let mut taking = Taking::new(self);
        for component in &other.components {
            work.step()?;
            match component {
                Component::Skip(count) => pass(&mut after, &mut taking, *count, work)?,
                Component::Insert(text) => {
                    if side == Side::Left && taking.is_at_insert() {
                        taking.rest().into_iter().for_each(|own| after.append(own));
                    }
                    let length = self.measure.length(text.cells());
                    after.append(Component::Skip(length + u64::from(work.is(OtBug::OneOff))));
                }
                Component::Delete(deleted) => {
                    lose(&mut after, &mut taking, self.measure.deleted(deleted), work)?;
                }
            }
        }
        while let Some(rest) = taking.rest() {
            work.step()?;
            after.append(rest);
        }
        after.trimmed().bounded()
    }
}

/// The other walk leaves so much as it is.
fn pass(
    after: &mut Walk,
    taking: &mut Taking<'_>,
    mut count: u64,
    work: &mut Work,
) -> Result<(), OtError> {
    while count > 0 {
        work.step()?;
        let own = taking.take(count, Whole::Inserts);
        count -= covered(&own, after.measure);
        after.append(own);
    }
    Ok(())
}

/// The other walk has deleted so much: only what is inserted there remains.
fn lose(
    after: &mut Walk,
    taking: &mut Taking<'_>,
    mut count: u64,
    work: &mut Work,
) -> Result<(), OtError> {
    while count > 0 {
        work.step()?;
        let own = taking.take(count, Whole::Inserts);
        count -= covered(&own, after.measure);
        if matches!(own, Component::Insert(_)) {
            after.append(own);
        }
    }
    Ok(())
}

/// How much of the text before a component is about.
fn covered(component: &Component, measure: Measure) -> u64 {
    match component {
        Component::Insert(_) => 0,
        covering => measure.of(covering),
    }
}
