//! What clients call a document: some bytes, nearly always the sixteen of a random UUID, as base58check.
//!
//! Each id has one text. Clients of old versions wrote the UUID itself; such a text is read as the same id.

use std::fmt;

use super::base58;
use super::hash::ChangeHash;
use crate::FrameError;

/// A document's id: 1 to [`Self::BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(Box<[u8]>);

impl DocumentId {
    /// The most bytes that one has. Applications may make other ids than UUIDs.
    pub const BYTES_MAX: usize = base58::BYTES_MAX;

    /// The id of these bytes.
    ///
    /// # Errors
    /// There are none, or too many.
    pub fn new(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.is_empty() {
            return Err(FrameError::Missing { field: FIELD });
        }
        if bytes.len() > Self::BYTES_MAX {
            return Err(FrameError::TooLong {
                field: FIELD,
                at: 0,
                declared: bytes.len() as u64,
                available: Self::BYTES_MAX,
            });
        }
        Ok(Self(bytes.into()))
    }

    /// Reads the text of an id: base58check, or a UUID.
    ///
    /// # Errors
    /// It is neither, or of no bytes or too many.
    pub fn of_text(text: &str) -> Result<Self, FrameError> {
        match uuid(text) {
            Some(bytes) => Self::new(&bytes),
            None => Self::new(&base58::read(text, FIELD)?),
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its address, `automerge:` and its text.
    pub fn to_url(&self) -> String {
        format!("{SCHEME}{self}")
    }
}

/// Reads an address: `automerge:` and the text of an id, and perhaps the heads of the version that is meant, as
/// `#head|head`; no heads if none are named.
///
/// # Errors
/// It is no such address, or names more than [`HEADS_MAX`] heads.
pub fn of_url(url: &str) -> Result<(DocumentId, Vec<ChangeHash>), FrameError> {
    let field = "document's address";
    let text = url.strip_prefix(SCHEME);
    let text = text.ok_or(FrameError::Wrong { field, at: 0 })?;
    let (id, heads) = text.split_once('#').unwrap_or((text, ""));
    let heads = heads.split('|').filter(|head| !head.is_empty());
    let heads: Vec<_> = heads.take(HEADS_MAX + 1).collect();
    if heads.len() > HEADS_MAX {
        return Err(FrameError::TooMany {
            field: "heads of an address",
            at: 0,
            max: HEADS_MAX,
        });
    }
    let heads = heads.into_iter().map(ChangeHash::of_text);
    Ok((DocumentId::of_text(id)?, heads.collect::<Result<_, _>>()?))
}

/// base58check.
impl fmt::Display for DocumentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&base58::write(&self.0))
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The bytes of a UUID: hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<_> = text.split('-').take(6).collect();
    if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let digits = groups.concat();
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(&digits, 16).ok()?;
    Some(number.to_be_bytes())
}

const FIELD: &str = "document id";

const SCHEME: &str = "automerge:";

/// How many heads an address may name.
pub const HEADS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 16] = [
        0x0f, 0x8f, 0xad, 0x5b, 0xd9, 0xcb, 0x46, 0x9f, 0xa1, 0x65, 0x70, 0x86, 0x77, 0x28, 0x95,
        0x0e,
    ];

    #[test]
    fn an_id_has_one_text_and_a_uuid_is_another_for_the_same() {
        let id = DocumentId::new(&BYTES).unwrap();
        assert_eq!(DocumentId::of_text(&id.to_string()), Ok(id.clone()));
        let uuid = "0F8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(DocumentId::of_text(uuid), Ok(id.clone()));
        assert_eq!(of_url(&id.to_url()), Ok((id, Vec::new())));
    }

    #[test]
    fn other_lengths_are_taken_up_to_a_bound() {
        for length in [1, 15, 17, 64] {
            let id = DocumentId::new(&vec![9; length]).unwrap();
            assert_eq!(DocumentId::of_text(&id.to_string()), Ok(id));
        }
        assert!(DocumentId::new(&[]).is_err());
        assert!(DocumentId::new(&[9; 65]).is_err());
        assert!(DocumentId::of_text(&base58::write(&[])).is_err());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let id = DocumentId::new(&BYTES).unwrap().to_string();
        let nearly = format!("{}{}", &id[..id.len() - 1], "1");
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950";
        for text in [
            "",
            "-",
            "----",
            &nearly,
            uuid,
            "+0f8fad5-d9cb-469f-a165-70867728950e",
        ] {
            assert!(DocumentId::of_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_may_name_heads() {
        let id = DocumentId::new(&BYTES).unwrap();
        let heads = [ChangeHash([1; 32]), ChangeHash([2; 32])];
        let url = format!(
            "{}#{}|{}",
            id.to_url(),
            heads[0].to_text(),
            heads[1].to_text()
        );
        assert_eq!(of_url(&url), Ok((id.clone(), heads.to_vec())));
        for url in [
            "",
            "automerge:",
            &id.to_string(),
            &format!("{}#x", id.to_url()),
        ] {
            assert!(of_url(url).is_err(), "{url}");
        }
        let many = format!("{}#{}", id.to_url(), "x|".repeat(1_000_000));
        assert!(matches!(of_url(&many), Err(FrameError::TooMany { .. })));
    }
}
