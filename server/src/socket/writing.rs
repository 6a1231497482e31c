//! What is being written to one socket.
//!
//! All that waits goes out in as few writes as possible: short frames are copied next to each other into the scratch,
//! long ones are written from where they are. Nothing is allocated for a write or for a receiver.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use protocol::websocket::{Chunk, Frame};
use tokio::io::AsyncWrite;

use super::scratch;

/// Frames on their way to one socket.
#[derive(Debug, Default)]
pub(super) struct Writing {
    queue: VecDeque<Frame>,
    /// How much of the first frame is written.
    written: usize,
    /// How much of the second frame is written: the first was put before it between two of its fragments.
    written_of_second: usize,
    /// A ping, or the answer to the last one, which goes before all else.
    sign_of_life: Option<Frame>,
    /// Nothing comes after the sign of life, which is a close.
    is_ending: bool,
}

impl Writing {
    /// Where frames are put that are to be written.
    pub(super) fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    /// Writes a sign of life before all else, and instead of one that could not be written yet: only the last ping has to
    /// be answered (RFC 6455, section 5.5.3), so whoever sends many and reads nothing makes nothing grow.
    pub(super) fn interject(&mut self, frame: Frame) {
        if !self.is_ending {
            self.sign_of_life = Some(frame);
        }
    }

    /// Writes these and nothing else any more. Where a frame is half written, only its fragment and the close follow.
    pub(super) fn end(&mut self, last_words: Option<Frame>, close: Frame) {
        self.is_ending = true;
        self.written_of_second = 0;
        if self.written > 0 {
            self.queue.truncate(1);
            self.sign_of_life = Some(close);
        } else {
            self.queue.clear();
            self.sign_of_life = None;
            self.queue.extend(last_words.into_iter().chain([close]));
        }
    }

    /// Whether nothing more is to be written.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Gives back the memory of an empty queue.
    pub(super) fn rest(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    /// Writes all of it, until nothing of it waits in the stream either.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            self.place_sign_of_life();
            if self.queue.is_empty() {
                return Pin::new(stream).poll_flush(context);
            }
            let written = ready!(self.poll_some(Pin::new(stream), context))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
    }

    fn is_half_written(&self) -> bool {
        let first = self.queue.front();
        first.is_some_and(|frame| !frame.may_pause(self.written))
    }

    /// Puts the sign of life first, where a frame may be put.
    fn place_sign_of_life(&mut self) {
        if self.sign_of_life.is_none() || self.is_half_written() {
            return;
        }
        if self.is_ending {
            self.queue.clear();
            self.written = 0;
        }
        if let Some(frame) = self.sign_of_life.take() {
            self.queue.push_front(frame);
            self.written_of_second = std::mem::take(&mut self.written);
        }
    }

    /// Writes once.
    fn poll_some<S: AsyncWrite>(
        &self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut chunks = self.chunks();
        let Some(first) = chunks.next() else {
            return Poll::Ready(Ok(0));
        };
        if self.queue.len() > 1 && first.length() <= COPIED_BYTES_MAX {
            return scratch::with(|scratch| {
                let gathered = gather(scratch, [first].into_iter().chain(chunks));
                stream.poll_write(context, gathered)
            });
        }
        if first.header().is_empty() {
            return stream.poll_write(context, first.body());
        }
        let parts = [IoSlice::new(first.header()), IoSlice::new(first.body())];
        stream.poll_write_vectored(context, &parts)
    }

    /// What is to be written next, until a frame that has more than one fragment left.
    fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let starts = [self.written, self.written_of_second].into_iter();
        let starts = starts.chain(std::iter::repeat(0));
        let mut goes_on = true;
        self.queue.iter().zip(starts).map_while(move |(frame, at)| {
            let chunk = frame.chunk(at);
            let goes_on_before = goes_on;
            goes_on = at + chunk.length() == frame.length();
            goes_on_before.then_some(chunk)
        })
    }

    /// So many bytes were written.
    fn advance(&mut self, mut bytes: usize) {
        while let Some(first) = self.queue.front() {
            let left = first.length() - self.written;
            if bytes < left {
                self.written += bytes;
                return;
            }
            bytes -= left;
            self.queue.pop_front();
            self.written = std::mem::take(&mut self.written_of_second);
        }
    }
}

