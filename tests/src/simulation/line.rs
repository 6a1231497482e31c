//! One connection between a client and a node: the bytes under way in both directions, and what either end believes.
//!
//! The node's end is what `server` makes of it: an outbox that is dropped at its bound, and a count of how much of the lane
//! was written. The ends fail apart: a client may be gone for long before its node notices.

use std::collections::VecDeque;

use bytes::Bytes;
use engine::CloseReason;
use yrs::IdSet;

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
    outbox: VecDeque<(Bytes, Option<u64>)>,
    outbox_max: usize,
    state: State,
    /// How far this replica's lane was written to it.
    pub(super) seen: Option<u64>,
    /// Whether the client has gone or was cut off.
    pub(super) is_dead: bool,
    /// Whether the session takes its edits.
    pub(super) may_write: bool,
    /// The client's own edits that it was the first to send to this session.
    pub(super) sent: IdSet,
    /// What was stored when it came; taken when it is answered first.
    pub(super) owed: Option<IdSet>,
    /// When the session took note of it, and how often the store had failed it by then.
    pub(super) joined: (u64, u64),
    /// What the client had when it pulled, until it is answered.
    pub(super) pulled: Option<IdSet>,
    /// What it was answered, in this batch.
    pub(super) answered: Option<IdSet>,
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
        document: usize,
        outbox_max: usize,
    ) -> Self {
        Self {
            client,
            node,
            document,
            up: VecDeque::new(),
            down: VecDeque::new(),
            outbox: VecDeque::new(),
            outbox_max,
            state: State::Flowing,
            seen: None,
            is_dead: false,
            may_write: true,
            sent: IdSet::new(),
            owed: None,
            joined: (0, 0),
            pulled: None,
            answered: None,
        }
    }

    /// Queues a frame, or drops the whole queue if it is one too many.
    pub(super) fn push(&mut self, frame: Bytes, shows: Option<u64>) {
        if self.state != State::Flowing {
            return;
        }
        if self.outbox.len() < self.outbox_max {
            self.outbox.push_back((frame, shows));
        } else {
            self.outbox.clear();
            self.state = State::Dropped;
        }
    }

    /// Writes what waits, once the client has read what was written before. True if the queue was dropped, and the
    /// document is to be told.
    pub(super) fn flush(&mut self) -> bool {
        if !self.down.is_empty() {
            return false;
        }
        for (frame, shows) in self.outbox.drain(..) {
            self.down.push_back(frame);
            self.seen = self.seen.max(shows);
        }
        let dropped = self.down.is_empty() && self.state == State::Dropped;
        if dropped {
            self.state = State::CatchingUp;
        }
        dropped
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
