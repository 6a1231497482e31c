//! The beginning of a message: enough to tell which document it is about, where the rest may not come before it is known whether
//! its sender may name that. ShareDB's client says that first. Of several documents it is the first that is named.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
                "b" => fields.next_value_seed(FirstOf(&mut self.id))?,
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Where the first of several ids belongs, which are listed or the names of members.
struct FirstOf<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for FirstOf<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, ids: D) -> Result<(), D::Error> {
        ids.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FirstOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<(), A::Error> {
        *self.0 = ids.next_element()?;
        while ids.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut ids: A) -> Result<(), A::Error> {
        *self.0 = ids.next_key()?;
        if self.0.is_some() {
            ids.next_value::<IgnoredAny>()?;
            while ids.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
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
        for bulk in [
            r#"{"a":"bs","c":"notes","b":["today""#,
            r#"{"a":"bs","c":"notes","b":{"today""#,
            r#"{"a":"bf","b":["today","b"],"c":"notes""#,
            r#"{"a":"bf","b":{"today":1,"b":2},"c":"notes""#,
        ] {
            assert_eq!(about(bulk.as_bytes()), Some(address.clone()), "{bulk}");
        }
        for other in [
            r#"{"a":"bs","c":"notes","b":["a"#,
            r#"{"a":"bs","b":["today","b"],"c":"not"#,
            r#"{"a":"bs","c":"notes","b":[7,"today"]"#,
            r#"{"a":"bs","c":"notes","b":"today"}"#,
            r#"{"a":"bs","c":"notes","b":[]}"#,
            r#"{"a":"op","c":"notes","d":7,"v":1"#,
            r#"{"a":"op","c":"__proto__","d":"x","v":1"#,
            r#"["c","d"#,
            "",
        ] {
            assert_eq!(about(other.as_bytes()), None, "{other}");
        }
    }
}
