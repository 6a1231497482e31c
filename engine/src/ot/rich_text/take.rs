//! Taking a delta apart, piece by piece, as much at a time as somebody else's delta asks for.

use super::{Action, Component, Delta};

/// What remains of a delta.
pub(super) struct Taking<'a> {
    components: &'a [Component],
    next: usize,
    /// How much of the next component was taken.
    taken: u64,
}

impl<'a> Taking<'a> {
    pub(super) fn new(delta: &'a Delta) -> Self {
        Self {
            components: &delta.components,
            next: 0,
            taken: 0,
        }
    }

    /// The next component, with what was taken of it.
    pub(super) fn peek(&self) -> Option<&'a Component> {
        self.components.get(self.next)
    }

    /// How much of the next component remains. After the last one, a delta retains for ever.
    pub(super) fn len(&self) -> u64 {
        self.peek().map_or(u64::MAX, |next| next.len() - self.taken)
    }

    pub(super) fn is_done(&self) -> bool {
        self.peek().is_none()
    }

    pub(super) fn inserts(&self) -> bool {
        self.peek().is_some_and(Component::inserts)
    }

    pub(super) fn deletes(&self) -> bool {
        self.peek().is_some_and(Component::deletes)
    }

    /// At most so much of the next component.
    pub(super) fn take(&mut self, most: u64) -> Component {
        let Some(next) = self.peek() else {
            return Component::new(Action::Retain(most), None);
        };
        let (taken, length) = (self.taken, self.len().min(most));
        if length == self.len() {
            self.next += 1;
            self.taken = 0;
        } else {
            self.taken += length;
        }
        if length == next.len() {
            return next.clone();
        }
        let action = match &next.action {
            Action::Insert(text) => {
                let range = taken as usize..(taken + length) as usize;
                Action::Insert(text.cells()[range].into())
            }
            Action::Retain(_) => Action::Retain(length),
            Action::Delete(_) => Action::Delete(length),
            whole @ (Action::Embed(_) | Action::Amend(_)) => whole.clone(),
        };
        Component::new(action, next.attributes.clone())
    }

    /// What remains of the next component.
    pub(super) fn take_rest(&mut self) -> Component {
        self.take(u64::MAX)
    }
}
