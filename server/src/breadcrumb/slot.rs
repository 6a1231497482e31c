//! How a crumb is written down. A slot is self-contained and checked, so a torn or foreign one is never believed:
//!
//! ```text
//!  0     1 if a step is under way, else 0
//!  1     how many trials of this crumb were begun and not ended (see `trial`)
//!  4..8  CRC-32 over the body
//!  8..12 length of the body, little-endian as all numbers here
//! 12..   the body: what (1 byte), workspace, name, kind, author, connection (8), replica (4), counter (8),
//!        where the payload is (1 byte: 0 nowhere, 1 here, 2 in a file beside), payload
//! ```
//!
//! Each text and the payload stand behind their length (4 bytes); an author that there is not has the length 2^32 - 1.

use bytes::Bytes;
use engine::{Author, ConnectionId, DocumentKey, Dot, Kind, ReplicaId};

use super::{Crumb, Step};

/// The size of a slot: 17 pages, of which the last 64 KiB are for the payload. A multiple of every usual page size that is
/// no larger than 4 KiB.
pub(super) const SLOT_BYTES: usize = 17 * 4096;

/// Where the payload of a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    /// There is none, or it could not be kept.
    Nowhere,
    /// In the slot.
    Here(&'a [u8]),
    /// In a file beside the slots, because it is too long for one.
    Beside,
}

/// Whether a payload of this length stands in the slot whatever the names are.
pub(super) fn fits(payload: &[u8]) -> bool {
    payload.len() <= SLOT_BYTES - HEADS_BYTES
}

/// Writes a crumb. The mark that it is there comes last.
pub(super) fn write(
    slot: &mut [u8],
    document: &DocumentKey,
    kind: Kind,
    step: &Step<'_>,
    payload: Payload<'_>,
) {
    slot[STATE] = EMPTY;
    let mut body = Writer {
        rest: &mut slot[BODY..],
        written: 0,
    };
    body.all_of(document, kind, step, payload);
    let length = body.written;
    seal(slot, length);
    slot[TRIALS] = 0;
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    slot[STATE] = UNDER_WAY;
}

/// Takes the crumb away.
pub(super) fn clear(slot: &mut [u8]) {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    slot[STATE] = EMPTY;
}

/// Whether something stands in the slot, whole or not.
pub(super) fn is_marked(slot: &[u8]) -> bool {
    slot.get(STATE).is_some_and(|state| *state != EMPTY)
}

/// How many trials were begun and not ended.
pub(super) fn trials(slot: &[u8]) -> u8 {
    slot.get(TRIALS).copied().unwrap_or(0)
}

/// Where in a slot the number of trials stands.
pub(super) const TRIALS: usize = 1;

/// Reads a crumb; none if the slot is empty, torn or not one of ours. `beside` reads the file that holds its payload.
pub(super) fn read(slot: &[u8], beside: impl FnOnce() -> Option<Bytes>) -> Option<Crumb> {
    if *slot.get(STATE)? != UNDER_WAY {
        return None;
    }
    let length = usize::try_from(u32_at(slot, LENGTH)?).ok()?;
    let body = slot.get(BODY..)?.get(..length)?;
    if u32_at(slot, CHECKSUM)? != crc32fast::hash(body) {
        return None;
    }
    Reader(body).crumb(beside)
}

fn seal(slot: &mut [u8], length: usize) {
    let checksum = crc32fast::hash(&slot[BODY..BODY + length]);
    slot[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
    let length = u32::try_from(length).unwrap_or(0);
    slot[LENGTH..LENGTH + 4].copy_from_slice(&length.to_le_bytes());
}

fn u32_at(slot: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(slot.get(at..at + 4)?.try_into().ok()?))
}

struct Writer<'a> {
    rest: &'a mut [u8],
    written: usize,
}

impl Writer<'_> {
    fn all_of(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        step: &Step<'_>,
        payload: Payload<'_>,
    ) {
        let (what, dot, author, connection) = parts(step);
        self.bytes(&[what]);
        self.text(document.workspace());
        self.text(document.name());
        self.text(kind.as_str());
        match author.map(Author::as_str) {
            Some(author) if author.len() <= AUTHOR_BYTES_MAX => self.text(author),
            _ => self.bytes(&NO_TEXT.to_le_bytes()),
        }
        self.bytes(&connection.0.to_le_bytes());
        self.bytes(&dot.replica.0.to_le_bytes());
        self.bytes(&dot.counter.to_le_bytes());
        match payload {
            Payload::Nowhere => self.bytes(&[NOWHERE]),
            Payload::Beside => self.bytes(&[BESIDE]),
            Payload::Here(payload) => {
                self.bytes(&[HERE]);
                self.long(payload);
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.long(text.as_bytes());
    }

    fn long(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(NO_TEXT);
        self.bytes(&length.to_le_bytes());
        self.bytes(bytes);
    }

    /// What does not fit is left out; the crumb then does not read back, which is as good as none.
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.rest.get_mut(self.written..self.written + bytes.len()) {
            room.copy_from_slice(bytes);
            self.written += bytes.len();
        }
    }
}

