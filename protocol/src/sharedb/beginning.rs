//! The beginning of a message: enough to tell which document it is about, where the rest may not come before it is known whether
//! its sender may name that. ShareDB's client says that first.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Address;
use super::read::check_name;

/// The document that a message is about; none if what has come of it does not tell.
pub fn about(beginning: &[u8]) -> Option<Address> {
    let mut told = Told::default();
    // That it ends before it is whole is no news.
    let _ = serde_json::Deserializer::from_slice(beginning).deserialize_map(&mut told);
    let Told { collection, id } = told;
    let (collection, id) = (collection?, id?);
    let are_names = [&collection, &id].map(|name| check_name(name, "").is_ok());
    (are_names == [true, true]).then_some(Address { collection, id })
}

#[derive(Default)]
struct Told {
    collection: Option<String>,
    id: Option<String>,
}

impl<'de> Visitor<'de> for &mut Told {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while (self.collection.is_none() || self.id.is_none())
            && let Some(field) = fields.next_key::<Cow<'_, str>>()?
        {
            match &*field {
                "c" => self.collection = Some(fields.next_value()?),
                "d" => self.id = Some(fields.next_value()?),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_its_document_before_it_is_whole() {
        let message =
            r#"{"a":"op","c":"no\u0074es","d":"today","v":1,"x":{},"op":[{"p":["\ud83d"],"oi":"#;
        let address = Address {
            collection: "notes".to_owned(),
            id: "today".to_owned(),
        };
        let told = message.find(r#","v""#).unwrap();
        for end in 0..message.len() {
            let is_told = (end >= told).then(|| address.clone());
            assert_eq!(about(&message.as_bytes()[..end]), is_told, "{end}");
        }
        for other in [
            r#"{"a":"bs","c":"notes","b":["a","b"]"#,
            r#"{"a":"op","c":"notes","d":7,"v":1"#,
            r#"{"a":"op","c":"__proto__","d":"x","v":1"#,
            r#"["c","d"#,
            "",
        ] {
            assert_eq!(about(other.as_bytes()), None, "{other}");
        }
    }
}
