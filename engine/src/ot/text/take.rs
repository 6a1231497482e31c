//! Taking a walk apart, piece by piece, as much at a time as somebody else's walk asks for.

use super::{Component, Deleted, Measure, Utf16, Walk};

/// What remains of a walk.
pub(super) struct Taking<'a> {
    walk: &'a Walk,
    next: usize,
    /// How much of the next component was taken: in the walk's measure, or in cells where it has text.
    taken: usize,
}

/// Components that are given whole, however much is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Inserts,
    Deletes,
}

impl<'a> Taking<'a> {
    pub(super) fn new(walk: &'a Walk) -> Self {
        Self {
            walk,
            next: 0,
            taken: 0,
        }
    }

    pub(super) fn is_at_insert(&self) -> bool {
        matches!(self.peek(), Some(Component::Insert(_)))
    }

    /// What remains of the next component.
    pub(super) fn rest(&mut self) -> Option<Component> {
        let rest = match self.peek()? {
            Component::Skip(count) => Component::Skip(count - self.taken as u64),
            Component::Insert(text) => Component::Insert(self.rest_of(text)),
            Component::Delete(Deleted::Count(count)) => {
                Component::Delete(Deleted::Count(count - self.taken as u64))
            }
            Component::Delete(Deleted::Text(text)) => {
                Component::Delete(Deleted::Text(self.rest_of(text)))
            }
        };
        self.next += 1;
        self.taken = 0;
        Some(rest)
    }

    /// At most so much of the next component. After the last one, a walk skips for ever.
    pub(super) fn take(&mut self, most: u64, whole: Whole) -> Component {
        let end = match self.peek() {
            None => return Component::Skip(most),
            Some(Component::Insert(_)) if whole == Whole::Inserts => None,
            Some(Component::Delete(_)) if whole == Whole::Deletes => None,
            Some(Component::Insert(text) | Component::Delete(Deleted::Text(text))) => {
                self.end_in(text, most)
            }
            Some(Component::Skip(count) | Component::Delete(Deleted::Count(count))) => {
                let is_part = most < count - self.taken as u64;
                is_part.then_some(self.taken + most as usize)
            }
        };
        match end {
            Some(end) => self.part(end),
            None => self.rest().unwrap_or(Component::Skip(most)),
        }
    }

    /// What lies between what was taken and `end`.
    fn part(&mut self, end: usize) -> Component {
        let start = std::mem::replace(&mut self.taken, end);
        let text = |text: &Utf16| Utf16::from(&text.cells()[start..end]);
        match &self.walk.components[self.next] {
            Component::Skip(_) => Component::Skip((end - start) as u64),
            Component::Insert(inserted) => Component::Insert(text(inserted)),
            Component::Delete(Deleted::Count(_)) => {
                Component::Delete(Deleted::Count((end - start) as u64))
            }
            Component::Delete(Deleted::Text(deleted)) => {
                Component::Delete(Deleted::Text(text(deleted)))
            }
        }
    }

    /// Where so much more of a text ends; `None` if that is all of it.
    fn end_in(&self, text: &Utf16, most: u64) -> Option<usize> {
        let rest = &text.cells()[self.taken..];
        let end = self.measure().end(rest, most)?;
        (end < rest.len()).then_some(self.taken + end)
    }

    fn rest_of(&self, text: &Utf16) -> Utf16 {
        match self.taken {
            0 => text.clone(),
            taken => text.cells()[taken..].into(),
        }
    }

    fn peek(&self) -> Option<&'a Component> {
        self.walk.components.get(self.next)
    }

    fn measure(&self) -> Measure {
        self.walk.measure
    }
}
