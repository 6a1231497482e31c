//! Tables whose rows expire one by one, in one round trip: the register of nodes, and counts.
//!
//! Redis lets whole keys expire, so a small script writes into each row when it ends, by the server's own clock, and passes
//! over rows that have ended: nodes whose clocks are apart agree all the same. One table is one key, so it is in one slot.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use super::millis;

/// A row that is to be entered.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
    pub(super) lasts: Duration,
}

/// Enters a row, and answers with all that have not ended.
pub(super) fn enter(table: &str, row: &Row<'_>) -> Cmd {
    let mut command = read(table);
    command.arg(millis(row.lasts)).arg(row.name).arg(row.value);
    command
}

/// Answers with all rows that have not ended.
pub(super) fn read(table: &str) -> Cmd {
    cmd("EVAL").arg(SCRIPT).arg(1).arg(table).take()
}

/// The rows of an answer; what is none is left out.
pub(super) fn rows(answer: Value) -> BTreeMap<Bytes, Bytes> {
    let fields = match answer {
        Value::Array(fields) => fields,
        _ => Vec::new(),
    };
    let mut fields = fields.into_iter().map(|field| match field {
        Value::BulkString(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    });
    let mut rows = BTreeMap::new();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        rows.insert(name, value);
    }
    rows
}

/// The numbers in all rows but one, together.
pub(super) fn sum_of_others(answer: Value, own: &str) -> u64 {
    let rows = rows(answer);
    let others = rows.iter().filter(|(name, _)| **name != own.as_bytes());
    let counts = others.filter_map(|(_, count)| str::from_utf8(count).ok()?.parse().ok());
    counts.fold(0, u64::saturating_add)
}

/// A row's value begins with the millisecond at which it ends. A table goes when nothing was entered for so long that all
/// of it has ended.
const SCRIPT: &str = "
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local table, lasts, name, value = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if name then
  redis.call('HSET', table, name, string.format('%.0f ', now + lasts) .. value)
  redis.call('PEXPIRE', table, lasts)
end
local rows, live = redis.call('HGETALL', table), {}
for at = 1, #rows, 2 do
  local space = string.find(rows[at + 1], ' ', 1, true)
  local ends = space and tonumber(string.sub(rows[at + 1], 1, space - 1))
  if ends and ends > now then
    live[#live + 1] = rows[at]
    live[#live + 1] = string.sub(rows[at + 1], space + 1)
  else
    redis.call('HDEL', table, rows[at])
  end
end
return live
";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[&str]) -> Value {
        let field = |text: &&str| Value::BulkString(text.as_bytes().to_vec());
        Value::Array(fields.iter().map(field).collect())
    }

    #[test]
    fn counts_of_the_others_are_added_up() {
        let counts = answer(&["a", "3", "b", "4", "c", "many", "d", "5", "e"]);
        assert_eq!(sum_of_others(counts, "a"), 9);
        let large = u64::MAX.to_string();
        assert_eq!(
            sum_of_others(answer(&["b", &large, "c", "1"]), "a"),
            u64::MAX
        );
        assert_eq!(sum_of_others(Value::Nil, "a"), 0);
        assert_eq!(sum_of_others(Value::Array(vec![Value::Int(1); 4]), "a"), 0);
    }
}
