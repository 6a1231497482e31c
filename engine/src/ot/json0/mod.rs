//! The type `json0`: a JSON document edited at paths (npm `ot-json0`).
//!
//! An operation is a list of components, made one after the other. Each has a path and one edit of what is there: add to a
//! number, insert, delete, replace or move an item of a list, set or delete a member of an object, insert or delete text in
//! a string, or an operation of another type on a part of the document that is of that type.
//!
//! Where both insert an item at one place, the `left` operation's comes first; where both set a member or move an item,
//! the `left` operation wins. Deletions carry what they delete, and keep up with edits below them, so that every operation
//! can be undone from itself alone.
//!
//! The original does not check positions and names; here an edit outside of a list or string, of a number by a name, or of
//! a member that every JavaScript object has, is refused instead of leaving a document in which clients disagree.

mod after;
mod append;
mod apply;
mod cursor;
mod embedded;
mod invert;
mod path;
mod read;
mod transform;
mod write;

use super::json::Json;
use super::text0::{Act, Splice};
use super::work::COMPONENTS_MAX;
use super::{Object, OtError, Utf16, Work, pairwise};
pub use embedded::Embedded;
pub(super) use path::is_prototype_name;
pub use path::{Path, Step};
pub(super) use read::{read, read_loose};

/// Edits, made one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits(Vec<Component>);

/// One edit and where it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// What is edited; for edits of lists and objects, the item or member.
    path: Path,
    edit: Edit,
}

/// What is done at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// `na`: adds to a number.
    Add(f64),
    /// `li`, `ld`: an item is inserted, deleted, or both, which replaces it.
    Item(Change),
    /// `lm`: an item is moved to this place in its list.
    Move(u64),
    /// `oi`, `od`: a member is inserted, deleted, or both, which replaces it.
    Member(Change),
    /// `si`, `sd`: text is inserted or deleted in a string.
    Text(Splice),
    /// `t`, `o`: an operation of another type.
    Embedded(Embedded),
}

/// What goes and what comes; one at least.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What is deleted.
    pub deleted: Option<Json>,
    /// What is inserted.
    pub inserted: Option<Json>,
}

impl Edits {
    /// The edits.
    pub fn components(&self) -> &[Component] {
        &self.0
    }

    /// Whether it changes nothing.
    pub fn is_noop(&self) -> bool {
        self.0.is_empty()
    }

    /// The edits as their clients write them.
    pub(super) fn json(&self) -> Json {
        self.0
            .iter()
            .map(Component::json)
            .collect::<Vec<_>>()
            .into()
    }
}

impl Component {
    /// Where it is made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is done there.
    pub fn edit(&self) -> &Edit {
        &self.edit
    }

    fn new(path: Path, edit: Edit) -> Self {
        Self { path, edit }
    }

    /// A step of the path, to which a position in a string belongs.
    fn step(&self, at: usize) -> Option<Step> {
        match &self.edit {
            Edit::Text(splice) if at == self.path.len() => Some(Step::Index(splice.at)),
            _ => self.path.get(at).cloned(),
        }
    }

    /// Such a step, if it is an index.
    fn index(&self, at: usize) -> Option<u64> {
        match self.step(at)? {
            Step::Index(index) => Some(index),
            Step::Key(_) => None,
        }
    }

    fn index_mut(&mut self, at: usize) -> Option<&mut u64> {
        match &mut self.edit {
            Edit::Text(splice) if at == self.path.len() => Some(&mut splice.at),
            _ => self.path.index_mut(at),
        }
    }

    /// How many steps down from the root this reaches: edits of numbers and text reach into what is at their path.
    fn reach(&self) -> usize {
        let into = matches!(self.edit, Edit::Add(_) | Edit::Text(_) | Edit::Embedded(_));
        self.path.len() + usize::from(into)
    }
}

impl Change {
    pub(super) fn delete(deleted: Json) -> Self {
        Self {
            deleted: Some(deleted),
            inserted: None,
        }
    }

    fn invert(&self) -> Self {
        Self {
            deleted: self.inserted.clone(),
            inserted: self.deleted.clone(),
        }
    }
}
