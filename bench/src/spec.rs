//! What a load generator is told, and what it answers: one [`LoadSpec`] in, one [`LoadResult`] out, both JSON.
//!
//! The generator reads the specification as one line of its standard input and prints one [`Progress`] per line. After
//! `ready` (all are connected and have the start of their document) it waits for another line, of any content, so that
//! whoever started it can look at the server first.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// One run against one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadSpec {
    /// Where the server listens: `ws://127.0.0.1:1234`.
    pub(crate) url: String,
    pub(crate) dialect: Dialect,
    pub(crate) workload: Workload,
    /// How long edits are sent, or how long nothing happens in [`Workload::Idle`].
    pub(crate) seconds: f64,
    /// Decides who types what where.
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) options: Options,
}

/// What seldom differs from run to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    /// Begins the names of all documents, so that runs against one server do not meet.
    pub(crate) prefix: String,
    /// The length of the text that each document begins with.
    pub(crate) characters: u32,
    /// When nothing else paces a client: how many of its edits may be under way. An edit is, until everyone else has it and
    /// it was acknowledged to its author.
    pub(crate) window: u32,
    /// Whether what Quire's REST API says of the content is compared as well.
    pub(crate) rest: bool,
    /// How long connecting may take, and how long the end is waited for after the last edit.
    pub(crate) patience_seconds: f64,
}

impl LoadSpec {
    /// How long is waited for what should come.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.options.patience_seconds)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "bench-".to_owned(),
            characters: 1_000,
            window: 1,
            rest: false,
            patience_seconds: 20.0,
        }
    }
}

/// How the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// y-websocket: the document is the path of the address.
    YWebsocket,
    /// Hocuspocus: the document begins each frame, and the first is of authentication.
    Hocuspocus,
    /// y-sweet: documents are created over HTTP, then as y-websocket.
    YSweet,
    /// The ceilings: frames of y-websocket, copied to everyone on the same path. There is no synchronisation and no content.
    Raw,
}

/// How a server tells an author that it took an edit; whether it is on disk by then is the server's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// By giving it back.
    Echo,
    /// By a status for each. Some servers give it back besides, which tells nothing new.
    Status,
}

impl Dialect {
    pub(crate) fn ack(self) -> Ack {
        match self {
            Self::Hocuspocus => Ack::Status,
            Self::YWebsocket | Self::YSweet | Self::Raw => Ack::Echo,
        }
    }
}

/// What is done to the server.
#[derive(Clone, Debug, Serialize, Deserialize, Subcommand)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(crate) enum Workload {
    /// One document; everyone types
    Room {
        #[arg(long, default_value_t = 100)]
        clients: u32,
        /// In all, evenly spread over time and writers; without it each client sends as fast as its window allows
        #[arg(long)]
        edits_per_second: Option<f64>,
        /// How many type; all if not said
        #[arg(long)]
        writers: Option<u32>,
    },
    /// Many documents with a few clients each
    Rooms {
        #[arg(long, default_value_t = 1_000)]
        documents: u32,
        #[arg(long, default_value_t = 2)]
        clients_each: u32,
        #[arg(long)]
        edits_per_second: Option<f64>,
    },
    /// One document in which cursors move and some type
    Presence {
        #[arg(long, default_value_t = 100)]
        clients: u32,
        /// How many move their cursor
        #[arg(long, default_value_t = 10)]
        writers: u32,
        #[arg(long, default_value_t = 10.0)]
        per_second_each: f64,
        /// How many type
        #[arg(long, default_value_t = 0)]
        typists: u32,
        /// By all typists together
        #[arg(long, default_value_t = 0.0)]
        edits_per_second: f64,
    },
    /// Connections that do nothing, in one document or each in its own
    Idle {
        #[arg(long, default_value_t = 10_000)]
        connections: u32,
        #[arg(long)]
        own_documents: bool,
    },
    /// One document in which some never read until the end
    Stalled {
        /// With the stalled ones
        #[arg(long, default_value_t = 20)]
        clients: u32,
        #[arg(long, default_value_t = 10)]
        writers: u32,
        #[arg(long, default_value_t = 100.0)]
        per_second_each: f64,
        #[arg(long, default_value_t = 1)]
        stalled: u32,
    },
    /// A recorded typing session through one socket
    Trace {
        /// A gzipped JSON file of josephg/editing-traces
        #[arg(long)]
        file: String,
        #[arg(long, default_value = "trace")]
        document: String,
        /// How many keystrokes may be sent before they are acknowledged
        #[arg(long, default_value_t = 256)]
        window: u32,
        /// How many times the session is typed, one after the other
        #[arg(long, default_value_t = 1)]
        times: u32,
        /// Only the first so many keystrokes of the session
        #[arg(long)]
        keystrokes: Option<u32>,
    },
    /// Ordered documents, in the dialect of ShareDB: everyone types, with one operation under way
    Ordered {
        #[arg(long, default_value_t = 1)]
        documents: u32,
        #[arg(long, default_value_t = 10)]
        clients_each: u32,
    },
    /// Documents of Automerge, in the dialect of automerge-repo
    #[command(subcommand)]
    Automerge(Automerge),
    /// Clients that join a document at the same moment
    Open {
        #[arg(long, default_value_t = 1)]
        clients: u32,
        #[arg(long, default_value = "trace")]
        document: String,
        /// Makes the document first, with a text of so many bytes; without it, it is there already
        #[arg(long)]
        bytes: Option<u32>,
    },
}

