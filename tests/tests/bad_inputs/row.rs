//! A row of the table: what is done, what must come back, and what it may cost.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

/// A bad input.
pub(crate) struct Row {
    /// Its number in the list of bad inputs.
    pub(crate) number: u8,
    pub(crate) name: String,
    pub(crate) deed: Deed,
    pub(crate) wanted: Wanted,
    /// Memory beyond what was in use, in MiB.
    pub(crate) memory_max_mib: u64,
    /// Time on processors, beyond what the bystanders take.
    pub(crate) busy_max: Duration,
}

/// What is done.
pub(crate) enum Deed {
    /// These bytes on a connection of their own, and nothing more, until the server closes it.
    Bytes(Vec<u8>),
    /// A WebSocket is opened at this path.
    Open(String),
    /// Each of these by a client of its own, who has joined the ward document properly.
    Each(Vec<Message>),
    /// The same in the dialect of automerge-repo, where the ward is [`super::yard::automerge_ward`].
    EachPeer(Vec<Bytes>),
    /// The same with bytes beneath the protocol.
    EachRaw(Vec<Vec<u8>>),
    /// All of these by one client, who has joined a document of its own.
    Sequence(Vec<Bytes>),
    /// Something that takes more words.
    Own(OwnDeed),
    /// Nothing yet, and why.
    Later(&'static str),
}

pub(crate) type OwnDeed = Box<dyn FnOnce(SocketAddr) -> Came + Send>;
pub(crate) type Came = Pin<Box<dyn Future<Output = Result<CameBack>> + Send>>;

/// What must come back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// An HTTP answer with one of these statuses, and a problem of this code unless that is empty.
    Answer(&'static [u16], &'static str),
    /// A close frame with this code. It is logged once, without content, and counted under this reason.
    Closed(u16, &'static str),
    /// A close frame with this code, by the WebSocket itself.
    ClosedBeneath(u16),
    /// The connection is closed without a word.
    Gone,
    /// The client is served as before.
    Served,
    /// Any of these.
    Either(&'static [Self]),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CameBack {
    /// So many HTTP answers; the first had this status and problem code.
    Answers(usize, u16, Option<String>),
    Closed(u16),
    Gone,
    Served,
}

impl Row {
    pub(crate) fn new(number: u8, name: impl Into<String>, deed: Deed, wanted: Wanted) -> Self {
        Self {
            number,
            name: name.into(),
            deed,
            wanted,
            memory_max_mib: MEMORY_MAX_MIB,
            busy_max: BUSY_MAX,
        }
    }

    /// An input that does not apply yet.
    pub(crate) fn later(number: u8, name: &str, why: &'static str) -> Self {
        Self::new(number, name, Deed::Later(why), Wanted::Served)
    }

    /// One frame, which closes its sender.
    pub(crate) fn frame(number: u8, name: &str, frame: Bytes, wanted: Wanted) -> Self {
        Self::new(
            number,
            name,
            Deed::Each(vec![Message::Binary(frame)]),
            wanted,
        )
    }

    /// An update that is refused.
    pub(crate) fn bad_update(number: u8, name: &str, update: &[u8]) -> Self {
        let frame = quire_tests::frames::update(update);
        Self::frame(number, name, frame, BAD_UPDATE)
    }

    /// A deed that takes more words.
    pub(crate) fn own<F>(
        number: u8,
        name: &str,
        wanted: Wanted,
        deed: impl FnOnce(SocketAddr) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<CameBack>> + Send + 'static,
    {
        let deed: OwnDeed = Box::new(move |address| Box::pin(deed(address)));
        Self::new(number, name, Deed::Own(deed), wanted)
    }

    /// It may take more than others: a few times what was seen, because the allocator keeps what it had.
    pub(crate) fn may_take(mut self, memory_max_mib: u64, busy_max: Duration) -> Self {
        self.memory_max_mib = memory_max_mib;
        self.busy_max = busy_max;
        self
    }
}

impl Wanted {
    pub(crate) fn is(self, came: &CameBack) -> bool {
        match (self, came) {
            (Self::Answer(statuses, code), CameBack::Answers(1, status, said)) => {
                let as_said = code.is_empty() || said.as_deref() == Some(code);
                statuses.contains(status) && as_said
            }
            (Self::Closed(code, _) | Self::ClosedBeneath(code), CameBack::Closed(told)) => {
                code == *told
            }
            (Self::Gone, CameBack::Gone) | (Self::Served, CameBack::Served) => true,
            (Self::Either(several), came) => several.iter().any(|wanted| wanted.is(came)),
            _ => false,
        }
    }
}

impl fmt::Display for CameBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(1, status, Some(code)) => write!(f, "{status} {code}"),
            Self::Answers(1, status, None) => write!(f, "{status}"),
            Self::Answers(count, status, _) => write!(f, "{count} answers, {status}"),
            Self::Closed(code) => write!(f, "closed {code}"),
            Self::Gone => f.write_str("connection closed"),
            Self::Served => f.write_str("served on"),
        }
    }
}

pub(crate) const BAD_FRAME: Wanted = Wanted::Closed(4400, "bad_frame");
pub(crate) const BAD_UPDATE: Wanted = Wanted::Closed(4422, "bad_update");
pub(crate) const BAD_NAME: Wanted = Wanted::Closed(4414, "bad_name");
pub(crate) const TOO_LARGE: Wanted = Wanted::Closed(4413, "too_large");

/// What most inputs may cost: a few copies of what was sent.
const MEMORY_MAX_MIB: u64 = 48;
const BUSY_MAX: Duration = Duration::from_secs(3);
