//! What comes: which channels are listened to, wherever they are, and the end of a word's way.
//!
//! A channel is a name that anybody with access to the server can say anything on. So a word is passed on only if it is one,
//! is about the document of its channel, and that document is listened to; all else is counted.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};

use super::channels::Channels;
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
    wanted: Mutex<HashSet<Arc<str>>>,
    counters: Arc<Counters>,
    oddities: Seldom,
}

impl Hearing {
    pub(super) fn new(names: Arc<Names>, counters: Arc<Counters>) -> Self {
        let wanted = HashSet::from([names.to_all().into()]);
        Self {
            number: random(),
            names,
            ear: OnceLock::new(),
            wanted: Mutex::new(wanted),
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

    /// From now on words of a channel are passed on.
    pub(super) fn want(&self, channel: Arc<str>) {
        self.lock().insert(channel);
    }

    /// From now on they are not.
    pub(super) fn forget(&self, channel: &str) {
        self.lock().remove(channel);
    }

    /// Whether words of a channel are passed on. What is ignored may come for a moment more.
    fn is_wanted(&self, channel: &[u8]) -> bool {
        str::from_utf8(channel).is_ok_and(|it| self.lock().contains(it))
    }

    /// All channels whose words are passed on.
    pub(super) fn wanted(&self) -> Vec<Arc<str>> {
        self.lock().iter().cloned().collect()
    }

    /// Takes what a server sends unasked.
    pub(super) fn take(&self, push: PushInfo, channels: &Channels) {
        let mut data = push.data.into_iter();
        match (push.kind, data.next(), data.next()) {
            (
                PushKind::SMessage,
                Some(Value::BulkString(channel)),
                Some(Value::BulkString(word)),
            ) => self.hear(&channel, word.into()),
            // The slot has moved to another server, or the answer to having asked for it comes late: it is asked for again.
            (PushKind::SUnsubscribe, Some(Value::BulkString(channel)), _) => {
                channels.lost(&String::from_utf8_lossy(&channel));
            }
            _ => {}
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

    fn lock(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