/// What is done to the server with documents of Automerge.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Subcommand)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub(crate) enum Automerge {
    /// One text in which people type, more and more of them, each number as long as edits are sent
    Typing {
        /// How many people there are at first
        #[arg(long, default_value_t = 2)]
        from: u32,
        /// With how many it ends, if the server is not late before
        #[arg(long, default_value_t = 256)]
        most: u32,
        #[arg(long, default_value_t = 6.0)]
        per_second_each: f64,
        /// How long the text is at first
        #[arg(long, default_value_t = 50_000)]
        length: u32,
    },
    /// Somebody makes documents, and somebody else reads them
    Documents {
        #[arg(long, default_value_t = 1_000)]
        documents: u32,
        /// Of each
        #[arg(long, default_value_t = 200)]
        changes: u32,
    },
    /// Who made the documents comes back and has them all; they are of the same prefix and seed
    Return {
        #[arg(long, default_value_t = 1_000)]
        documents: u32,
        #[arg(long, default_value_t = 200)]
        changes: u32,
    },
    /// Somebody brings a document of so many changes
    Write {
        #[arg(long, default_value_t = 200_000)]
        changes: u32,
    },
    /// Somebody who has nothing opens that document; it is of the same prefix and seed
    Open {
        #[arg(long, default_value_t = 200_000)]
        changes: u32,
    },
    /// Nobody is there
    Rest {
        #[arg(long, default_value_t = 40.0)]
        pause: f64,
    },
}

impl Workload {
    /// About how long it takes besides the time that edits are sent for, which may be several times.
    pub(crate) fn seconds_besides(&self, seconds: f64) -> f64 {
        match self {
            Self::Automerge(Automerge::Typing { from, most, .. }) if from < most => 9.0 * seconds,
            Self::Automerge(Automerge::Documents { .. } | Automerge::Write { .. }) => 15.0,
            Self::Automerge(Automerge::Rest { pause }) => *pause,
            _ => 0.0,
        }
    }
}

/// One line of the generator's standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Progress {
    /// All are connected and equal; a line on standard input begins the run.
    Ready,
    /// The first edit is about to leave.
    Begin,
    /// The last one arrived, or was waited for in vain.
    End,
    /// All is verified.
    Result(Box<LoadResult>),
}

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LoadResult {
    pub(crate) seed: u64,
    /// Edits that were sent.
    pub(crate) edits: u64,
    /// Edits that arrived at somebody else, each counted once at each receiver.
    pub(crate) deliveries: u64,
    /// From the first edit to the last arrival, so that no rate flatters who is behind.
    pub(crate) seconds: f64,
    /// From before the first connection to when all were connected and equal.
    pub(crate) connect_seconds: f64,
    /// From an edit's sending to each arrival.
    pub(crate) latency: Quantiles,
    /// From an edit's sending to its acknowledgement.
    pub(crate) ack: Option<Quantiles>,
    /// Edits that were acknowledged.
    pub(crate) acked: u64,
    /// What was measured of cursors.
    pub(crate) presence: Option<PresenceResult>,
    /// What was measured of documents of Automerge, besides.
    pub(crate) automerge: Option<AutomergeResult>,
    /// From each connection's beginning to its having the document.
    pub(crate) open: Quantiles,
    /// How long those that did not read took to be equal once they read again.
    pub(crate) recovery_seconds: Option<f64>,
    /// Payload and headers, as they were read from and written to sockets while the run lasted.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) frames_in: u64,
    pub(crate) reads: u64,
    /// Deliveries that never came.
    pub(crate) missing: u64,
    /// Seconds of the run in which nothing arrived although something was under way.
    pub(crate) stalls: u64,
    /// Connections that the server closed or that broke.
    pub(crate) closed: u64,
    /// Whether all clients, a sample of documents, a fresh client and, if asked, the REST API agree on the content.
    pub(crate) equal: bool,
    /// What went wrong, in words; the first of each sort.
    pub(crate) faults: Vec<String>,
    /// Of the generator itself while the run lasted.
    pub(crate) generator_cpu_seconds: f64,
}

/// What was measured of cursors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PresenceResult {
    /// Moves of cursors that were sent.
    pub(crate) sent: u64,
    /// Moves that arrived at somebody else, each counted once at each receiver.
    pub(crate) deliveries: u64,
    /// Moves that did not, because a later one of the same cursor did.
    pub(crate) superseded: u64,
    /// Cursors that somebody does not see at their last place.
    pub(crate) missing: u64,
    /// From a move's sending to each arrival.
    pub(crate) latency: Quantiles,
}

/// What was measured of documents of Automerge.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AutomergeResult {
    /// The most people with whom at most one delivery in a hundred took longer than a second.
    pub(crate) people: u32,
    /// Whether the generator had no time for more of them.
    pub(crate) is_generators_limit: bool,
    /// Each number of people.
    pub(crate) rungs: Vec<Rung>,
    /// From a connection's beginning to all of the document having come.
    pub(crate) arrived: Quantiles,
}

/// So many people who type.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rung {
    pub(crate) people: u32,
    /// Deliveries that were to come, and how many of them took longer than a second.
    pub(crate) expected: u64,
    pub(crate) late: u64,
    /// How many connections the server closed.
    #[serde(default)]
    pub(crate) closed: u64,
    /// Of those that came, in microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    /// How busy the generator was: 1 is a whole core.
    pub(crate) generator_share: f64,
}

/// A distribution of times, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}
