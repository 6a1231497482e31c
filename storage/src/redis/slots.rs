//! Who has what in a Redis Cluster: its names are spread over slots, and its slots over servers.
//!
//! All here is computed from what a server answers; nothing is asked. Replicas do not count: words are said, and listened
//! to, at the server that has the slot.

use std::collections::BTreeSet;
use std::fmt;

use redis::Value;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Which server has which slots, in the order of the slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(Vec<Stretch>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    first: u16,
    last: u16,
    at: Place,
}

/// The slot of a key or channel: that of what stands between the first brace and the next closing one, if anything does.
pub(super) fn slot(name: &str) -> u16 {
    let tag = name.split_once('{').and_then(|(_, after)| {
        let (tag, _) = after.split_once('}')?;
        (!tag.is_empty()).then_some(tag)
    });
    crc(tag.unwrap_or(name).as_bytes()) % SLOTS
}

/// CRC-16 as XMODEM has it.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc >> 15 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    })
}

impl Slots {
    /// Reads the answer to `CLUSTER SLOTS`; a server that gives itself no name is where it was asked.
    pub(super) fn read(answer: &Value, asked: &Place) -> Self {
        let entries = list(answer).iter();
        let mut stretches: Vec<_> = entries.filter_map(|it| stretch(it, asked)).collect();
        stretches.sort();
        Self(stretches)
    }

    /// Who has a slot.
    pub(super) fn place_of(&self, slot: u16) -> Option<&Place> {
        let next = self.0.partition_point(|it| it.first <= slot);
        let stretch = self.0[..next].last()?;
        (slot <= stretch.last).then_some(&stretch.at)
    }

    /// All who have some.
    pub(super) fn places(&self) -> BTreeSet<&Place> {
        self.0.iter().map(|it| &it.at).collect()
    }

    /// How many slots nobody has.
    pub(super) fn missing(&self) -> usize {
        let had = self.0.iter();
        let had: usize = had.map(|it| usize::from(it.last - it.first) + 1).sum();
        usize::from(SLOTS).saturating_sub(had)
    }
}

/// First slot, last slot, then who has them: the master first.
fn stretch(entry: &Value, asked: &Place) -> Option<Stretch> {
    let [first, last, master, ..] = list(entry) else {
        return None;
    };
    let [host, port, ..] = list(master) else {
        return None;
    };
    let host = match text(host) {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ => asked.host.clone(),
    };
    let (first, last, port) = (number(first)?, number(last)?, number(port)?);
    let at = Place { host, port };
    (first <= last && last < SLOTS).then_some(Stretch { first, last, at })
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

const SLOTS: u16 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: i64) -> Value {
        let host = match host {
            "" => Value::Nil,
            host => Value::BulkString(host.as_bytes().to_vec()),
        };
        Value::Array(vec![host, Value::Int(port), Value::Nil])
    }

    fn entry(first: i64, last: i64, servers: &[Value]) -> Value {
        let mut entry = vec![Value::Int(first), Value::Int(last)];
        entry.extend_from_slice(servers);
        Value::Array(entry)
    }

    fn place(host: &str, port: u16) -> Place {
        let host = host.to_owned();
        Place { host, port }
    }

    /// The examples of the Redis Cluster specification, and of `CLUSTER KEYSLOT`.
    #[test]
    fn a_name_is_in_the_slot_that_redis_says() {
        assert_eq!(crc(b"123456789"), 0x31c3);
        assert_eq!(slot("somekey"), 11_058);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{}{bar}"), crc(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot("foo{{bar}}zap"), crc(b"{bar") % SLOTS);
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
    }

    #[test]
    fn slots_are_those_of_the_masters() {
        let answer = Value::Array(vec![
            entry(8_000, 16_383, &[server("b", 2), server("c", 3)]),
            entry(0, 6_999, &[server("", 1)]),
        ]);
        let slots = Slots::read(&answer, &place("asked", 9));
        let (one, two) = (place("asked", 1), place("b", 2));
        for (slot, at) in [(0, &one), (6_999, &one), (8_000, &two), (16_383, &two)] {
            assert_eq!(slots.place_of(slot), Some(at), "{slot}");
        }
        assert_eq!(slots.place_of(7_000), None);
        assert_eq!(slots.missing(), 1_000);
        assert_eq!(slots.places(), BTreeSet::from([&one, &two]));
    }

    #[test]
    fn nonsense_has_no_slots() {
        let entries = [
            entry(0, 20_000, &[server("a", 1)]),
            entry(5, 4, &[server("a", 1)]),
            entry(0, 1, &[server("a", 70_000)]),
            entry(0, 1, &[Value::Nil]),
            entry(0, 1, &[]),
            Value::Nil,
        ];
        for answer in [Value::Array(entries.to_vec()), Value::Okay] {
            let slots = Slots::read(&answer, &place("a", 1));
            assert_eq!(slots, Slots::default());
            assert_eq!(slots.place_of(1), None);
            assert_eq!(slots.missing(), 16_384);
        }
    }
}
