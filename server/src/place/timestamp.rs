//! Times as people and programs exchange them: RFC 3339.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A time in milliseconds since the Unix epoch, as RFC 3339 in UTC with milliseconds.
pub fn timestamp(wall_ms: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(wall_ms) * NANOS_PER_MS)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| LATEST.to_owned())
}

/// The milliseconds since the Unix epoch of an RFC 3339 time in any zone; times before it count as its beginning.
pub fn parse(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let wall_ms = time.unix_timestamp_nanos() / NANOS_PER_MS;
    Some(u64::try_from(wall_ms).unwrap_or(0))
}

const NANOS_PER_MS: i128 = 1_000_000;

/// RFC 3339 has four digits for the year. Nothing later comes from a sane clock.
const LATEST: &str = "9999-12-31T23:59:59.999Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_they_are_written() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        let wall_ms = 1_795_123_456_789;
        assert_eq!(parse(&timestamp(wall_ms)), Some(wall_ms));
    }

    #[test]
    fn no_time_is_too_early_or_too_late() {
        assert_eq!(timestamp(u64::MAX), LATEST);
        assert_eq!(parse("1969-12-31T23:59:59Z"), Some(0));
    }
}
