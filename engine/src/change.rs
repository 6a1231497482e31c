//! The change: the durable unit of a document's history.
//!
//! A change holds the client's own bytes, never a re-encoding of them; who sent them and when; its [`Dot`]; and the clock
//! of what its author had seen. Under load one change carries several raw updates of one author (never of two), so its
//! payload is one update or an [`UpdateList`] of them; [`Change::updates`] gives them one by one either way.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::checksum::Checksum;
use crate::clock::VectorClock;
use crate::dot::{Dot, Order};
use crate::names::{Author, ConnectionId, DocumentKey, Kind};
use crate::time::Hlc;

/// One durable step of a document's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The document that was changed.
    pub document: DocumentKey,
    /// The change's own name.
    pub dot: Dot,
    /// What its author had been shown of the document when the change was made.
    pub context: VectorClock,
    /// When it was made; for display only.
    pub hlc: Hlc,
    /// The authenticated principal, or none for an anonymous one.
    pub author: Option<Author>,
    /// The connection that it came through, within the replica of its dot.
    pub connection: ConnectionId,
    /// How to read the payload.
    pub kind: ChangeKind,
    /// The client's raw bytes.
    pub payload: Bytes,
}

/// A change as the store gives it back, with its place in the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// Where the change stands in its document's timeline.
    pub order: Order,
    /// The change.
    pub change: Change,
}

/// How a change's payload is to be read. The numbers stand in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChangeKind {
    /// One Yjs update in its first encoding, as the client sent it.
    YjsUpdate = 1,
    /// Several of them, as an [`UpdateList`].
    YjsUpdates = 2,
    /// One operation of an ordered document, as a [`Record`](crate::ordered::Record).
    Operation = 3,
    /// Automerge changes that came together, one chunk behind the other, as the client sent them.
    AutomergeChanges = 4,
    /// Several such payloads, as an [`UpdateList`].
    AutomergePayloads = 5,
}

/// A payload that is not of the form that its kind says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("payload is not a list of length-prefixed updates")]
pub struct MalformedPayload;

impl Change {
    /// The raw updates that the payload holds, in the order in which they came.
    ///
    /// # Errors
    /// The payload says that it is a list and is not one.
    pub fn updates(&self) -> Result<Vec<Bytes>, MalformedPayload> {
        match self.kind {
            kind if kind.is_list() => UpdateList::split(&self.payload),
            _ => Ok(vec![self.payload.clone()]),
        }
    }

    /// How many raw updates the payload holds, as far as it is of its form.
    pub fn updates_count(&self) -> u64 {
        match self.kind {
            kind if kind.is_list() => UpdateList::count(&self.payload),
            _ => 1,
        }
    }

    /// A checksum (CRC-32) over every field, so that a damaged or misplaced row is noticed when it is read.
    pub fn checksum(&self) -> u32 {
        let mut checksum = Checksum::of(&self.document);
        checksum.field(&self.dot.replica.0.to_le_bytes());
        checksum.field(&self.dot.counter.to_le_bytes());
        checksum.field(&self.context.to_bytes());
        checksum.field(&self.hlc.0.to_le_bytes());
        checksum.field(self.author.as_ref().map_or("", Author::as_str).as_bytes());
        checksum.field(&self.connection.0.to_le_bytes());
        checksum.field(&[self.kind as u8, u8::from(self.author.is_some())]);
        checksum.field(&self.payload);
        checksum.value()
    }
}

impl ChangeKind {
    const ALL: [Self; 5] = [
        Self::YjsUpdate,
        Self::YjsUpdates,
        Self::Operation,
        Self::AutomergeChanges,
        Self::AutomergePayloads,
    ];

    /// How a document of a kind keeps one raw edit of a client's.
    pub fn of_one(kind: Kind) -> Self {
        match kind {
            Kind::Yjs => Self::YjsUpdate,
            Kind::Automerge => Self::AutomergeChanges,
            Kind::Json0 | Kind::RichText | Kind::Text | Kind::TextUnicode => Self::Operation,
        }
    }

