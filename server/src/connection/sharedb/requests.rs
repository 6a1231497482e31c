//! What a client has asked and was not answered yet. Each question is answered once, in the form that its client expects; a
//! question about several documents is answered when each of them has said something.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use engine::ConnectionId;
use engine::ordered::{OperationName, RequestTag};
use protocol::sharedb::{self, Address, Code, Shown};

/// All that waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    waiting: BTreeMap<RequestTag, Waiting>,
    gathering: BTreeMap<Number, Gathering>,
    /// The messages that are kept, in bytes.
    bytes: usize,
}

/// One question about several documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(u64);

/// One thing that a document was asked.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The connection's number in the document.
    pub(super) seat: ConnectionId,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Something about one document.
    One { action: &'static str, text: Bytes },
    /// A part of a question about several.
    Part(Number),
    /// An operation.
    Operation {
        name: OperationName,
        /// The version at which the client forgets it, if it begins anew there.
        made_on: Option<u64>,
        text: Bytes,
    },
    /// Where the client is.
    Presence {
        source: Box<str>,
        shown: Box<Shown>,
        text: Bytes,
    },
    /// What the connection asks itself.
    Own,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing to tell but that.
    Done,
    /// The document, as JSON text.
    Data(String),
    /// The client's operation is stored, on this version.
    Committed(u64),
    /// It is refused.
    Failed(Code, String),
}

/// A question about several documents that some have not answered.
#[derive(Debug)]
pub(super) struct Gathering {
    left: usize,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Bulk {
        action: &'static str,
        collection: String,
        /// Those of which nothing is to be told.
        done: Vec<String>,
        /// What is to be told of the others.
        data: Vec<(String, String)>,
        bytes: usize,
    },
    Channel {
        action: &'static str,
        channel: String,
        number: Option<u64>,
    },
}

impl Requests {
    /// Notes a question to a document.
    pub(super) fn add(&mut self, seat: ConnectionId, what: What) -> RequestTag {
        self.last += 1;
        let tag = RequestTag(self.last);
        self.bytes += what.bytes();
        self.waiting.insert(tag, Waiting { seat, what });
        tag
    }

    /// Notes a question about several documents, whose parts are still to be noted.
    pub(super) fn gather(&mut self, gathering: Gathering) -> Number {
        self.last += 1;
        self.gathering.insert(Number(self.last), gathering);
        Number(self.last)
    }

    /// Takes out a question that is answered now; none if it was answered before.
    pub(super) fn take(&mut self, tag: RequestTag) -> Option<Waiting> {
        let waiting = self.waiting.remove(&tag)?;
        self.bytes -= waiting.what.bytes();
        Some(waiting)
    }

    /// What a document was asked and has not answered, in the order in which it was asked.
    pub(super) fn of(&self, seat: ConnectionId) -> Vec<RequestTag> {
        let waiting = self.waiting.iter();
        let of = waiting.filter(|(_, waiting)| waiting.seat == seat);
        of.map(|(tag, _)| *tag).collect()
    }

    /// Takes out the operations that a client forgets that begins anew at one of these versions. Gives how many.
    pub(super) fn forget(&mut self, seat: ConnectionId, had: &RangeInclusive<u64>) -> usize {
        let is_forgotten = |tag: &RequestTag| match self.waiting.get(tag).map(|it| &it.what) {
            Some(What::Operation { made_on, .. }) => made_on.is_some_and(|it| had.contains(&it)),
            _ => false,
        };
        let forgotten: Vec<_> = self.of(seat).into_iter().filter(is_forgotten).collect();
        forgotten.iter().filter_map(|tag| self.take(*tag)).count()
    }

