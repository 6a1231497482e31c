//! The roster: who shows what, with this node and with the others; held by the server, so that who comes is told of all at
//! once and who goes is gone at once.
//!
//! A presence is named by what its client calls itself and the presence. It belongs to the connection that showed it last,
//! here or on another node, and nobody but the same person takes it over. What it shows is a `V`: ordered documents move
//! it by every operation, channels do not look at it.
//!
//! What is new of our own connections is said to the other nodes ([`Roster::publish`]), and what they say is taken in
//! ([`others`]). Lost words are made up for by rolls; who is not heard of any more is gone.

mod others;
mod word;
pub use word::{PresenceName, RosterNotice, RosterWord};

use std::collections::BTreeMap;

use crate::dot::ReplicaId;
use crate::names::{Author, ConnectionId};
use crate::presence::TURNS_PER_MS_BITS;
use crate::roll_call::RollCall;
use crate::time::Now;

use others::Other;

/// The bounds of a roster, and its delays in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterLimits {
    /// How many presences one connection may show; further ones are not shown.
    pub of_connection_max: usize,
    /// How many the clients of one other node may show together; further ones are not shown.
    pub of_replica_max: usize,
    /// How long a value may be, in bytes of JSON; a longer one is refused.
    pub value_bytes_max: usize,
    /// How long a name may be, in bytes; one with a longer name is refused.
    pub name_bytes_max: usize,
    /// How long another node that may be gone has for saying again who is with it.
    pub doubt_ms: u64,
    /// How long another node may be silent before its people are gone. It calls its roll every quarter of a minute.
    pub silence_max_ms: u64,
}

impl Default for RosterLimits {
    fn default() -> Self {
        Self {
            of_connection_max: 64,
            of_replica_max: 4_096,
            value_bytes_max: 64 * 1024,
            name_bytes_max: 256,
            doubt_ms: 1_000,
            silence_max_ms: 50_000,
        }
    }
}

/// Everybody who is shown; in order, so that the same inputs have the same effects.
#[derive(Debug)]
pub(crate) struct Roster<V> {
    limits: RosterLimits,
    replica: ReplicaId,
    shown: BTreeMap<PresenceName, Shown<V>>,
    /// The other nodes that were heard of late.
    others: BTreeMap<ReplicaId, Other>,
    /// Of whom there is news that the other nodes have not been told, and the last number of each.
    news: BTreeMap<PresenceName, u64>,
    roll_call: RollCall,
    turn: u64,
}

/// One presence.
#[derive(Debug)]
pub(crate) struct Shown<V> {
    owner: Owner,
    author: Option<Author>,
    pub(crate) number: u64,
    pub(crate) value: V,
}

/// Whose a presence is: a connection's of this node, or another node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Connection(ConnectionId),
    Replica(ReplicaId),
}

/// Somebody who is gone, and the number under which that is told.
pub(crate) type Gone = (PresenceName, u64);

/// What somebody shows, for whoever is to take note of it.
#[derive(Clone, Debug)]
pub(crate) struct Showing<V> {
    pub(crate) name: PresenceName,
    pub(crate) author: Option<Author>,
    pub(crate) number: u64,
    /// None if it is gone.
    pub(crate) value: Option<V>,
}

impl<V> Roster<V> {
    pub(crate) fn new(replica: ReplicaId, limits: RosterLimits) -> Self {
        Self {
            limits,
            replica,
            shown: BTreeMap::new(),
            others: BTreeMap::new(),
            news: BTreeMap::new(),
            roll_call: RollCall::default(),
            turn: 0,
        }
    }

    /// Takes note of what a connection of this node shows. False if it is older than what is known, somebody else's, or one
    /// too many.
    pub(crate) fn show(&mut self, connection: ConnectionId, showing: Showing<V>) -> bool {
        let news = (showing.name.clone(), showing.number);
        let is_taken = self.take(Owner::Connection(connection), showing);
        if is_taken {
            self.news.extend([news]);
        }
        is_taken
    }

