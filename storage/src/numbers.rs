//! Numbers and times as stores take them: databases have signed numbers of 64 bits, and nothing finer than milliseconds is kept.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number of the same bits, as databases keep no others than signed ones.
pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A bound of a range: numbers that databases do not have stand for the highest that they have, which no row reaches.
pub(crate) fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of rows.
pub(crate) fn limit(rows: usize) -> i64 {
    saturated(rows as u64)
}

/// The highest timestamp whose wall-clock part is not after `wall_ms`. From the year 6429 on the sign bit is set; such a
/// timestamp, of a clock gone wrong, is before no time.
pub(crate) fn last_hlc(wall_ms: u64) -> i64 {
    let next = wall_ms.saturating_add(1).min(1 << 47);
    saturated((next << 16) - 1)
}

/// A time in whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The time of this machine's clock, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, millis)
}

/// A number that nobody guesses; the standard library's maps are seeded by the system.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
