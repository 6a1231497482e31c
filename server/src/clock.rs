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

/// How long this thread has had a processor: what somebody used, however busy the machine is with others.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
