//! One operation as the log keeps it: as it was received, and as it was committed.
//!
//! A record is the payload of a change. Nothing here takes an operation apart: what a client sent stands there to the
//! byte, so that halves of characters and the order of members survive. What was committed stands besides only if it is
//! different, which it is when others came first.
//!
//! The bytes: a format number; the version that it was committed on; the version that its author made it on, plus one, or 0
//! if he had seen none; its number and the length and bytes of its source; what it does (0 edits, 1 creates, 2 deletes);
//! then for an edit the length and bytes of what was received and, if it differs, what was committed; for a creation the
//! lengths and bytes of the type's name and the data. Numbers are LEB128.

use bytes::Bytes;
use thiserror::Error;

use crate::number::{MalformedNumber, read_number, write_number};
use crate::ot::OtType;

/// One operation of an ordered document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The version that it was committed on; it makes the next one.
    pub version: u64,
    /// The version that its author made it on; none for a document that he had not seen.
    pub made_on: Option<u64>,
    /// Which of its author's operations it is.
    pub name: OperationName,
    /// What it does.
    pub action: Action,
}

/// What a client calls an operation of its own. It sends one again under the name that it had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationName {
    /// What the client calls itself. It chose that, so it names nobody.
    pub source: Box<str>,
    /// The operation's number among those of this source.
    pub number: u64,
}

/// What an operation does to a document. Operations and data are JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begins a document that there is not.
    Create {
        /// What it is to be.
        ot_type: OtType,
        /// What it is to hold, as it was received; none if nothing was said.
        data: Option<Box<str>>,
    },
    /// Changes it.
    Edit {
        /// The operation as it was received.
        received: Box<str>,
        /// The operation as it was committed, if that is not the same.
        committed: Option<Box<str>>,
    },
    /// Ends it. Its versions go on counting.
    Delete,
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MalformedRecord {
    /// It was written by a later program.
    #[error("record is of an unknown format")]
    UnknownFormat,
    /// A number is malformed, or the bytes end before the record does.
    #[error("record is cut short or has a malformed number")]
    CutShort,
    /// A text is not UTF-8.
    #[error("record has text that is not UTF-8")]
    NotText,
    /// It does something, or names a type, that is not known.
    #[error("record does something unknown")]
    UnknownAction,
    /// A state is not what a document of its type holds.
    #[error("state does not fit its type")]
    Unfit,
    /// Bytes follow its end.
    #[error("bytes follow the record")]
    TrailingBytes,
}

impl From<MalformedNumber> for MalformedRecord {
    fn from(_: MalformedNumber) -> Self {
        Self::CutShort
    }
}

impl Action {
    /// The operation as it was committed, if it is one.
    pub fn committed(&self) -> Option<&str> {
        match self {
            Self::Edit {
                received,
                committed,
            } => Some(committed.as_deref().unwrap_or(received)),
            Self::Create { .. } | Self::Delete => None,
        }
    }
}

impl Record {
    /// About how many bytes of memory it takes up.
    pub fn weight(&self) -> usize {
        let of_action = match &self.action {
            Action::Edit {
                received,
                committed,
            } => received.len() + committed.as_ref().map_or(0, |text| text.len()),
            Action::Create { data, .. } => data.as_ref().map_or(0, |text| text.len()),
            Action::Delete => 0,
        };
        size_of::<Self>() + self.name.source.len() + of_action
    }

