//! The forms that a setting's value can have, and what to call each of them when a value is not of it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use engine::WriterPolicy;
use tracing_subscriber::EnvFilter;

use crate::address::{ForwardedHeader, Networks};
use crate::memory;
use crate::origins::Origins;
use crate::telemetry::logs::LogFormat;

/// A kind of value that can be read from text.
pub(super) trait Form: Sized {
    /// What a value has to be, for "expected …".
    const EXPECTED: &'static str;

    /// Whether a value is shown nowhere, not even a wrong one.
    const IS_SECRET: bool = false;

    /// The value, if the text is one.
    fn parse(text: &str) -> Option<Self>;
}

/// Where changes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// In a SQLite file in the data folder.
    Sqlite,
    /// In memory: everything is lost when the server stops.
    Memory,
    /// In a Postgres database, which several nodes share.
    Postgres,
}

impl StoreChoice {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
            Self::Postgres => "postgres",
        }
    }
}

/// How long it takes to let all clients go when the server stops.
pub(super) struct Spread(pub(super) Option<Duration>);

/// The path of a file, if there is to be one.
pub(super) struct NamedFile(pub(super) Option<PathBuf>);

/// A number of bytes.
pub(super) struct Size(pub(super) usize);

/// A number of bytes that one message may have.
pub(super) struct FrameSize(pub(super) usize);

/// A number of bytes of this machine's memory; `auto` is half of it.
pub(super) struct Memory(pub(super) usize);
/// A number of bytes that the head of a request may have.
pub(super) struct HeadSize(pub(super) usize);

/// A number of things, at least one.
pub(super) struct Count(pub(super) usize);

/// How deep something may be nested that is read by functions that call themselves.
pub(super) struct Depth(pub(super) usize);

/// How deep shared types may be nested in a document.
pub(super) struct TypeDepth(pub(super) u16);

/// Filter directives that `tracing` understands.
pub(super) struct Filter(pub(super) String);

impl Form for SocketAddr {
    const EXPECTED: &'static str = "an IP address and a port such as 127.0.0.1:1234";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Form for PathBuf {
    const EXPECTED: &'static str = "the path of a folder";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

impl Form for Networks {
    const EXPECTED: &'static str = "none, all, or networks and addresses with commas between them such as 10.0.0.0/8, 192.0.2.7";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Form for ForwardedHeader {
    const EXPECTED: &'static str = "x-forwarded-for or forwarded";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "x-forwarded-for" => Some(Self::XForwardedFor),
            "forwarded" => Some(Self::Forwarded),
            _ => None,
        }
    }
}

impl Form for NamedFile {
    const EXPECTED: &'static str = "none, or the path of a file";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "" => None,
            "none" => Some(Self(None)),
            path => Some(Self(Some(path.into()))),
        }
    }
}

impl Form for Origins {
    const EXPECTED: &'static str = "none, or origins with commas between them such as https://app.example.com, http://localhost:5173";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Form for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Form for StoreChoice {
    const EXPECTED: &'static str = "sqlite, memory or postgres";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "sqlite" => Some(Self::Sqlite),
            "memory" => Some(Self::Memory),
            "postgres" => Some(Self::Postgres),
            _ => None,
        }
    }
}

impl Form for WriterPolicy {
    const EXPECTED: &'static str = "off, warn or strict";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            "warn" => Some(Self::Warn),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

impl Form for LogFormat {
    const EXPECTED: &'static str = "auto, pretty or json";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Form for Filter {
    const EXPECTED: &'static str = "filter directives such as info or info,server=debug";

    fn parse(text: &str) -> Option<Self> {
        EnvFilter::try_new(text).ok().map(|_| Self(text.to_owned()))
    }
}

impl Form for Duration {
    const EXPECTED: &'static str = "a duration from 1ms to 365days such as 30s or 5m";

