//! The outbox: what waits to be written to one connection, within bounds.
//!
//! The session pushes frames and never waits; the connection's writer takes all that waits and writes it together. A
//! reader that is too slow does not make the queue grow: at the bound the queue is dropped and the outbox takes nothing
//! more until the writer has written what it had. Then the document sends one difference instead of all that was
//! dropped. So a slow reader costs a bounded amount of memory, holds up nobody, and ends up with the same content.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::CloseReason;
use protocol::websocket::Frame;
use tokio::sync::Notify;

/// The bounds of one outbox. Besides, one frame may wait that is longer than all together may be: a large document, which
/// all who wait for it share.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Frames that may wait.
    pub frames_max: usize,
    /// Bytes that may wait.
    pub bytes_max: usize,
}

/// What waits to be written to one connection. Cheap to clone; both ends hold one.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

/// What the writer is to do next.
#[derive(Debug)]
pub enum Taken {
    /// Write these.
    Frames(Vec<Frame>, Option<u64>),
    /// The queue was dropped and all before it is written: ask the document to catch up.
    Dropped,
    /// Close the connection.
    Close(CloseReason),
}

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    queue: Mutex<Queue>,
    changed: Notify,
    /// One more than the last step of the document that was written; 0 if none was.
    written: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// Bytes of all but the long one.
    bytes: usize,
    /// Whether one of the frames is longer than all together may be.
    has_long: bool,
    catch_up: CatchUp,
    /// The last step of the document that the frames show.
    shows: Option<u64>,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Flowing,
    /// The queue was dropped; the writer does not know yet.
    Dropped,
    /// The writer has asked the document to catch up.
    CatchingUp,
    Closing(CloseReason),
}

/// How much more of what a document sends to a reader that catches up is taken whatever else waits. All of that is sent at
/// once; were a part of it dropped, the reader would have to catch up again, and again.
#[derive(Debug, Default)]
struct CatchUp {
    frames: usize,
    bytes: usize,
}

impl CatchUp {
    fn begin() -> Self {
        Self {
            frames: CATCH_UP_FRAMES,
            bytes: CATCH_UP_BYTES,
        }
    }

    /// Whether a frame is still among them, which then are fewer.
    fn covers(&mut self, weight: usize) -> bool {
        let covers = self.frames > 0 && weight <= self.bytes;
        if covers {
            self.frames -= 1;
            self.bytes -= weight;
        }
        covers
    }
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Shared {
            limits,
            queue,
            changed: Notify::new(),
            written: AtomicU64::new(0),
        }))
    }

    /// Adds a frame that shows the document up to its step `shows`. Returns false if that was one too many, and the queue
    /// was dropped.
    pub fn push(&self, frame: Frame, shows: Option<u64>) -> bool {
        let mut queue = self.queue();
        if queue.state != State::Flowing {
            return true;
        }
        let limits = self.0.limits;
        let weight = frame.weight();
        let is_long = weight > limits.bytes_max;
        let fits = if queue.catch_up.covers(weight) {
            true
        } else if is_long {
            !queue.has_long
        } else {
            queue.frames.len() < limits.frames_max && queue.bytes + weight <= limits.bytes_max
        };
        if fits {
            queue.add(frame, is_long, shows);
        } else {
            queue.clear(State::Dropped);
        }
        drop(queue);
        self.0.changed.notify_one();
        fits
    }

    /// Takes frames again after the queue was dropped.
    pub fn resume(&self) {
        let mut queue = self.queue();
        if queue.state == State::CatchingUp {
            queue.state = State::Flowing;
            queue.catch_up = CatchUp::begin();
        }
    }

    /// Has the connection closed after all that waits was written.
    pub fn close(&self, reason: CloseReason) {
        let mut queue = self.queue();
        if !matches!(queue.state, State::Closing(_)) {
            queue.state = State::Closing(reason);
        }
        drop(queue);
        self.0.changed.notify_one();
    }

    /// The last step of the document that was written to the connection.
    pub fn seen(&self) -> Option<u64> {
        self.0.written.load(Ordering::Acquire).checked_sub(1)
    }

    /// Notes that frames up to `shows` were written.
    pub fn written(&self, shows: Option<u64>) {
        if let Some(counter) = shows {
            self.0.written.fetch_max(counter + 1, Ordering::AcqRel);
        }
    }

    /// Waits for something to do. Cancel safe.
    pub async fn take(&self) -> Taken {
        loop {
            let changed = self.0.changed.notified();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            changed.await;
        }
    }

    fn try_take(&self) -> Option<Taken> {
        let mut queue = self.queue();
        if !queue.frames.is_empty() {
            return Some(queue.take_frames());
        }
        match queue.state {
            State::Flowing | State::CatchingUp => None,
            State::Dropped => {
                queue.state = State::CatchingUp;
                Some(Taken::Dropped)
            }
            State::Closing(reason) => Some(Taken::Close(reason)),
        }
    }

    /// A panic elsewhere can not leave the queue half changed, so a poisoned lock is as good as any.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn add(&mut self, frame: Frame, is_long: bool, shows: Option<u64>) {
        if is_long {
            self.has_long = true;
        } else {
            self.bytes += frame.weight();
        }
        self.frames.push_back(frame);
        self.shows = self.shows.max(shows);
    }

    fn clear(&mut self, state: State) {
        *self = Self {
            state,
            ..Self::default()
        };
    }

    fn take_frames(&mut self) -> Taken {
        self.bytes = 0;
        self.has_long = false;
        Taken::Frames(std::mem::take(&mut self.frames).into(), self.shows.take())
    }
}