    /// How many questions wait, and how many bytes they take up.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.waiting.len(), self.bytes)
    }

    /// What the client is told of an answer.
    pub(super) fn answer(
        &mut self,
        address: &Address,
        what: What,
        outcome: Outcome,
    ) -> Vec<String> {
        let text = match (what, outcome) {
            (What::Part(number), outcome) => return self.answer_part(number, &address.id, outcome),
            (What::Own, _) => return Vec::new(),
            (
                What::One { text, .. } | What::Operation { text, .. } | What::Presence { text, .. },
                Outcome::Failed(code, message),
            ) => refused(&text, code, &message),
            (What::One { action, .. }, Outcome::Data(data)) => {
                sharedb::answered(action, address, Some(&data))
            }
            (What::One { action, .. }, _) => sharedb::answered(action, address, None),
            (What::Operation { name, .. }, Outcome::Committed(version)) => {
                sharedb::acknowledged(address, version, &name)
            }
            // An operation is either stored or refused.
            (What::Operation { .. }, _) => return Vec::new(),
            (What::Presence { source, shown, .. }, _) => sharedb::shown(&source, &shown),
        };
        vec![text]
    }

    /// Takes the answer of one of several documents, and gives what the client is told now.
    pub(super) fn answer_part(
        &mut self,
        number: Number,
        id: &str,
        outcome: Outcome,
    ) -> Vec<String> {
        let Some(gathering) = self.gathering.get_mut(&number) else {
            return Vec::new();
        };
        gathering.take(id, outcome);
        if gathering.left > 0 {
            return gathering.say_some();
        }
        let gathering = self.gathering.remove(&number);
        gathering.map_or(Vec::new(), Gathering::finish)
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            Self::One { text, .. } | Self::Operation { text, .. } | Self::Presence { text, .. } => {
                text.len()
            }
            Self::Part(_) | Self::Own => 0,
        }
    }
}

impl Gathering {
    /// About so many documents of a collection.
    pub(super) fn bulk(action: &'static str, collection: String, left: usize) -> Self {
        let answer = Answer::Bulk {
            action,
            collection,
            done: Vec::new(),
            data: Vec::new(),
            bytes: 0,
        };
        Self { left, answer }
    }

    /// About so many of what a channel stands for.
    pub(super) fn channel(
        action: &'static str,
        channel: String,
        number: Option<u64>,
        left: usize,
    ) -> Self {
        let answer = Answer::Channel {
            action,
            channel,
            number,
        };
        Self { left, answer }
    }

    fn take(&mut self, id: &str, outcome: Outcome) {
        self.left = self.left.saturating_sub(1);
        let Answer::Bulk {
            done, data, bytes, ..
        } = &mut self.answer
        else {
            return;
        };
        let told = match outcome {
            Outcome::Data(told) => told,
            Outcome::Failed(code, message) => sharedb::failed(code, &message),
            Outcome::Done | Outcome::Committed(_) => return done.push(id.to_owned()),
        };
        *bytes += told.len();
        data.push((id.to_owned(), told));
    }

    /// What is told already where so much is gathered that it is better not kept: clients take each document by itself.
    fn say_some(&mut self) -> Vec<String> {
        match &mut self.answer {
            Answer::Bulk {
                data,
                bytes,
                action,
                collection,
                ..
            } if *bytes >= GATHERED_BYTES_MAX => {
                *bytes = 0;
                let data = std::mem::take(data);
                vec![snapshots(action, collection, &data)]
            }
            _ => Vec::new(),
        }
    }

    /// The answer. Where something is to be told of some documents and nothing of others, it takes two messages, as there is
    /// no word for nothing among those that tell.
    fn finish(self) -> Vec<String> {
        match self.answer {
            Answer::Bulk {
                action,
                collection,
                done,
                data,
                ..
            } => {
                let mut said = Vec::new();
                if !done.is_empty() {
                    let ids = done.iter().map(String::as_str);
                    said.push(sharedb::bulk_answered(action, &collection, ids));
                }
                if !data.is_empty() || said.is_empty() {
                    said.push(snapshots(action, &collection, &data));
                }
                said
            }
            Answer::Channel {
                action,
                channel,
                number,
            } => vec![sharedb::presence_subscribed(action, &channel, number)],
        }
    }
}

fn snapshots(action: &str, collection: &str, data: &[(String, String)]) -> String {
    let data = data.iter().map(|(id, told)| (id.as_str(), told.as_str()));
    sharedb::snapshots(action, collection, data)
}

/// The question itself with why it is refused. It came as text.
pub(super) fn refused(text: &Bytes, code: Code, message: &str) -> String {
    let text = std::str::from_utf8(text).unwrap_or("{}");
    sharedb::refused(text, Some(code), message)
}

/// So much of what is told of several documents is gathered before some of it is told.
const GATHERED_BYTES_MAX: usize = 4 * 1024 * 1024;
