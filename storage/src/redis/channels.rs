//! What one server is to be subscribed to, and whether it is.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The channels of one server.
#[derive(Debug, Default)]
pub(super) struct Channels {
    sets: Mutex<Sets>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Sets {
    wanted: HashSet<Arc<str>>,
    /// Those that may have to be subscribed to, or not to be any more.
    changed: HashSet<Arc<str>>,
    /// Those of which words are lost until they are subscribed to.
    deaf: HashSet<Arc<str>>,
}

/// What the server is to be told of a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

impl Channels {
    /// It is to be subscribed to, from now on.
    pub(super) fn want(&self, channel: Arc<str>) {
        let mut sets = self.lock();
        sets.changed.insert(channel.clone());
        sets.wanted.insert(channel);
        drop(sets);
        self.news.notify_one();
    }

    /// It was listened to elsewhere so far.
    pub(super) fn take_over(&self, channel: &Arc<str>) {
        let mut sets = self.lock();
        if sets.wanted.insert(channel.clone()) {
            sets.changed.insert(channel.clone());
            sets.deaf.insert(channel.clone());
            drop(sets);
            self.news.notify_one();
        }
    }

    /// It need not be subscribed to any more.
    pub(super) fn forget(&self, channel: &str) {
        let mut sets = self.lock();
        sets.deaf.remove(channel);
        if let Some(channel) = sets.wanted.take(channel) {
            sets.changed.insert(channel);
            drop(sets);
            self.news.notify_one();
        }
    }

    /// The server has said that it sends it no more, or refused to.
    pub(super) fn lost(&self, channel: &str) {
        let mut sets = self.lock();
        if let Some(channel) = sets.wanted.get(channel).cloned() {
            sets.changed.insert(channel.clone());
            sets.deaf.insert(channel);
            drop(sets);
            self.news.notify_one();
        }
    }

    /// The server has said that it sends it.
    pub(super) fn is_heard(&self, channel: &str) {
        self.lock().deaf.remove(channel);
    }

    /// Whether all that is wanted is heard, but for what was wanted a moment ago.
    pub(super) fn are_heard(&self) -> bool {
        self.lock().deaf.is_empty()
    }

    /// All that a new connection has to subscribe to.
    pub(super) fn all(&self) -> Vec<Turn> {
        let mut sets = self.lock();
        sets.changed.clear();
        sets.wanted.iter().cloned().map(Turn::Subscribe).collect()
    }

    /// What has changed since; waits until something has.
    pub(super) async fn changes(&self) -> Vec<Turn> {
        loop {
            let changes = self.lock().take();
            if !changes.is_empty() {
                return changes;
            }
            self.news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sets {
    fn take(&mut self) -> Vec<Turn> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let turn = |channel| match self.wanted.contains(&channel) {
            true => Turn::Subscribe(channel),
            false => Turn::Unsubscribe(channel),
        };
        changed.map(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_server_stops_sending_is_asked_for_again() {
        let channels = Channels::default();
        let subscribe = || vec![Turn::Subscribe("a".into())];
        channels.want("a".into());
        assert_eq!(channels.changes().await, subscribe());
        channels.lost("a");
        channels.lost("b");
        assert!(!channels.are_heard());
        assert_eq!(channels.changes().await, subscribe());
        channels.is_heard("a");
        assert!(channels.are_heard());
        channels.take_over(&"a".into());
        assert!(channels.are_heard(), "it was there before");
        channels.forget("a");
        let turns = channels.changes().await;
        assert_eq!(turns, [Turn::Unsubscribe("a".into())]);
        channels.take_over(&"a".into());
        assert!(!channels.are_heard());
        assert_eq!(channels.all(), subscribe());
        channels.forget("a");
        assert!(channels.are_heard() && channels.all().is_empty());
    }
}
