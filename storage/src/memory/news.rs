//! What is to be told of documents, of the store in memory: one entry for each, by their names.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Author, DocumentKey, Kind, Order};

use crate::news::{Changed, News, NewsHabit, Told};
use crate::numbers::millis;

#[derive(Debug, Default)]
pub(super) struct Newsroom {
    habit: Option<NewsHabit>,
    entries: BTreeMap<DocumentKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// As it is given, but for when it is due.
    news: News,
    since_ms: u64,
    due_ms: u64,
}

impl Newsroom {
    pub(super) fn keep(&mut self, habit: NewsHabit) {
        self.habit.get_or_insert(habit);
    }

    pub(super) fn created(&mut self, document: &DocumentKey, kind: Kind, now_ms: u64) {
        if self.habit.is_some_and(|habit| habit.created) {
            self.add(document, kind, now_ms).created_ms = Some(now_ms);
        }
    }

    pub(super) fn changed(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        through: Order,
        author: Option<Author>,
        now_ms: u64,
    ) {
        if self.habit.is_some_and(|habit| habit.changed) {
            self.add(document, kind, now_ms).changed = Some(Changed {
                through,
                at_ms: now_ms,
                author,
            });
        }
    }

    pub(super) fn deleted(&mut self, document: &DocumentKey, kind: Kind, now_ms: u64) {
        if self.habit.is_some_and(|habit| habit.deleted) {
            self.add(document, kind, now_ms).deleted_ms = Some(now_ms);
        }
    }

    pub(super) fn list(&self, limit: usize, now_ms: u64) -> Vec<News> {
        let dated = |entry: &Entry| News {
            due_in_ms: entry.due_ms.wrapping_sub(now_ms).cast_signed(),
            ..entry.news.clone()
        };
        let mut news: Vec<_> = self.entries.values().map(dated).collect();
        news.sort_by_key(|news| news.due_in_ms);
        news.truncate(limit);
        news
    }

    pub(super) fn told(&mut self, document: &DocumentKey, told: Told, now_ms: u64) {
        let debounce_ms = self.habit.map_or(0, |habit| habit.debounce_ms);
        let Some(entry) = self.entries.get_mut(document) else {
            return;
        };
        let news = &mut entry.news;
        match told {
            Told::Created => news.created_ms = None,
            Told::Changed(through) => {
                news.changed.take_if(|changed| changed.through == through);
            }
            Told::Deleted => news.deleted_ms = None,
        }
        news.attempts = 0;
        entry.since_ms = now_ms;
        entry.due_ms = now_ms + debounce_ms;
        if news.created_ms.is_none() && news.changed.is_none() && news.deleted_ms.is_none() {
            self.entries.remove(document);
        }
    }

    pub(super) fn put_off(&mut self, document: &DocumentKey, delay: Duration, now_ms: u64) {
        if let Some(entry) = self.entries.get_mut(document) {
            entry.due_ms = now_ms.saturating_add(millis(delay));
            entry.news.attempts += 1;
        }
    }

    /// The entry of a document, made if need be, and due as one is to which something is added now.
    fn add(&mut self, document: &DocumentKey, kind: Kind, now_ms: u64) -> &mut News {
        let entry = self.entries.entry(document.clone());
        let entry = entry.or_insert_with(|| Entry {
            news: News {
                document: document.clone(),
                kind,
                created_ms: None,
                changed: None,
                deleted_ms: None,
                due_in_ms: 0,
                attempts: 0,
            },
            since_ms: now_ms,
            due_ms: now_ms,
        });
        if let Some(habit) = self.habit.filter(|_| entry.news.attempts == 0) {
            entry.due_ms = habit.due(entry.since_ms, now_ms);
        }
        &mut entry.news
    }
}
