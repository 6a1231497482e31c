//! Places in a JSON document.

use std::fmt;

use super::{Json, OtError, Utf16};
use crate::ot::Flaw;
use crate::ot::json::DOCUMENT_NESTING_MAX;

/// The steps from the root of a document to a place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To a member of an object.
    Key(Utf16),
    /// To an item of a list, or a position in text.
    Index(u64),
}

impl Path {
    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What comparing or copying it costs, in cells.
    pub(super) fn weight(&self) -> usize {
        let steps = self.0.iter().map(|step| match step {
            Step::Key(name) => CELLS_IN_A_STEP + name.len(),
            Step::Index(_) => CELLS_IN_A_STEP,
        });
        steps.sum()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Step> {
        self.0.get(at)
    }

    pub(super) fn index(&self, at: usize) -> Option<u64> {
        match self.0.get(at) {
            Some(Step::Index(index)) => Some(*index),
            _ => None,
        }
    }

    pub(super) fn index_mut(&mut self, at: usize) -> Option<&mut u64> {
        match self.0.get_mut(at) {
            Some(Step::Index(index)) => Some(index),
            _ => None,
        }
    }

    /// The last step, if it is an index.
    pub(super) fn last_index(&self) -> Option<u64> {
        self.index(self.len().checked_sub(1)?)
    }

    pub(super) fn set_last_index(&mut self, index: u64) {
        if let Some(last) = self.0.last_mut() {
            *last = Step::Index(index);
        }
    }

    /// The path without its first steps.
    pub(super) fn after(&self, steps: usize) -> Self {
        Self(self.0[steps.min(self.len())..].to_vec())
    }

    /// The path without its last step, and that.
    pub(super) fn split_last(mut self) -> Option<(Self, Step)> {
        let last = self.0.pop()?;
        Some((self, last))
    }

    pub(super) fn starts_with(&self, beginning: &[Step]) -> bool {
        self.0.starts_with(beginning)
    }

    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(in crate::ot) fn json(&self) -> Json {
        let steps = self.0.iter().map(|step| match step {
            Step::Key(name) => Json::String(name.clone()),
            Step::Index(index) => (*index).into(),
        });
        steps.collect::<Vec<_>>().into()
    }

    /// A path from JSON.
    pub(in crate::ot) fn read(json: &Json) -> Result<Self, OtError> {
        let noun = json.noun();
        let steps = json.as_array().ok_or_else(|| {
            let what = format!("is {noun}, expected a list of steps");
            OtError::flawed(Flaw::NoPath, what)
        })?;
        if steps.len() > DOCUMENT_NESTING_MAX {
            let what = format!(
                "has {} steps, at most {DOCUMENT_NESTING_MAX} are allowed",
                steps.len()
            );
            return Err(OtError::malformed(what));
        }
        let steps = steps
            .iter()
            .enumerate()
            .map(|(at, json)| step(json).map_err(|error| error.within(format_args!("[{at}]"))));
        Ok(Self(steps.collect::<Result<_, _>>()?))
    }
}

fn step(json: &Json) -> Result<Step, OtError> {
    match json {
        Json::String(name) if is_prototype_name(name) => Err(OtError::flawed(
            Flaw::BadStep,
            format!("is {name:?}, which every JavaScript object has"),
        )),
        Json::String(name) => Ok(Step::Key(name.clone())),
        _ => json.as_count().map(Step::Index).ok_or_else(|| {
            let what = format!("is {}, expected a name or a list index", json.shown());
            OtError::flawed(Flaw::BadStep, what)
        }),
    }
}

/// Short enough for a message.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.json().write();
        match shown.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => write!(f, "{}…", &shown[..end]),
            None => f.write_str(&shown),
        }
    }
}

/// Whether a member of this name is found in every JavaScript object, so that a client would reach into what is not data.
pub(in crate::ot) fn is_prototype_name(name: &Utf16) -> bool {
    PROTOTYPE_NAMES.iter().any(|taken| name == *taken)
}

const PROTOTYPE_NAMES: [&str; 12] = [
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

const SHOWN_MAX: usize = 100;

const CELLS_IN_A_STEP: usize = 8;
