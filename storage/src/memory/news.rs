//! What is to be told of documents, of the store in memory: one entry for each, by their names.

use std::collections::BTreeMap;

use engine::{Author, DocumentKey, Kind, Order};

use crate::news::{Changed, News, NewsHabit, Told};

#[derive(Debug, Default)]
pub(super) struct Newsroom {
    habit: Option<NewsHabit>,
    entries: BTreeMap<DocumentKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    news: News,
    since_ms: u64,
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

    pub(super) fn list(&self, limit: usize) -> Vec<News> {
        let mut news: Vec<_> = self.entries.values().map(|it| it.news.clone()).collect();
        news.sort_by_key(|news| news.due_ms);
        news.truncate(limit);
        news
    }

    pub(super) fn told(&mut self, document: &DocumentKey, told: Told, now_ms: u64) {
        let debounce_ms = self.habit.map_or(0, |habit| habit.debounce_ms);
        let Some(Entry { news, since_ms }) = self.entries.get_mut(document) else {
            return;
        };
        match told {
            Told::Created => news.created_ms = None,
            Told::Changed(through) => {
                news.changed.take_if(|changed| changed.through == through);
            }
            Told::Deleted => news.deleted_ms = None,
        }
        *since_ms = now_ms;
        news.due_ms = now_ms + debounce_ms;
        news.attempts = 0;
        if news.created_ms.is_none() && news.changed.is_none() && news.deleted_ms.is_none() {
            self.entries.remove(document);
        }
    }

    pub(super) fn put_off(&mut self, document: &DocumentKey, until_ms: u64) {
        if let Some(Entry { news, .. }) = self.entries.get_mut(document) {
            news.due_ms = until_ms;
            news.attempts += 1;
        }
    }

    /// The entry of a document, made if need be, and due as one is to which something is added now.
    fn add(&mut self, document: &DocumentKey, kind: Kind, now_ms: u64) -> &mut News {
        let entry = self.entries.entry(document.clone());
        let Entry { news, since_ms } = entry.or_insert_with(|| Entry {
            news: News {
                document: document.clone(),
                kind,
                created_ms: None,
                changed: None,
                deleted_ms: None,
                due_ms: 0,
                attempts: 0,
            },
            since_ms: now_ms,
        });
        if let Some(habit) = self.habit.filter(|_| news.attempts == 0) {
            news.due_ms = habit.due(*since_ms, now_ms);
        }
        news
    }
}
