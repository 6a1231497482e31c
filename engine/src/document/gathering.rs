//! Presence on its way to the clients: what is new of it gathers, and leaves as one event.
//!
//! In a small room it leaves with the batch that brought it. In a larger one every event costs as much as there are
//! clients, and all of them move: so what comes soon after an event waits, the longer the larger the room, and leaves
//! together. What comes after a silence leaves at once in any room. Of each entry the last word counts, but that somebody
//! has gone is told even if they are here again: what they say then may be no newer than what they said before.

use std::collections::BTreeMap;

use crate::names::ConnectionId;
use crate::presence::{PresenceEntry, PresenceId, PresenceLimits};
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{Audience, Effect, Effects, Event};

/// What is new of presence, and was not shown yet.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    news: BTreeMap<PresenceId, News>,
    authors: Authors,
    /// When clients were last shown something.
    shown_ms: Option<u64>,
    due_ms: Option<u64>,
}

#[derive(Debug)]
struct News {
    gone: Option<PresenceEntry>,
    last: PresenceEntry,
}

/// Whose news it is; a client need not be shown its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Authors {
    #[default]
    Nobody,
    One(ConnectionId),
    Several,
}

impl Gathering {
    /// When what has gathered is to be shown.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Whether there is news of an entry.
    fn has(&self, id: PresenceId) -> bool {
        self.news.contains_key(&id)
    }

    fn add(
        &mut self,
        entries: Vec<PresenceEntry>,
        author: Option<ConnectionId>,
        wait_ms: u64,
        now: Now,
    ) {
        self.authors = self.authors.and(author);
        for entry in entries {
            self.note(entry);
        }
        let is_full = self.news.len() >= NEWS_MAX;
        let free_ms = self.shown_ms.map_or(0, |shown| shown + wait_ms);
        let due_ms = if is_full { 0 } else { free_ms };
        self.due_ms = Some(
            self.due_ms
                .map_or(due_ms, |due| due.min(due_ms))
                .max(now.monotonic_ms),
        );
    }

    fn note(&mut self, entry: PresenceEntry) {
        let id = entry.id;
        let gone = self
            .news
            .remove(&id)
            .and_then(|before| match before.last.state {
                None => Some(before.last),
                Some(_) => before.gone,
            });
        let gone = gone.filter(|_| entry.state.is_some());
        self.news.insert(id, News { gone, last: entry });
    }

    /// What has gathered, if its time has come, and who need not be shown it.
    fn take_due(&mut self, now: Now) -> Option<(Vec<PresenceEntry>, Option<ConnectionId>)> {
        self.due_ms.take_if(|due| *due <= now.monotonic_ms)?;
        self.shown_ms = Some(now.monotonic_ms);
        let news = std::mem::take(&mut self.news).into_values();
        let entries = news.flat_map(|news| news.gone.into_iter().chain([news.last]));
        let author = match std::mem::take(&mut self.authors) {
            Authors::One(author) => Some(author),
            Authors::Nobody | Authors::Several => None,
        };
        Some((entries.collect(), author))
    }
}

impl Authors {
    fn and(self, author: Option<ConnectionId>) -> Self {
        match (self, author) {
            (Self::Nobody, Some(author)) => Self::One(author),
            (Self::One(one), Some(author)) if one == author => self,
            _ => Self::Several,
        }
    }
}

impl Document {
    /// Has all but its author be shown news of presence, now or soon.
    pub(super) fn show_presence(
        &mut self,
        mut entries: Vec<PresenceEntry>,
        author: Option<ConnectionId>,
        now: Now,
    ) {
        if self.sabotage.is(Bug::StalePresence) {
            entries.retain(|entry| !self.gathering.has(entry.id));
        }
        if !entries.is_empty() {
            let wait_ms = self.limits.presence.wait_ms(self.peers.len());
            self.gathering.add(entries, author, wait_ms, now);
        }
    }

    /// Shows what has gathered, if its time has come.
    pub(super) fn show_gathered(&mut self, now: Now, effects: &mut Effects) {
        if let Some((entries, author)) = self.gathering.take_due(now) {
            let but: Vec<_> = author.into_iter().collect();
            effects.push(Effect::Send {
                to: Audience::AllBut(but.into()),
                event: Event::Presence(entries),
                shows: None,
            });
        }
    }
}

impl PresenceLimits {
    /// How long news waits after the last in a room of so many.
    fn wait_ms(&self, clients: usize) -> u64 {
        if clients <= self.at_once_max {
            return 0;
        }
        let wait_ms = (clients as u64).saturating_mul(self.wait_us_per_client) / 1_000;
        wait_ms.min(self.wait_max_ms)
    }
}

/// How many entries gather at most; then they are shown, whatever the time.
const NEWS_MAX: usize = 4_096;
