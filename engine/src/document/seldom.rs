//! What a document has only from when it first needs it: parts that are large and that most documents never use.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

/// A part that comes into being, empty, when it is first used. Until then it takes up no more than its place.
#[derive(Debug, Default)]
pub(super) struct Seldom<T>(OnceLock<Box<T>>);

impl<T> Seldom<T> {
    /// The part, if it was ever used.
    pub(super) fn if_used(&self) -> Option<&T> {
        self.0.get().map(Box::as_ref)
    }

    /// The part, if it was ever used.
    pub(super) fn if_used_mut(&mut self) -> Option<&mut T> {
        self.0.get_mut().map(Box::as_mut)
    }
}

impl<T: Default> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get_or_init(Box::default)
    }
}

impl<T: Default> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_init(Box::default);
        self.0.get_mut().expect("it is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_there_from_when_it_is_first_used() {
        let mut part = Seldom::<Vec<u8>>::default();
        assert!(part.if_used().is_none() && part.if_used_mut().is_none());
        part.push(7);
        assert_eq!(part.if_used(), Some(&vec![7]));
        assert_eq!(part.if_used_mut(), Some(&mut vec![7]));
        assert!(Seldom::<Vec<u8>>::default().is_empty());
    }
}
