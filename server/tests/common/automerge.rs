//! A peer of automerge-repo that says what it is told to, message by message, and documents for it.

use automerge::{AutoCommit, ROOT, transaction::Transactable};
use bytes::Bytes;
use protocol::automerge::{
    ChangeHash, DocumentId, Envelope, Flags, Have, Message, Metadata, PeerId, Said, SessionId,
    Showing, SyncMessage, decode, encode,
};

use super::sharedb::masked;
use super::wire::{Server, Socket};

/// A peer that says what it is told to.
pub(crate) struct Peer {
    pub(crate) socket: Socket,
    pub(crate) own: PeerId,
    pub(crate) server: PeerId,
}

impl Peer {
    pub(crate) fn join(server: &Server, name: &str) -> Self {
        Self::join_at(server, name, "/automerge/team")
    }

    pub(crate) fn join_at(server: &Server, name: &str, path: &str) -> Self {
        let (peer, metadata) = Self::meet(server, name, path);
        assert_eq!(metadata.is_ephemeral, Some(true), "in memory");
        peer
    }

    /// One that wants to hear why something is refused.
    pub(crate) fn curious(server: &Server, name: &str, path: &str) -> Self {
        let metadata = Metadata {
            reads_errors: true,
            ..Metadata::default()
        };
        Self::introduce(server, name, path, metadata).0
    }

    /// Joins, and says what the server says of itself.
    pub(crate) fn meet(server: &Server, name: &str, path: &str) -> (Self, Metadata) {
        Self::introduce(server, name, path, Metadata::default())
    }

    pub(crate) fn introduce(
        server: &Server,
        name: &str,
        path: &str,
        own: Metadata,
    ) -> (Self, Metadata) {
        let mut peer = Self {
            socket: Socket::open(server, path),
            own: PeerId(name.into()),
            server: PeerId("".into()),
        };
        peer.say(&joining(name, own, &["1"]));
        match peer.next() {
            Message::Peer {
                envelope,
                metadata,
                version,
            } => {
                assert_eq!(
                    (&*version, envelope.target.as_ref()),
                    ("1", Some(&peer.own))
                );
                peer.server = envelope.sender;
                (peer, metadata)
            }
            other => panic!("{other:?} is no welcome"),
        }
    }

    pub(crate) fn say(&mut self, message: &Message) {
        self.say_bytes(&encode(message));
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.send(&masked(0x82, bytes)).unwrap();
    }

    pub(crate) fn tell(&mut self, document: &DocumentId, said: Said) {
        let message = Message::Document {
            envelope: Envelope {
                sender: self.own.clone(),
                target: Some(self.server.clone()),
            },
            document: document.clone(),
            said,
        };
        self.say(&message);
    }

    pub(crate) fn requests(&mut self, document: &DocumentId) {
        let nothing = SyncMessage {
            have: vec![Have::default()],
            ..SyncMessage::default()
        };
        self.tell(document, Said::Request(nothing.write()));
    }

    /// Says that it has nothing and reads version 2, and gives the answer.
    pub(crate) fn fetches(&mut self, document: &DocumentId) -> SyncMessage {
        let nothing = SyncMessage {
            have: vec![Have::default()],
            flags: Some(Flags::default()),
            ..SyncMessage::default()
        };
        self.tell(document, Said::Request(nothing.write()));
        self.hears_sync(document)
    }

    /// Shows something by the `Presence` class, as the message of such a number.
    pub(crate) fn shows(&mut self, document: &DocumentId, count: u64, showing: &Showing) {
        let session = SessionId("run".into());
        let data = showing.write();
        let said = Said::Ephemeral {
            session,
            count,
            data,
        };
        self.tell(document, said);
    }

