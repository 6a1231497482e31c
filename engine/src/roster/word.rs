//! What nodes tell each other of a roster. Words get lost, come late and come twice; the turn in each says how old it is.

use crate::dot::ReplicaId;
use crate::names::Author;

/// Which presence it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresenceName {
    /// What its client calls itself.
    pub source: Box<str>,
    /// What it calls the presence.
    pub id: Box<str>,
}

impl PresenceName {
    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.source.len() + self.id.len()
    }
}

/// What one node says to the others of those who show themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RosterWord {
    /// News of the node's own clients.
    News {
        /// Who says it.
        from: ReplicaId,
        /// Later than all that it said before.
        turn: u64,
        /// What it says.
        notices: Vec<RosterNotice>,
    },
    /// Who is with the node, and nobody else.
    Roll {
        /// Who says it.
        from: ReplicaId,
        /// Later than all that it said before.
        turn: u64,
        /// Whether the others are to answer with rolls of their own.
        asks: bool,
        /// Its people, each with the number of the last word on it.
        people: Vec<(PresenceName, u64)>,
    },
    /// Somebody lacks the last word on these: their node says it again.
    Asked {
        /// Which node is asked.
        of: ReplicaId,
        /// Whose.
        names: Vec<PresenceName>,
    },
}

/// What a node says of one presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterNotice {
    /// Which it is.
    pub name: PresenceName,
    /// Its number; a later one counts.
    pub number: u64,
    /// The version of the document that it is in; 0 where there are no versions.
    pub version: u64,
    /// Who showed it, if that is known.
    pub author: Option<Author>,
    /// What it shows, as JSON text; none if it is gone.
    pub value: Option<Box<str>>,
}

impl RosterWord {
    /// About how many bytes of memory it takes up.
    pub fn weight(&self) -> usize {
        match self {
            Self::News { notices, .. } => notices.iter().map(RosterNotice::weight).sum(),
            Self::Roll { people, .. } => {
                let names = people.iter().map(|(name, _)| name.length());
                names.map(|length| length + OVERHEAD_BYTES).sum()
            }
            Self::Asked { names, .. } => {
                let names = names.iter().map(PresenceName::length);
                names.map(|length| length + OVERHEAD_BYTES).sum()
            }
        }
    }
}

impl RosterNotice {
    fn weight(&self) -> usize {
        let of_value = self.value.as_ref().map_or(0, |value| value.len());
        self.name.length() + of_value + OVERHEAD_BYTES
    }
}

const OVERHEAD_BYTES: usize = 64;