    fn parse(text: &str) -> Option<Self> {
        let duration = humantime::parse_duration(text).ok()?;
        DURATIONS.contains(&duration).then_some(duration)
    }
}

impl Form for Spread {
    const EXPECTED: &'static str = "auto, none, or a duration from 1ms to 365days such as 5s";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self(None)),
            "none" => Some(Self(Some(Duration::ZERO))),
            text => Duration::parse(text).map(|time| Self(Some(time))),
        }
    }
}

impl Form for Size {
    const EXPECTED: &'static str = "a size from 1KiB to 1TiB such as 512KiB or 16MiB";

    fn parse(text: &str) -> Option<Self> {
        parse_size(text, KIB..=TIB).map(Self)
    }
}

impl Form for Memory {
    const EXPECTED: &'static str = "auto, or a size from 1KiB to 1TiB such as 4GiB";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self(memory::half_of_machine())),
            size => parse_size(size, KIB..=TIB).map(Self),
        }
    }
}

impl Form for FrameSize {
    const EXPECTED: &'static str = "a size from 1KiB to 1GiB such as 512KiB or 16MiB";

    fn parse(text: &str) -> Option<Self> {
        parse_size(text, KIB..=GIB).map(Self)
    }
}

impl Form for HeadSize {
    const EXPECTED: &'static str = "a size from 8KiB to 1GiB such as 16KiB";

    fn parse(text: &str) -> Option<Self> {
        parse_size(text, 8 * KIB..=GIB).map(Self)
    }
}

impl Form for Count {
    const EXPECTED: &'static str = "a whole number from 1 to 1000000000";

    fn parse(text: &str) -> Option<Self> {
        let count = text.parse().ok()?;
        (1..=1_000_000_000).contains(&count).then_some(Self(count))
    }
}

impl Form for Depth {
    const EXPECTED: &'static str = "a whole number from 1 to 128";

    fn parse(text: &str) -> Option<Self> {
        let depth = text.parse().ok()?;
        (1..=128).contains(&depth).then_some(Self(depth))
    }
}

impl Form for TypeDepth {
    const EXPECTED: &'static str = "a whole number from 1 to 512";

    fn parse(text: &str) -> Option<Self> {
        let depth = text.parse().ok()?;
        (1..=512).contains(&depth).then_some(Self(depth))
    }
}

fn parse_size(text: &str, allowed: RangeInclusive<u64>) -> Option<usize> {
    let ByteSize(bytes) = text.parse().ok()?;
    allowed.contains(&bytes).then_some(bytes)?.try_into().ok()
}

const KIB: u64 = 1024;
const GIB: u64 = KIB * KIB * KIB;
const TIB: u64 = KIB * GIB;

/// A timer that is always due would spin, and one beyond a year never fires.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_as_people_write_them() {
        let bytes = |text| Size::parse(text).map(|Size(bytes)| bytes);
        assert_eq!(bytes("16MiB"), Some(16 * 1024 * 1024));
        assert_eq!(bytes("1500 KB"), Some(1_500_000));
        assert_eq!(bytes("2048"), Some(2048));
        assert_eq!(Duration::parse("1m 30s"), Some(Duration::from_secs(90)));
    }

    #[test]
    fn what_would_make_a_bound_meaningless_is_refused() {
        for text in ["0", "-1", "1.5", "", "1000000001", "many"] {
            assert!(Count::parse(text).is_none(), "{text}");
        }
        for text in ["0", "1023", "-5MiB", "2TiB", "16 fathoms"] {
            assert!(Size::parse(text).is_none(), "{text}");
        }
        for text in ["0s", "30", "soon", "366days"] {
            assert!(Duration::parse(text).is_none(), "{text}");
        }
        assert!(FrameSize::parse("2GiB").is_none());
        assert!(Depth::parse("129").is_none() && Depth::parse("0").is_none());
        assert!(TypeDepth::parse("513").is_none() && TypeDepth::parse("0").is_none());
    }
}