    /// Who shows what, and the run and the number that it is said in.
    pub(crate) fn hears_shown(
        &mut self,
        document: &DocumentId,
    ) -> (String, Showing, SessionId, u64) {
        match self.next() {
            Message::Document {
                envelope,
                document: about,
                said:
                    Said::Ephemeral {
                        session,
                        count,
                        data,
                    },
            } => {
                assert_eq!(envelope.target.as_ref(), Some(&self.own));
                assert_eq!(&about, document);
                let showing = Showing::read(&data).unwrap();
                (envelope.sender.0.into(), showing, session, count)
            }
            other => panic!("{other:?} shows nothing"),
        }
    }

    /// Sends all changes of a document.
    pub(crate) fn sends(&mut self, document: &DocumentId, doc: &mut AutoCommit) {
        let message = all_of(doc);
        self.tell(document, Said::Sync(message.write()));
    }

    pub(crate) fn next(&mut self) -> Message {
        loop {
            match self.socket.next_frame() {
                Some((2, payload)) => return decode(&payload.into()).unwrap(),
                Some((8, payload)) => {
                    panic!("closed: {:?}", String::from_utf8_lossy(&payload[2..]))
                }
                Some(_) => {}
                None => panic!("the connection has ended"),
            }
        }
    }

    /// What is said next, which is about a document.
    pub(crate) fn hears(&mut self, document: &DocumentId) -> Said {
        match self.next() {
            Message::Document {
                envelope,
                document: about,
                said,
            } => {
                assert_eq!(envelope.target.as_ref(), Some(&self.own));
                assert_eq!(&about, document);
                said
            }
            other => panic!("{other:?} is about no document"),
        }
    }

    pub(crate) fn hears_sync(&mut self, document: &DocumentId) -> SyncMessage {
        match self.hears(document) {
            Said::Sync(data) => SyncMessage::read(&data).unwrap(),
            other => panic!("{other:?} is no sync message"),
        }
    }

    /// Waits until the server says that it has these heads, and gives all changes that came before.
    pub(crate) fn hears_heads(
        &mut self,
        document: &DocumentId,
        heads: &[ChangeHash],
    ) -> Vec<Bytes> {
        let mut changes = Vec::new();
        loop {
            let message = self.hears_sync(document);
            changes.extend(message.changes);
            if message.heads == heads {
                return changes;
            }
        }
    }

    /// Whether nothing was said until the answer to a question about another document.
    pub(crate) fn is_silent(&mut self) -> bool {
        let other = id(250);
        self.requests(&other);
        self.hears(&other) == Said::Unavailable
    }
}

pub(crate) fn joining(name: &str, metadata: Metadata, versions: &[&str]) -> Message {
    Message::Join {
        sender: PeerId(name.into()),
        metadata,
        versions: versions.iter().map(|version| (*version).into()).collect(),
    }
}

pub(crate) fn id(number: u8) -> DocumentId {
    DocumentId::new(&[number; 16]).unwrap()
}

pub(crate) fn typed(key: &str) -> AutoCommit {
    let mut doc = AutoCommit::new();
    type_in(&mut doc, key);
    doc
}

pub(crate) fn type_in(doc: &mut AutoCommit, key: &str) {
    doc.put(ROOT, key, 1).unwrap();
    doc.commit();
}

pub(crate) fn heads_of(doc: &mut AutoCommit) -> Vec<ChangeHash> {
    let heads = doc.get_heads().into_iter();
    let mut heads: Vec<_> = heads.map(|head| ChangeHash(head.0)).collect();
    heads.sort_unstable();
    heads
}

pub(crate) fn all_of(doc: &mut AutoCommit) -> SyncMessage {
    let heads = heads_of(doc);
    let changes = doc.get_changes(&[]).into_iter();
    SyncMessage {
        heads,
        have: vec![Have::default()],
        changes: changes
            .map(|change| Bytes::copy_from_slice(change.raw_bytes()))
            .collect(),
        ..SyncMessage::default()
    }
}

/// The document that these changes come to.
pub(crate) fn made_of(changes: &[Bytes]) -> AutoCommit {
    let mut doc = AutoCommit::new();
    doc.load_incremental(&changes.concat()).unwrap();
    doc
}