    /// How it keeps several, as an [`UpdateList`]; operations are kept one by one.
    pub(crate) fn of_several(kind: Kind) -> Self {
        match Self::of_one(kind) {
            Self::YjsUpdate => Self::YjsUpdates,
            Self::AutomergeChanges => Self::AutomergePayloads,
            one => one,
        }
    }

    /// The kind behind a stored number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    fn is_list(self) -> bool {
        matches!(self, Self::YjsUpdates | Self::AutomergePayloads)
    }
}

/// Several raw updates in one payload: each preceded by its length as four bytes, little endian.
#[derive(Debug)]
pub struct UpdateList;

impl UpdateList {
    /// Joins updates into one payload.
    pub fn join(updates: &[Bytes]) -> Bytes {
        let length = updates
            .iter()
            .map(|update| LENGTH_BYTES + update.len())
            .sum();
        let mut payload = BytesMut::with_capacity(length);
        for update in updates {
            payload.put_u32_le(
                u32::try_from(update.len()).expect("an update is smaller than a frame"),
            );
            payload.put_slice(update);
        }
        payload.freeze()
    }

    /// How many updates a payload holds, as far as it is a list of them.
    fn count(payload: &[u8]) -> u64 {
        let (mut rest, mut count) = (payload, 0);
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>()
            && let Some(next) = after.get(u32::from_le_bytes(*length) as usize..)
        {
            (rest, count) = (next, count + 1);
        }
        count
    }

    /// Takes a payload apart again, without copying.
    ///
    /// # Errors
    /// A length says more than is there.
    pub fn split(payload: &Bytes) -> Result<Vec<Bytes>, MalformedPayload> {
        let mut rest = payload.clone();
        let mut updates = Vec::new();
        while !rest.is_empty() {
            let (length, _) = rest
                .split_first_chunk::<LENGTH_BYTES>()
                .ok_or(MalformedPayload)?;
            let length = u32::from_le_bytes(*length) as usize;
            let mut update = rest.split_off(LENGTH_BYTES);
            if length > update.len() {
                return Err(MalformedPayload);
            }
            rest = update.split_off(length);
            updates.push(update);
        }
        Ok(updates)
    }
}

const LENGTH_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot::ReplicaId;

    fn change() -> Change {
        Change {
            document: DocumentKey::new("default", "notes").unwrap(),
            dot: Dot::new(ReplicaId(1), 1),
            context: VectorClock::default(),
            hlc: Hlc(7),
            author: None,
            connection: ConnectionId(3),
            kind: ChangeKind::YjsUpdate,
            payload: Bytes::from_static(&[0, 0]),
        }
    }

    #[test]
    fn a_list_of_updates_comes_apart_as_it_was_joined() {
        let updates = vec![
            Bytes::from_static(b"one"),
            Bytes::new(),
            Bytes::from_static(b"three"),
        ];
        let joined = UpdateList::join(&updates);
        assert_eq!(UpdateList::count(&joined), 3);
        assert_eq!(UpdateList::split(&joined), Ok(updates));
        assert_eq!(
            UpdateList::split(&Bytes::from_static(&[9, 0, 0, 0, 1])),
            Err(MalformedPayload)
        );
        assert_eq!(
            UpdateList::split(&Bytes::from_static(&[9, 0])),
            Err(MalformedPayload)
        );
    }

    #[test]
    fn the_checksum_covers_every_field() {
        let original = change();
        let altered: Vec<fn(&mut Change)> = vec![
            |c| c.document = DocumentKey::new("default", "note").unwrap(),
            |c| c.document = DocumentKey::new("defaultn", "otes").unwrap(),
            |c| c.dot.counter = 2,
            |c| c.dot.replica = ReplicaId(2),
            |c| c.context.observe(Dot::new(ReplicaId(9), 1)),
            |c| c.hlc = Hlc(8),
            |c| c.author = Some(Author::new("ada")),
            |c| c.author = Some(Author::new("")),
            |c| c.connection = ConnectionId(4),
            |c| c.kind = ChangeKind::YjsUpdates,
            |c| c.payload = Bytes::from_static(&[0, 1]),
        ];
        for alter in altered {
            let mut other = original.clone();
            alter(&mut other);
            assert_ne!(other.checksum(), original.checksum(), "{other:?}");
        }
    }
}
