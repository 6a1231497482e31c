//! The bus: what nodes that share a store tell each other, so that nobody has to wait for the next look at the store.
//!
//! Nothing on it is the truth. A [`Word`] may be lost, repeated, late, or come before an earlier one; everything that it
//! hurries along is found in the store, or said again. So no caller waits for it: [`Bus::say`] returns at once and answers
//! nothing. What a bus keeps ([`Bus::keep_hot`], [`Bus::beat`]) may be gone at any moment.

pub(crate) mod encoding;
pub(crate) mod fields;
pub(crate) mod keeping;

mod figures;
pub use figures::BusFigures;
pub(crate) use figures::Counters;

mod memory;
pub use memory::{MemoryBus, MemoryBusHub};

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{
    Change, DocumentKey, PayloadHash, PresenceId, PresenceNotice, PresenceRoll, ReplicaId,
    RosterWord, Snapshot, VectorClock,
};
use thiserror::Error;
use tokio::sync::watch;

/// A future that a bus returns. It never takes long: what cannot be had soon is an error.
pub type BusAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send + 'a>>;

/// Carries words between nodes. Open and slow, hence `dyn`.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Who is told what comes. Called once, before anything is listened to; what comes earlier is lost.
    fn attach(&self, ear: Ear);

    /// From now on words about a document come here.
    fn listen(&self, document: &DocumentKey);

    /// From now on words about a document need not come here.
    fn ignore(&self, document: &DocumentKey);

    /// Tells the other nodes something: those that listen to its document, or all of them. Never the node that says it.
    /// What one node says about one topic comes in order for as long as nothing gets lost. What cannot be sent soon is
    /// dropped, the oldest first, and a change that is very large is not sent at all; memory is bounded.
    fn say(&self, topic: &Topic, word: Word);

    /// Whether words get through just now.
    fn state(&self) -> BusState {
        self.states().borrow().clone()
    }

    /// The same for whoever waits for it to change. When it is [`BusState::Up`] again, all that is listened to is heard, and
    /// words have been lost before: compare heads at once.
    fn states(&self) -> watch::Receiver<BusState>;

    /// What has become of words so far.
    fn figures(&self) -> BusFigures;

    /// Enters a node in the register for [`BEAT_LASTS`]; said again and again for as long as the node serves.
    fn beat(&self, node: NodeEntry);

    /// Takes a node out of the register at once.
    fn leave(&self, node: &str) -> BusAnswer<'_, ()>;

    /// The nodes in the register, in the order of their names.
    fn nodes(&self) -> BusAnswer<'_, Vec<NodeEntry>>;

    /// Keeps a snapshot for a while, so that another node can open its document without reading much from the store.
    fn keep_hot(&self, snapshot: Snapshot);

    /// A snapshot that was kept, if it still is, whole.
    fn hot(&self, document: &DocumentKey) -> BusAnswer<'_, Option<Snapshot>>;

    /// Says how many of something this node has (connections of a user, say), for a few seconds, and answers with how many
    /// the other nodes have said that they have. The error comes within a moment if that cannot be known: whoever asks then
    /// goes by what it has itself, so that a limit never keeps out everybody.
    fn share_count(&self, node: &str, what: &str, here: u64) -> BusAnswer<'_, u64>;

    /// Says what is still to be said, as far as that takes no more than a moment, and lets go of everything.
    fn close(&self) -> BusAnswer<'_, ()>;
}

/// Where words go that come from other nodes. Must return at once.
pub type Ear = Arc<dyn Fn(Topic, Word) + Send + Sync>;

/// What a word is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One document; only nodes that listen to it hear of it.
    Document(DocumentKey),
    /// All nodes, whatever they have open.
    Cluster,
}

/// How long a beat keeps a node in the register. Nodes beat every half a second; one that misses several may be gone.
pub const BEAT_LASTS: Duration = Duration::from_secs(2);

/// What one node tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Changes of the node's own lane, each of them committed.
    Changes(Vec<Change>),
    /// News of the presence of the node's own clients.
    Presence {
        /// Who says it.
        from: ReplicaId,
        /// What it says.
        notices: Vec<PresenceNotice>,
    },
    /// Who is here? Everybody answers with the presence of all their clients.
    PresenceAsked,
    /// Who is with a node, and nobody else.
    PresenceRoll {
        /// Which node.
        from: ReplicaId,
        /// Its roll.
        roll: PresenceRoll,
    },
    /// Somebody lacks the last word on these: their node says it again.
    WhoIsAsked {
        /// Which node is asked.
        of: ReplicaId,
        /// Whose entries.
        ids: Vec<PresenceId>,
    },
    /// Of those who show themselves in an ordered document or a channel.
    Roster(RosterWord),
    /// A node was overtaken in an ordered document, and asks the others to let it append first.
    WayAsked {
        /// Which node.
        by: ReplicaId,
    },
    /// To be passed on to all clients, unread. It is not kept.
    Signal(Bytes),
    /// The document was deleted.
    Deleted,
    /// Something is let into the document again that was kept out: it is to be opened anew.
    Reopen,
    /// Something of what the topic stands for has changed, and is found in the store.
    Stirred,
    /// A payload is kept out of the document from now on.
    KeptOut {
        /// Which.
        payload: PayloadHash,
        /// Whether it is in the document's log, so that others may show it.
        in_log: bool,
    },
    /// The revocations in the store have changed.
    Revoked,
    /// How far are these documents with you? Every node answers of those that it has open.
    ClocksAsked {
        /// What the answers name it by.
        question: u64,
        /// Which documents.
        documents: Vec<DocumentKey>,
    },
    /// How far documents are with the node that says it.
    Clocks {
        /// Which question it answers.
        question: u64,
        /// Who says it.
        from: ReplicaId,
        /// Those that it has open.
        clocks: Vec<OpenClock>,
    },
    /// A node is to take no new clients and to let go of those that it has, or not any more.
    Drain {
        /// What the node is called.
        node: String,
        /// Whether it is to; else it takes clients again.
        begins: bool,
    },
}

/// How far a document is with a node that has it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenClock {
    /// The document.
    pub document: DocumentKey,
    /// The latest change of each lane that it shows to its clients.
    pub clock: VectorClock,
    /// Changes that have come and wait for what they build on.
    pub held: u64,
}

/// Whether words get through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusState {
    /// As far as is known, they do.
    Up,
    /// They do not.
    Down {
        /// Why, in a few words.
        reason: String,
    },
}

/// A bus that could not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("bus is unavailable: {0}")]
pub struct BusError(pub String);

/// A node as it enters itself in the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// What it is called; unlike every other.
    pub name: String,
    /// The replica id under which it opens documents now.
    pub replica: ReplicaId,
    /// Those under which it has documents open that it opened before it took that one.
    pub earlier: Vec<ReplicaId>,
    /// Where clients and load balancers reach it, if somebody said so.
    pub address: Option<String>,
    /// How much it takes compared with others.
    pub weight: u32,
    /// What it has at hand.
    pub load: NodeLoad,
    /// Whether it is about to stop, and wants no new clients.
    pub is_draining: bool,
    /// The program's version.
    pub version: String,
}

impl NodeEntry {
    /// All of its replica ids.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.earlier.iter().copied().chain([self.replica])
    }
}

/// What a node has at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLoad {
    /// Open connections.
    pub connections: u64,
    /// Documents in memory.
    pub documents: u64,
}
