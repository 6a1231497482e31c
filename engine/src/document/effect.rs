//! What a document wants done: sent, stored, closed. The driver performs effects in their order.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use crate::change::Change;
use crate::content::Writer;
use crate::dot::{Dot, ReplicaId};
use crate::gist::Gist;
use crate::limit::Limit;
use crate::names::ConnectionId;
use crate::presence::{PresenceEntry, PresenceId, PresenceNotice, PresenceRoll};
use crate::quarantine::Quarantined;
use crate::snapshot::Snapshot;

use super::input::PushTag;

/// Collects the effects of one batch of inputs.
pub type Effects = Vec<Effect>;

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// Load the document's past; answer with `Opened` or `OpenFailed`.
    Load,
    /// Load the document's past, of which its gist will do if the store has one of all that is stored; answer as to `Load`.
    LoadGist,
    /// Load the whole log instead, without a snapshot, because the snapshot does not restore; answer as to `Load`.
    LoadLog,
    /// Show an event to some of the clients.
    Send {
        /// To whom.
        to: Audience,
        /// What.
        event: Event,
        /// The document's step up to which a client has been shown it that got the event; comes back as `seen`.
        shows: Option<u64>,
    },
    /// Let a client whose queue was dropped have events again, beginning with the next.
    Resume {
        /// Its connection.
        connection: ConnectionId,
    },
    /// Close a client's connection. No `Left` follows.
    Close {
        /// Its connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// Store changes; answer with `Committed` or `CommitFailed`. There is one append at a time.
    Append(Vec<Change>),
    /// Verify and store a snapshot; answer with `SnapshotStored` or `SnapshotFailed`.
    StoreSnapshot(Snapshot),
    /// Keep the document's gist in place of the one before, if no other change is stored by then. There is no answer: it is
    /// missed by nobody.
    StoreGist(Gist),
    /// A stored change could not be integrated; the document is open without it.
    Skipped(Dot),
    /// Keep a payload that made the content library fail, for people to look at, and give its hash with
    /// [`Loaded::quarantined`](super::Loaded::quarantined) from now on. It may come again for the same payload.
    Quarantine(Quarantined),
    /// An edit goes on where a writer is who is connected as somebody else (`WriterPolicy`). For people to look at.
    ForeignEdit {
        /// Who sent it.
        connection: ConnectionId,
        /// Where it goes on.
        writer: Writer,
        /// Whether it was refused.
        refused: bool,
        /// Whether it is the first such edit of the connection.
        first: bool,
    },
    /// The document takes no more edits: part of its log cannot be used, or it failed too often. For people to look at.
    ReadOnly {
        /// What happened, in a few words.
        reason: String,
    },
    /// Tell the other nodes of changes of this replica, each of them once and after its commit. They may get lost.
    Publish(Vec<Change>),
    /// Tell the other nodes what is new of the presence of this node's own clients. It may get lost.
    PublishPresence(Vec<PresenceNotice>),
    /// Ask the other nodes for the presence of all their clients, who each answer with a `PublishPresence`.
    AskPresence,
    /// Tell the other nodes who is with this one, and that nobody else is. It may get lost.
    PublishRoll(PresenceRoll),
    /// Ask a replica for its last word on some entries, which it answers with a `PublishPresence`.
    AskWhoIs {
        /// Which replica.
        of: ReplicaId,
        /// Whose entries.
        ids: Vec<PresenceId>,
    },
    /// Tell the other nodes to pass this on to their clients. It may get lost.
    PublishSignal(Bytes),
    /// Ask the store for the latest change of each lane, beginning after this effect; answer with `Heads` that says `asked`, or
    /// with `HeadsFailed`. There is one such question at a time.
    AskHeads,
    /// Store changes again that the store has lost, of several lanes, together or not at all; answer with `GivenBack`,
    /// `GiveBackFailed` or `GiveBackRefused`. There is one such at a time.
    GiveBack(Vec<Change>),
    /// The store has lost these changes of a lane, and nobody here has kept them as they were. What they did is stored again,
    /// as one change; who did it, and when, is lost. For people to look at.
    HistoryLost {
        /// Whose lane.
        replica: ReplicaId,
        /// Which of its changes.
        counters: RangeInclusive<u64>,
    },
    /// Load the changes of these counters of a lane from the store; answer with `Pulled` or `PullFailed`. There is one pull
    /// at a time.
    Pull {
        /// Whose lane.
        replica: ReplicaId,
        /// Which of its changes.
        counters: RangeInclusive<u64>,
    },
    /// The document is idle and all of it is stored: put it away, unless someone is just coming.
    Retire,
}

