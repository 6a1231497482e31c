//! How far the benchmark is, and whether there is time for more.

use std::time::{Duration, Instant};

/// Compares what was expected with the clock.
pub(super) struct Pace {
    began: Instant,
    limit: Duration,
    /// Expected seconds of all, and of what is done.
    expected: f64,
    done: f64,
}

impl Pace {
    pub(super) fn new(minutes: f64, expected: f64) -> Self {
        Self {
            began: Instant::now(),
            limit: Duration::from_secs_f64(minutes * 60.0),
            expected,
            done: 0.0,
        }
    }

    /// Whether what is expected to take so long ends within the limit.
    pub(super) fn has_time_for(&self, seconds: f64) -> bool {
        let needed = Duration::from_secs_f64(seconds * self.slowness());
        self.began.elapsed() + needed <= self.limit
    }

    /// Something that was expected to take so long is done.
    pub(super) fn done(&mut self, seconds: f64) {
        self.done += seconds;
    }

    /// Tells what comes now, and how long all may still take.
    pub(super) fn say(&self, row: &str, server: &str, round: usize) {
        let left = (self.expected - self.done) * self.slowness();
        let bound = self.limit.saturating_sub(self.began.elapsed());
        let minutes = left.clamp(0.0, bound.as_secs_f64()) / 60.0;
        eprintln!("{minutes:5.1} min left  {row:28} {server:20} run {round}");
    }

    /// How much longer things take than expected.
    fn slowness(&self) -> f64 {
        if self.done < ENOUGH_SECONDS {
            return 1.0;
        }
        self.began.elapsed().as_secs_f64() / self.done
    }
}

/// Before that, the clock says nothing.
const ENOUGH_SECONDS: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_quicker_than_expected_leaves_time() {
        let mut pace = Pace::new(1.0, 1_000.0);
        assert!(pace.has_time_for(50.0) && !pace.has_time_for(70.0));
        pace.done(500.0);
        assert!(pace.has_time_for(70.0));
    }
}
