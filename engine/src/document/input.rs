//! What a document is told: by clients, through their dialect's adapter, and by the world, through its driver.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::change::{Change, StoredChange};
use crate::clock::VectorClock;
use crate::dot::ReplicaId;
use crate::gist::Gist;
use crate::grant::{Access, Rights};
use crate::names::{Author, ConnectionId, Kind};
use crate::presence::{PresenceEntry, PresenceId, PresenceNotice, PresenceRoll};
use crate::quarantine::PayloadHash;
use crate::roster::RosterWord;
use crate::snapshot::Snapshot;

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// The store gave the document's past.
    Opened(Loaded),
    /// The store could not give it.
    OpenFailed,
    /// A client came.
    Joined(Joining),
    /// A client showed a newer token, or what it may do was changed.
    Granted {
        /// Its connection.
        connection: ConnectionId,
        /// What it may do from now on.
        access: Access,
        /// When that ends, in monotonic milliseconds; never if none is said.
        until_ms: Option<u64>,
    },
    /// A client's rights were taken away.
    Revoked {
        /// Its connection.
        connection: ConnectionId,
    },
    /// A client's connection closed.
    Left {
        /// Its connection.
        connection: ConnectionId,
    },
    /// A client asks for something.
    Intent {
        /// Its connection.
        connection: ConnectionId,
        /// What it asks for.
        intent: Intent,
        /// The last step of the document that it had been shown when it asked.
        seen: Option<u64>,
    },
    /// Something is about to come that needs the content: it is loaded, if it is not here. A driver that says so first can take
    /// note of what comes when it is about to be taken in.
    ContentWanted,
    /// A client that had stopped reading, and whose queue was dropped, reads again.
    Drained {
        /// Its connection.
        connection: ConnectionId,
        /// The last step of the document that it was shown before the queue was dropped.
        seen: Option<u64>,
    },
    /// The store committed the changes of the last append.
    Committed {
        /// The counter of the last change that is now stored.
        through: u64,
    },
    /// The last append failed, or nobody knows whether it did.
    CommitFailed,
    /// The store will never take the last append: it has other changes of these names, or lacks earlier ones. If it has not
    /// lost them, only what it has can be gone on from: everyone is closed, retryably, and the document is put away.
    AppendRefused,
    /// A snapshot was stored and read back.
    SnapshotStored,
    /// A snapshot could not be stored or did not read back.
    SnapshotFailed,
    /// Somebody who is no client passes this on to all clients, as it is. It is not kept.
    Signal(Bytes),
    /// The bus brought changes of other replicas: in any order, perhaps again, perhaps not all.
    Heard {
        /// The changes.
        changes: Vec<Change>,
    },
    /// The bus brought what another replica says of the presence of its clients.
    HeardPresence {
        /// Who says it.
        from: ReplicaId,
        /// What it says.
        notices: Vec<PresenceNotice>,
    },
    /// The bus brought another replica's question who is here.
    PresenceAsked,
    /// The bus brought another replica's roll of its clients.
    HeardRoll {
        /// Whose it is.
        from: ReplicaId,
        /// What it says.
        roll: PresenceRoll,
    },
    /// The bus brought a question for the last word on some entries.
    WhoIsAsked {
        /// Which replica is asked.
        of: ReplicaId,
        /// Whose entries.
        ids: Vec<PresenceId>,
    },
    /// The bus brought what another replica says of presence in an ordered document. One that merges makes nothing of it.
    HeardRoster(RosterWord),
    /// The bus brought another replica's wish to append to an ordered document first. To one that merges it is nothing either.
    WayAsked(ReplicaId),
    /// Words of other nodes may have got lost: of their clients' presence, only that stays which they say again.
    OthersDoubted,
    /// These replicas are not seen any more. The same is done with what their clients show.
    ReplicasGone(Arc<[ReplicaId]>),
    /// The store gave the changes of the last pull, or those of them that it has and can give.
    Pulled(Vec<StoredChange>),
    /// The store could not answer the last pull.
    PullFailed,
    /// The store's latest change of each lane, as it is to be looked up every second or two while the document is shared, and
    /// whenever the document asks.
    Heads {
        /// The latest change of each lane.
        heads: VectorClock,
        /// Whether this is the answer to `AskHeads`, and was looked up after that.
        asked: bool,
    },
    /// The store could not answer `AskHeads`.
    HeadsFailed,
    /// The store has what it was given back.
    GivenBack,
    /// The store could not take what it was to be given back, or nobody knows whether it did.
    GiveBackFailed,
    /// The store will never take what it was to be given back: it has other changes of these names.
    GiveBackRefused,
    /// Some payloads are kept out of the document, because of what they did elsewhere.
    KeptOut {
        /// Those that are in no log, and are refused whoever brings them.
        payloads: BTreeSet<PayloadHash>,
        /// Those that are in its log. A document that may show one of them is put away, to be opened without it.
        in_log: BTreeSet<PayloadHash>,
    },
    /// The document was deleted.
    Deleted,
    /// The server is stopping: store what is not stored, then let everyone go.
    Drain,
    /// Nothing but that time has passed.
    Tick,
}