fn parts<'a>(step: &Step<'a>) -> (u8, Dot, Option<&'a Author>, ConnectionId) {
    let no_dot = Dot::new(ReplicaId(0), 0);
    match *step {
        Step::Push {
            author, connection, ..
        } => (PUSH, no_dot, author, connection),
        Step::Replay(dot) => (REPLAY, dot, None, ConnectionId(0)),
        Step::Snapshot => (SNAPSHOT, no_dot, None, ConnectionId(0)),
        Step::Read => (READ, no_dot, None, ConnectionId(0)),
        Step::Render => (RENDER, no_dot, None, ConnectionId(0)),
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn crumb(mut self, beside: impl FnOnce() -> Option<Bytes>) -> Option<Crumb> {
        let what = self.take(1)?[0];
        let (workspace, name) = (self.text()??, self.text()??);
        let kind = self.text()??.parse().ok()?;
        let author = self.text()?.map(|author| Author::new(&author));
        let connection = ConnectionId(self.u64()?);
        let dot = Dot::new(ReplicaId(self.u32()?), self.u64()?);
        let payload = match self.take(1)?[0] {
            NOWHERE => None,
            HERE => Some(self.long()?),
            BESIDE => beside(),
            _ => return None,
        };
        Some(Crumb {
            document: DocumentKey::new(&workspace, &name).ok()?,
            kind,
            what: what_of(what, dot)?,
            author,
            connection,
            payload,
        })
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A text, or word that there is none.
    fn text(&mut self) -> Option<Option<String>> {
        match self.u32()? {
            NO_TEXT => Some(None),
            length => {
                let bytes = self.take(usize::try_from(length).ok()?)?;
                String::from_utf8(bytes.to_vec()).ok().map(Some)
            }
        }
    }

    fn long(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length).map(Bytes::copy_from_slice)
    }
}

fn what_of(what: u8, dot: Dot) -> Option<super::What> {
    Some(match what {
        PUSH => super::What::Push,
        REPLAY => super::What::Replay(dot),
        SNAPSHOT => super::What::Snapshot,
        READ => super::What::Read,
        RENDER => super::What::Render,
        _ => return None,
    })
}

const STATE: usize = 0;
const CHECKSUM: usize = 4;
const LENGTH: usize = 8;
const BODY: usize = 12;

const EMPTY: u8 = 0;
const UNDER_WAY: u8 = 1;

const PUSH: u8 = 1;
const REPLAY: u8 = 2;
const SNAPSHOT: u8 = 3;
const READ: u8 = 4;
const RENDER: u8 = 5;

const NOWHERE: u8 = 0;
const HERE: u8 = 1;
const BESIDE: u8 = 2;

const NO_TEXT: u32 = u32::MAX;

/// A longer author is left out of the crumb.
const AUTHOR_BYTES_MAX: usize = 1024;

/// What stands before the payload at most: two names, a kind, an author, and numbers.
const HEADS_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breadcrumb::What;

    fn slot() -> Vec<u8> {
        vec![0; SLOT_BYTES]
    }

    fn notes() -> DocumentKey {
        DocumentKey::new("w", "notes é").unwrap()
    }

    #[test]
    fn a_crumb_reads_back_as_it_was_written() {
        let mut slot = slot();
        let author = Author::new("ada");
        let payload = vec![7; SLOT_BYTES - HEADS_BYTES];
        let step = Step::Push {
            payload: &payload,
            author: Some(&author),
            connection: ConnectionId(9),
        };
        assert!(fits(&payload));
        write(
            &mut slot,
            &notes(),
            Kind::Yjs,
            &step,
            Payload::Here(&payload),
        );
        let crumb = read(&slot, || None).unwrap();
        assert_eq!(crumb.document, notes());
        assert_eq!((crumb.kind, crumb.what), (Kind::Yjs, What::Push));
        assert_eq!(
            (crumb.author, crumb.connection),
            (Some(author), ConnectionId(9))
        );
        assert_eq!(crumb.payload.as_deref(), Some(&payload[..]));
        let dot = Dot::new(ReplicaId(3), 4);
        write(
            &mut slot,
            &notes(),
            Kind::Yjs,
            &Step::Replay(dot),
            Payload::Beside,
        );
        let beside = Bytes::from_static(b"beside");
        let crumb = read(&slot, || Some(beside.clone())).unwrap();
        assert_eq!(
            (crumb.what, crumb.payload),
            (What::Replay(dot), Some(beside))
        );
        clear(&mut slot);
        assert!(!is_marked(&slot) && read(&slot, || None).is_none());
    }

    #[test]
    fn the_longest_names_leave_room_for_the_payload() {
        let mut slot = slot();
        let long = "é".repeat(engine::NAME_BYTES_MAX / 2);
        let document = DocumentKey::new(&long, &long).unwrap();
        let author = Author::new(&"a".repeat(AUTHOR_BYTES_MAX));
        let payload = vec![7; SLOT_BYTES - HEADS_BYTES];
        let step = Step::Push {
            payload: &payload,
            author: Some(&author),
            connection: ConnectionId(u64::MAX),
        };
        write(
            &mut slot,
            &document,
            Kind::RichText,
            &step,
            Payload::Here(&payload),
        );
        assert_eq!(read(&slot, || None).unwrap().document, document);
    }

    #[test]
    fn torn_or_foreign_bytes_are_no_crumb() {
        let mut slot = slot();
        write(
            &mut slot,
            &notes(),
            Kind::Yjs,
            &Step::Snapshot,
            Payload::Nowhere,
        );
        for at in 4..60 {
            let mut torn = slot.clone();
            torn[at] ^= 0x10;
            assert!(read(&torn, || None).is_none(), "byte {at}");
        }
        assert!(read(&[UNDER_WAY; SLOT_BYTES], || None).is_none());
        assert!(read(&slot[..20], || None).is_none());
        assert!(read(&[], || None).is_none());
    }
}
