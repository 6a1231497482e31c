//! How fast one client may send: so many messages and bytes a second, and more for a moment after a silence.
//!
//! For each of the two there is one point in time: when all that has come would have come at the allowed pace. It moves on
//! with everything that comes, and may lie ahead of the clock by as much as a burst. So a connection keeps two instants, and a
//! message costs two comparisons; the clock is read once for all that is read at once.

use std::sync::Arc;
use std::time::Duration;

use engine::Limit;
use tokio::time::Instant;

/// What each connection may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceLimits {
    /// Messages; any number if none.
    pub messages: Option<Rate>,
    /// Bytes, as they come over the network; any number if none.
    pub bytes: Option<Rate>,
}

/// So many in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u64,
    /// At once, after a silence.
    pub burst: u64,
}

/// How far one connection is.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: Arc<PaceLimits>,
    now: Instant,
    /// When its messages would have come at the allowed pace.
    messages_at: Instant,
    /// The same for its bytes.
    bytes_at: Instant,
}

impl Rate {
    fn time_of(self, number: u64) -> Duration {
        let nanoseconds = u128::from(number) * NANOSECONDS / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Whether so many may come, and if so, that they did.
    fn take(self, number: u64, at: &mut Instant, now: Instant) -> bool {
        let after = (*at).max(now) + self.time_of(number);
        let is_in_time = after <= now + self.time_of(self.burst);
        if is_in_time {
            *at = after;
        }
        is_in_time
    }
}

impl Pace {
    /// Nothing has come.
    pub(crate) fn new(limits: Arc<PaceLimits>) -> Self {
        let now = Instant::now();
        Self {
            limits,
            now,
            messages_at: now,
            bytes_at: now,
        }
    }

    /// Something is going to be looked at.
    pub(crate) fn look_at_clock(&mut self) {
        if *self.limits != PaceLimits::default() {
            self.now = Instant::now();
        }
    }

    /// So many bytes came.
    ///
    /// # Errors
    /// That was too fast.
    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<(), Limit> {
        match self.limits.bytes {
            Some(rate) if !rate.take(bytes as u64, &mut self.bytes_at, self.now) => {
                Err(Limit::BytesPerSecond)
            }
            _ => Ok(()),
        }
    }

    /// A message came.
    ///
    /// # Errors
    /// That was too fast.
    pub(crate) fn message(&mut self) -> Result<(), Limit> {
        match self.limits.messages {
            Some(rate) if !rate.take(1, &mut self.messages_at, self.now) => {
                Err(Limit::MessagesPerSecond)
            }
            _ => Ok(()),
        }
    }
}

const NANOSECONDS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(messages: Option<Rate>, bytes: Option<Rate>) -> Pace {
        Pace::new(Arc::new(PaceLimits { messages, bytes }))
    }

    fn rate(per_second: u64, burst: u64) -> Option<Rate> {
        Some(Rate { per_second, burst })
    }

    #[test]
    fn a_burst_then_the_pace() {
        let mut pace = pace(rate(1_000, 5_000), None);
        let let_in = |pace: &mut Pace| (0..10_000).filter(|_| pace.message().is_ok()).count();
        assert_eq!(let_in(&mut pace), 5_000);
        assert_eq!(pace.message(), Err(Limit::MessagesPerSecond));
        pace.now += Duration::from_millis(10);
        assert_eq!(let_in(&mut pace), 10);
        // A long silence allows one burst, not several.
        pace.now += Duration::from_secs(3_600);
        assert_eq!(let_in(&mut pace), 5_000);
    }

    #[test]
    fn whoever_keeps_the_pace_is_never_stopped() {
        let mut pace = pace(rate(1_000, 5), rate(60_000, 300));
        for _ in 0..100_000 {
            pace.now += Duration::from_millis(1);
            assert_eq!((pace.message(), pace.bytes(60)), (Ok(()), Ok(())));
        }
    }

    #[test]
    fn large_messages_fit_and_a_stream_of_them_does_not() {
        let mut pace = pace(None, rate(16 << 20, 128 << 20));
        let reads = |pace: &mut Pace| {
            (0..4_096)
                .take_while(|_| pace.bytes(64 << 10).is_ok())
                .count()
        };
        assert_eq!(reads(&mut pace), 2_048, "two of 64 MiB");
        assert_eq!(pace.bytes(1), Err(Limit::BytesPerSecond));
        pace.now += Duration::from_secs(1);
        assert_eq!(reads(&mut pace), 256);
    }

    #[test]
    fn without_limits_everything_may_come() {
        let mut pace = pace(None, None);
        assert!((0..1_000_000).all(|_| pace.message().is_ok() && pace.bytes(usize::MAX).is_ok()));
    }

    #[test]
    fn extreme_rates_do_not_overflow() {
        let mut slow = pace(rate(1, 1), rate(1, 1));
        assert!(slow.message().is_ok() && slow.message().is_err());
        let mut fast = pace(rate(u64::MAX, u64::MAX), rate(1 << 40, 1 << 41));
        assert!((0..1_000).all(|_| fast.message().is_ok() && fast.bytes(1 << 30).is_ok()));
    }
}
