//! Two deltas, one after the other, as one; and, as a document is a delta, a document after a change.

use super::take::Taking;
use super::{Action, Component, Delta, Json, OtError, attributes};
use crate::ot::work::Work;

impl Delta {
    /// One delta that does what this and then the other does.
    pub(in crate::ot) fn compose(&self, then: &Self, work: &mut Work) -> Result<Self, OtError> {
        let (mut first, mut second) = (Taking::new(self), Taking::new(then));
        let mut both = Self::default();
        both.keep_beginning(&mut first, &mut second);
        while !(first.is_done() && second.is_done()) {
            if second.inserts() {
                let insert = second.take_rest();
                work.each(insert.cost())?;
                both.push(insert);
            } else if first.deletes() {
                work.step()?;
                both.push(first.take_rest());
            } else {
                let length = first.len().min(second.len());
                let (before, change) = (first.take(length), second.take(length));
                work.each(before.cost() + change.cost())?;
                let merged = merge(before, change)?;
                let is_last =
                    merged.is_some_and(|(merged, by_retain)| both.push(merged) && by_retain);
                if is_last && second.is_done() {
                    both.keep_end(&mut first);
                }
            }
        }
        both.chopped().bounded()
    }

    /// What is inserted before the second delta changes anything is kept as it stands.
    fn keep_beginning(&mut self, first: &mut Taking<'_>, second: &mut Taking<'_>) {
        let Some(retain) = second.peek().filter(|next| next.is_bare_retain()) else {
            return;
        };
        let mut left = retain.len();
        while first.inserts() && first.len() <= left {
            left -= first.len();
            self.components.push(first.take_rest());
        }
        if retain.len() > left {
            second.take(retain.len() - left);
        }
    }

    /// What comes after the second delta is kept as it stands.
    fn keep_end(&mut self, first: &mut Taking<'_>) {
        if !first.is_done() {
            self.push(first.take_rest());
        }
        while !first.is_done() {
            self.components.push(first.take_rest());
        }
    }
}

/// What a step of each, of the same length, come to; and whether the second retains. The first does not delete, the second
/// does not insert.
fn merge(first: Component, second: Component) -> Result<Option<(Component, bool)>, OtError> {
    let retains = matches!(first.action, Action::Retain(_));
    if second.deletes() {
        let is_needed = retains || matches!(first.action, Action::Amend(_));
        return Ok(is_needed.then_some((second, false)));
    }
    let attributes = attributes::compose(
        first.attributes.as_ref(),
        second.attributes.as_ref(),
        retains,
    );
    let action = match (first.action, second.action) {
        (Action::Retain(_), action) | (action, Action::Retain(_)) => action,
        (first, Action::Amend(change)) => return Err(unhandled(&first, &change)),
        (first, _) => first,
    };
    Ok(Some((Component::new(action, attributes), true)))
}

/// Why a change to the inside of a thing cannot be carried out.
fn unhandled(to: &Action, change: &Json) -> OtError {
    let name = embedded_name(change).unwrap_or_default();
    match to {
        Action::Embed(thing) | Action::Amend(thing)
            if embedded_name(thing) == Some(name.clone()) =>
        {
            OtError::refused(format!("nobody knows how to change the inside of {name:?}"))
        }
        Action::Embed(_) | Action::Amend(_) => OtError::refused(format!(
            "changes the inside of {name:?} where something else is"
        )),
        _ => OtError::refused(format!("changes the inside of {name:?} where text is")),
    }
}

/// The kind of an embedded thing: the name of its first member.
pub(super) fn embedded_name(thing: &Json) -> Option<String> {
    let (name, _) = thing.as_object()?.iter().next()?;
    Some(name.to_string())
}
