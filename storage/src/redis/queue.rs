//! What is to be said, until it is: a queue that never makes anybody wait and never grows beyond its bounds.
//!
//! At a bound the oldest goes, and so does what has waited for too long: whoever missed a word has compared heads since, so
//! that old words would only be read in vain.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Cmd;
use tokio::sync::Notify;

use crate::bus::Counters;

/// A command that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) command: Cmd,
    /// The slot of what it is about.
    pub(super) slot: u16,
    /// Whether it is a word, which are counted.
    pub(super) is_word: bool,
    bytes: usize,
    since: Instant,
}

/// Commands that are to be sent, in order.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Item {
    pub(super) fn word(command: Cmd, slot: u16, bytes: usize) -> Self {
        Self {
            command,
            slot,
            is_word: true,
            bytes,
            since: Instant::now(),
        }
    }

    pub(super) fn other(command: Cmd, slot: u16, bytes: usize) -> Self {
        Self {
            is_word: false,
            ..Self::word(command, slot, bytes)
        }
    }
}

impl Queue {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self {
            waiting: Mutex::default(),
            news: Notify::new(),
            counters,
        }
    }

    pub(super) fn push(&self, item: Item) {
        let mut waiting = self.lock();
        waiting.bytes += item.bytes;
        waiting.items.push_back(item);
        self.bound(waiting);
    }

    /// Puts those back, in their order, that could not be said here and now.
    pub(super) fn put_back(&self, items: Vec<Item>) {
        let mut waiting = self.lock();
        for item in items.into_iter().rev() {
            waiting.bytes += item.bytes;
            waiting.items.push_front(item);
        }
        self.bound(waiting);
    }

    /// Takes those out that are not to be said here.
    pub(super) fn take_strays(&self, is_stray: impl Fn(u16) -> bool) -> Vec<Item> {
        let mut waiting = self.lock();
        let items = std::mem::take(&mut waiting.items);
        let (strays, rest): (Vec<_>, Vec<_>) = items.into_iter().partition(|it| is_stray(it.slot));
        waiting.items = rest.into();
        waiting.bytes -= strays.iter().map(|it| it.bytes).sum::<usize>();
        strays
    }

    fn bound(&self, mut waiting: MutexGuard<'_, Waiting>) {
        while waiting.items.len() > ITEMS_MAX || waiting.bytes > BYTES_MAX {
            let oldest = waiting.take();
            self.drop(oldest);
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// The next few of those that have not waited for too long; waits for the first.
    pub(super) async fn batch(&self) -> Vec<Item> {
        loop {
            let batch = self.try_batch();
            if !batch.is_empty() {
                return batch;
            }
            self.news.notified().await;
        }
    }

    /// The next few, if there are any.
    pub(super) fn try_batch(&self) -> Vec<Item> {
        let mut waiting = self.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_ITEMS && bytes < BATCH_BYTES {
            let Some(item) = waiting.take() else { break };
            if item.since.elapsed() > AGE_MAX {
                self.drop(Some(item));
                continue;
            }
            bytes += item.bytes;
            batch.push(item);
        }
        batch
    }

    fn drop(&self, item: Option<Item>) {
        let is_word = item.is_some_and(|item| item.is_word);
        self.counters.dropped.add(u64::from(is_word));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.bytes;
        Some(item)
    }
}

/// What waits for Redis: enough for some tenths of a second of everything that a node can say.
const ITEMS_MAX: usize = 16_384;
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long it may wait. After a longer pause the nodes have compared heads, and presence was asked for anew.
const AGE_MAX: Duration = Duration::from_secs(5);

/// What is sent before the first answer is waited for.
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;

    fn queue() -> Queue {
        Queue::new(Arc::default())
    }

    fn word(number: usize, bytes: usize) -> Item {
        let slot = u16::try_from(number).unwrap();
        Item::word(cmd("SPUBLISH").arg(number).take(), slot, bytes)
    }

    fn numbers(batch: &[Item]) -> Vec<usize> {
        let last = |item: &Item| match item.command.args_iter().last() {
            Some(redis::Arg::Simple(bytes)) => str::from_utf8(bytes).unwrap().parse().unwrap(),
            _ => panic!("a word has a number"),
        };
        batch.iter().map(last).collect()
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let queue = queue();
        (0..ITEMS_MAX + 2).for_each(|number| queue.push(word(number, 1)));
        assert_eq!(queue.counters.figures().dropped, 2);
        assert_eq!(numbers(&queue.try_batch())[..2], [2, 3]);
    }

    #[test]
    fn the_oldest_goes_when_they_are_too_large() {
        let queue = queue();
        let size = BYTES_MAX / 2;
        (0..3).for_each(|number| queue.push(word(number, size)));
        assert_eq!(numbers(&queue.try_batch()), [1]);
        assert_eq!(numbers(&queue.try_batch()), [2]);
        assert_eq!(queue.counters.figures().dropped, 1);
        queue.push(word(4, BYTES_MAX + 1));
        assert!(queue.try_batch().is_empty());
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn what_has_waited_for_too_long_is_not_said() {
        let queue = queue();
        let old = Instant::now().checked_sub(2 * AGE_MAX);
        let old = old.expect("the machine runs for longer than that");
        queue.push(Item {
            since: old,
            ..word(1, 1)
        });
        queue.push(word(2, 1));
        assert_eq!(numbers(&queue.try_batch()), [2]);
        assert_eq!(queue.counters.figures().dropped, 1);
    }

    #[test]
    fn what_could_not_be_said_keeps_its_order_and_may_go_elsewhere() {
        let (queue, other) = (queue(), queue());
        (1..=4).for_each(|number| queue.push(word(number, 10)));
        let batch = queue.try_batch();
        queue.push(word(5, 10));
        queue.put_back(batch);
        let strays = queue.take_strays(|slot| slot % 2 == 0);
        strays.into_iter().for_each(|item| other.push(item));
        assert_eq!(queue.lock().bytes, 30);
        assert_eq!(numbers(&queue.try_batch()), [1, 3, 5]);
        assert_eq!(numbers(&other.try_batch()), [2, 4]);
        assert_eq!((queue.lock().bytes, other.lock().bytes), (0, 0));
    }
}
