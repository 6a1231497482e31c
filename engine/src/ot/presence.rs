//! Cursors and selections of people, as applications send them, after an operation.
//!
//! | type | shapes |
//! |---|---|
//! | rich-text | `{"index": 3, "length": 2}` |
//! | text, text-unicode | the same; or a position; or `[anchor, focus]` |
//! | json0 | `{"p": ["list", 0]}`; or the path alone. It may end in a position in a string |
//!
//! Other members are kept as they are. A null is nobody's cursor, and what pointed at something deleted becomes null.

use super::json::{Json, Object};
use super::json0::{Edits, Path};
use super::rich_text::Delta;
use super::text::{Selection, Walk};
use super::{Operation, OtError};

impl Operation {
    /// Where somebody's cursor or selection is after this operation; `is_own` if it is that of its author.
    ///
    /// # Errors
    /// The cursor has none of the shapes of this type.
    pub fn transform_presence(&self, presence: &Json, is_own: bool) -> Result<Json, OtError> {
        if *presence == Json::Null {
            return Ok(Json::Null);
        }
        let transformed = match self {
            Self::Json0(edits) => in_json(edits, presence, is_own),
            Self::Text(walk) | Self::TextUnicode(walk) => in_text(walk, presence, is_own),
            Self::RichText(delta) => in_rich_text(delta, presence, is_own),
        };
        transformed.map_err(|error| error.within("presence"))
    }
}

fn in_json(edits: &Edits, presence: &Json, is_own: bool) -> Result<Json, OtError> {
    let after = |path: &Json| {
        let path = Path::read(path)?;
        Ok(edits.transform_path(&path, is_own).map(|path| path.json()))
    };
    let object = match presence {
        Json::Array(_) => return Ok(after(presence)?.unwrap_or(Json::Null)),
        Json::Object(object) => object,
        _ => return Err(shapeless(presence, "a path or an object with a path p")),
    };
    let path = object
        .field("p")
        .ok_or_else(|| OtError::malformed("has no path p"))?;
    let path = after(path).map_err(|error: OtError| error.within(".p"))?;
    Ok(path.map_or(Json::Null, |path| with(object, [("p", path)])))
}

fn in_text(walk: &Walk, presence: &Json, is_own: bool) -> Result<Json, OtError> {
    let selection = match presence {
        Json::Number(_) => Selection::Cursor(count(presence)?),
        Json::Array(ends) => match &ends[..] {
            [anchor, focus] => Selection::Between(count(anchor)?, count(focus)?),
            _ => return Err(OtError::malformed("is a list, but not of two positions")),
        },
        Json::Object(object) => {
            let (index, end) = range(object)?;
            let after = walk.transform_selection(Selection::Between(index, end), is_own);
            return Ok(match after {
                Selection::Cursor(at) => with_range(object, at, at),
                Selection::Between(index, end) => with_range(object, index, end),
            });
        }
        _ => {
            return Err(shapeless(
                presence,
                "a position, two, or an index and a length",
            ));
        }
    };
    Ok(match walk.transform_selection(selection, is_own) {
        Selection::Cursor(at) => at.into(),
        Selection::Between(anchor, focus) => vec![anchor.into(), focus.into()].into(),
    })
}

fn in_rich_text(delta: &Delta, presence: &Json, is_own: bool) -> Result<Json, OtError> {
    let Json::Object(object) = presence else {
        return Err(shapeless(presence, "an object with an index and a length"));
    };
    let (index, end) = range(object)?;
    let index = delta.transform_position(index, !is_own);
    let end = delta.transform_position(end, !is_own);
    Ok(with_range(object, index, end))
}

fn range(object: &Object) -> Result<(u64, u64), OtError> {
    let number = |name: &str| {
        let field = object.field(name).unwrap_or(&Json::Null);
        count(field).map_err(|error| error.within(format_args!(".{name}")))
    };
    let index = number("index")?;
    Ok((index, index + number("length")?))
}

fn with_range(object: &Object, index: u64, end: u64) -> Json {
    let length = end.saturating_sub(index);
    with(object, [("index", index.into()), ("length", length.into())])
}

/// The same with other values for some members.
fn with<const N: usize>(object: &Object, members: [(&str, Json); N]) -> Json {
    let mut object = object.clone();
    for (name, value) in members {
        object.insert(name.into(), value);
    }
    object.into()
}

fn count(json: &Json) -> Result<u64, OtError> {
    json.as_count().ok_or_else(|| shapeless(json, "a position"))
}

fn shapeless(found: &Json, expected: &str) -> OtError {
    OtError::malformed(format!("is {}, expected {expected}", found.shown()))
}
