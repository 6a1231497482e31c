//! What of the content may be told to clients.
//!
//! Of most documents that is all of it, stored or not: a client that was shown an edit gives it back if it gets lost. Where
//! clients take what they are told as word of what others have, an edit waits here until it is stored, and until then
//! nothing that is computed for a client has it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::content::{Begins, Content, ContentError};
use crate::time::Now;

use super::Document;
use super::effect::Effects;
use super::relay::{self, Pushed};

/// Edits that are recorded and shown to nobody yet.
#[derive(Debug, Default)]
pub(super) struct Unshown(VecDeque<Held>);

#[derive(Debug)]
struct Held {
    /// The counter of the last change that must be stored before.
    through: u64,
    /// The step of the document before it.
    after: u64,
    pushed: Pushed,
}

/// The part of the content that clients may be told of.
#[derive(Debug)]
pub(super) struct Showable<'a> {
    content: &'a Content,
    unshown: Vec<&'a Begins>,
}

impl Document {
    /// Records edits, and keeps those that are news until they are stored.
    pub(super) fn record_and_hold(&mut self, batch: Vec<Pushed>, now: Now) {
        let mut held = Vec::new();
        for of_one in batch.chunk_by(|a, b| a.connection == b.connection) {
            let after = self.steps.last();
            self.record(of_one, now);
            held.extend(of_one.iter().map(|_| (self.last_counter(), after)));
        }
        let held = batch.into_iter().zip(held);
        let news = held.filter(|(pushed, _)| pushed.news);
        let news = news.map(|(pushed, (through, after))| Held {
            through,
            after,
            pushed,
        });
        self.unshown.0.extend(news);
    }

    /// Shows the edits that are stored now, but for those that turned out to be harmful.
    pub(super) fn show_stored(&mut self, through: u64, effects: &mut Effects) {
        let Some(Unshown(held)) = self.unshown.if_used_mut() else {
            return;
        };
        let ready = held.partition_point(|held| held.through <= through);
        let ready: Vec<_> = held.drain(..ready).map(|held| held.pushed).collect();
        let ready = ready
            .into_iter()
            .filter(|pushed| !self.is_quarantined(&pushed.payload));
        let ready: Vec<_> = ready.collect();
        if !ready.is_empty() {
            relay::relay(
                &self.content,
                &ready,
                self.shown_step(),
                &self.peers,
                effects,
            );
        }
    }

    /// The last step before which all has been shown to those who are here.
    pub(super) fn shown_step(&self) -> u64 {
        let first = self.unshown.if_used().and_then(|unshown| unshown.0.front());
        first.map_or_else(|| self.steps.last(), |held| held.after)
    }

    /// Whether all that is recorded has been shown.
    pub(super) fn has_shown_all(&self) -> bool {
        self.unshown
            .if_used()
            .is_none_or(|unshown| unshown.0.is_empty())
    }

    /// What clients may be told of.
    pub(super) fn showable(&self) -> Showable<'_> {
        let unshown = if self.content.is_shown_stored() {
            let batch = self.batch.iter().map(|pushed| &pushed.begins);
            batch.chain(self.durability.unsaved_begins()).collect()
        } else {
            Vec::new()
        };
        Showable {
            content: &self.content,
            unshown,
        }
    }
}

impl<'a> Showable<'a> {
    /// All of some content.
    #[cfg(test)]
    pub(super) fn all(content: &'a Content) -> Self {
        Self {
            content,
            unshown: Vec::new(),
        }
    }

    /// Whether a client has nothing.
    pub(super) fn is_nothing(&self, have: &[u8]) -> bool {
        have == self.content.have_of_nobody()
    }

    /// What there is.
    pub(super) fn have(&self) -> Bytes {
        self.content.have(self.unshown.iter().copied())
    }

    /// What a client lacks that has `have`.
    ///
    /// # Errors
    /// As [`Content::missing_from`].
    pub(super) fn missing_from(&self, have: &[u8]) -> Result<Bytes, ContentError> {
        self.content
            .missing_without(have, self.unshown.iter().copied())
    }

    /// All there is, for a client that has nothing.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn everything(&self) -> Result<Bytes, ContentError> {
        self.missing_from(self.content.have_of_nobody())
    }

    /// The same as it is kept, for a client that reads that; none if it is not kept so.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn saved(&self) -> Result<Option<Bytes>, ContentError> {
        self.content.saved_without(self.unshown.iter().copied())
    }

    /// What may be told of and builds on what may not: what there is does not name it. Empty if there is nothing such.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn following(&self) -> Result<Bytes, ContentError> {
        self.content.following(self.unshown.iter().copied())
    }

    /// What waits for missing parts.
    pub(super) fn waiting(&self) -> Vec<Bytes> {
        self.content.waiting_without(self.unshown.iter().copied())
    }
}
