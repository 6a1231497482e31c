//! How soon one commit follows another.
//!
//! A commit costs about as much for one change as for ten, so what comes now and then is committed at once, and where
//! commits are many the next one waits a little for others to join it: not so long that a person would notice. Without
//! this a busy writer uses up half of a processor on committing changes one by one, while the sessions that share it wait.
//! `docs/decisions/0004-commits-wait-for-company.md` has figures.

use std::time::{Duration, Instant};

/// When commits may begin.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the next commit would be due, had they all kept their distance.
    due: Instant,
}

impl Pace {
    /// A pace that nothing has been committed at yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// Until when a commit that could begin now is to wait, if it is.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        let earliest = self.due.checked_sub(CREDIT)?;
        (earliest > now).then_some(earliest)
    }

    /// A commit begins.
    pub(super) fn note(&mut self, now: Instant) {
        self.due = self.due.max(now) + DISTANCE;
    }
}

/// From one commit to the next, where they are many. One that takes longer is followed by the next at once.
const DISTANCE: Duration = Duration::from_millis(5);
/// So much sooner than that a commit may come: some twenty in a row are not held up.
const CREDIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    /// How long each of some commits waits that follow each other as closely as they may.
    fn waits(pace: &mut Pace, mut now: Instant, took: Duration) -> Vec<Duration> {
        let commit = |_| {
            let began = pace.wait(now).unwrap_or(now);
            let waited = began - now;
            pace.note(began);
            now = began + took;
            waited
        };
        (0..60).map(commit).collect()
    }

    #[test]
    fn a_few_commits_begin_at_once_and_many_keep_their_distance() {
        let (now, took) = (Instant::now(), Duration::from_micros(300));
        let waits = waits(&mut Pace::new(now), now, took);
        assert!(waits[..20].iter().all(Duration::is_zero), "{waits:?}");
        let kept = waits[30..].iter().all(|wait| *wait == DISTANCE - took);
        assert!(kept, "{waits:?}");
    }

    #[test]
    fn after_a_pause_commits_begin_at_once_again() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        waits(&mut pace, now, Duration::from_micros(300));
        assert_eq!(pace.wait(now + Duration::from_secs(1)), None);
    }

    #[test]
    fn slow_commits_wait_for_nothing() {
        let now = Instant::now();
        let waits = waits(&mut Pace::new(now), now, DISTANCE);
        assert!(waits.iter().all(Duration::is_zero), "{waits:?}");
    }
}
