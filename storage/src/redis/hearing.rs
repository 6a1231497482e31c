//! What comes: which documents are listened to, and the end of a word's way.
//!
//! A channel is a name that anybody with access to the server can say anything on. So a word is passed on only if it is one,
//! is about the document of its channel, and that document is listened to; all else is counted.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use engine::DocumentKey;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use super::names::Names;
use super::seldom::Seldom;
use crate::bus::fields::Unreadable;
use crate::bus::{Counters, Ear, encoding};
use crate::numbers::random;

/// Who listens to what.
pub(super) struct Hearing {
    /// Stands in every word that is said here, so that it is known when it comes back.
    number: u64,
    names: Arc<Names>,
    ear: OnceLock<Ear>,
    channels: Mutex<Channels>,
    news: Notify,
    counters: Arc<Counters>,
    oddities: Seldom,
}

#[derive(Debug, Default)]
struct Channels {
    wanted: HashSet<String>,
    /// Those that may have to be subscribed to, or not to be any more.
    changed: HashSet<String>,
}

/// What the server is to be told of a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Subscribe(String),
    Unsubscribe(String),
}

impl Hearing {
    pub(super) fn new(names: Arc<Names>, counters: Arc<Counters>) -> Self {
        Self {
            number: random(),
            names,
            ear: OnceLock::new(),
            channels: Mutex::default(),
            news: Notify::new(),
            counters,
            oddities: Seldom::default(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn attach(&self, ear: Ear) {
        self.ear.get_or_init(|| ear);
    }

    pub(super) fn listen(&self, document: &DocumentKey) {
        let channel = self.names.channel(document);
        let mut channels = self.lock();
        channels.changed.insert(channel.clone());
        channels.wanted.insert(channel);
        drop(channels);
        self.news.notify_one();
    }

    pub(super) fn ignore(&self, document: &DocumentKey) {
        let channel = self.names.channel(document);
        let mut channels = self.lock();
        if channels.wanted.remove(&channel) {
            channels.changed.insert(channel);
        }
        drop(channels);
        self.news.notify_one();
    }

    /// All that a new connection has to subscribe to.
    pub(super) fn all(&self) -> Vec<Turn> {
        let mut channels = self.lock();
        channels.changed.clear();
        let documents = channels.wanted.iter().cloned();
        let all = documents.chain([self.names.to_all().to_owned()]);
        all.map(Turn::Subscribe).collect()
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

    /// Takes what the server sends unasked.
    pub(super) fn take(&self, push: PushInfo) {
        if push.kind != PushKind::SMessage {
            return;
        }
        let mut data = push.data.into_iter();
        if let (Some(Value::BulkString(channel)), Some(Value::BulkString(word))) =
            (data.next(), data.next())
        {
            self.hear(&channel, word.into());
        }
    }

    fn hear(&self, channel: &[u8], word: Bytes) {
        if encoding::speaker(&word) == Some(self.number) {
            return;
        }
        match encoding::decode(word) {
            Ok(said) if self.names.of_topic(&said.topic).as_bytes() != channel => {
                self.unreadable(Unreadable::Malformed("about another document"));
            }
            Ok(said) if self.is_wanted(channel) => {
                self.counters.heard.add(1);
                if let Some(ear) = self.ear.get() {
                    ear(said.topic, said.word);
                }
            }
            Ok(_) => {}
            Err(unreadable) => self.unreadable(unreadable),
        }
    }

    /// Counts what could not be read.
    pub(super) fn unreadable(&self, reason: Unreadable) {
        match reason {
            Unreadable::Unknown => self.counters.unknown.add(1),
            Unreadable::Malformed(_) => self.counters.malformed.add(1),
        }
        if let Some(times) = self.oddities.now() {
            tracing::warn!(%reason, times, "Redis gave something that no node of this cluster says");
        }
    }

    /// What is ignored may come for a moment more.
    fn is_wanted(&self, channel: &[u8]) -> bool {
        let is_to_all = channel == self.names.to_all().as_bytes();
        is_to_all || str::from_utf8(channel).is_ok_and(|it| self.lock().wanted.contains(it))
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels {
    fn take(&mut self) -> Vec<Turn> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let turn = |channel| match self.wanted.contains(&channel) {
            true => Turn::Subscribe(channel),
            false => Turn::Unsubscribe(channel),
        };
        changed.map(turn).collect()
    }
}
