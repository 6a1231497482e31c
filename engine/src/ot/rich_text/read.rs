//! Deltas from JSON: a list of steps, or `{"ops": […]}` with one.

use super::{Action, Attributes, Component, Delta, Json, Object, OtError};
use crate::ot::json0::is_prototype_name;
use crate::ot::work::COMPONENTS_MAX;

/// A new document, in canonical form: what clients create may have neighbours that are one, and empty text.
pub(in crate::ot) fn create(data: &Json) -> Result<Delta, OtError> {
    match data {
        Json::Null => Ok(Delta::default()),
        data => Ok(document(data)?.normalised()),
    }
}

/// A document as it is.
pub(in crate::ot) fn document(data: &Json) -> Result<Delta, OtError> {
    let delta = steps(data, true)?;
    match delta.components.iter().position(|step| !step.inserts()) {
        None => Ok(delta),
        Some(at) => {
            let error = OtError::malformed("does not insert, but a document holds nothing else");
            Err(error.within(format_args!(".ops[{at}]")))
        }
    }
}

/// A change.
pub(in crate::ot) fn read(json: &Json) -> Result<Delta, OtError> {
    steps(json, false)
}

fn steps(json: &Json, takes_empty_text: bool) -> Result<Delta, OtError> {
    let within = json.as_object().and_then(|object| object.field("ops"));
    let steps = within.unwrap_or(json).as_array().ok_or_else(|| {
        let noun = json.noun();
        OtError::malformed(format!("is {noun}, expected a list or {{\"ops\": […]}}"))
    })?;
    if steps.len() > COMPONENTS_MAX {
        return Err(OtError::TooLong(COMPONENTS_MAX));
    }
    let steps = steps.iter().enumerate();
    let steps = steps.filter(|(_, step)| !(takes_empty_text && inserts_nothing(step)));
    let components = steps.map(|(at, step)| {
        component(step).map_err(|error| error.within(format_args!(".ops[{at}]")))
    });
    Ok(Delta {
        components: components.collect::<Result<_, _>>()?,
    })
}

fn inserts_nothing(step: &Json) -> bool {
    let inserted = step.as_object().and_then(|step| step.field("insert"));
    inserted
        .and_then(Json::as_text)
        .is_some_and(|text| text.is_empty())
}

fn component(json: &Json) -> Result<Component, OtError> {
    let step = json
        .as_object()
        .ok_or_else(|| OtError::malformed(format!("is {}, expected an object", json.noun())))?;
    json.check_depth(DEPTH_OF_STEPS)?;
    let field = |name| step.field(name);
    let action = match (field("insert"), field("retain"), field("delete")) {
        (Some(inserted), None, None) => insertion(inserted),
        (None, Some(retained), None) => retention(retained),
        (None, None, Some(deleted)) => Ok(Action::Delete(count(deleted, ".delete")?)),
        _ => Err(OtError::malformed("needs one of insert, retain and delete")),
    }?;
    let attributes = match &action {
        Action::Delete(_) => None,
        _ => attributes(step).map_err(|error| error.within(".attributes"))?,
    };
    Ok(Component::new(action, attributes))
}

fn insertion(inserted: &Json) -> Result<Action, OtError> {
    match inserted {
        Json::String(text) if text.is_empty() => {
            Err(OtError::malformed("is empty").within(".insert"))
        }
        Json::String(text) => Ok(Action::Insert(text.clone())),
        Json::Null => Err(OtError::malformed("is null").within(".insert")),
        thing => Ok(Action::Embed(thing.clone())),
    }
}

fn retention(retained: &Json) -> Result<Action, OtError> {
    match retained.as_object() {
        Some(object) if object.is_empty() => Err(OtError::malformed("is empty").within(".retain")),
        Some(_) => Ok(Action::Amend(retained.clone())),
        None => Ok(Action::Retain(count(retained, ".retain")?)),
    }
}

fn count(json: &Json, place: &str) -> Result<u64, OtError> {
    let count = json.as_count().filter(|count| *count > 0);
    count.ok_or_else(|| {
        let what = format!(
            "is {}, expected a whole number from 1 to 4294967295",
            json.shown()
        );
        OtError::malformed(what).within(place)
    })
}

/// The names are those of members of JavaScript objects, some of which every object has.
fn attributes(step: &Object) -> Result<Option<Attributes>, OtError> {
    let members = match step.field("attributes") {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Object(members)) => members,
        Some(other) => {
            let noun = other.noun();
            return Err(OtError::malformed(format!("is {noun}, expected an object")));
        }
    };
    match members.iter().find(|(name, _)| is_prototype_name(name)) {
        Some((name, _)) => Err(OtError::malformed(format!(
            "has {name}, which every JavaScript object has"
        ))),
        None => Ok(Attributes::new(Object::clone(members))),
    }
}

/// The steps of a delta are in a list in an object.
const DEPTH_OF_STEPS: usize = 2;
