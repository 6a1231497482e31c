//! The identity of a change: which replica made it, and which of that replica's changes it was.
//!
//! A *replica* is one incarnation of one server process. It takes a new [`ReplicaId`] from the store when it starts and
//! never uses another's, so a [`Dot`] names one change for ever. The changes of one document made by one replica are a
//! *lane*: counters 1, 2, 3 … without holes.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// One incarnation of one server process, handed out by the store and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u32);

/// The name of one change: the `counter`-th change that `replica` made to a document, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who made the change.
    pub replica: ReplicaId,
    /// The place of the change in its lane, from 1.
    pub counter: u64,
}

/// The place of a change in its document's timeline, handed out by the store on insert.
///
/// Orders grow in time but are not contiguous. They extend causality: nobody can depend on a change before it is
/// published, and it is published after it was inserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(pub u64);

impl Dot {
    /// Names the `counter`-th change of `replica`.
    pub fn new(replica: ReplicaId, counter: u64) -> Self {
        Self { replica, counter }
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Written as `replica.counter`, for example `7.1234`.
impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.replica, self.counter)
    }
}

/// Reads `replica.counter`; a text without a dot fails as an empty number does.
impl FromStr for Dot {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (replica, counter) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self::new(ReplicaId(replica.parse()?), counter.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_reads_back_as_it_is_written() {
        let dot = Dot::new(ReplicaId(7), 1234);
        assert_eq!(dot.to_string(), "7.1234");
        assert_eq!("7.1234".parse(), Ok(dot));
        assert!("7".parse::<Dot>().is_err());
        assert!("7.x".parse::<Dot>().is_err());
    }
}
