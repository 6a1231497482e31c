//! The outbox: what waits to be written to one connection, within bounds.
//!
//! The session pushes frames and never waits; the connection's writer takes all that waits and writes it together. A
//! reader that is too slow does not make the queue grow: at the bound the queue is dropped and the outbox takes nothing
//! more until the writer has written what it had. Then the document sends one difference instead of all that was
//! dropped. So a slow reader costs a bounded amount of memory, holds up nobody, and ends up with the same content.
//!
//! What some clients are told of their own edits is no more than whether each is stored, and they count. Such answers are
//! counted here as well instead of being kept as frames: they take up no room, and none is lost with the queue. They are held
//! back while such a client compares what it has with the document's: it counts one edit then, whatever it wrote offline, and
//! sends each of those, and after them all together as its answer. Told of the first, it would take all for stored.
//!
//! Pushing is the hottest thing that the server does, once for each receiver of each edit: it takes a lock that is nearly
//! always free, allocates nothing while the queue has room, and wakes the writer only if nothing waited before.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use engine::CloseReason;
use protocol::websocket::Frame;

/// The bounds of one outbox, which hold for what waits and what is being written together. Besides, there may be one
/// frame that is longer than all together may be: a large document, which all who wait for it share.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Frames that may wait.
    pub frames_max: usize,
    /// Bytes that may wait, with what each frame takes up besides.
    pub bytes_max: usize,
}

/// What waits to be written to one connection. Cheap to clone; both ends hold one.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

/// What the writer is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Write the frames that were taken.
    Frames {
        /// How many bytes they are.
        bytes: usize,
        /// The last step of the document that they show.
        shows: Option<u64>,
        /// What is to be written after them of the client's own edits.
        answers: Answers,
    },
    /// The queue was dropped and all before it is written: ask the document to catch up.
    Dropped,
    /// Close the connection.
    Close(CloseReason),
}

/// So many of a client's own edits are stored, and so many were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// How many are stored.
    pub stored: u32,
    /// How many were refused.
    pub refused: u32,
}

impl Answers {
    /// Counts one more.
    pub(crate) fn add(&mut self, is_stored: bool) {
        let count = if is_stored {
            &mut self.stored
        } else {
            &mut self.refused
        };
        *count += 1;
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// As many of them as are written at once; the rest stays.
    pub(crate) fn take(&mut self) -> Self {
        let stored = self.stored.min(ANSWERS_AT_ONCE);
        let refused = self.refused.min(ANSWERS_AT_ONCE - stored);
        self.stored -= stored;
        self.refused -= refused;
        Self { stored, refused }
    }
}

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    waiting: Load,
    /// What the writer has taken and not written.
    taken: Load,
    catch_up: CatchUp,
    /// The last step of the document that the frames show.
    shows: Option<u64>,
    answers: Answers,
    comparing: Comparing,
    state: State,
    /// The writer, while it has nothing to do.
    writer: Option<Waker>,
}

/// What some frames come to.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    frames: usize,
    /// Bytes on the wire.
    length: usize,
    /// Bytes of memory, of all but the long one.
    bytes: usize,
    /// Whether one of the frames is longer than all together may be.
    has_long: bool,
}