    /// Takes out what a connection had shown.
    pub(crate) fn leave(&mut self, connection: ConnectionId) -> Vec<Gone> {
        let owner = Owner::Connection(connection);
        let gone = self.shown.extract_if(.., |_, shown| shown.owner == owner);
        let gone: Vec<_> = gone.map(|(name, it)| (name, it.number + 1)).collect();
        self.news.extend(gone.iter().cloned());
        gone
    }

    /// What is shown under a name.
    pub(crate) fn get(&self, name: &PresenceName) -> Option<&Shown<V>> {
        self.shown.get(name)
    }

    /// All that is shown.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&PresenceName, &Shown<V>)> {
        self.shown.iter()
    }

    /// Changes what is shown, everywhere in the same way; what is not kept is gone.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&PresenceName, &mut V) -> bool) {
        self.shown.retain(|name, it| keeps(name, &mut it.value));
    }

    /// What the other nodes are to be told: what is new, and who is here if that is due. `write` gives what is shown as
    /// JSON text, and the version that it is in.
    pub(crate) fn publish(
        &mut self,
        now: Now,
        write: impl Fn(&V) -> (u64, Box<str>),
    ) -> Vec<RosterWord> {
        let mut words = Vec::new();
        let news = std::mem::take(&mut self.news).into_iter();
        let notices: Vec<_> = news
            .filter_map(|(name, number)| self.notice(name, number, &write))
            .collect();
        if !notices.is_empty() {
            self.roll_call.news(now);
            let (from, turn) = (self.replica, self.next_turn(now));
            words.push(RosterWord::News {
                from,
                turn,
                notices,
            });
        }
        if let Some(asks) = self.roll_call.take(now) {
            words.extend(self.roll(asks, now));
        }
        words
    }

    /// There are no other nodes to be told anything.
    pub(crate) fn forget_news(&mut self) {
        self.news.clear();
    }

    /// The last word on somebody of ours; none if it is another node's now.
    fn notice(
        &self,
        name: PresenceName,
        number: u64,
        write: impl Fn(&V) -> (u64, Box<str>),
    ) -> Option<RosterNotice> {
        let shown = self.shown.get(&name);
        if shown.is_some_and(|it| !it.is_here()) {
            return None;
        }
        let written = shown.map(|it| write(&it.value));
        Some(RosterNotice {
            name,
            number: shown.map_or(number, |it| it.number),
            version: written.as_ref().map_or(0, |(version, _)| *version),
            author: shown.and_then(|it| it.author.clone()),
            value: written.map(|(_, text)| text),
        })
    }

    fn roll(&mut self, asks: bool, now: Now) -> Option<RosterWord> {
        let own = self.shown.iter().filter(|(_, it)| it.is_here());
        let people: Vec<_> = own.map(|(name, it)| (name.clone(), it.number)).collect();
        if people.is_empty() {
            self.roll_call.rest_if_told();
        }
        let (from, turn) = (self.replica, self.next_turn(now));
        let is_bounded = people.len() <= self.limits.of_replica_max;
        is_bounded.then_some(RosterWord::Roll {
            from,
            turn,
            asks,
            people,
        })
    }

    fn take(&mut self, owner: Owner, showing: Showing<V>) -> bool {
        if !self.may_take(owner, &showing) {
            return false;
        }
        let Showing {
            name,
            author,
            number,
            value,
        } = showing;
        match value {
            None => drop(self.shown.remove(&name)),
            Some(value) => {
                let shown = Shown {
                    owner,
                    author,
                    number,
                    value,
                };
                self.shown.insert(name, shown);
            }
        }
        true
    }

    fn may_take(&self, owner: Owner, showing: &Showing<V>) -> bool {
        let is_here = matches!(owner, Owner::Connection(_));
        match self.shown.get(&showing.name) {
            // Goodbyes are said by the node that has it, of whoever it was.
            Some(shown) if shown.owner == owner => shown.number <= showing.number,
            // Another node has lost it to somebody else meanwhile, or never had it.
            Some(_) if !is_here && showing.value.is_none() => false,
            Some(shown) => {
                let is_newer = match is_here {
                    true => shown.number <= showing.number,
                    false => shown.number < showing.number,
                };
                is_newer && shown.author == showing.author
            }
            None => showing.value.is_none() || self.has_room(owner),
        }
    }

    fn has_room(&self, owner: Owner) -> bool {
        let own = self.shown.values().filter(|it| it.owner == owner);
        own.count()
            < match owner {
                Owner::Connection(_) => self.limits.of_connection_max,
                Owner::Replica(_) => self.limits.of_replica_max,
            }
    }

    fn next_turn(&mut self, now: Now) -> u64 {
        self.turn = (self.turn + 1).max(now.monotonic_ms << TURNS_PER_MS_BITS);
        self.turn
    }
}

