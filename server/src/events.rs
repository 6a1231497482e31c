//! Events: what the merging documents of a connection tell it that writes its own frames, in one queue for all of them.
//!
//! What a connection is told by its documents must not be left out here: its client would take two states that differ for one.
//! So where more waits than may, the connection is to be closed. Answers to its own questions do not count: it asks for few
//! things at a time. Acknowledgements of what it has sent count for themselves: those of many documents come at once, when all of
//! them are stored by one commit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use engine::{CloseReason, ConnectionId, Event};
use protocol::automerge::SharedEvent;

/// The events of one connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events(Arc<Mutex<Queue>>);

/// One thing that a document tells a connection.
#[derive(Clone, Debug)]
pub enum Told {
    /// Something has happened.
    Event {
        /// To whom it is told: the connection's number in the document.
        to: ConnectionId,
        /// What, shared with all who are told the same.
        shared: Arc<SharedEvent>,
    },
    /// The document has let the connection go. Nothing follows of it.
    Closed {
        /// The connection's number in the document.
        to: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

/// More waits than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

#[derive(Debug)]
struct Queue {
    told: VecDeque<Told>,
    waiting: Weight,
    /// What of others may wait.
    bytes_max: usize,
    is_too_much: bool,
    reader: Option<Waker>,
}

/// Bytes that wait to be told.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    /// Of what others do.
    others: usize,
    /// Of what the client has done itself.
    own: usize,
}

impl Weight {
    fn of(event: &Event) -> Self {
        let (own, others) = match event {
            Event::Missing { .. } => (0, 0),
            Event::Ack { payload, .. } => (payload.len() + EVENT_OVERHEAD_BYTES, 0),
            Event::Change { payload } => (0, payload.len() + EVENT_OVERHEAD_BYTES),
            Event::Signal(bytes) | Event::Have { have: bytes } => {
                (0, bytes.len() + EVENT_OVERHEAD_BYTES)
            }
            _ => (0, EVENT_OVERHEAD_BYTES),
        };
        Self { others, own }
    }
}

impl Queue {
    /// Whether an event of this weight is one too many. One alone is always taken.
    fn is_beyond(&self, more: Weight) -> bool {
        let is_beyond =
            |waiting: usize, more: usize, max| more > 0 && waiting > 0 && waiting + more > max;
        is_beyond(self.waiting.others, more.others, self.bytes_max)
            || is_beyond(self.waiting.own, more.own, OWN_BYTES_MAX)
    }
}

impl Events {
    /// No events yet. So many bytes of what others do may wait.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            told: VecDeque::new(),
            waiting: Weight::default(),
            bytes_max,
            is_too_much: false,
            reader: None,
        })))
    }

    /// Puts an event behind the others. False if that was one too many, and all are dropped.
    pub(crate) fn put(&self, to: ConnectionId, shared: &Arc<SharedEvent>) -> bool {
        let mut queue = self.queue();
        let weight = Weight::of(&shared.event);
        if queue.is_beyond(weight) {
            queue.is_too_much = true;
            queue.told = VecDeque::new();
        }
        let fits = !queue.is_too_much;
        if fits {
            queue.waiting.others += weight.others;
            queue.waiting.own += weight.own;
            let shared = shared.clone();
            queue.told.push_back(Told::Event { to, shared });
        }
        wake(queue);
        fits
    }

    /// The document lets the connection go.
    pub(crate) fn close(&self, to: ConnectionId, reason: CloseReason) {
        let mut queue = self.queue();
        queue.told.push_back(Told::Closed { to, reason });
        wake(queue);
    }

    /// Takes what was told first, or is woken when something is told.
    ///
    /// # Errors
    /// More waited than may, and is dropped.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Told, TooMuch>> {
        let mut queue = self.queue();
        if queue.is_too_much {
            return Poll::Ready(Err(TooMuch));
        }
        match queue.told.pop_front() {
            Some(told) => {
                if let Told::Event { shared, .. } = &told {
                    let weight = Weight::of(&shared.event);
                    queue.waiting.others -= weight.others;
                    queue.waiting.own -= weight.own;
                }
                Poll::Ready(Ok(told))
            }
            None => {
                queue.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// A panic elsewhere can not leave the queue half changed, so a poisoned lock is as good as any.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut queue: MutexGuard<'_, Queue>) {
    let reader = queue.reader.take();
    drop(queue);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// What an event takes up besides its bytes.
const EVENT_OVERHEAD_BYTES: usize = 128;

/// How many bytes of what the client has sent may wait to be acknowledged to it: a client comes back with all that it has
/// written offline, in a thousand documents.
const OWN_BYTES_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use engine::PushTag;

    use super::*;

    fn event(bytes: usize) -> Arc<SharedEvent> {
        let payload = Bytes::from(vec![0; bytes]);
        Arc::new(SharedEvent::new(Event::Change { payload }))
    }

    fn next(events: &Events) -> Poll<Result<Told, TooMuch>> {
        events.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn nothing_is_left_out_without_a_word() {
        let events = Events::new(1_000);
        let to = ConnectionId(1);
        assert!(events.put(to, &event(5_000)), "a lone one is always taken");
        let answer = Event::Missing {
            payload: Bytes::from(vec![0; 5_000]),
        };
        assert!(events.put(to, &Arc::new(SharedEvent::new(answer))));
        for _ in 0..2 {
            assert!(matches!(next(&events), Poll::Ready(Ok(Told::Event { .. }))));
        }
        assert!(next(&events).is_pending());
        assert!(events.put(to, &event(700)));
        assert!(!events.put(to, &event(700)));
        assert!(matches!(next(&events), Poll::Ready(Err(TooMuch))));
        assert!(!events.put(to, &event(0)));
    }

    #[test]
    fn what_a_client_has_sent_itself_counts_apart_and_is_bounded_too() {
        let events = Events::new(1_000);
        let to = ConnectionId(1);
        let ack = |bytes| {
            Arc::new(SharedEvent::new(Event::Ack {
                tag: PushTag(0),
                payload: vec![0; bytes].into(),
                news: true,
            }))
        };
        for _ in 0..1_000 {
            assert!(events.put(to, &ack(5_000)));
        }
        assert!(events.put(to, &event(5_000)), "nothing of others waits");
        while next(&events).is_ready() {}
        assert!(events.put(to, &ack(OWN_BYTES_MAX)));
        assert!(!events.put(to, &ack(0)));
    }

    #[test]
    fn a_close_comes_after_what_was_told_before() {
        let events = Events::new(1_000);
        let to = ConnectionId(1);
        events.put(to, &event(1));
        events.close(to, CloseReason::Deleted);
        assert!(matches!(next(&events), Poll::Ready(Ok(Told::Event { .. }))));
        assert!(matches!(
            next(&events),
            Poll::Ready(Ok(Told::Closed { .. }))
        ));
    }
}
