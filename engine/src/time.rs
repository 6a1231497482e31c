//! Time as an argument: what the driver says the time is, and the hybrid logical clock made from it.
//!
//! Nothing is ever decided by wall time. Deadlines compare [`Now::monotonic_ms`]; [`Hlc`] is for display, and differs from
//! the wall clock only so far that a later change never shows an earlier time than one it could have seen.

/// The time of one input, as the driver read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed moment of this process; never goes back.
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch, as far as this machine knows.
    pub wall_ms: u64,
}

/// A hybrid logical timestamp: 48 bits of wall milliseconds, 16 bits of counter. For display only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The timestamp of a wall-clock moment, before any tie was broken.
    pub fn from_wall_ms(wall_ms: u64) -> Self {
        Self((wall_ms & WALL_MS_MAX) << COUNTER_BITS)
    }

    /// The wall-clock part, in milliseconds since the Unix epoch.
    pub fn wall_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }
}

/// Hands out [`Hlc`]s that grow even when the wall clock stands still or jumps back.
#[derive(Clone, Debug, Default)]
pub struct HlcClock {
    last: Hlc,
}

impl HlcClock {
    /// Learns of a timestamp that another replica or an earlier life handed out.
    pub fn observe(&mut self, seen: Hlc) {
        self.last = self.last.max(seen);
    }

    /// The next timestamp: the wall clock's, or just after the last one seen.
    pub fn tick(&mut self, now: Now) -> Hlc {
        self.last = Hlc::from_wall_ms(now.wall_ms).max(Hlc(self.last.0.saturating_add(1)));
        self.last
    }
}

const COUNTER_BITS: u32 = 16;
const WALL_MS_MAX: u64 = (1 << 48) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_grow_when_the_wall_clock_jumps_back() {
        let mut clock = HlcClock::default();
        let at = |wall_ms| Now {
            monotonic_ms: 0,
            wall_ms,
        };
        let first = clock.tick(at(5_000));
        let second = clock.tick(at(4_000));
        let third = clock.tick(at(5_001));
        assert!(first < second && second < third);
        assert_eq!(
            (first.wall_ms(), second.wall_ms(), third.wall_ms()),
            (5_000, 5_000, 5_001)
        );
    }
}