impl<V> Shown<V> {
    fn is_here(&self) -> bool {
        matches!(self.owner, Owner::Connection(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ConnectionId = ConnectionId(1);
    const THERE: ReplicaId = ReplicaId(2);

    fn showing(author: &str, number: u64, value: Option<&'static str>) -> Showing<&'static str> {
        Showing {
            name: name(),
            author: Some(Author::new(author)),
            number,
            value,
        }
    }

    fn name() -> PresenceName {
        let (source, id) = ("it".into(), "cursor".into());
        PresenceName { source, id }
    }

    fn roster() -> Roster<&'static str> {
        Roster::new(ReplicaId(1), RosterLimits::default())
    }

    fn at_ms(monotonic_ms: u64) -> Now {
        Now {
            monotonic_ms,
            wall_ms: 0,
        }
    }

    #[test]
    fn nobody_but_the_same_person_takes_a_presence_over() {
        let mut roster = roster();
        assert!(roster.show(HERE, showing("ada", 5, Some("a"))));
        assert!(!roster.show(ConnectionId(9), showing("bob", 6, Some("b"))));
        assert!(!roster.hear(THERE, showing("bob", 6, Some("b"))));
        assert!(!roster.hear(THERE, showing("ada", 5, Some("same number"))));
        assert!(roster.hear(THERE, showing("ada", 6, Some("moved"))));
        assert!(roster.leave(HERE).is_empty(), "it is another node's now");
        assert!(!roster.hear(ReplicaId(3), showing("ada", 9, None)));
        assert!(roster.hear(THERE, showing("ada", 7, None)));
        assert_eq!(roster.all().count(), 0);
    }

    #[test]
    fn who_is_too_many_is_not_shown() {
        let mut roster = roster();
        let most = RosterLimits::default().of_connection_max;
        let shown = (0..=most).map(|at| {
            let mut showing = showing("ada", 1, Some("here"));
            showing.name.id = at.to_string().into();
            roster.show(HERE, showing)
        });
        assert_eq!(shown.filter(|is_shown| *is_shown).count(), most);
        assert_eq!(roster.leave(HERE).len(), most);
    }

    #[test]
    fn the_people_of_a_node_that_is_doubted_are_gone_unless_it_speaks() {
        let mut roster = roster();
        assert!(roster.hears(THERE, 1, at_ms(0)));
        assert!(roster.hear(THERE, showing("ada", 1, Some("here"))));
        roster.doubt_replicas(&[THERE], at_ms(10));
        assert!(roster.hears(THERE, 2, at_ms(900)));
        assert!(!roster.hears(THERE, 1, at_ms(900)), "that is older");
        assert!(roster.expire(at_ms(1_500)).is_empty());
        roster.doubt_replicas(&[THERE], at_ms(2_000));
        assert_eq!(roster.expire(at_ms(3_000)), [(name(), 1)]);
    }
}
