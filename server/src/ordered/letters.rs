//! Letters: what the ordered documents of a connection tell it, in one queue for all of them.
//!
//! Answers are always taken: each belongs to a request, and a connection asks for no more while many wait. Operations and
//! presence are not, once too much waits: a letter stands where the first is left out, and the connection has the gap filled
//! when it has caught up.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use engine::ordered::OrderedEvent;
use engine::{CloseReason, ConnectionId};
use protocol::websocket::Frame;

/// The letters to one connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Letters(Arc<Mutex<Queue>>);

/// One thing that a document tells a connection.
#[derive(Clone, Debug)]
pub enum Letter {
    /// Something that came of a request, or of somebody else.
    Told {
        /// To whom: the connection's number in the document.
        to: ConnectionId,
        /// What.
        event: OrderedEvent,
        /// The same as it is told to all who have the document as it is; for what is told to many.
        frame: Option<Frame>,
    },
    /// From here on some of what the document told is left out, until all is taken that waits.
    Missed {
        /// Who missed it: the connection's number in the document.
        to: ConnectionId,
        /// What.
        gap: Gap,
    },
    /// The document has let the connection go. Nothing follows of it.
    Closed {
        /// Its number in the document.
        to: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

/// What a connection was not told because too much waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// Operations.
    Operations,
    /// Where people are.
    Presence,
}

#[derive(Debug)]
struct Queue {
    letters: VecDeque<Letter>,
    bytes: usize,
    bytes_max: usize,
    /// The gaps in what waits, each of which has its letter.
    gaps: BTreeSet<(ConnectionId, Gap)>,
    reader: Option<Waker>,
}

impl Letters {
    /// No letters yet. Of what is told of others so many bytes may wait.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            letters: VecDeque::new(),
            bytes: 0,
            bytes_max,
            gaps: BTreeSet::new(),
            reader: None,
        })))
    }

    /// Puts a letter behind the others. False if there is no room for it, which is a gap now.
    pub(super) fn put(&self, letter: Letter) -> bool {
        let mut queue = self.queue();
        let is_taken = queue.take_in(letter);
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        is_taken
    }

    /// The document lets the connection go.
    pub(crate) fn close(&self, to: ConnectionId, reason: CloseReason) {
        self.put(Letter::Closed { to, reason });
    }

    /// Takes all that waits, or is woken when something does.
    pub(crate) fn poll_take(
        &self,
        context: &mut Context<'_>,
        taken: &mut VecDeque<Letter>,
    ) -> Poll<()> {
        let mut queue = self.queue();
        if queue.letters.is_empty() {
            queue.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        queue.bytes = 0;
        queue.gaps.clear();
        taken.append(&mut queue.letters);
        Poll::Ready(())
    }

    /// A panic elsewhere can not leave the queue half changed, so a poisoned lock is as good as any.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take_in(&mut self, letter: Letter) -> bool {
        let bytes = letter.weight();
        if self.bytes + bytes > self.bytes_max
            && let Some((to, gap)) = letter.leaves()
        {
            if self.gaps.insert((to, gap)) {
                self.letters.push_back(Letter::Missed { to, gap });
            }
            return false;
        }
        self.bytes += bytes;
        self.letters.push_back(letter);
        true
    }
}

impl Letter {
    /// The gap that it would leave, if it may be left out.
    fn leaves(&self) -> Option<(ConnectionId, Gap)> {
        let Self::Told { to, event, .. } = self else {
            return None;
        };
        match event {
            OrderedEvent::Operation(_) => Some((*to, Gap::Operations)),
            OrderedEvent::Presence(_) => Some((*to, Gap::Presence)),
            _ => None,
        }
    }

    fn weight(&self) -> usize {
        let bytes = match self {
            Self::Told {
                frame: Some(frame), ..
            } => frame.length(),
            Self::Told {
                event: OrderedEvent::Operation(record),
                ..
            } => record.weight(),
            _ => 0,
        };
        bytes + OVERHEAD_BYTES
    }
}

/// What a letter takes up besides what it carries.
const OVERHEAD_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use engine::ordered::{Action, OperationName, Record, RequestTag};

    use super::*;

    fn operation(to: u64) -> Letter {
        let record = Record {
            version: 0,
            made_on: None,
            name: OperationName {
                source: "me".into(),
                number: 1,
            },
            action: Action::Delete,
        };
        told(to, OrderedEvent::Operation(Arc::new(record)))
    }

    fn told(to: u64, event: OrderedEvent) -> Letter {
        Letter::Told {
            to: ConnectionId(to),
            event,
            frame: None,
        }
    }

    /// What waits: `o` for an operation, `a` for an answer, `m` for what was missed, `c` for a close; and to whom.
    fn take_all(letters: &Letters) -> String {
        let mut taken = VecDeque::new();
        let _ = letters.poll_take(&mut Context::from_waker(Waker::noop()), &mut taken);
        let word = |letter: &Letter| match letter {
            Letter::Told {
                to,
                event: OrderedEvent::Operation(_),
                ..
            } => format!("o{}", to.0),
            Letter::Told { to, .. } => format!("a{}", to.0),
            Letter::Missed { to, .. } => format!("m{}", to.0),
            Letter::Closed { to, .. } => format!("c{}", to.0),
        };
        taken.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn operations_are_left_out_where_too_much_waits_and_answers_are_not() {
        let letters = Letters::new(2 * operation(1).weight());
        let answer = || OrderedEvent::Done { tag: RequestTag(1) };
        assert!(letters.put(operation(1)) && letters.put(operation(2)));
        assert!(!letters.put(operation(2)) && letters.put(told(2, answer())));
        assert!(!letters.put(operation(2)) && !letters.put(operation(1)));
        letters.close(ConnectionId(3), CloseReason::Deleted);
        assert_eq!(take_all(&letters), "o1 o2 m2 a2 m1 c3");
        assert!(letters.put(operation(2)));
        assert_eq!(take_all(&letters), "o2");
    }
}
