//! Edits from JSON.

use super::{Act, Json, Object, OtError, Splice, Step, Work};
use super::{COMPONENTS_MAX, Change, Component, Edit, Edits, Embedded, Path};
use crate::ot::Flaw;

/// Edits as clients send them.
pub(in crate::ot) fn read(json: &Json) -> Result<Edits, OtError> {
    let components = json.as_array().ok_or_else(|| {
        let what = format!("is {}, expected a list of components", json.noun());
        OtError::flawed(Flaw::NoList, what)
    })?;
    all(components, false)
}

/// Edits as the original's `normalize` takes them: a lone component will do, and a path may be missing.
pub(in crate::ot) fn read_loose(json: &Json, work: &mut Work) -> Result<Edits, OtError> {
    let lone = std::slice::from_ref(json);
    all(json.as_array().unwrap_or(lone), true)?.normalised(work)
}

fn all(components: &[Json], is_loose: bool) -> Result<Edits, OtError> {
    if components.len() > COMPONENTS_MAX {
        return Err(OtError::TooLong(COMPONENTS_MAX));
    }
    let components = components.iter().enumerate().map(|(at, json)| {
        component(json, is_loose).map_err(|error| error.within(format_args!("[{at}]")))
    });
    Ok(Edits(components.collect::<Result<_, _>>()?))
}

fn component(json: &Json, is_loose: bool) -> Result<Component, OtError> {
    let fields = json.as_object().ok_or_else(|| {
        let what = format!("is {}, expected an object", json.noun());
        OtError::flawed(Flaw::NoPath, what)
    })?;
    let path = match fields.field("p") {
        None | Some(Json::Null) if is_loose => Path::default(),
        None => return Err(OtError::flawed(Flaw::NoPath, "has no path p")),
        Some(path) => Path::read(path).map_err(|error| error.within(".p"))?,
    };
    let mut edits = EDITS.iter().filter(|edit| edit.is_in(fields));
    match (edits.next(), edits.next()) {
        (Some(edit), None) => edit.read(path, fields),
        (None, _) => Err(OtError::malformed(
            "has no edit, expected one of na, li, ld, lm, oi, od, si, sd, t",
        )),
        (Some(one), Some(other)) => Err(OtError::malformed(format!(
            "has several edits: {} and {}",
            one.names(),
            other.names()
        ))),
    }
}

/// Which edit a component has, by its fields.
#[derive(Clone, Copy)]
enum Kind {
    Add,
    Item,
    Move,
    Member,
    Text,
    Embedded,
}

const EDITS: [Kind; 6] = [
    Kind::Add,
    Kind::Item,
    Kind::Move,
    Kind::Member,
    Kind::Text,
    Kind::Embedded,
];

impl Kind {
    fn names(self) -> &'static str {
        match self {
            Self::Add => "na",
            Self::Item => "li/ld",
            Self::Move => "lm",
            Self::Member => "oi/od",
            Self::Text => "si/sd",
            Self::Embedded => "t",
        }
    }

    /// Inserted and deleted values may be null; other fields that are null count as missing.
    fn is_in(self, fields: &Object) -> bool {
        let names = self.names().split('/');
        let nulls_count = matches!(self, Self::Item | Self::Member | Self::Add | Self::Move);
        names
            .filter_map(|name| fields.field(name))
            .any(|field| nulls_count || *field != Json::Null)
    }

    fn read(self, path: Path, fields: &Object) -> Result<Component, OtError> {
        let field = |name| fields.field(name);
        match self {
            Self::Add => Ok(Component::new(path, Edit::Add(number(field("na"))?))),
            Self::Item => {
                in_list(&path)?;
                let change = change(field("ld"), field("li"));
                Ok(Component::new(path, Edit::Item(change)))
            }
            Self::Move => {
                in_list(&path)?;
                let to = field("lm").and_then(Json::as_count);
                let to = to.ok_or_else(|| OtError::malformed("is no list index").within(".lm"))?;
                Ok(Component::new(path, Edit::Move(to)))
            }
            Self::Member => {
                let change = change(field("od"), field("oi"));
                Ok(Component::new(path, Edit::Member(change)))
            }
            Self::Text => text(path, field("si"), field("sd")),
            Self::Embedded => {
                let operation = field("o").ok_or_else(|| OtError::malformed("has t but no o"))?;
                let name = field("t").and_then(Json::as_text);
                let name = name.ok_or_else(|| OtError::malformed("is no name").within(".t"))?;
                let embedded = Embedded::read(name, operation)?;
                Ok(Component::new(path, Edit::Embedded(embedded)))
            }
        }
    }
}

fn number(field: Option<&Json>) -> Result<f64, OtError> {
    match field {
        Some(Json::Number(number)) => Ok(*number),
        _ => Err(OtError::malformed("is no number").within(".na")),
    }
}

fn change(deleted: Option<&Json>, inserted: Option<&Json>) -> Change {
    Change {
        deleted: deleted.cloned(),
        inserted: inserted.cloned(),
    }
}

fn in_list(path: &Path) -> Result<(), OtError> {
    match path.last_index() {
        Some(_) => Ok(()),
        None => Err(OtError::malformed("does not end in a list index").within(".p")),
    }
}

/// The position is the last step of the path.
fn text(path: Path, inserted: Option<&Json>, deleted: Option<&Json>) -> Result<Component, OtError> {
    let text = |field: Option<&Json>| field.and_then(Json::as_text).cloned();
    let is_given = |field: Option<&Json>| field.is_some_and(|field| *field != Json::Null);
    let (act, text) = match (text(inserted), text(deleted)) {
        (Some(text), None) if !is_given(deleted) => (Act::Insert, text),
        (None, Some(text)) if !is_given(inserted) => (Act::Delete, text),
        _ => return Err(OtError::malformed("needs a string, either si or sd")),
    };
    match path.split_last() {
        Some((path, Step::Index(at))) => {
            let splice = Splice { at, act, text };
            Ok(Component::new(path, Edit::Text(splice)))
        }
        _ => Err(OtError::malformed("does not end in a position").within(".p")),
    }
}
