//! One connection between a client and a node: the bytes under way in both directions, and what either end believes.
//!
//! The node's end is what `server` makes of it: an outbox that is dropped at its bound, and a count of how much of the lane
//! was written. The ends fail apart: a client may be gone for long before its node notices.

use std::collections::VecDeque;

use bytes::Bytes;
use engine::{CloseReason, Intent, Kind};
use protocol::Dialect;

use super::pieces::Pieces;
use super::voice::{Voice, Word};

/// A connection, as long as either end thinks that it is there.
#[derive(Debug)]
pub(super) struct Line {
    /// Whose it is; none for a stranger who sends poison and never reads.
    pub(super) client: Option<usize>,
    pub(super) node: usize,
    pub(super) document: usize,
    /// Frames of the client that the node has not got yet.
    pub(super) up: VecDeque<Bytes>,
    /// Frames that the node has written and the client has not read.
    down: VecDeque<Bytes>,
    /// What the node says by itself, before all that waits in the outbox.
    said: VecDeque<Bytes>,
    /// Mails for the session that have not been put into its mailbox.
    mails: VecDeque<Vec<Intent>>,
    voice: Voice,
    outbox: VecDeque<(Word, Option<u64>)>,
    outbox_max: usize,
    state: State,
    /// How far this replica's lane was written to it.
    pub(super) seen: Option<u64>,
    /// Whether the client has gone or was cut off.
    pub(super) is_dead: bool,
    /// Whether the session takes its edits.
    pub(super) may_write: bool,
    /// What it has said while it waits to be let in, if it may wait still.
    pub(super) waiting: Option<Vec<Intent>>,
    /// The client's own edits that it was the first to send to this session.
    pub(super) sent: Pieces,
    /// What was stored when it came; taken when it is answered first.
    pub(super) owed: Option<Pieces>,
    /// When the session took note of it, and how often the store had failed it by then.
    pub(super) joined: (u64, u64),
    /// What the client said to have when it pulled, until it is answered.
    pub(super) pulled: Option<Bytes>,
    /// What it was answered, in this batch.
    pub(super) answered: Option<Pieces>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flowing,
    Dropped,
    CatchingUp,
    Closing(CloseReason),
}

/// What a client finds when it reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Frame(Bytes),
    Closed(CloseReason),
    Nothing,
}

impl Line {
    pub(super) fn new(
        client: Option<usize>,
        node: usize,
        (kind, document): (Kind, usize),
        outbox_max: usize,
    ) -> Self {
        Self {
            client,
            node,
            document,
            up: VecDeque::new(),
            down: VecDeque::new(),
            said: VecDeque::new(),
            mails: VecDeque::new(),
            voice: Voice::new(kind, document),
            outbox: VecDeque::new(),
            outbox_max,
            state: State::Flowing,
            seen: None,
            is_dead: false,
            may_write: true,
            waiting: None,
            sent: Pieces::default(),
            owed: None,
            joined: (0, 0),
            pulled: None,
            answered: None,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.voice.dialect()
    }

    /// Queues an event, or drops the whole queue if it is one too many. True if the client is to be closed because of that:
    /// it could not be caught up with.
    pub(super) fn push(&mut self, word: Word, shows: Option<u64>) -> bool {
        if self.state != State::Flowing {
            return false;
        }
        let waiting = self.outbox.iter().filter(|(word, _)| word.counts());
        if !word.counts() || waiting.count() < self.outbox_max {
            self.outbox.push_back((word, shows));
            return false;
        }
        self.outbox.clear();
        let catches_up = self.dialect() == Dialect::YWebsocket;
        if catches_up {
            self.state = State::Dropped;
        }
        !catches_up
    }

    /// A frame of the client has come to the node.
    pub(super) fn hear(&mut self, frame: &Bytes) -> Result<(), CloseReason> {
        let heard = self.voice.hear(frame)?;
        self.said.extend(heard.frames);
        self.mails.extend(heard.mails);
        Ok(())
    }

    /// The next mail for the session.
    pub(super) fn next_mail(&mut self) -> Option<Vec<Intent>> {
        self.mails.pop_front()
    }

    /// Writes what waits, once the client has read what was written before. True if the queue was dropped, and the
    /// document is to be told.
    pub(super) fn flush(&mut self) -> bool {
        if !self.down.is_empty() {
            return false;
        }
        self.down.append(&mut self.said);
        for (word, shows) in self.outbox.drain(..) {
            let said = self.voice.say(word);
            self.down.extend(said.frames);
            self.mails.extend(said.mails);
            if self.voice.dialect() == Dialect::YWebsocket {
                self.seen = self.seen.max(shows);
            }
        }
        let dropped = self.down.is_empty() && self.state == State::Dropped;
        if dropped {
            self.state = State::CatchingUp;
        }
        dropped
    }

    /// What the node has written and the client has not read.
    pub(super) fn written(&self) -> impl Iterator<Item = &Bytes> {
        self.down.iter()
    }

    /// Whether all that was written was read.
    pub(super) fn is_read(&self) -> bool {
        self.down.is_empty()
    }

    /// Reads the next frame, or that the node has closed.
    pub(super) fn read(&mut self) -> Read {
        match (self.down.pop_front(), self.state) {
            (Some(frame), _) => Read::Frame(frame),
            (None, State::Closing(reason)) if self.outbox.is_empty() => Read::Closed(reason),
            (None, _) => Read::Nothing,
        }
    }

    pub(super) fn resume(&mut self) {
        if self.state == State::CatchingUp {
            self.state = State::Flowing;
        }
    }

    /// The node closes; what was queued is still written.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if !self.is_closing() {
            self.state = State::Closing(reason);
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing(_))
    }
}
