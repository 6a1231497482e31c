//! What an ordered document wants done: sent, stored, closed. The driver performs effects in their order.

use std::sync::Arc;

use crate::change::Change;
use crate::document::CloseReason;
use crate::names::ConnectionId;
use crate::roster::RosterWord;

use super::input::RequestTag;
use super::past::Broken;
use super::placing::Misplaced;
use super::presence::Presence;
use super::recognising::Sought;
use super::record::Record;
use super::state::State;

/// Collects the effects of one batch of inputs.
pub type OrderedEffects = Vec<OrderedEffect>;

/// One thing to do.
#[derive(Debug)]
pub enum OrderedEffect {
    /// Load the document's past; answer with `Opened` or `OpenFailed`.
    Load,
    /// Tell clients something.
    Send {
        /// Whom, ascending.
        to: Vec<ConnectionId>,
        /// What.
        event: OrderedEvent,
    },
    /// Close a client's connection. No `Left` follows.
    Close {
        /// Its connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// Store changes, each an operation in the order of their versions, all or none, if the store has no other operation
    /// on any of these versions and none of the same names by the same authors. Answer with `Appended`, `Overtaken`,
    /// `NameKnown`, `AppendRefused` or `AppendFailed`. There is one append at a time.
    Append(Vec<Change>),
    /// Read the operations from one version up to another, or all from there on; answer with `Read` or `ReadFailed`. There
    /// is one at a time.
    Read {
        /// The first.
        from: u64,
        /// The one behind the last; none for all that there are.
        to: Option<u64>,
    },
    /// Look for an operation by its name, and read the versions that [`Sought::versions`] tells; answer with `Found` or
    /// `SeekFailed`. There is one at a time.
    Seek(Sought),
    /// The store has lost something that it had acknowledged: names may be given again by those who open documents under this
    /// replica id from now on.
    Lost,
    /// Store changes again as they were: some of them are stored, others the store has lost. Answer with `GivenBack`,
    /// `GiveBackFailed` or `GiveBackRefused`. There is one at a time, and no append meanwhile.
    GiveBack(Vec<Change>),
    /// Tell the other nodes of changes of this replica, each of them once and after its commit. They may get lost.
    Publish(Vec<Change>),
    /// Ask the other nodes to let this one append first: it was overtaken. It may get lost.
    AskForWay,
    /// Tell the other nodes something of presence. It may get lost.
    PublishPresence(RosterWord),
    /// Ask the other nodes who is with them, who each answer with a `PublishPresence`.
    AskPresence,
    /// Store the document as it is at a version, for the next opening; answer with `SnapshotStored` or `SnapshotFailed`.
    StoreSnapshot(State),
    /// Part of the log cannot be gone on from: the document is not served. For people to look at.
    Unusable(Broken),
    /// The document is idle and all of it is stored: put it away, unless someone is just coming.
    Retire,
}

/// What a client is told, in no dialect's words.
#[derive(Clone, Debug)]
pub enum OrderedEvent {
    /// An operation that makes the next version: of others, or what the client has missed.
    Operation(Arc<Record>),
    /// The answer to a question without a version: the whole document.
    Document {
        /// The question's mark.
        tag: RequestTag,
        /// The document.
        state: State,
    },
    /// The answer to a question with a version, behind what came since; or to one that has nothing else to be told.
    Done {
        /// The question's mark.
        tag: RequestTag,
    },
    /// The answer to who catches up, behind some of what came since: there is more.
    More {
        /// The question's mark.
        tag: RequestTag,
    },
    /// Where somebody is, or that he is gone.
    Presence(Arc<Presence>),
    /// The client's own operation is stored. What it had missed came before.
    Committed {
        /// The request's mark.
        tag: RequestTag,
        /// The operation.
        version: u64,
    },
    /// The client's own operation was not taken.
    Refused {
        /// The request's mark.
        tag: RequestTag,
        /// Why.
        why: Misplaced,
    },
    /// The client may not do that.
    Forbidden {
        /// The request's mark.
        tag: RequestTag,
    },
    /// What came since the version that the client has is too much to send, or not kept any more; or the store has lost what led
    /// there, and the document is at an earlier one. The client has to begin anew with the whole document.
    Reset {
        /// The question's mark.
        tag: RequestTag,
        /// The version that the client has.
        had: u64,
        /// The document.
        state: State,
    },
}