/// Who gets an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One client.
    One(ConnectionId),
    /// All clients but these, ascending.
    AllBut(Arc<[ConnectionId]>),
    /// These.
    Among(Arc<[ConnectionId]>),
}

/// What a client is told, in no dialect's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This is what the server has stored: send what it lacks.
    Have {
        /// As the engine encodes it.
        have: Bytes,
    },
    /// The answer to a pull.
    Missing {
        /// What the client lacked.
        payload: Bytes,
    },
    /// An edit by others.
    Change {
        /// One or more raw edits as one.
        payload: Bytes,
    },
    /// The client's own push is stored. Each is acknowledged by itself, as it came: clients may count, or compare bytes.
    Ack {
        /// The push's mark.
        tag: PushTag,
        /// The push's raw bytes.
        payload: Bytes,
        /// Whether any of it may not have been stored when it came.
        news: bool,
    },
    /// The client's own push was refused, and is in the document as little as before.
    Refused {
        /// The push's mark.
        tag: PushTag,
        /// Why.
        reason: CloseReason,
    },
    /// Where others are, or that they have gone.
    Presence(Vec<PresenceEntry>),
    /// It has joined, or what it may do is different now.
    Rights {
        /// Whether its edits are taken.
        may_write: bool,
    },
    /// What somebody passes on to all, unread.
    Signal(Bytes),
}

/// Why a connection is closed. Each dialect gives it the code that its clients treat rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client sent bytes that are not of its dialect.
    BadFrame,
    /// The client sent text that is none.
    BadText,
    /// The client sent an edit that does not decode or contradicts the document.
    BadUpdate,
    /// The document takes no edits, and the client sent one.
    ReadOnly,
    /// The document is as large as it may be, and the client sent an edit that adds to it.
    DocumentFull,
    /// The client sent an edit that nests shared types deeper than they may be.
    TooDeep,
    /// The client sent more in one message than is allowed.
    TooLarge,
    /// The document's name is not acceptable.
    BadName,
    /// The document is of a kind that the client's dialect does not speak.
    WrongKind,
    /// The document was deleted.
    Deleted,
    /// More edits wait for the store than may be held in memory.
    StoreBehind,
    /// The document could not be opened or has to be rebuilt.
    NotReady,
    /// The server has no room for more just now.
    Overloaded,
    /// The server is stopping.
    Stopping,
    /// The client sent an edit under the number of somebody else who is connected.
    ForeignWriter,
    /// The same client has connected anew.
    Replaced,
    /// The client has been silent for too long.
    Silent,
    /// The client showed no token that is good here.
    Unauthorized,
    /// The client may not do this.
    Forbidden,
    /// What the client may do has ended.
    Expired,
    /// What the client may do was taken away.
    Revoked,
    /// As many edit the document as may at the same time.
    TooManyEditors,
    /// There are as many of something as may be.
    TooMany(Limit),
    /// The client sends more than it may.
    Flooding(Limit),
}

impl CloseReason {
    /// Whether it is about this document and this client, and would be the same the next time: the client can go on with
    /// other documents on the same connection.
    pub fn is_about_the_document(self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::Expired
                | Self::Forbidden
                | Self::Revoked
                | Self::Deleted
                | Self::WrongKind
                | Self::BadName
                | Self::TooMany(Limit::ConnectionsPerDocument | Limit::DocumentsPerConnection)
        ) || self.is_about_the_edit()
    }

    /// Whether it is about one edit, which would be refused the next time too, and not about its author or the moment.
    pub fn is_about_the_edit(self) -> bool {
        matches!(
            self,
            Self::BadUpdate | Self::ReadOnly | Self::DocumentFull | Self::TooDeep
        ) || self.is_about_rights()
    }

    /// Whether it is about what the author of an edit may do.
    pub fn is_about_rights(self) -> bool {
        matches!(self, Self::Forbidden | Self::TooManyEditors)
    }
}
