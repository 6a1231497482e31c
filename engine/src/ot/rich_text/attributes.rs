//! The attributes of text: what bold, a colour or a link are to Quill. A null in a change takes an attribute away.

use std::sync::Arc;

use super::{Json, Object, Utf16};

/// At least one attribute.
#[derive(Clone, Debug)]
pub(super) struct Attributes(Arc<Object>);

/// What was shared and not changed is equal without a look inside.
impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Attributes {
    /// None, if there are no members.
    pub(super) fn new(members: Object) -> Option<Self> {
        (!members.is_empty()).then(|| Self(Arc::new(members)))
    }

    pub(super) fn members(&self) -> &Object {
        &self.0
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn json(&self) -> Json {
        Json::Object(self.0.clone())
    }

    fn iter(&self) -> impl Iterator<Item = (Utf16, Json)> {
        let members = self.0.iter();
        members.map(|(name, value)| (name.clone(), value.clone()))
    }

    fn get(&self, name: &Utf16) -> Option<&Json> {
        self.0.get(name)
    }
}

/// What two changes come to, one after the other. Nulls are kept where there may be an attribute to take away.
pub(super) fn compose(
    first: Option<&Attributes>,
    second: Option<&Attributes>,
    keeps_nulls: bool,
) -> Option<Attributes> {
    let (Some(first), Some(second)) = (first, second) else {
        let only = if second.is_some() { second } else { first }?;
        return match keeps_nulls || second.is_none() {
            true => Some(only.clone()),
            false => picked(only, |_, value| *value != Json::Null),
        };
    };
    let set = second
        .iter()
        .filter(|(_, value)| keeps_nulls || *value != Json::Null);
    let kept = first.iter().filter(|(name, _)| second.get(name).is_none());
    Attributes::new(Object::new(set.chain(kept)))
}

/// What a change comes to after another one; with `priority`, what that one has set stays.
pub(super) fn transform(
    change: Option<&Attributes>,
    made: Option<&Attributes>,
    priority: bool,
) -> Option<Attributes> {
    match made {
        Some(made) if priority => picked(change?, |name, _| made.get(name).is_none()),
        _ => change.cloned(),
    }
}

/// What undoes a change of attributes. Lists and objects always count as changed, as in the original.
pub(super) fn invert(change: &Attributes, before: Option<&Attributes>) -> Option<Attributes> {
    let was_other = |(name, value): &(Utf16, Json)| {
        let changed = change.get(name);
        changed.is_some_and(|changed| !changed.is_same_primitive(value))
    };
    let was_missing =
        |(name, _): &(Utf16, Json)| before.is_none_or(|before| before.get(name).is_none());
    let restored = before
        .into_iter()
        .flat_map(Attributes::iter)
        .filter(was_other);
    let removed = change.iter().filter(was_missing);
    let removed = removed.map(|(name, _)| (name, Json::Null));
    Attributes::new(Object::new(restored.chain(removed)))
}

fn picked(
    attributes: &Attributes,
    is_picked: impl Fn(&Utf16, &Json) -> bool,
) -> Option<Attributes> {
    let picked = attributes.iter();
    let picked = picked.filter(|(name, value)| is_picked(name, value));
    Attributes::new(Object::new(picked))
}
