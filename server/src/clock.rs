//! The clock that the driver reads for the pure core.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::Now;
use rustix::time::{ClockId, clock_gettime};

/// Reads the time as milliseconds since this clock was made, and as wall time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time.
    pub(crate) fn now(self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            monotonic_ms: millis(self.start.elapsed()),
            wall_ms: millis(wall),
        }
    }

    /// The moment that a monotonic time of this clock stands for.
    pub(crate) fn instant(self, monotonic_ms: u64) -> tokio::time::Instant {
        (self.start + Duration::from_millis(monotonic_ms)).into()
    }
}

/// Measures how long single pieces of work have had a processor, however busy the machine is with others. It takes a call
/// of the system to know that, so the time that went by is looked at first: nothing can have had a processor for longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    piece_began: Instant,
    /// A moment not long before the piece began, and how long this thread had had a processor by then.
    mark: (Instant, Duration),
}

impl Stopwatch {
    /// The first piece begins now. All of them are done by this thread.
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self {
            piece_began: now,
            mark: (now, thread_time()),
        }
    }

    /// Ends a piece, and begins the next. True if it has had a processor for longer than `max`, give or take an eighth.
    pub(crate) fn lap(&mut self, max: Duration) -> bool {
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.piece_began, now);
        if now - self.mark.0 < max / 8 {
            return false;
        }
        let before = std::mem::replace(&mut self.mark, (now, thread_time())).1;
        took > max && self.mark.1.saturating_sub(before) > max
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(duration: Duration) {
        let began = thread_time();
        while thread_time() - began < duration {}
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let max = Duration::from_millis(4);
        let mut watch = Stopwatch::start();
        std::thread::sleep(2 * max);
        assert!(!watch.lap(max));
        spin(2 * max);
        assert!(watch.lap(max));
        for _ in 0..8 {
            spin(max / 4);
            assert!(!watch.lap(max));
        }
    }
}
