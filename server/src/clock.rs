//! The clock that the driver reads for the pure core.

use std::cell::Cell;
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
/// And what the system said last is remembered for each thread, so that where pieces are short it is hardly ever asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Laps);

impl Stopwatch {
    /// The first piece begins now. All of them are done by this thread, and each may have a processor for so long.
    pub(crate) fn start(max: Duration) -> Self {
        let laps = Laps::start(max, Instant::now(), MARK.get(), thread_time);
        MARK.set(Some(laps.mark));
        Self(laps)
    }

    /// Ends a piece, and begins the next. True if it certainly has had a processor for too long. That is noticed an eighth
    /// later at the latest.
    pub(crate) fn lap(&mut self) -> bool {
        let is_over = self.0.lap(Instant::now(), thread_time);
        MARK.set(Some(self.0.mark));
        is_over
    }
}

thread_local! {
    static MARK: Cell<Option<Mark>> = const { Cell::new(None) };
}

/// What a stopwatch knows, without the clocks.
#[derive(Clone, Copy, Debug)]
struct Laps {
    max: Duration,
    piece_began: Instant,
    /// Not long before the piece began.
    mark: Mark,
}

/// How long a thread had had a processor at some moment.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    had: Duration,
}

impl Laps {
    fn start(
        max: Duration,
        now: Instant,
        last: Option<Mark>,
        thread_time: impl FnOnce() -> Duration,
    ) -> Self {
        let recent = last.filter(|mark| now - mark.at < max / 8);
        let mark = recent.unwrap_or_else(|| Mark {
            at: now,
            had: thread_time(),
        });
        Self {
            max,
            piece_began: now,
            mark,
        }
    }

    fn lap(&mut self, now: Instant, thread_time: impl FnOnce() -> Duration) -> bool {
        let began = std::mem::replace(&mut self.piece_began, now);
        if now - self.mark.at < self.max / 8 {
            return false;
        }
        let had = thread_time();
        let before = std::mem::replace(&mut self.mark, Mark { at: now, had });
        let by_others = began - before.at;
        had.saturating_sub(before.had) > self.max + by_others
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

    const MAX: Duration = Duration::from_millis(800);

    /// A thread on a machine that is busy with others, and how often its time was asked for.
    struct Thread {
        now: Instant,
        had: Duration,
        asked: usize,
    }

    impl Thread {
        fn new() -> Self {
            Self {
                now: Instant::now(),
                had: Duration::from_secs(1),
                asked: 0,
            }
        }

        fn start(&mut self, last: Option<Mark>) -> Laps {
            let asked = &mut self.asked;
            Laps::start(MAX, self.now, last, || {
                *asked += 1;
                self.had
            })
        }

        /// A piece that works for so many milliseconds and waits for so many.
        fn piece(&mut self, laps: &mut Laps, works_ms: u64, waits_ms: u64) -> bool {
            self.had += Duration::from_millis(works_ms);
            self.now += Duration::from_millis(works_ms + waits_ms);
            let asked = &mut self.asked;
            laps.lap(self.now, || {
                *asked += 1;
                self.had
            })
        }
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let mut thread = Thread::new();
        let mut laps = thread.start(None);
        assert!(!thread.piece(&mut laps, 10, 5_000));
        assert!(!thread.piece(&mut laps, 790, 0));
        assert!(thread.piece(&mut laps, 810, 70));
        assert!(!thread.piece(&mut laps, 10, 0), "each piece has its own");
    }

    #[test]
    fn a_piece_is_not_blamed_for_what_came_before_it() {
        let mut thread = Thread::new();
        let mut laps = thread.start(None);
        assert!(!thread.piece(&mut laps, 90, 0));
        assert!(!thread.piece(&mut laps, 790, 0));
        assert!(!thread.piece(&mut laps, 90, 0));
        assert!(thread.piece(&mut laps, 900, 0));
    }

    #[test]
    fn the_system_is_hardly_ever_asked_about_short_pieces() {
        let mut thread = Thread::new();
        let mut last = None;
        for _ in 0..1_000 {
            let mut laps = thread.start(last);
            assert!(!thread.piece(&mut laps, 1, 0));
            last = Some(laps.mark);
        }
        assert_eq!(thread.asked, 11, "once in each eighth");
        let now = thread.now;
        thread.now = now + Duration::from_secs(60);
        let mut laps = thread.start(last);
        assert!(thread.piece(&mut laps, 810, 0), "an old mark is not used");
    }

    #[test]
    fn a_thread_has_a_processor_while_it_works() {
        let before = thread_time();
        while thread_time() == before {}
        let mut watch = Stopwatch::start(Duration::ZERO);
        let began = thread_time();
        while thread_time() == began {}
        assert!(watch.lap());
    }
}
