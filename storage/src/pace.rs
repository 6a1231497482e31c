//! How soon one commit follows another.
//!
//! A commit costs about as much for one change as for ten, so what comes now and then is committed at once, and where
//! commits are many the next one waits a little for others to join it: not so long that a person would notice. Without
//! this a busy writer uses up half of a processor on committing changes one by one, while the sessions that share it wait.
//! Nobody joins where a document or two are all that is busy, since each has one append under way at a time.
//! `docs/decisions/0004-commits-wait-for-company.md` has figures.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use engine::DocumentKey;

/// When commits may begin.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the next commit would be due, had they all kept their distance.
    due: Instant,
    /// The documents of the latest appends, by a number that others hardly have.
    recent: VecDeque<u64>,
}

impl Pace {
    /// A pace that nothing has been committed at yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            due: now,
            recent: VecDeque::with_capacity(RECENT),
        }
    }

    /// Until when a commit that could begin now is to wait, if it is.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        let earliest = self.due.checked_sub(CREDIT)?;
        (earliest > now && self.may_have_company()).then_some(earliest)
    }

    /// A commit begins. What was committed without waiting is not held against those that come later: none of them waits
    /// longer than the distance.
    pub(crate) fn note(&mut self, now: Instant) {
        self.due = (self.due.max(now) + DISTANCE).min(now + CREDIT + DISTANCE);
    }

    /// A document has an append in the next commit.
    pub(crate) fn meet(&mut self, document: &DocumentKey) {
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(hasher.finish());
    }

    fn may_have_company(&self) -> bool {
        let firsts = self.recent.iter().enumerate();
        let firsts = firsts.filter(|(at, one)| !self.recent.iter().take(*at).any(|it| it == *one));
        firsts.count() >= COMPANY
    }
}

/// From one commit to the next, where they are many. One that takes longer is followed by the next at once.
const DISTANCE: Duration = Duration::from_millis(5);
/// So much sooner than that a commit may come: some twenty in a row are not held up.
const CREDIT: Duration = Duration::from_millis(100);
/// How many appends are remembered.
const RECENT: usize = 16;
/// How many documents there must have been among them.
const COMPANY: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// How long each of some commits waits that follow each other as closely as they may, of so many documents in turn.
    fn waits(pace: &mut Pace, mut now: Instant, took: Duration, documents: u32) -> Vec<Duration> {
        let commit = |number| {
            let name = format!("{}", number % documents);
            pace.meet(&DocumentKey::new("w", &name).unwrap());
            let began = pace.wait(now).unwrap_or(now);
            let waited = began - now;
            pace.note(began);
            now = began + took;
            waited
        };
        (0..60_u32).map(commit).collect()
    }

    #[test]
    fn a_few_commits_begin_at_once_and_many_keep_their_distance() {
        let (now, took) = (Instant::now(), Duration::from_micros(300));
        let waits = waits(&mut Pace::new(now), now, took, 100);
        assert!(waits[..20].iter().all(Duration::is_zero), "{waits:?}");
        let kept = waits[30..].iter().all(|wait| *wait == DISTANCE - took);
        assert!(kept, "{waits:?}");
    }

    #[test]
    fn after_a_pause_commits_begin_at_once_again() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        waits(&mut pace, now, Duration::from_micros(300), 100);
        assert_eq!(pace.wait(now + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_document_or_two_wait_for_nobody() {
        let (now, took) = (Instant::now(), Duration::from_micros(300));
        let waits = waits(&mut Pace::new(now), now, took, 2);
        assert!(waits.iter().all(Duration::is_zero), "{waits:?}");
    }

    #[test]
    fn what_a_lone_document_committed_is_not_held_against_others() {
        let (now, took) = (Instant::now(), Duration::from_micros(300));
        let mut pace = Pace::new(now);
        let mut later = now;
        for _ in 0..100 {
            waits(&mut pace, later, took, 1);
            later += 60 * took;
        }
        let waits = waits(&mut pace, later, took, 100);
        assert!(waits.iter().all(|wait| *wait <= DISTANCE), "{waits:?}");
    }

    #[test]
    fn slow_commits_wait_for_nothing() {
        let now = Instant::now();
        let waits = waits(&mut Pace::new(now), now, DISTANCE, 100);
        assert!(waits.iter().all(Duration::is_zero), "{waits:?}");
    }
}