/// Copies chunks next to each other, as many as are short and fit.
fn gather<'s, 'c>(scratch: &'s mut [u8], chunks: impl Iterator<Item = Chunk<'c>>) -> &'s [u8] {
    let mut end = 0;
    for chunk in chunks {
        if chunk.length() > COPIED_BYTES_MAX.min(scratch.len() - end) {
            break;
        }
        for part in [chunk.header(), chunk.body()] {
            scratch[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
    }
    &scratch[..end]
}

/// What is longer is written from where it is: a system call costs less than copying that much.
const COPIED_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;

    /// Takes so many bytes at a time, so many times.
    struct Stream {
        wire: Vec<u8>,
        step: usize,
        times: usize,
        writes: usize,
        /// How often a flush takes longer, as that of an encrypted stream may.
        flushes: usize,
    }

    impl Stream {
        fn new(step: usize) -> Self {
            Self {
                wire: Vec::new(),
                step,
                times: usize::MAX,
                writes: 0,
                flushes: 0,
            }
        }
    }

    impl AsyncWrite for Stream {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.times == 0 {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.step);
            self.wire.extend_from_slice(&bytes[..taken]);
            self.times -= 1;
            self.writes += 1;
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.flushes.checked_sub(1) {
                Some(left) => {
                    self.flushes = left;
                    Poll::Pending
                }
                None => Poll::Ready(Ok(())),
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn frame(length: usize) -> Frame {
        Frame::binary((0..length).map(|number| number as u8).collect())
    }

    fn wire(frames: &[Frame]) -> Vec<u8> {
        let mut wire = Vec::new();
        for frame in frames {
            let mut at = 0;
            while at < frame.length() {
                let chunk = frame.chunk(at);
                at += chunk.length();
                wire.extend_from_slice(chunk.header());
                wire.extend_from_slice(chunk.body());
            }
        }
        wire
    }

    fn poll(writing: &mut Writing, stream: &mut Stream, times: usize) -> bool {
        stream.times = times;
        let mut context = Context::from_waker(Waker::noop());
        writing.poll(stream, &mut context).is_ready()
    }

    #[test]
    fn frames_go_out_in_their_order_however_little_is_taken() {
        let frames = [3, 0, 200, 20_000, 5, 200_000, 7, 65_532, 9].map(frame);
        for step in [1, 5, 1_000, 70_000, usize::MAX] {
            let mut writing = Writing::default();
            writing.queue().extend(frames.iter().cloned());
            let mut stream = Stream::new(step);
            while !poll(&mut writing, &mut stream, 1) {}
            assert!(stream.wire == wire(&frames), "at most {step} at a time");
        }
    }

    #[test]
    fn what_a_stream_has_taken_is_written_once_it_has_let_it_go() {
        let mut writing = Writing::default();
        writing.queue().push_back(frame(60));
        let mut stream = Stream::new(usize::MAX);
        stream.flushes = 2;
        assert!(!poll(&mut writing, &mut stream, usize::MAX));
        assert!(!poll(&mut writing, &mut stream, usize::MAX));
        assert!(poll(&mut writing, &mut stream, usize::MAX));
        assert_eq!(stream.writes, 1);
    }

    #[test]
    fn short_frames_go_out_in_one_write() {
        let mut writing = Writing::default();
        writing.queue().extend((0..500).map(|_| frame(60)));
        let mut stream = Stream::new(usize::MAX);
        assert!(poll(&mut writing, &mut stream, usize::MAX));
        assert_eq!((stream.writes, stream.wire.len()), (1, 500 * 62));
    }

    #[test]
    fn a_sign_of_life_goes_between_fragments() {
        let (long, ping, pong) = (frame(150_000), Frame::ping(), Frame::pong(b"7"));
        let whole = wire(std::slice::from_ref(&long));
        for written in [0, 3, 70_000, 65_536] {
            let mut writing = Writing::default();
            writing.queue().push_back(long.clone());
            let mut stream = Stream::new(written);
            assert!(!poll(&mut writing, &mut stream, usize::from(written > 0)));
            let at = stream.wire.len().next_multiple_of(65_536);
            writing.interject(ping.clone());
            writing.interject(pong.clone());
            stream.step = usize::MAX;
            while !poll(&mut writing, &mut stream, 1) {}
            let wanted = [
                &whole[..at],
                &wire(std::slice::from_ref(&pong)),
                &whole[at..],
            ]
            .concat();
            assert!(stream.wire == wanted, "after {written}");
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let close = Frame::close(Some((4400, "")));
        let words = Frame::binary(Bytes::from_static(b"denied"));
        for (length, written) in [(60, 0), (60, 3), (150_000, 3), (150_000, 65_536)] {
            let mut writing = Writing::default();
            writing.queue().extend([frame(length), frame(9)]);
            let mut stream = Stream::new(written.max(1));
            assert!(!poll(&mut writing, &mut stream, written.min(1)));
            let begun = if written == 0 {
                0
            } else {
                65_536.min(length + 2)
            };
            writing.end(Some(words.clone()), close.clone());
            writing.interject(Frame::ping());
            stream.step = usize::MAX;
            while !poll(&mut writing, &mut stream, 1) {}
            let mut wanted = wire(&[frame(length)])[..begun].to_vec();
            if written == 0 {
                wanted.extend(wire(std::slice::from_ref(&words)));
            }
            wanted.extend(wire(std::slice::from_ref(&close)));
            assert!(stream.wire == wanted, "{written} of {length}");
        }
    }
}
