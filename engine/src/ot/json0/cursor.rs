//! Where a place in a document is after edits. The original has nothing of the kind; the rules follow those for edits.
//!
//! A path that goes into a string, or into a part of another type, ends in a position there.

use super::after::moved;
use super::{Change, Component, Edit, Edits, Path};

impl Edits {
    /// Where a path leads to the same thing after these edits; `None` if that is not there any more. A member or item that
    /// was replaced is still there, what was within it is not.
    pub(in crate::ot) fn transform_path(&self, path: &Path, is_own: bool) -> Option<Path> {
        let mut path = path.clone();
        for component in &self.0 {
            path = component.transform_path(path, is_own)?;
        }
        Some(path)
    }
}

impl Component {
    fn transform_path(&self, mut path: Path, is_own: bool) -> Option<Path> {
        match &self.edit {
            Edit::Add(_) => {}
            Edit::Text(_) | Edit::Embedded(_) => self.shift_position(&mut path, is_own),
            Edit::Item(change) => return self.transform_item(path, change),
            Edit::Member(change) => return self.survives(&path, change).then_some(path),
            Edit::Move(to) => {
                let at = self.path.len() - 1;
                if path.starts_with(&self.path.steps()[..at])
                    && let (Some(from), Some(index)) = (self.path.index(at), path.index_mut(at))
                {
                    *index = moved(*index, from, *to);
                }
            }
        }
        Some(path)
    }

    /// The path may end in a position in what is edited.
    fn shift_position(&self, path: &mut Path, is_own: bool) {
        let is_within = path.len() == self.path.len() + 1 && path.starts_with(self.path.steps());
        let Some(position) = path.last_index().filter(|_| is_within) else {
            return;
        };
        path.set_last_index(match &self.edit {
            Edit::Text(splice) => splice.transform_position(position, is_own),
            Edit::Embedded(embedded) => embedded.transform_position(position, is_own),
            _ => position,
        });
    }

    fn transform_item(&self, mut path: Path, change: &Change) -> Option<Path> {
        let at = self.path.len() - 1;
        if !path.starts_with(&self.path.steps()[..at]) {
            return Some(path);
        }
        if change.deleted.is_some() && !self.survives(&path, change) {
            return None;
        }
        if let (Some(edited), Some(index)) = (self.path.index(at), path.index_mut(at)) {
            match (&change.deleted, &change.inserted) {
                (None, _) => *index += u64::from(*index >= edited),
                (Some(_), None) => *index -= u64::from(*index > edited),
                (Some(_), Some(_)) => {}
            }
        }
        Some(path)
    }

    /// Whether what the path leads to is not deleted or replaced by this.
    fn survives(&self, path: &Path, change: &Change) -> bool {
        let is_there = path.len() == self.path.len() && change.inserted.is_some();
        is_there || !path.starts_with(self.path.steps())
    }
}
