//! The type `rich-text`: text with attributes and embedded things, as Quill's deltas describe it (npm `rich-text` over
//! `quill-delta`).
//!
//! A [`Delta`] goes through a document from its start: insert this, retain so much (perhaps with other attributes), delete
//! so much. A document is a delta that only inserts. Lengths count UTF-16 cells, an embedded thing counts one.
//!
//! Versions 4 and 5 of `quill-delta` agree but for one thing: 5 can retain an embedded thing with a change to its inside,
//! which a handler of the application has to carry out. Such a change goes through [`Action::Amend`] wherever no handler
//! is needed, and is refused where version 5 without the handler fails too.
//!
//! Where both insert at one place, the text of the one that was applied first comes first: the operation that is
//! transformed as `left` gives way. And where both set an attribute, `left` means that what was applied stays.

mod attributes;
mod compose;
mod cursor;
mod invert;
mod read;
mod take;
mod transform;

use super::json::{Json, Object};
use super::utf16::Utf16;
use super::work::COMPONENTS_MAX;
use super::{OtError, Work};
use attributes::Attributes;
pub(super) use read::{create, document, read};

/// A document, or what changes one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    components: Vec<Component>,
}

/// One step of a delta.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    action: Action,
    /// Never there and empty; none on a deletion.
    attributes: Option<Attributes>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Puts text in.
    Insert(Utf16),
    /// Puts an embedded thing in: anything but a string.
    Embed(Json),
    /// Leaves so much, but for attributes.
    Retain(u64),
    /// Leaves an embedded thing, but for a change to its inside.
    Amend(Json),
    /// Takes so much out.
    Delete(u64),
}

impl Component {
    fn new(action: Action, attributes: Option<Attributes>) -> Self {
        Self { action, attributes }
    }

    /// What it does.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The attributes, by name; a null takes one away.
    pub fn attributes(&self) -> Option<&Object> {
        self.attributes.as_ref().map(Attributes::members)
    }

    fn len(&self) -> u64 {
        match &self.action {
            Action::Insert(text) => text.len() as u64,
            Action::Embed(_) | Action::Amend(_) => 1,
            Action::Retain(count) | Action::Delete(count) => *count,
        }
    }

    /// What handling it costs, in steps.
    fn cost(&self) -> usize {
        1 + self.attributes.as_ref().map_or(0, Attributes::len)
    }

    fn inserts(&self) -> bool {
        matches!(self.action, Action::Insert(_) | Action::Embed(_))
    }

    fn deletes(&self) -> bool {
        matches!(self.action, Action::Delete(_))
    }

    fn is_bare_retain(&self) -> bool {
        matches!(self.action, Action::Retain(_)) && self.attributes.is_none()
    }

    /// Takes in what follows, if both are one.
    fn absorb(&mut self, next: &Self) -> bool {
        if self.attributes != next.attributes {
            return false;
        }
        match (&mut self.action, &next.action) {
            (Action::Insert(text), Action::Insert(more)) => text.push(more.cells()),
            (Action::Retain(count), Action::Retain(more))
            | (Action::Delete(count), Action::Delete(more)) => {
                *count = count.saturating_add(*more);
            }
            _ => return false,
        }
        true
    }

    fn json(&self) -> Json {
        let (name, value) = match &self.action {
            Action::Insert(text) => ("insert", Json::String(text.clone())),
            Action::Embed(thing) => ("insert", thing.clone()),
            Action::Retain(count) => ("retain", (*count).into()),
            Action::Amend(change) => ("retain", change.clone()),
            Action::Delete(count) => ("delete", (*count).into()),
        };
        let attributes = self.attributes.as_ref().map(Attributes::json);
        let attributes = attributes.map(|attributes| ("attributes".into(), attributes));
        Object::new([(name.into(), value)].into_iter().chain(attributes)).into()
    }
}

impl Delta {
    /// The steps.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Whether it changes nothing.
    pub fn is_noop(&self) -> bool {
        self.components.is_empty()
    }

    /// The document after a change.
    ///
    /// The original lets a change go past the end and has a document with deletions in it from then on; here that is
    /// refused.
    pub(super) fn apply(&self, change: &Self, work: &mut Work) -> Result<Self, OtError> {
        let after = self.compose(change, work)?;
        match after.components.iter().position(|step| !step.inserts()) {
            None => Ok(after),
            Some(_) => Err(OtError::refused(format!(
                "op goes past the end of the document, which is {} long",
                self.components.iter().map(Component::len).sum::<u64>()
            ))),
        }
    }

    /// The same in canonical form.
    pub(super) fn normalised(&self) -> Self {
        let mut delta = Self::default();
        for component in &self.components {
            delta.push(component.clone());
        }
        delta.chopped()
    }

    /// Adds a step, as part of the last one where they are one, and before a deletion where it inserts. Says whether it
    /// became the last step as it is.
    fn push(&mut self, component: Component) -> bool {
        let mut at = self.components.len();
        if component.inserts() && self.components.last().is_some_and(Component::deletes) {
            at -= 1;
        }
        if at > 0 && self.components[at - 1].absorb(&component) {
            return false;
        }
        self.components.insert(at, component);
        at + 1 == self.components.len()
    }

    /// Without a retain at the end that changes nothing.
    fn chopped(mut self) -> Self {
        if self
            .components
            .last()
            .is_some_and(Component::is_bare_retain)
        {
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

    /// About how many bytes of memory it takes up.
    pub(super) fn weight(&self) -> usize {
        let of = |component: &Component| match &component.action {
            Action::Insert(text) => text.len() * size_of::<u16>(),
            Action::Embed(thing) => thing.weight() * size_of::<Json>(),
            _ => 0,
        };
        let attributes = self.components.iter().filter(|it| it.attributes.is_some());
        self.components.iter().map(of).sum::<usize>()
            + size_of_val(&self.components[..])
            + attributes.count() * ATTRIBUTES_BYTES
    }

    /// What it inserts as plain text: each embedded thing as U+FFFC, and halves of characters as U+FFFD.
    pub fn text(&self) -> String {
        let of = |component: &Component| match &component.action {
            Action::Insert(text) => text.to_string(),
            Action::Embed(_) => OBJECT_REPLACEMENT.to_owned(),
            _ => String::new(),
        };
        self.components.iter().map(of).collect()
    }

    /// The delta as its clients write it: `{"ops":[…]}`.
    pub(super) fn json(&self) -> Json {
        let components = self.components.iter().map(Component::json);
        let components = Json::from(components.collect::<Vec<_>>());
        Object::new([("ops".into(), components)]).into()
    }
}

/// What the attributes of a component come to: mostly there are one or two.
const ATTRIBUTES_BYTES: usize = 128;

/// What stands in plain text for something that is no text.
const OBJECT_REPLACEMENT: &str = "\u{fffc}";
