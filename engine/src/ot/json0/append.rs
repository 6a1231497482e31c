//! Adding a component to a list, as part of the last one where both come to one; and with it composing and normalising.

use super::{Change, Component, Edit, Edits, Json, OtError, Utf16, Work};
use crate::ot::text0;
use crate::ot::work::COMPONENTS_MAX;

impl Edits {
    /// Edits that do what these and then those do.
    pub(in crate::ot) fn compose(&self, then: &Self, work: &mut Work) -> Result<Self, OtError> {
        let mut both = self.0.clone();
        for component in &then.0 {
            work.step()?;
            append(&mut both, component.clone(), work)?;
        }
        match both.len() {
            ..=COMPONENTS_MAX => Ok(Self(both)),
            _ => Err(OtError::TooLong(COMPONENTS_MAX)),
        }
    }

    /// The same edits, with those that come to one together.
    pub(in crate::ot) fn normalised(&self, work: &mut Work) -> Result<Self, OtError> {
        Self::default().compose(self, work)
    }
}

/// Adds a component.
pub(super) fn append(
    list: &mut Vec<Component>,
    component: Component,
    work: &mut Work,
) -> Result<(), OtError> {
    let Some(last) = list.last_mut() else {
        list.push(component);
        return Ok(());
    };
    match merge(last, &component, work)? {
        Merged::Apart => list.push(component),
        Merged::Into => {}
        Merged::Away => {
            list.pop();
        }
        Merged::Splices(splices) => {
            list.pop();
            let texts = splices.into_iter().map(Edit::Text);
            list.extend(texts.map(|text| Component::new(component.path.clone(), text)));
        }
    }
    Ok(())
}

/// What became of two components.
enum Merged {
    /// They stay two.
    Apart,
    /// The last one is both now, or the other did nothing.
    Into,
    /// Nothing is left of both.
    Away,
    /// These are both.
    Splices(Vec<text0::Splice>),
}

fn merge(last: &mut Component, next: &Component, work: &mut Work) -> Result<Merged, OtError> {
    work.carry(next.path.weight())?;
    if last.path != next.path {
        return Ok(Merged::Apart);
    }
    match (&mut last.edit, &next.edit) {
        (Edit::Text(first), Edit::Text(second)) => {
            let mut both = vec![first.clone()];
            text0::append(&mut both, second.clone(), work)?;
            Ok(Merged::Splices(both))
        }
        // The original has the position in the path, so that paths of text are never those of anything else.
        (Edit::Text(_), _) | (_, Edit::Text(_)) => Ok(Merged::Apart),
        (Edit::Embedded(first), Edit::Embedded(second)) if first.is_like(second) => {
            *first = first.compose(second, work)?;
            Ok(Merged::Into)
        }
        (Edit::Add(first), Edit::Add(second)) => {
            *first = sum(*first, *second)?;
            Ok(Merged::Into)
        }
        (Edit::Item(first), Edit::Item(second)) => {
            let text = second.deleted.as_ref().and_then(Json::as_text);
            work.carry(text.map_or(0, Utf16::len))?;
            Ok(merge_items(first, second))
        }
        (Edit::Member(first), Edit::Member(second)) => Ok(merge_members(first, second)),
        (_, Edit::Move(to)) if next.path.last_index() == Some(*to) => Ok(Merged::Into),
        _ => Ok(Merged::Apart),
    }
}

/// An item that was inserted and is deleted was never there. As in the original, that is seen of plain values only.
fn merge_items(first: &mut Change, second: &Change) -> Merged {
    let deletes_it = match (&first.inserted, second) {
        (
            Some(inserted),
            Change {
                deleted: Some(deleted),
                inserted: None,
            },
        ) => inserted.is_same_primitive(deleted),
        _ => false,
    };
    match (deletes_it, &first.deleted) {
        (false, _) => Merged::Apart,
        (true, None) => Merged::Away,
        (true, Some(_)) => {
            first.inserted = None;
            Merged::Into
        }
    }
}

fn merge_members(first: &mut Change, second: &Change) -> Merged {
    match (
        &first.deleted,
        &first.inserted,
        &second.deleted,
        &second.inserted,
    ) {
        (Some(_), None, None, Some(inserted)) | (_, Some(_), Some(_), Some(inserted)) => {
            first.inserted = Some(inserted.clone());
            Merged::Into
        }
        (Some(_), Some(_), Some(_), None) => {
            first.inserted = None;
            Merged::Into
        }
        (None, Some(_), Some(_), None) => Merged::Away,
        _ => Merged::Apart,
    }
}

fn sum(first: f64, second: f64) -> Result<f64, OtError> {
    match first + second {
        sum if sum.is_finite() => Ok(sum),
        _ => Err(OtError::refused("adds up to more than a number can hold")),
    }
}
