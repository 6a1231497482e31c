//! A document's first content when it does not come from a client: from the application, or from another server's database.
//!
//! It is looked at as an edit of a client would be, and besides it has to be whole: content that builds on something that
//! it does not hold would wait for ever, since nobody has the rest.

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, ConnectionId, Content, ContentError, DocumentKey, Dot, Hlc, Kind,
    Now, PayloadHash, Quarantined, ReplicaId, VectorClock,
};
use protocol::FrameError;
use protocol::preflight::{Bounds, check_update};
use thiserror::Error;

/// What a document is to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Founding {
    pub(crate) document: DocumentKey,
    pub(crate) author: Author,
    /// One Yjs update in its first encoding.
    pub(crate) update: Bytes,
}

/// Why a document can not begin with this.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum Unfit {
    /// It is not an update, or beyond the bounds.
    #[error("{0}")]
    Refused(#[from] FrameError),
    /// The engine does not take it.
    #[error("{0}")]
    Content(#[from] ContentError),
    /// Something that it builds on is not in it.
    #[error("it builds on something that is not in it; give the whole state of a document")]
    NotWhole,
    /// The document would be too large.
    #[error("it comes to {0} bytes in memory, at most {1} are allowed (limits.document_memory)")]
    TooHeavy(usize, usize),
}

impl Founding {
    /// Whether it could be the content of a document, which is tried.
    pub(crate) fn check(&self, bounds: &Bounds, weight_max: usize) -> Result<(), Unfit> {
        check_update(&self.update, bounds)?;
        let mut content = Content::new(Kind::Yjs)?;
        let taken = content.integrate(&self.update)?;
        if taken.missing || taken.let_go {
            return Err(Unfit::NotWhole);
        }
        match content.weight() {
            weight if weight > weight_max => Err(Unfit::TooHeavy(weight, weight_max)),
            _ => Ok(()),
        }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_nothing(&self) -> bool {
        *self.update == [0, 0]
    }

    pub(crate) fn hash(&self) -> PayloadHash {
        PayloadHash::of(&self.update)
    }

    /// The account of what it did to the engine.
    pub(crate) fn quarantined(&self, reason: &str, now: Now) -> Quarantined {
        Quarantined {
            document: self.document.clone(),
            hash: self.hash(),
            payload: self.update.clone(),
            author: Some(self.author.clone()),
            connection: None,
            dot: None,
            reason: reason.to_owned(),
            wall_ms: now.wall_ms,
        }
    }

    /// The first change of the document, and of the replica's lane in it.
    pub(crate) fn change(&self, replica: ReplicaId, now: Now) -> Change {
        Change {
            document: self.document.clone(),
            dot: Dot::new(replica, 1),
            context: VectorClock::default(),
            hlc: Hlc::from_wall_ms(now.wall_ms),
            author: Some(self.author.clone()),
            connection: NO_CONNECTION,
            kind: ChangeKind::YjsUpdate,
            payload: self.update.clone(),
        }
    }
}

/// Connections are counted from 1.
pub(crate) const NO_CONNECTION: ConnectionId = ConnectionId(0);

#[cfg(test)]
mod tests {
    use super::*;

    fn founding(update: &[u8]) -> Founding {
        Founding {
            document: DocumentKey::new("w", "d").unwrap(),
            author: Author::new("import"),
            update: Bytes::copy_from_slice(update),
        }
    }

    fn check(update: &[u8]) -> Result<(), Unfit> {
        founding(update).check(&Bounds::default(), 1 << 30)
    }

    /// `doc.getText('t').insert(0, 'hi')` by client 1, as yjs encodes it.
    const HI: &[u8] = &[1, 1, 1, 0, 4, 1, 1, b't', 2, b'h', b'i', 0];
    /// What client 1 wrote after two characters that are not in it.
    const REST: &[u8] = &[1, 1, 1, 2, 0x84, 1, 1, 1, b'!', 0];

    #[test]
    fn a_document_begins_with_what_is_whole() {
        assert_eq!(check(HI), Ok(()));
        assert_eq!(check(&[0, 0]), Ok(()));
        assert!(founding(&[0, 0]).is_nothing() && !founding(HI).is_nothing());
        assert_eq!(check(REST), Err(Unfit::NotWhole));
    }

    #[test]
    fn a_document_does_not_begin_with_garbage_or_too_much() {
        assert!(matches!(check(b"<html>"), Err(Unfit::Refused(_))));
        assert!(matches!(check(&HI[..9]), Err(Unfit::Refused(_))));
        let heavy = founding(HI).check(&Bounds::default(), 1);
        assert!(matches!(heavy, Err(Unfit::TooHeavy(_, 1))));
    }
}
