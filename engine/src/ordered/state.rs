//! The state of an ordered document at one of its versions, and how it is kept in a snapshot.
//!
//! The bytes: a format number; the version; the length and bytes of the type's name, or 0 for no document; then what it holds
//! as JSON text, to the end. Numbers are LEB128.

use bytes::Bytes;

use crate::clock::VectorClock;
use crate::number::write_number;
use crate::ot::Snapshot;

use super::record::{MalformedRecord, byte, number, text, write_text};

/// A document at one of its versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How many operations there were.
    pub version: u64,
    /// What it holds; none if it was never created, or was deleted.
    pub content: Option<Snapshot>,
    /// The changes that carried those operations.
    pub clock: VectorClock,
}

impl State {
    /// The state as it is kept, but for its clock, which stands beside it.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        write_number(&mut bytes, self.version);
        match &self.content {
            Some(content) => {
                write_text(&mut bytes, content.ot_type().name());
                bytes.extend_from_slice(content.write().as_bytes());
            }
            None => write_number(&mut bytes, 0),
        }
        bytes.into()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// It did not write this.
    pub fn from_bytes(bytes: &[u8], clock: VectorClock) -> Result<Self, MalformedRecord> {
        let mut rest = bytes;
        if byte(&mut rest)? != FORMAT {
            return Err(MalformedRecord::UnknownFormat);
        }
        let version = number(&mut rest)?;
        let name = text(&mut rest)?;
        let content = match (&*name, rest) {
            ("", []) => None,
            ("", _) => return Err(MalformedRecord::TrailingBytes),
            (name, data) => {
                let ot_type = name.parse().map_err(|_| MalformedRecord::UnknownAction)?;
                let data = std::str::from_utf8(data).map_err(|_| MalformedRecord::NotText)?;
                let content = Snapshot::create(ot_type, Some(data));
                Some(content.map_err(|_| MalformedRecord::Unfit)?)
            }
        };
        Ok(Self {
            version,
            content,
            clock,
        })
    }
}

const FORMAT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{DocumentKey, Kind};
    use crate::ot::OtType;

    #[test]
    fn a_state_reads_back_as_it_is_kept() {
        let data = [
            (OtType::Json0, r#"{"a":["\ud83d",1.5]}"#),
            (OtType::Text, r#""a\udc00😀""#),
            (OtType::TextUnicode, r#""""#),
            (
                OtType::RichText,
                r#"[{"insert":"a","attributes":{"bold":true}}]"#,
            ),
        ];
        let contents = data.map(|(ot_type, data)| Snapshot::create(ot_type, Some(data)).ok());
        for content in contents.into_iter().chain([None]) {
            let state = State {
                version: 300,
                content,
                ..State::default()
            };
            let bytes = state.to_bytes();
            let read = State::from_bytes(&bytes, VectorClock::default());
            assert_eq!(read, Ok(state));
            assert!(State::from_bytes(&bytes[..2], VectorClock::default()).is_err());
            assert_eq!(kept(Kind::Json0, bytes.clone()).verify(), Ok(()));
            assert!(kept(Kind::Json0, bytes.slice(..2)).verify().is_err());
            assert!(kept(Kind::Yjs, bytes).verify().is_err());
        }
    }

    #[test]
    fn a_state_that_would_be_written_otherwise_proves_nothing() {
        let content = Snapshot::create(OtType::Json0, Some(r#"{"a": [1, 2]}"#)).ok();
        let state = State {
            content,
            ..State::default()
        };
        let mut bytes = state.to_bytes().to_vec();
        bytes.push(b' ');
        assert!(State::from_bytes(&bytes, VectorClock::default()).is_ok());
        assert!(kept(Kind::Json0, bytes.into()).verify().is_err());
    }

    fn kept(kind: Kind, state: Bytes) -> crate::Snapshot {
        crate::Snapshot {
            document: DocumentKey::new("w", "ordered").unwrap(),
            kind,
            clock: VectorClock::default(),
            state,
        }
    }
}
