//! What an ordered document is told: by clients, through their dialect's adapter, and by the world, through its driver.

use std::sync::Arc;

use crate::change::Change;
use crate::clock::VectorClock;
use crate::dot::ReplicaId;
use crate::grant::{Access, Rights};
use crate::names::ConnectionId;
use crate::roster::RosterWord;

use super::past::OrderedPast;
use super::placing::Deed;
use super::presence::ShownPresence;
use super::record::OperationName;

/// One thing that happened.
#[derive(Debug)]
pub enum OrderedInput {
    /// The store gave the document's past.
    Opened(OrderedPast),
    /// The store could not give it.
    OpenFailed,
    /// A client came.
    Joined {
        /// Its connection.
        connection: ConnectionId,
        /// What it may do.
        rights: Rights,
    },
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
    /// A client's connection closed, or it wants nothing of the document any more.
    Left {
        /// Its connection.
        connection: ConnectionId,
    },
    /// A client asks for something.
    Asked {
        /// Its connection.
        connection: ConnectionId,
        /// What it asks for.
        request: Request,
    },
    /// The store took the last append.
    Appended,
    /// The last append failed, or nobody knows whether it did.
    AppendFailed,
    /// The store has other operations where the last append was to begin, and none of it was taken: these, from the last one
    /// before that place on.
    Overtaken(Vec<Change>),
    /// Another node was overtaken, and asks to be let append first.
    WayAsked(ReplicaId),
    /// The store has an operation of a name that was in the last append, committed on this version, and none of the append
    /// was taken.
    NameKnown {
        /// Which operation of the append, from 0.
        index: usize,
        /// Where the known one is.
        version: u64,
    },
    /// The store has taken what it was given back.
    GivenBack,
    /// It has not, or nobody knows whether it has.
    GiveBackFailed,
    /// It has something else in that place.
    GiveBackRefused,
    /// The store will never take the last append, for another reason.
    AppendRefused,
    /// The bus brought changes of other replicas: in any order, perhaps again, perhaps not all.
    Heard(Vec<Change>),
    /// The store gave what was asked for by [`OrderedEffect::Read`](super::OrderedEffect::Read).
    Read(Vec<Change>),
    /// The store could not give it.
    ReadFailed,
    /// The store has the operation that was asked for by [`OrderedEffect::Seek`](super::OrderedEffect::Seek): it is the last of
    /// these. None if it has no such.
    Found(Vec<Change>),
    /// The store could not say.
    SeekFailed,
    /// The store's latest change of each lane, as it is to be looked up every second or two while the document is shared.
    Heads(VectorClock),
    /// Another node says something of presence.
    HeardPresence(RosterWord),
    /// Another node asks who is here.
    PresenceAsked,
    /// Words of the other nodes may have been lost: the bus was away.
    OthersDoubted,
    /// These replicas are not there any more.
    ReplicasGone(Arc<[ReplicaId]>),
    /// A snapshot was stored and read back.
    SnapshotStored,
    /// A snapshot could not be stored or did not read back.
    SnapshotFailed,
    /// The document was deleted for good, with its history.
    Deleted,
    /// The server is stopping: store what is not stored, then let everyone go.
    Drain,
    /// Nothing but that time has passed.
    Tick,
}

/// What a client asks of an ordered document. The tag comes back with the answer, of which each request gets one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Send me the document.
    Fetch {
        /// Comes back with the answer.
        tag: RequestTag,
        /// The version that I have; then only what came since.
        from: Option<u64>,
    },
    /// Send me some of what came since, and say whether that is all: I am slow.
    CatchUp {
        /// Comes back with the answer.
        tag: RequestTag,
        /// The version that I have.
        from: u64,
    },
    /// Send me the document, or what came since, and from now on what comes.
    Subscribe {
        /// Comes back with the answer.
        tag: RequestTag,
        /// The version that I have; then only what came since.
        from: Option<u64>,
    },
    /// No more of what comes.
    Unsubscribe {
        /// Comes back with the answer.
        tag: RequestTag,
    },
    /// Do this.
    Submit {
        /// Comes back with the answer.
        tag: RequestTag,
        /// What I call it.
        name: OperationName,
        /// The version that I made it on; none to create what I have not looked for.
        made_on: Option<u64>,
        /// What to do.
        deed: Deed,
        /// Whether an edit that changes nothing, or does not by now, is to be refused instead of stored.
        skips_noop: bool,
    },
    /// This is where I am.
    ShowPresence {
        /// Comes back with the answer.
        tag: RequestTag,
        /// Where.
        shown: ShownPresence,
    },
    /// Who is here? And from now on, who comes, moves and leaves.
    SubscribePresence {
        /// Comes back with the answer.
        tag: RequestTag,
    },
    /// No more of that.
    UnsubscribePresence {
        /// Comes back with the answer.
        tag: RequestTag,
    },
}

/// A dialect's own mark on a request, handed back unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestTag(pub u64);

impl Request {
    /// Its tag.
    pub fn tag(&self) -> RequestTag {
        match *self {
            Self::Fetch { tag, .. }
            | Self::CatchUp { tag, .. }
            | Self::Subscribe { tag, .. }
            | Self::Unsubscribe { tag }
            | Self::Submit { tag, .. }
            | Self::ShowPresence { tag, .. }
            | Self::SubscribePresence { tag }
            | Self::UnsubscribePresence { tag } => tag,
        }
    }
}