/// What is here, what waits for missing parts (1,024 updates at most), presence, and some to spare.
const CATCH_UP_FRAMES: usize = 2_048;
/// What waits for missing parts (1 MiB at most) and as much again. A difference beyond that is one long frame.
const CATCH_UP_BYTES: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(OutboxLimits {
            frames_max: 3,
            bytes_max: 10,
        })
    }

    /// A frame of so many bytes, of which two are its header.
    fn frame(length: usize) -> Frame {
        Frame::binary(vec![0; length - 2].into())
    }

    #[tokio::test]
    async fn all_that_waits_is_taken_together() {
        let outbox = outbox();
        assert!(outbox.push(frame(2), Some(4)));
        assert!(outbox.push(frame(3), None));
        let Taken::Frames(frames, shows) = outbox.take().await else {
            panic!("frames wait")
        };
        assert_eq!((frames.len(), shows), (2, Some(4)));
        assert_eq!(outbox.seen(), None, "taken is not written");
        outbox.written(shows);
        assert_eq!(outbox.seen(), Some(4));
    }

    #[tokio::test]
    async fn at_the_bound_the_queue_is_dropped_until_the_reader_catches_up() {
        let outbox = outbox();
        assert!(outbox.push(frame(50), None), "one long frame fits");
        assert!(outbox.push(frame(9), None), "others wait behind it");
        assert!(
            !outbox.push(frame(2), None),
            "these are over the bound of bytes"
        );
        assert!(
            outbox.push(frame(2), None),
            "what comes now is dropped silently"
        );
        assert!(matches!(outbox.take().await, Taken::Dropped));
        outbox.push(frame(2), None);
        outbox.resume();
        outbox.push(frame(7), Some(9));
        let Taken::Frames(frames, _) = outbox.take().await else {
            panic!("the difference waits")
        };
        assert_eq!(frames.iter().map(Frame::weight).collect::<Vec<_>>(), [7]);
    }

    #[tokio::test]
    async fn what_a_reader_is_sent_to_catch_up_is_never_dropped() {
        let outbox = outbox();
        for _ in 0..4 {
            outbox.push(frame(2), None);
        }
        assert!(matches!(outbox.take().await, Taken::Dropped));
        outbox.resume();
        for number in 0..CATCH_UP_FRAMES {
            assert!(outbox.push(frame(8), None), "frame {number}");
        }
        assert!(
            !outbox.push(frame(8), None),
            "what comes then is bounded as ever"
        );
        assert!(matches!(outbox.take().await, Taken::Dropped));
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_close() {
        let outbox = outbox();
        outbox.push(frame(2), None);
        outbox.close(CloseReason::Stopping);
        outbox.close(CloseReason::Deleted);
        outbox.push(frame(2), None);
        assert!(matches!(outbox.take().await, Taken::Frames(frames, _) if frames.len() == 1));
        assert!(matches!(
            outbox.take().await,
            Taken::Close(CloseReason::Stopping)
        ));
    }
}
