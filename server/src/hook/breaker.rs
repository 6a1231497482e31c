//! Whether the application is asked at all: after some failures in a row it is left alone for a while, and then tried once.
//!
//! So an application that is down costs those who wait for it a moment instead of the whole timeout, and is not met by all
//! of them at once when it comes back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::pause;

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    /// How long a trial may take before another may begin.
    trial_max: Duration,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when nobody is let through; none while all is well.
    closed_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(trial_max: Duration) -> Self {
        Self {
            state: Mutex::default(),
            trial_max,
        }
    }

    /// Whether a request may be made. After a pause, whoever asks first makes the trial, and the others wait for it.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.closed_until = Some(now + self.trial_max);
                true
            }
        }
    }

    /// How long nobody is let through.
    pub(super) fn closed_for(&self, now: Instant) -> Option<Duration> {
        let until = self.state().closed_until?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// The application has answered.
    pub(super) fn succeeded(&self) {
        *self.state() = State::default();
    }

    /// It did not.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if let Some(further) = state.failures.checked_sub(FAILURES_MAX) {
            state.closed_until = Some(now + pause::after(further, PAUSE_MIN, PAUSE_MAX));
        }
    }

    /// No operation leaves the state half changed, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many in a row are no accident.
const FAILURES_MAX: u32 = 5;
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Whoever has just repaired the application does not want to wait for long.
const PAUSE_MAX: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_some_failures_in_a_row_there_is_a_pause_and_then_one_trial() {
        let trial_max = Duration::from_secs(100);
        let breaker = Breaker::new(trial_max);
        let start = Instant::now();
        for _ in 1..FAILURES_MAX {
            breaker.failed(start);
        }
        assert!(breaker.admits(start));
        breaker.succeeded();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(!breaker.admits(start) && breaker.closed_for(start).is_some());
        let later = start + PAUSE_MIN;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one trial at a time");
        assert!(
            breaker.admits(later + trial_max),
            "a trial that was given up"
        );
        breaker.succeeded();
        assert!(breaker.admits(start) && breaker.closed_for(start).is_none());
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let breaker = Breaker::new(Duration::from_secs(1));
        let start = Instant::now();
        for _ in 0..100 {
            breaker.failed(start);
        }
        let closed = breaker.closed_for(start).unwrap();
        assert!(closed <= PAUSE_MAX && closed >= PAUSE_MAX / 2, "{closed:?}");
    }
}
