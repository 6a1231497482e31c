//! `[postgres]`: how much a node takes of the database that it shares with others.

use std::ops::RangeInclusive;
use std::time::Duration;

use storage::PostgresPools;

use super::error::ConfigError;
use super::form::Form;
use super::values::Values;

/// A number of connections to the database.
struct Connections(u32);

/// How long reading from the database may take.
struct ReadTime(Duration);

pub(super) fn read(values: &Values) -> Result<PostgresPools, ConfigError> {
    let connections = |key| values.get(key).map(|Connections(count)| count);
    let ReadTime(read_time) = values.get("postgres.read_time")?;
    Ok(PostgresPools {
        commits: connections("postgres.commits")?,
        loads: connections("postgres.loads")?,
        admin: connections("postgres.lists")?,
        upkeep: connections("postgres.upkeep")?,
        read_time,
    })
}

impl Form for Connections {
    const EXPECTED: &'static str = "a number of connections from 1 to 1000";

    fn parse(text: &str) -> Option<Self> {
        let count = text.parse().ok()?;
        (1..=1_000).contains(&count).then_some(Self(count))
    }
}

impl Form for ReadTime {
    const EXPECTED: &'static str = "a duration from 1s to 10m such as 7s";

    fn parse(text: &str) -> Option<Self> {
        let time = Duration::parse(text)?;
        READ_TIMES.contains(&time).then_some(Self(time))
    }
}

/// What is read in less never waits for a disk; who waits for longer has gone.
const READ_TIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_can_not_give_is_refused() {
        let count = |text| Connections::parse(text).map(|Connections(count)| count);
        assert_eq!((count("1"), count("1000")), (Some(1), Some(1_000)));
        for text in ["0", "-1", "1001", "4.5", "", "auto"] {
            assert!(Connections::parse(text).is_none(), "{text}");
        }
        let time = |text| ReadTime::parse(text).map(|ReadTime(time)| time);
        assert_eq!(time("2m"), Some(Duration::from_secs(120)));
        for text in ["0s", "999ms", "11m", "7", "none"] {
            assert!(ReadTime::parse(text).is_none(), "{text}");
        }
    }
}
