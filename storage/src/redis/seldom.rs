//! Logging with pauses: what happens a thousand times a second is worth one line now and then, with how often it was.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Says when to log.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Pause>);

#[derive(Debug, Default)]
struct Pause {
    logged: Option<Instant>,
    times: u64,
}

impl Seldom {
    /// It happened; if it is to be logged now, how often it did since that was the case.
    pub(super) fn now(&self) -> Option<u64> {
        let mut pause = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pause.times += 1;
        if pause.logged.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        pause.logged = Some(Instant::now());
        Some(std::mem::take(&mut pause.times))
    }
}

const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_logged_and_those_right_after_are_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.now(), Some(1));
        assert_eq!((seldom.now(), seldom.now()), (None, None));
        seldom.0.lock().unwrap().logged = None;
        assert_eq!(seldom.now(), Some(3));
    }
}
