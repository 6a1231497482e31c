//! What people have shown of themselves on one connection. Clients pass on to all whom they know what they are shown, so they
//! pass it back here; what came by, or back, is not told again.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::automerge::{DocumentId, Envelope, Message, PeerId, Said, SessionId, encode};

/// The last number that was met of each run of each author's program.
#[derive(Debug, Default)]
pub(super) struct Shown(HashMap<(PeerId, SessionId), u64>);

impl Shown {
    /// Notes something. False if it was met before, or something later was.
    pub(super) fn is_new(&mut self, author: &PeerId, session: &SessionId, count: u64) -> bool {
        let of = (author.clone(), session.clone());
        if self.0.get(&of).is_some_and(|last| *last >= count) {
            return false;
        }
        if self.0.len() >= AUTHORS_MAX {
            // Clients that are told something twice take it once.
            self.0.clear();
        }
        self.0.insert(of, count);
        true
    }
}

/// Whether somebody shows themselves by the `Presence` class of automerge-repo; none if they show something else.
pub(super) fn is_present(data: &[u8]) -> Option<bool> {
    let marked = data.windows(MARK.len()).take(MARK_WITHIN);
    let is_presence = marked.into_iter().any(|bytes| bytes == MARK);
    let says_goodbye = || data.windows(GOODBYE.len()).any(|bytes| bytes == GOODBYE);
    is_presence.then(|| !says_goodbye())
}

/// What others are told of somebody who shows themselves no more, as that class would say it. It is said in a run of its own,
/// because the numbers of the client's own run are its own.
pub(super) fn goodbye(of: &PeerId, document: &DocumentId, session: SessionId) -> Bytes {
    let data = [&[0xa1][..], MARK, &[0xa1], TYPE, GOODBYE].concat();
    encode(&Message::Document {
        envelope: Envelope {
            sender: of.clone(),
            target: Some(PeerId("".into())),
        },
        document: document.clone(),
        said: Said::Ephemeral {
            session,
            count: 1,
            data: data.into(),
        },
    })
}

/// The key of what that class says, as CBOR has it: the only one of its map.
const MARK: &[u8] = b"\x6a__presence";
/// How far behind the beginning it stands at most: maps may be written with lengths of several bytes.
const MARK_WITHIN: usize = 10;
const TYPE: &[u8] = b"\x64type";
const GOODBYE: &[u8] = b"\x67goodbye";
/// Runs of programs that are remembered; then all are forgotten.
const AUTHORS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goodbye_is_one() {
        let document = DocumentId::new(&[1; 16]).unwrap();
        let session = SessionId("quire-1-7".into());
        let said = goodbye(&PeerId("ann".into()), &document, session);
        match protocol::automerge::decode(&said) {
            Ok(Message::Document {
                said: Said::Ephemeral { data, .. },
                ..
            }) => assert_eq!(is_present(&data), Some(false)),
            other => panic!("{other:?}"),
        }
        let snapshot = b"\xb9\x00\x01\x6a__presence\xb9\x00\x01\x64type\x68snapshot";
        assert_eq!(is_present(snapshot), Some(true));
        assert_eq!(is_present(b"\x61x"), None);
    }

    #[test]
    fn each_is_new_once_and_few_are_remembered() {
        let mut shown = Shown::default();
        let (ann, run) = (PeerId("ann".into()), SessionId("1".into()));
        assert!(shown.is_new(&ann, &run, 1) && shown.is_new(&ann, &run, 3));
        assert!(!shown.is_new(&ann, &run, 3) && !shown.is_new(&ann, &run, 2));
        assert!(shown.is_new(&ann, &SessionId("2".into()), 1));
        for number in 0..5_000 {
            let session = SessionId(number.to_string().into());
            assert!(shown.is_new(&PeerId("bob".into()), &session, 0));
            assert!(shown.0.len() <= AUTHORS_MAX);
        }
    }
}
