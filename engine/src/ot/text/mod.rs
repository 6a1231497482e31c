//! The types `text` and `text-unicode`: plain text, edited by walking over it once.
//!
//! An operation is a list of components that go through the document from its start: skip so much, insert this, delete so
//! much. What follows the last component stays. Both types work alike and differ in how they count ([`Measure`]): `text`
//! (npm `ot-text`) in UTF-16 cells, `text-unicode` (npm `ot-text-unicode`) in code points, so that no character is ever
//! parted; and the deletions of `text-unicode` may carry what they delete, which makes them invertible.
//!
//! Where both insert at one place, the `left` operation's text goes first.

mod apply;
mod compose;
mod cursor;
mod invert;
mod measure;
mod read;
mod take;
mod transform;

use super::utf16::Utf16;
use super::work::COMPONENTS_MAX;
use super::{Json, OtError};
pub(super) use cursor::Selection;
pub use measure::Measure;
pub(super) use read::{create, read};

/// One walk over the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    measure: Measure,
    components: Vec<Component>,
}

/// One step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// Leaves so much as it is.
    Skip(u64),
    /// Puts text in.
    Insert(Utf16),
    /// Takes text out.
    Delete(Deleted),
}

/// What a deletion says of what it deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// How much.
    Count(u64),
    /// The very text; in `text-unicode` only.
    Text(Utf16),
}

impl Walk {
    fn new(measure: Measure) -> Self {
        Self {
            measure,
            components: Vec::new(),
        }
    }

    /// How positions are counted.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// The steps.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Whether it changes nothing.
    pub fn is_noop(&self) -> bool {
        self.components.is_empty()
    }

    /// Checks what the originals check before they do anything with an operation, and one thing more: they take inserts
    /// that follow each other, and transform these so that clients end up with different texts.
    ///
    /// # Errors
    /// A component is empty, skips or inserts follow each other, or the last component skips.
    pub(super) fn check(self) -> Result<Self, OtError> {
        for (at, component) in self.components.iter().enumerate() {
            let last = at.checked_sub(1).map(|last| &self.components[last]);
            let fault = match component {
                component if self.measure.of(component) == 0 => "does nothing",
                Component::Skip(_) if last.is_some_and(is_skip) => "skips right after a skip",
                Component::Insert(_) if last.is_some_and(is_insert) => {
                    "inserts right after an insert"
                }
                Component::Skip(_) if at + 1 == self.components.len() => "skips at the end",
                _ => continue,
            };
            return Err(OtError::malformed(fault).within(format_args!("[{at}]")));
        }
        Ok(self)
    }

    /// The same in canonical form.
    pub(super) fn normalised(self) -> Self {
        let mut walk = Self::new(self.measure);
        for component in self.components {
            walk.append(component);
        }
        walk.trimmed()
    }

    /// Adds a step, as part of the last one where that is of the same kind.
    fn append(&mut self, component: Component) {
        if self.measure.of(&component) == 0 {
            return;
        }
        match (self.components.last_mut(), component) {
            (Some(Component::Skip(last)), Component::Skip(count)) => {
                *last = last.saturating_add(count);
            }
            (Some(Component::Insert(last)), Component::Insert(text)) => last.push(text.cells()),
            (Some(Component::Delete(last)), Component::Delete(deleted)) => {
                last.append(deleted, self.measure);
            }
            (_, component) => self.components.push(component),
        }
    }

    /// Without a skip at the end.
    fn trimmed(mut self) -> Self {
        if self.components.last().is_some_and(is_skip) {
            self.components.pop();
        }
        self
    }

    fn bounded(self) -> Result<Self, OtError> {
        match self.components.len() {
            ..=COMPONENTS_MAX => Ok(self),
            _ => Err(OtError::TooLong(COMPONENTS_MAX)),
        }
    }

    /// The walk as its clients write it.
    pub(super) fn json(&self) -> Json {
        let components = self.components.iter().map(|component| match component {
            Component::Skip(count) => (*count).into(),
            Component::Insert(text) => Json::String(text.clone()),
            Component::Delete(deleted) => deleted.json(),
        });
        components.collect::<Vec<_>>().into()
    }
}

impl Deleted {
    /// The text is kept only where all of it is known.
    fn append(&mut self, more: Self, measure: Measure) {
        match (&mut *self, more) {
            (Self::Text(text), Self::Text(more)) => text.push(more.cells()),
            (_, more) => {
                let count = measure.deleted(self).saturating_add(measure.deleted(&more));
                *self = Self::Count(count);
            }
        }
    }

    fn json(&self) -> Json {
        let deleted = match self {
            Self::Count(count) => (*count).into(),
            Self::Text(text) => Json::String(text.clone()),
        };
        super::Object::new([("d".into(), deleted)]).into()
    }
}

fn is_skip(component: &Component) -> bool {
    matches!(component, Component::Skip(_))
}

fn is_insert(component: &Component) -> bool {
    matches!(component, Component::Insert(_))
}
