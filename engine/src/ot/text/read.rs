//! Walks and texts from JSON.

use super::{Component, Deleted, Json, Measure, OtError, Utf16, Walk};
use crate::ot::work::COMPONENTS_MAX;

/// The text of a new document.
pub(in crate::ot) fn create(data: &Json, measure: Measure) -> Result<Utf16, OtError> {
    match data {
        Json::Null => Ok(Utf16::default()),
        Json::String(text) => checked(text, measure),
        other => Err(OtError::malformed(format!(
            "is {}, expected a string",
            other.noun()
        ))),
    }
}

/// A walk that may not be in canonical form.
pub(in crate::ot) fn read(json: &Json, measure: Measure) -> Result<Walk, OtError> {
    let components = json.as_array().ok_or_else(|| {
        OtError::malformed(format!("is {}, expected a list of components", json.noun()))
    })?;
    if components.len() > COMPONENTS_MAX {
        return Err(OtError::TooLong(COMPONENTS_MAX));
    }
    let components = components.iter().enumerate().map(|(at, json)| {
        component(json, measure).map_err(|error| error.within(format_args!("[{at}]")))
    });
    Ok(Walk {
        measure,
        components: components.collect::<Result<_, _>>()?,
    })
}

fn component(json: &Json, measure: Measure) -> Result<Component, OtError> {
    match json {
        Json::String(text) => Ok(Component::Insert(checked(text, measure)?)),
        Json::Number(_) => Ok(Component::Skip(count(json)?)),
        Json::Object(object) => {
            let deleted = object
                .field("d")
                .ok_or_else(|| OtError::malformed("is an object without d"))?;
            let deleted = deletion(deleted, measure).map_err(|error| error.within(".d"))?;
            Ok(Component::Delete(deleted))
        }
        other => Err(OtError::malformed(format!(
            "is {}, expected a number, a string or {{\"d\": …}}",
            other.noun()
        ))),
    }
}

fn deletion(json: &Json, measure: Measure) -> Result<Deleted, OtError> {
    match (json, measure) {
        (Json::String(text), Measure::CodePoints) => Ok(Deleted::Text(checked(text, measure)?)),
        _ => Ok(Deleted::Count(count(json)?)),
    }
}

fn count(json: &Json) -> Result<u64, OtError> {
    json.as_count().ok_or_else(|| {
        OtError::malformed(format!(
            "is {}, expected a whole number from 0 to 4294967295",
            json.shown()
        ))
    })
}

fn checked(text: &Utf16, measure: Measure) -> Result<Utf16, OtError> {
    match measure == Measure::CodePoints && !text.is_whole() {
        true => Err(OtError::malformed("has half of a character on its own")),
        false => Ok(text.clone()),
    }
}