    /// The record as it is kept.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        write_number(&mut bytes, self.version);
        write_number(&mut bytes, self.made_on.map_or(0, |version| version + 1));
        write_number(&mut bytes, self.name.number);
        write_text(&mut bytes, &self.name.source);
        match &self.action {
            Action::Edit {
                received,
                committed,
            } => {
                bytes.push(EDIT);
                write_text(&mut bytes, received);
                write_optional(&mut bytes, committed.as_deref());
            }
            Action::Create { ot_type, data } => {
                bytes.push(CREATE);
                write_text(&mut bytes, ot_type.name());
                write_optional(&mut bytes, data.as_deref());
            }
            Action::Delete => bytes.push(DELETE),
        }
        bytes.into()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// It did not write this.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedRecord> {
        let mut rest = bytes;
        if byte(&mut rest)? != FORMAT {
            return Err(MalformedRecord::UnknownFormat);
        }
        let version = read_number(&mut rest)?;
        let made_on = read_number(&mut rest)?.checked_sub(1);
        let number = read_number(&mut rest)?;
        let source = text(&mut rest)?;
        let action = match byte(&mut rest)? {
            EDIT => Action::Edit {
                received: text(&mut rest)?,
                committed: optional(&mut rest)?,
            },
            CREATE => Action::Create {
                ot_type: (text(&mut rest)?.parse()).map_err(|_| MalformedRecord::UnknownAction)?,
                data: optional(&mut rest)?,
            },
            DELETE => Action::Delete,
            _ => return Err(MalformedRecord::UnknownAction),
        };
        match rest {
            [] => Ok(Self {
                version,
                made_on,
                name: OperationName { source, number },
                action,
            }),
            _ => Err(MalformedRecord::TrailingBytes),
        }
    }
}

pub(super) fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn write_optional(bytes: &mut Vec<u8>, text: Option<&str>) {
    bytes.push(u8::from(text.is_some()));
    if let Some(text) = text {
        write_text(bytes, text);
    }
}

pub(super) fn byte(rest: &mut &[u8]) -> Result<u8, MalformedRecord> {
    let (&first, after) = rest.split_first().ok_or(MalformedRecord::CutShort)?;
    *rest = after;
    Ok(first)
}

pub(super) fn number(rest: &mut &[u8]) -> Result<u64, MalformedRecord> {
    Ok(read_number(rest)?)
}

pub(super) fn text(rest: &mut &[u8]) -> Result<Box<str>, MalformedRecord> {
    let length = usize::try_from(read_number(rest)?).map_err(|_| MalformedRecord::CutShort)?;
    let (text, after) = (rest.split_at_checked(length)).ok_or(MalformedRecord::CutShort)?;
    *rest = after;
    let text = std::str::from_utf8(text).map_err(|_| MalformedRecord::NotText)?;
    Ok(text.into())
}

fn optional(rest: &mut &[u8]) -> Result<Option<Box<str>>, MalformedRecord> {
    match byte(rest)? {
        0 => Ok(None),
        1 => text(rest).map(Some),
        _ => Err(MalformedRecord::UnknownAction),
    }
}

const FORMAT: u8 = 1;
const EDIT: u8 = 0;
const CREATE: u8 = 1;
const DELETE: u8 = 2;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn action() -> impl Strategy<Value = Action> {
        let text = || "\\PC{0,12}".prop_map(Box::<str>::from);
        prop_oneof![
            (0..OtType::ALL.len(), option::of(text())).prop_map(|(at, data)| Action::Create {
                ot_type: OtType::ALL[at],
                data
            }),
            (text(), option::of(text())).prop_map(|(received, committed)| Action::Edit {
                received,
                committed
            }),
            Just(Action::Delete),
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        let versions = (0..u64::MAX - 1, option::of(0..u64::MAX - 1));
        let name = ("\\PC{0,40}", any::<u64>());
        (versions, name, action()).prop_map(|((version, made_on), (source, number), action)| {
            let source = source.into();
            Record {
                version,
                made_on,
                name: OperationName { source, number },
                action,
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_is_written(record in record()) {
            let bytes = record.to_bytes();
            prop_assert_eq!(Record::from_bytes(&bytes), Ok(record));
            for end in 0..bytes.len() {
                prop_assert!(Record::from_bytes(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn no_bytes_are_read_as_what_they_are_not(mut bytes in vec(any::<u8>(), 0..64), versed: bool) {
            if let (true, Some(first)) = (versed, bytes.first_mut()) {
                *first = FORMAT;
            }
            if let Ok(record) = Record::from_bytes(&bytes) {
                prop_assert_eq!(record.to_bytes(), bytes);
            }
        }
    }
}
