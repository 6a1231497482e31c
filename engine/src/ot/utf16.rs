//! Text as JavaScript holds it: a sequence of UTF-16 cells.
//!
//! Clients count in cells, and an edit may come between the two halves of a character above U+FFFF. Such a half on its own
//! is no Unicode text, but it is what the other clients have, so it is kept. Cloning is cheap; an edit copies what is
//! shared, once.

use std::fmt;
use std::sync::Arc;

/// Text in UTF-16 cells, halves of characters included.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf16(Arc<Vec<u16>>);

impl Utf16 {
    /// The cells.
    pub fn cells(&self) -> &[u16] {
        &self.0
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every half of a character stands beside its other half.
    pub fn is_whole(&self) -> bool {
        char::decode_utf16(self.cells().iter().copied()).all(|read| read.is_ok())
    }

    /// Adds text at the end.
    pub(crate) fn push(&mut self, cells: &[u16]) {
        Arc::make_mut(&mut self.0).extend_from_slice(cells);
    }

    /// Puts text in; `at` is at most the length.
    pub(crate) fn insert(&mut self, at: usize, cells: &[u16]) {
        Arc::make_mut(&mut self.0).splice(at..at, cells.iter().copied());
    }

    /// Takes text out; the range is within the text.
    pub(crate) fn remove(&mut self, range: std::ops::Range<usize>) {
        Arc::make_mut(&mut self.0).drain(range);
    }
}

impl From<&str> for Utf16 {
    fn from(text: &str) -> Self {
        text.encode_utf16().collect::<Vec<_>>().into()
    }
}

impl From<&[u16]> for Utf16 {
    fn from(cells: &[u16]) -> Self {
        cells.to_vec().into()
    }
}

impl From<Vec<u16>> for Utf16 {
    fn from(cells: Vec<u16>) -> Self {
        Self(Arc::new(cells))
    }
}

impl PartialEq<str> for Utf16 {
    fn eq(&self, text: &str) -> bool {
        text.encode_utf16().eq(self.cells().iter().copied())
    }
}

/// For people: a half on its own is shown as U+FFFD.
impl fmt::Display for Utf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::decode_utf16(self.cells().iter().copied()).try_for_each(|read| {
            let character = read.unwrap_or(char::REPLACEMENT_CHARACTER);
            fmt::Write::write_char(f, character)
        })
    }
}

impl fmt::Debug for Utf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_may_part_a_character_and_bring_it_together_again() {
        let mut text = Utf16::from("a😀");
        text.insert(2, &[u16::from(b'x')]);
        assert!(!text.is_whole());
        assert_eq!(text.to_string(), "a\u{fffd}x\u{fffd}");
        text.remove(2..3);
        assert!(text.is_whole());
        assert_eq!(&text, "a😀");
    }
}
