//! The node's end of a line, in the dialect of its client: what is asked by frames, and what is said by events.

use std::sync::Arc;

use bytes::Bytes;
use engine::{AutomergeContent, CloseReason, Event, Intent, Kind, PushTag};
use protocol::automerge::{
    self, Chunk, Conversation, DocumentId, Message, Said, SharedEvent, SyncMessage, decode,
    preflight,
};
use protocol::preflight::Bounds;
use protocol::{Dialect, yjs, ywebsocket};

use super::automerge_page;
use super::pieces::Pieces;
use crate::automerge::said_by;

/// The node's end of a dialect.
#[derive(Debug)]
pub(super) enum Voice {
    /// Of y-websocket, which remembers nothing.
    Yjs,
    /// Of automerge-repo.
    Automerge {
        document: DocumentId,
        conversation: Box<Conversation>,
    },
}

/// An event on its way to the client.
#[derive(Clone, Debug)]
pub(super) enum Word {
    /// Written once for all.
    Frame(Bytes),
    /// Written by each line for itself.
    Event(Arc<SharedEvent>),
}

/// What comes of a frame or an event.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is said to the client.
    pub(super) frames: Vec<Bytes>,
    /// What the document is to be asked or given, in so many mails.
    pub(super) mails: Vec<Vec<Intent>>,
}

impl Voice {
    pub(super) fn new(kind: Kind, document: usize) -> Self {
        match kind {
            Kind::Automerge => Self::Automerge {
                document: automerge_page::document(document),
                conversation: Box::default(),
            },
            _ => Self::Yjs,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Yjs => Dialect::YWebsocket,
            Self::Automerge { .. } => Dialect::Automerge,
        }
    }

    /// Reads a frame and checks it, before any library takes it apart.
    pub(super) fn hear(&mut self, frame: &Bytes) -> Result<Outcome, CloseReason> {
        let Self::Automerge { conversation, .. } = self else {
            return read_yjs(frame);
        };
        let bad = |_| CloseReason::BadFrame;
        let (data, is_request) = match decode(frame).map_err(bad)? {
            Message::Document {
                said: Said::Request(data),
                ..
            } => (data, true),
            Message::Document {
                said: Said::Sync(data),
                ..
            } => (data, false),
            _ => return Ok(Outcome::default()),
        };
        let message = SyncMessage::read(&data).map_err(bad)?;
        let chunks = preflight(&message, &automerge::Bounds::default()).map_err(bad)?;
        let payload = payload_of(chunks)?;
        let mut steps = Vec::new();
        conversation.hear(message, is_request, &mut steps);
        let mut outcome = self.outcome(steps);
        if !payload.is_empty() {
            let tag = PushTag(0);
            let push = vec![Intent::Push { payload, tag }];
            outcome.mails.insert(0, push);
        }
        Ok(outcome)
    }

    /// Says what has happened.
    pub(super) fn say(&mut self, word: Word) -> Outcome {
        let mut steps = Vec::new();
        match (&mut *self, word) {
            (_, Word::Frame(frame)) => {
                return Outcome {
                    frames: vec![frame],
                    mails: Vec::new(),
                };
            }
            (Self::Automerge { conversation, .. }, Word::Event(event)) => {
                conversation.told(&event, &mut steps);
            }
            (Self::Yjs, Word::Event(_)) => {}
        }
        self.outcome(steps)
    }

    fn outcome(&self, steps: Vec<automerge::Step>) -> Outcome {
        let mut outcome = Outcome::default();
        let Self::Automerge { document, .. } = self else {
            return outcome;
        };
        for step in steps {
            match step {
                automerge::Step::Ask(intent) => outcome.mails.push(vec![intent]),
                automerge::Step::Say(message) => {
                    let said = Said::Sync(message.write());
                    outcome.frames.push(said_by(NODE, document, said));
                }
                // Clients write the reason to their log.
                automerge::Step::Refuse(_) => {}
            }
        }
        outcome
    }
}

impl Word {
    /// An event as it is put into queues; none if clients do not hear of it.
    pub(super) fn new(kind: Kind, event: &Event) -> Option<Self> {
        match kind {
            Kind::Automerge => {
                let shared = SharedEvent::new(event.clone());
                Some(Self::Event(Arc::new(shared)))
            }
            _ => ywebsocket::encode(event).map(Self::Frame),
        }
    }

    /// Whether it counts where it is bounded what waits for a reader: answers to its own questions and words on its own edits
    /// do not, where a conversation asks for few things at a time.
    pub(super) fn counts(&self) -> bool {
        match self {
            Self::Frame(_) => true,
            Self::Event(event) => matches!(event.event, Event::Have { .. } | Event::Change { .. }),
        }
    }
}

/// The heads that a node says it has stored, and the changes that it says them of.
pub(super) fn claims(frame: &Bytes) -> (Pieces, Pieces) {
    let Ok(Message::Document {
        said: Said::Sync(data),
        ..
    }) = decode(frame)
    else {
        return Default::default();
    };
    let Ok(message) = SyncMessage::read(&data) else {
        return Default::default();
    };
    let shared = message.have.iter().flat_map(|have| &have.last_sync);
    let heads = message.heads.iter().chain(shared).copied().collect();
    let changes = Pieces::of(Kind::Automerge, &message.changes.concat());
    (heads, changes)
}

fn read_yjs(frame: &Bytes) -> Result<Outcome, CloseReason> {
    let intents = ywebsocket::decode(frame).map_err(|_| CloseReason::BadFrame)?;
    for intent in &intents {
        let checked = yjs::check(intent, &Bounds::default());
        checked.map_err(|(reason, _)| reason)?;
    }
    Ok(Outcome {
        frames: Vec::new(),
        mails: vec![intents],
    })
}

/// The changes that came in a message, one behind the other.
fn payload_of(chunks: Vec<Chunk>) -> Result<Bytes, CloseReason> {
    let bytes = chunks.into_iter().map(|chunk| match chunk {
        Chunk::Change(change) => Ok(change.chunk),
        Chunk::Document(document) => {
            AutomergeContent::changes_of_saved(&document.chunk).map_err(|_| CloseReason::BadUpdate)
        }
    });
    Ok(bytes.collect::<Result<Vec<_>, _>>()?.concat().into())
}

const NODE: &str = "node";
