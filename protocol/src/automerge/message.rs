//! The messages of automerge-repo.

use bytes::Bytes;

use super::document_id::DocumentId;
use super::hash::ChangeHash;

/// The version of the protocol, the only one there is.
pub const PROTOCOL: &str = "1";

/// What a client or a server calls itself while it runs. It is its own word, and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub Box<str>);

/// What a store of documents is called, which several peers may share and which stays when they begin anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageId(pub Box<str>);

/// Which run of its program an ephemeral message comes from: its numbers rise within one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub Box<str>);

/// What a peer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its store, if it has one.
    pub storage: Option<StorageId>,
    /// Whether that forgets what was said; none if it says nothing of it.
    pub is_ephemeral: Option<bool>,
    /// Whether it stays when it is told that something was refused. A word of our own: samod closes its connection.
    pub reads_errors: bool,
}

/// Who says a message, and to whom. Of a message that is passed on it is who said it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who says it.
    pub sender: PeerId,
    /// To whom; clients need not say that there is only one.
    pub target: Option<PeerId>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A client says who it is, before all else.
    Join {
        /// What it calls itself.
        sender: PeerId,
        /// What it says of itself.
        metadata: Metadata,
        /// The versions of the protocol that it speaks: [`PROTOCOL`] if it does not say.
        versions: Vec<Box<str>>,
    },
    /// The server's answer.
    Peer {
        /// Who is with whom.
        envelope: Envelope,
        /// What the server says of itself.
        metadata: Metadata,
        /// The version that is spoken from now on.
        version: Box<str>,
    },
    /// A client goes. Those of today close the connection instead.
    Leave {
        /// Who goes.
        sender: PeerId,
    },
    /// The server is about to close the connection; or has refused something, to a client that reads that.
    Error {
        /// Who says it, and to whom.
        envelope: Envelope,
        /// Why, for people.
        message: Box<str>,
    },
    /// Something about a document.
    Document {
        /// Who says it, and to whom.
        envelope: Envelope,
        /// Which document.
        document: DocumentId,
        /// What is said.
        said: Said,
    },
    /// The stores of which a client wants to hear what heads they have.
    Subscribe {
        /// Who says it, and to whom.
        envelope: Envelope,
        /// Stores to hear of.
        add: Vec<StorageId>,
        /// Stores to hear of no longer.
        remove: Vec<StorageId>,
    },
    /// What heads of a document some stores have.
    Heads {
        /// Who says it, and to whom.
        envelope: Envelope,
        /// Which document.
        document: DocumentId,
        /// Which stores, and which heads.
        stores: Vec<StoredHeads>,
    },
    /// A message of a kind that is not known, and which stock clients ignore.
    Unknown {
        /// What its kind is called.
        kind: Box<str>,
    },
}

/// What is said about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The client has nothing of it: what is there is to be sent, or that there is nothing. Holds a sync message.
    Request(Bytes),
    /// A sync message.
    Sync(Bytes),
    /// There is no such document, or not for this client.
    Unavailable,
    /// Something for all who have the document open, which nobody stores.
    Ephemeral {
        /// Which run of its author's program it comes from.
        session: SessionId,
        /// Its number within that.
        count: u64,
        /// A value of CBOR ([`super::check_value`]).
        data: Bytes,
    },
}

/// The heads of a document in one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHeads {
    /// Which store.
    pub storage: StorageId,
    /// The heads.
    pub heads: Vec<ChangeHash>,
    /// When it had them, in milliseconds since the Unix epoch: the latest word counts.
    pub timestamp_ms: u64,
}