/// Whether a client that counts its edits has told all that the document lacked when it joined.
#[derive(Debug, Default, PartialEq, Eq)]
enum Comparing {
    /// It was not asked yet.
    #[default]
    NotYet,
    /// It is to answer. Answers to its edits are held back.
    UnderWay,
    Over,
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
    fn covers(&mut self, bytes: usize) -> bool {
        let covers = self.frames > 0 && bytes <= self.bytes;
        if covers {
            self.frames -= 1;
            self.bytes -= bytes;
        }
        covers
    }
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Shared { limits, queue }))
    }

    /// Adds a frame that shows the document up to its step `shows`. Returns false if that was one too many, and the queue
    /// was dropped.
    pub fn push(&self, frame: Frame, shows: Option<u64>) -> bool {
        let mut queue = self.queue();
        if queue.state != State::Flowing {
            return true;
        }
        let fits = queue.has_room(frame.length(), self.0.limits);
        if fits {
            queue.add(frame, shows, self.0.limits);
        } else {
            queue.drop_all();
        }
        wake(queue);
        fits
    }

    /// A client that counts its edits is asked for what the document lacks; the first time, answers wait until it has told.
    pub fn asks(&self) {
        let mut queue = self.queue();
        if queue.comparing == Comparing::NotYet {
            queue.comparing = Comparing::UnderWay;
        }
    }

    /// What the client has told of that is stored, or refused; or it does not mean to tell.
    pub fn compared(&self) {
        let mut queue = self.queue();
        queue.comparing = Comparing::Over;
        wake(queue);
    }

    /// Counts an answer to an edit of the client's own, which shows the document up to the step `shows`. True if it is the
    /// first that is held back.
    pub fn answer(&self, is_stored: bool, shows: Option<u64>) -> bool {
        let mut queue = self.queue();
        let is_first_held = queue.answers.is_empty() && !queue.may_answer();
        queue.answers.add(is_stored);
        if queue.state == State::Flowing {
            queue.shows = queue.shows.max(shows);
        }
        wake(queue);
        is_first_held
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
        wake(queue);
    }

    /// Moves all that waits into `frames`, which is empty because what was taken before is written; or says what else is
    /// to be done.
    pub fn poll_take(
        &self,
        context: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Taken> {
        let mut queue = self.queue();
        queue.taken = Load::default();
        if let Some(taken) = queue.take(frames) {
            return Poll::Ready(taken);
        }
        match &queue.writer {
            Some(writer) if writer.will_wake(context.waker()) => {}
            _ => queue.writer = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Gives back the memory of an empty queue, where nothing has waited for a while. A client that has not answered by
    /// then does not mean to.
    pub fn rest(&self) {
        let mut queue = self.queue();
        queue.comparing = Comparing::Over;
        if queue.frames.is_empty() {
            queue.frames = VecDeque::new();
        }
    }

    /// A panic elsewhere can not leave the queue half changed, so a poisoned lock is as good as any.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the writer if it has nothing to do, when others may have the queue again.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let writer = queue.writer.take();
    drop(queue);
    if let Some(writer) = writer {
        writer.wake();
    }
}

impl Queue {
    fn has_room(&mut self, length: usize, limits: OutboxLimits) -> bool {
        if self.catch_up.covers(length) {
            return true;
        }
        if length > limits.bytes_max {
            return !self.waiting.has_long && !self.taken.has_long;
        }
        let frames = self.waiting.frames + self.taken.frames;
        let bytes = self.waiting.bytes + self.taken.bytes + length + FRAME_OVERHEAD_BYTES;
        frames < limits.frames_max && bytes <= limits.bytes_max
    }

    fn add(&mut self, frame: Frame, shows: Option<u64>, limits: OutboxLimits) {
        let length = frame.length();
        self.waiting.frames += 1;
        self.waiting.length += length;
        if length > limits.bytes_max {
            self.waiting.has_long = true;
        } else {
            self.waiting.bytes += length + FRAME_OVERHEAD_BYTES;
        }
        self.frames.push_back(frame);
        self.shows = self.shows.max(shows);
    }

    fn drop_all(&mut self) {
        self.frames = VecDeque::new();
        self.waiting = Load::default();
        self.catch_up = CatchUp::default();
        self.shows = None;
        // The question may be lost.
        self.comparing = Comparing::Over;
        self.state = State::Dropped;
    }

    fn take(&mut self, frames: &mut VecDeque<Frame>) -> Option<Taken> {
        if !self.frames.is_empty() || self.may_answer() && !self.answers.is_empty() {
            return Some(self.take_frames(frames));
        }
        match self.state {
            State::Flowing | State::CatchingUp => None,
            State::Dropped => {
                self.state = State::CatchingUp;
                Some(Taken::Dropped)
            }
            State::Closing(reason) => Some(Taken::Close(reason)),
        }
    }

    fn may_answer(&self) -> bool {
        self.comparing != Comparing::UnderWay || matches!(self.state, State::Closing(_))
    }

    /// The two queues change places, so that both keep their memory for what comes next.
    fn take_frames(&mut self, frames: &mut VecDeque<Frame>) -> Taken {
        std::mem::swap(&mut self.frames, frames);
        self.taken = std::mem::take(&mut self.waiting);
        let mut answers = Answers::default();
        if self.may_answer() {
            answers = self.answers.take();
        }
        Taken::Frames {
            bytes: self.taken.length,
            shows: self.shows.take(),
            answers,
        }
    }
}

/// Answers written at once: the frames of them are made when they are written, and take up room until they are.
const ANSWERS_AT_ONCE: u32 = 1_024;
/// What a frame takes up besides its bytes: its place in the queue, and what the allocator and the count of its holders
/// add. Without it, a queue of small frames would take up several times what it may.
const FRAME_OVERHEAD_BYTES: usize = 96;
/// What is here, what waits for missing parts (1,024 updates at most), presence, and some to spare.
const CATCH_UP_FRAMES: usize = 2_048;
/// What waits for missing parts (1 MiB at most) and as much again. A difference beyond that is one long frame.
const CATCH_UP_BYTES: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Room for three frames, and for ten bytes besides what the frames take up.
    fn outbox() -> Outbox {
        Outbox::new(OutboxLimits {
            frames_max: 3,
            bytes_max: 10 + 3 * FRAME_OVERHEAD_BYTES,
        })
    }

    /// A frame of so many bytes, of which two are its header.
    fn frame(length: usize) -> Frame {
        Frame::binary(vec![0; length - 2].into())
    }

    fn long() -> Frame {
        Frame::binary(vec![0; 1_000].into())
    }

    fn take(outbox: &Outbox) -> (Poll<Taken>, usize) {
        let mut frames = VecDeque::new();
        let mut context = Context::from_waker(Waker::noop());
        let taken = outbox.poll_take(&mut context, &mut frames);
        (taken, frames.len())
    }

    fn frames(bytes: usize, shows: Option<u64>) -> Poll<Taken> {
        let answers = Answers::default();
        Poll::Ready(Taken::Frames {
            bytes,
            shows,
            answers,
        })
    }

    fn answers(stored: u32, refused: u32, shows: Option<u64>) -> Poll<Taken> {
        Poll::Ready(Taken::Frames {
            bytes: 0,
            shows,
            answers: Answers { stored, refused },
        })
    }

    #[test]
    fn no_answer_is_lost_with_the_queue() {
        let outbox = outbox();
        outbox.answer(true, Some(3));
        assert!(outbox.push(long(), None));
        assert!(!outbox.push(long(), None));
        outbox.answer(false, Some(4));
        assert_eq!(take(&outbox).0, answers(1, 1, None));
        outbox.answer(true, Some(5));
        assert_eq!(take(&outbox).0, answers(1, 0, None));
        assert_eq!(take(&outbox).0, Poll::Ready(Taken::Dropped));
        outbox.answer(true, Some(6));
        outbox.resume();
        outbox.answer(true, Some(7));
        assert_eq!(take(&outbox).0, answers(2, 0, Some(7)));
        outbox.answer(true, None);
        outbox.close(CloseReason::Deleted);
        assert_eq!(take(&outbox).0, answers(1, 0, None));
        let closing = Poll::Ready(Taken::Close(CloseReason::Deleted));
        assert_eq!(take(&outbox).0, closing);
    }

    #[test]
    fn answers_wait_until_a_client_has_told_what_the_document_lacked() {
        let outbox = outbox();
        outbox.asks();
        assert!(outbox.answer(true, None), "the first that waits");
        assert_eq!(take(&outbox), (Poll::Pending, 0));
        assert!(outbox.push(frame(2), None));
        assert_eq!(take(&outbox), (frames(2, None), 1));
        outbox.compared();
        assert!(!outbox.answer(true, None));
        assert_eq!(take(&outbox).0, answers(2, 0, None));
        outbox.asks();
        outbox.answer(true, None);
        assert_eq!(take(&outbox).0, answers(1, 0, None), "only the first time");
    }

    #[test]
    fn answers_do_not_wait_for_a_client_that_does_not_tell() {
        type End = fn(&Outbox);
        let ends: [End; 3] = [
            Outbox::rest,
            |outbox| outbox.close(CloseReason::Deleted),
            drop_queue,
        ];
        for end in ends {
            let outbox = outbox();
            outbox.asks();
            outbox.answer(true, None);
            assert_eq!(take(&outbox), (Poll::Pending, 0));
            end(&outbox);
            assert_eq!(take(&outbox).0, answers(1, 0, None));
        }
    }

    fn drop_queue(outbox: &Outbox) {
        while outbox.push(frame(2), None) {}
    }

    #[test]
    fn so_many_answers_are_written_at_once() {
        let outbox = outbox();
        for _ in 0..ANSWERS_AT_ONCE + 5 {
            outbox.answer(true, None);
            outbox.answer(false, None);
        }
        assert_eq!(take(&outbox).0, answers(ANSWERS_AT_ONCE, 0, None));
        assert_eq!(take(&outbox).0, answers(5, ANSWERS_AT_ONCE - 5, None));
        assert_eq!(take(&outbox).0, answers(0, 10, None));
        assert_eq!(take(&outbox), (Poll::Pending, 0));
    }

    #[test]
    fn all_that_waits_is_taken_together() {
        let outbox = outbox();
        assert!(outbox.push(frame(2), Some(4)));
        assert!(outbox.push(frame(3), None));
        assert_eq!(take(&outbox), (frames(5, Some(4)), 2));
        assert_eq!(take(&outbox), (Poll::Pending, 0));
    }

    #[test]
    fn what_is_being_written_counts_until_it_is_written() {
        let outbox = outbox();
        for shows in 0..3 {
            assert!(outbox.push(frame(2), Some(shows)));
        }
        assert_eq!(take(&outbox), (frames(6, Some(2)), 3));
        assert!(!outbox.push(frame(2), None), "three frames are not written");
        assert_eq!(take(&outbox).0, Poll::Ready(Taken::Dropped));
        outbox.resume();
        assert!(outbox.push(long(), None) && outbox.push(long(), None));
    }

    #[test]
    fn at_the_bound_the_queue_is_dropped_until_the_reader_catches_up() {
        let outbox = outbox();
        assert!(outbox.push(long(), None), "one long frame fits");
        assert!(!outbox.push(long(), None), "two do not");
        assert!(
            outbox.push(frame(2), None),
            "what comes now is dropped silently"
        );
        assert_eq!(take(&outbox), (Poll::Ready(Taken::Dropped), 0));
        outbox.push(frame(2), None);
        outbox.resume();
        outbox.push(frame(7), Some(9));
        assert_eq!(take(&outbox), (frames(7, Some(9)), 1));
    }

    #[test]
    fn bytes_are_bounded_with_what_each_frame_takes_up() {
        let outbox = outbox();
        assert!(outbox.push(frame(90), None) && outbox.push(frame(16), None));
        assert!(!outbox.push(frame(2), None));
    }

    #[test]
    fn what_a_reader_is_sent_to_catch_up_is_never_dropped() {
        let outbox = outbox();
        for _ in 0..4 {
            outbox.push(frame(2), None);
        }
        assert_eq!(take(&outbox).0, Poll::Ready(Taken::Dropped));
        outbox.resume();
        for number in 0..CATCH_UP_FRAMES {
            assert!(outbox.push(frame(8), None), "frame {number}");
        }
        assert!(
            !outbox.push(frame(8), None),
            "what comes then is bounded as ever"
        );
        assert_eq!(take(&outbox).0, Poll::Ready(Taken::Dropped));
    }

    #[test]
    fn what_waits_is_written_before_the_close() {
        let outbox = outbox();
        outbox.push(frame(2), None);
        outbox.close(CloseReason::Stopping);
        outbox.close(CloseReason::Deleted);
        outbox.push(frame(2), None);
        assert_eq!(take(&outbox), (frames(2, None), 1));
        let closing = Poll::Ready(Taken::Close(CloseReason::Stopping));
        assert_eq!(take(&outbox).0, closing);
    }

    #[test]
    fn the_writer_is_woken_once_for_all_that_waits() {
        let woken = Arc::new(Counter::default());
        let waker = Waker::from(woken.clone());
        let outbox = outbox();
        let mut context = Context::from_waker(&waker);
        let pending = outbox.poll_take(&mut context, &mut VecDeque::new());
        assert_eq!(pending, Poll::Pending);
        outbox.push(frame(2), None);
        outbox.push(frame(2), None);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