impl Input {
    /// Whether it is taken only when there is content, in the order in which such inputs came.
    pub(super) fn is_deferrable(&self) -> bool {
        matches!(
            self,
            Self::Joined(_)
                | Self::Granted { .. }
                | Self::Revoked { .. }
                | Self::Left { .. }
                | Self::Intent { .. }
                | Self::Drained { .. }
                | Self::Heard { .. }
                | Self::HeardPresence { .. }
                | Self::PresenceAsked
                | Self::HeardRoll { .. }
                | Self::WhoIsAsked { .. }
                | Self::OthersDoubted
                | Self::ReplicasGone(_)
                | Self::Pulled(_)
                | Self::PullFailed
                | Self::Heads { .. }
                | Self::HeadsFailed
        )
    }

    /// The client that it comes from or is about, if it is one that has joined before.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Granted { connection, .. }
            | Self::Revoked { connection }
            | Self::Left { connection }
            | Self::Intent { connection, .. }
            | Self::Drained { connection, .. } => Some(*connection),
            _ => None,
        }
    }
}

/// A client that comes.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Its connection.
    pub connection: ConnectionId,
    /// The kind of document that it expects.
    pub kind: Kind,
    /// What it may do.
    pub rights: Rights,
    /// Whether it counts what it sends and is not stored. It is told of each edit whether it was taken, stays when one was
    /// not, and is asked in turn whenever it asks. Others are closed when an edit of theirs is refused.
    pub counts: bool,
}

impl Joining {
    /// A client that may do everything, and is closed when an edit of its own is refused.
    pub fn freely(connection: ConnectionId, kind: Kind, author: Option<Author>) -> Self {
        Self {
            connection,
            kind,
            rights: Rights::all(author),
            counts: false,
        }
    }
}

/// What a client asks of a document, in no dialect's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Send me what I lack; this is what I have.
    Pull {
        /// What the client has, as the engine encodes it.
        have: Bytes,
    },
    /// Send me all there is, as you keep it: I have nothing, and read that.
    PullKept,
    /// Take this edit.
    Push {
        /// The client's raw bytes.
        payload: Bytes,
        /// Comes back with the acknowledgement.
        tag: PushTag,
    },
    /// This is where I am.
    ShowPresence(Vec<PresenceEntry>),
    /// Who is here?
    QueryPresence,
    /// Pass this on to the others, as it is. It is not kept.
    Signal(Bytes),
    /// Pass something on to the others, as it is, and show what it comes to those who ask who is here.
    Announce {
        /// What is passed on.
        signal: Bytes,
        /// Where the client is now.
        entry: PresenceEntry,
    },
}

/// A dialect's own mark on a push, handed back unread with its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushTag(pub u8);

impl PushTag {
    /// In every dialect: the client was asked for what the server lacks.
    pub const ANSWER: Self = Self(1);
}

/// A document's past, as the store gives it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The document's kind; none if the store has never heard of it.
    pub kind: Option<Kind>,
    /// Whether the document was deleted.
    pub deleted: bool,
    /// What there is, as the document's gist says, if that was asked for and is of all that is stored. Then neither a snapshot
    /// nor changes are given.
    pub gist: Option<Bytes>,
    /// The latest snapshot that can be trusted.
    pub snapshot: Option<Snapshot>,
    /// The changes that the snapshot does not cover, in timeline order.
    pub changes: Vec<StoredChange>,
    /// The latest change of each lane, including any that were too damaged to give.
    pub heads: VectorClock,
    /// The payloads that are kept out of the document.
    pub quarantined: BTreeSet<PayloadHash>,
}

impl From<Gist> for Loaded {
    fn from(gist: Gist) -> Self {
        Self {
            kind: Some(gist.kind),
            gist: Some(gist.have),
            heads: gist.clock,
            ..Self::default()
        }
    }
}
