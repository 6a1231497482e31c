//! Rooms: everyone on one path, each with a queue of what waits to be written.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// All rooms. Cheap to clone.
pub(crate) struct Rooms<F>(Arc<Mutex<HashMap<String, Room<F>>>>);

/// The queues of one room.
type Room<F> = Arc<Mutex<Vec<Arc<Queue<F>>>>>;

/// One who is in a room until this is dropped.
pub(crate) struct Member<F> {
    room: Room<F>,
    own: Arc<Queue<F>>,
}

struct Queue<F>(Mutex<Waiting<F>>);

struct Waiting<F> {
    frames: VecDeque<F>,
    writer: Option<Waker>,
}

impl<F> Default for Rooms<F> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<F> Clone for Rooms<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Clone> Rooms<F> {
    pub(crate) fn enter(&self, path: String) -> Member<F> {
        let own = Arc::new(Queue(Mutex::new(Waiting {
            frames: VecDeque::new(),
            writer: None,
        })));
        let room = lock(&self.0).entry(path).or_default().clone();
        lock(&room).push(own.clone());
        Member { room, own }
    }
}

impl<F: Clone> Member<F> {
    /// Gives a frame to everyone, its author too, who so knows that it arrived.
    pub(crate) fn tell(&self, frame: &F) {
        for other in lock(&self.room).iter() {
            other.push(frame.clone());
        }
    }

    /// Waits for frames, and takes all.
    pub(crate) async fn take(&self, frames: &mut VecDeque<F>) {
        poll_fn(|context| {
            let mut waiting = lock(&self.own.0);
            if waiting.frames.is_empty() {
                waiting.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            std::mem::swap(&mut waiting.frames, frames);
            Poll::Ready(())
        })
        .await;
    }
}

impl<F> Drop for Member<F> {
    fn drop(&mut self) {
        lock(&self.room).retain(|other| !Arc::ptr_eq(other, &self.own));
    }
}

impl<F> Queue<F> {
    fn push(&self, frame: F) {
        let mut waiting = lock(&self.0);
        waiting.frames.push_back(frame);
        let writer = waiting.writer.take();
        drop(waiting);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
