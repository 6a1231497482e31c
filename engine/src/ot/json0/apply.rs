//! Making edits.

use std::sync::Arc;

use super::{Change, Component, Edit, Edits, Json, Object, OtError, Step, Utf16, Work};

impl Edits {
    /// Makes the edits: all of them or none.
    pub(in crate::ot) fn apply(&self, document: &mut Json, work: &mut Work) -> Result<(), OtError> {
        // A lone component checks everything before it changes anything.
        let before = (self.0.len() > 1).then(|| document.clone());
        for (at, component) in self.0.iter().enumerate() {
            let done = component.apply(document, work);
            if let Err(error) = done {
                if let Some(before) = before {
                    *document = before;
                }
                let path = &component.path;
                return Err(error.within(format_args!("op[{at}] at {path}")));
            }
        }
        Ok(())
    }
}

impl Component {
    /// Makes the edit, or changes nothing.
    pub(super) fn apply(&self, document: &mut Json, work: &mut Work) -> Result<(), OtError> {
        work.step()?;
        match &self.edit {
            Edit::Add(number) => add(find(document, self.path.steps(), work)?, *number),
            Edit::Text(splice) => match find(document, self.path.steps(), work)? {
                Json::String(text) => splice.apply(text, work),
                other => Err(misfit("a string", other)),
            },
            Edit::Embedded(embedded) => {
                let target = find(document, self.path.steps(), work)?;
                let after = embedded.applied(target, work)?;
                after.check_depth(self.path.len())?;
                *target = after;
                Ok(())
            }
            Edit::Item(change) => {
                self.check_depth(change, work)?;
                let (list, at) = self.list(document, work)?;
                edit_item(list, at, change)
            }
            Edit::Move(to) => {
                let (list, from) = self.list(document, work)?;
                move_item(list, from, *to)
            }
            Edit::Member(change) => {
                self.check_depth(change, work)?;
                self.edit_member(document, change, work)
            }
        }
    }

    /// The list that is edited, and where.
    fn list<'a>(
        &self,
        document: &'a mut Json,
        work: &mut Work,
    ) -> Result<(&'a mut Vec<Json>, u64), OtError> {
        let Some((Step::Index(at), above)) = self.path.steps().split_last() else {
            return Err(OtError::refused("does not end in a list index"));
        };
        match find(document, above, work)? {
            Json::Array(items) => {
                work.carry(items.len())?;
                Ok((Arc::make_mut(items), *at))
            }
            other => Err(misfit("a list", other)),
        }
    }

    fn edit_member(
        &self,
        document: &mut Json,
        change: &Change,
        work: &mut Work,
    ) -> Result<(), OtError> {
        let Some((last, above)) = self.path.steps().split_last() else {
            *document = change.inserted.clone().unwrap_or(Json::Null);
            return Ok(());
        };
        let members = match find(document, above, work)? {
            Json::Object(members) => members,
            other => return Err(misfit("an object", other)),
        };
        let Step::Key(name) = last else {
            return Err(OtError::refused("names a member of an object by a number"));
        };
        check_object(members)?;
        work.carry(members.len())?;
        let members = Arc::make_mut(members);
        match &change.inserted {
            Some(inserted) => members.insert(name.clone(), inserted.clone()),
            None => members.remove(name),
        };
        Ok(())
    }

    /// What is nested too deep in the document could be read by nobody.
    fn check_depth(&self, change: &Change, work: &mut Work) -> Result<(), OtError> {
        let Some(inserted @ (Json::Array(_) | Json::Object(_))) = &change.inserted else {
            return Ok(());
        };
        work.carry(inserted.weight())?;
        inserted.check_depth(self.path.len())
    }
}

/// What is at a path.
fn find<'a>(
    document: &'a mut Json,
    path: &[Step],
    work: &mut Work,
) -> Result<&'a mut Json, OtError> {
    let mut here = document;
    for (at, step) in path.iter().enumerate() {
        let below = match (here, step) {
            (Json::Array(items), Step::Index(index)) => {
                work.carry(items.len())?;
                let index = usize::try_from(*index).ok();
                index.and_then(|index| Arc::make_mut(items).get_mut(index))
            }
            (Json::Object(members), Step::Key(name)) => {
                work.carry(members.len())?;
                Arc::make_mut(members).get_mut(name)
            }
            (other, step) => return Err(astray(other, step, at)),
        };
        here = below.ok_or_else(|| OtError::refused(format!("finds nothing at p[{at}]")))?;
    }
    Ok(here)
}

fn astray(here: &Json, step: &Step, at: usize) -> OtError {
    let step = match step {
        Step::Key(_) => "a name",
        Step::Index(_) => "a list index",
    };
    OtError::refused(format!(
        "has {step} as p[{at}], but {} is there",
        here.noun()
    ))
}

fn misfit(expected: &str, found: &Json) -> OtError {
    OtError::refused(format!("expects {expected}, but {} is there", found.noun()))
}

fn add(target: &mut Json, number: f64) -> Result<(), OtError> {
    match target {
        Json::Number(target) if (*target + number).is_finite() => {
            *target += number;
            Ok(())
        }
        Json::Number(_) => Err(OtError::refused("adds up to more than a number can hold")),
        other => Err(misfit("a number", other)),
    }
}

fn edit_item(list: &mut Vec<Json>, at: u64, change: &Change) -> Result<(), OtError> {
    let inserts_only = change.deleted.is_none();
    let place = within(at, list.len() + usize::from(inserts_only))?;
    match (&change.deleted, &change.inserted) {
        (Some(_), Some(inserted)) => list[place] = inserted.clone(),
        (None, Some(inserted)) => list.insert(place, inserted.clone()),
        (_, None) => {
            list.remove(place);
        }
    }
    Ok(())
}

fn move_item(list: &mut [Json], from: u64, to: u64) -> Result<(), OtError> {
    let (from, to) = (within(from, list.len())?, within(to, list.len())?);
    if from < to {
        list[from..=to].rotate_left(1);
    } else {
        list[to..=from].rotate_right(1);
    }
    Ok(())
}

fn within(at: u64, places: usize) -> Result<usize, OtError> {
    let place = usize::try_from(at).ok().filter(|place| *place < places);
    place.ok_or_else(|| OtError::refused(format!("is at item {at}, but the list ends before")))
}

/// The original knows an object by its `constructor`, so that no client can edit one that has such a member.
fn check_object(members: &Object) -> Result<(), OtError> {
    match members.get(&Utf16::from("constructor")) {
        Some(_) => Err(OtError::refused(
            "is in an object with a member named constructor, which no client can edit",
        )),
        None => Ok(()),
    }
}
