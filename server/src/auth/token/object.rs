//! A JSON object read strictly: no name twice, since two readers could take different ones for the truth.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Fault;

/// The members of an object.
#[derive(Debug)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Reads an object; `what` it is names it in the fault.
    pub(super) fn parse(what: &'static str, json: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(json).map_err(|error| Fault::Json {
            what,
            reason: error.to_string().chars().take(REASON_CHARACTERS).collect(),
        })
    }

    /// A member; none if there is none. One that is null is there.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} is there twice")));
            }
            members.insert(name, value);
        }
        Ok(members)
    }
}

/// A value as a fault shows it: what it is, and the value itself if that is short.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) if text.len() > SHOWN_BYTES => {
            format!("a text of {} bytes", text.len())
        }
        Value::String(text) => format!("{text:?}"),
        value => value.to_string(),
    }
}

const SHOWN_BYTES: usize = 80;
const REASON_CHARACTERS: usize = 200;
