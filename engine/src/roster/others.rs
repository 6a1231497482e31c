//! What other nodes say of a roster, and what becomes of their people when they say nothing more.
//!
//! A node's words carry turns that grow. One that comes after a later one says nothing: whatever it told of is in the next
//! roll, or is asked for then.

use crate::dot::ReplicaId;
use crate::time::Now;

use super::{Gone, Owner, PresenceName, Roster, Showing};

/// Another node that was heard of late.
#[derive(Debug, Default)]
pub(super) struct Other {
    /// Of the last word that was heard.
    turn: u64,
    heard_ms: u64,
    /// Since when it may be that it is gone.
    doubted_ms: Option<u64>,
}

/// What a roll comes to, for who hears it.
#[derive(Debug, Default)]
pub(crate) struct RollHeard {
    /// Who is not with that node any more.
    pub(crate) gone: Vec<Gone>,
    /// Of whom the last word was not heard.
    pub(crate) lacking: Vec<PresenceName>,
}

impl<V> Roster<V> {
    /// Whether a word of another node is later than what was heard of it before; then its node is there.
    pub(crate) fn hears(&mut self, from: ReplicaId, turn: u64, now: Now) -> bool {
        if from == self.replica {
            return false;
        }
        let other = self.others.entry(from).or_default();
        if turn < other.turn {
            return false;
        }
        *other = Other {
            turn,
            heard_ms: now.monotonic_ms,
            doubted_ms: None,
        };
        true
    }

    /// Takes note of what another node says of one of its clients. False if that changes nothing.
    pub(crate) fn hear(&mut self, from: ReplicaId, showing: Showing<V>) -> bool {
        let is_known = self.shown.contains_key(&showing.name);
        (is_known || showing.value.is_some()) && self.take(Owner::Replica(from), showing)
    }

    /// Takes the roll of another node that was just heard.
    pub(crate) fn hear_roll(
        &mut self,
        from: ReplicaId,
        asks: bool,
        mut people: Vec<(PresenceName, u64)>,
    ) -> RollHeard {
        if asks {
            self.roll_call.answer();
        }
        people.sort_unstable();
        let is_named = |name: &PresenceName| {
            let at = people.binary_search_by(|(named, _)| named.cmp(name));
            at.is_ok()
        };
        let owner = Owner::Replica(from);
        let gone = self
            .shown
            .extract_if(.., |name, it| it.owner == owner && !is_named(name));
        let gone = gone.map(|(name, it)| (name, it.number)).collect();
        people.retain(|(name, number)| {
            let shown = self.shown.get(name);
            shown.is_none_or(|it| it.number < *number)
        });
        let lacking = people.into_iter().map(|(name, _)| name).collect();
        RollHeard { gone, lacking }
    }

    /// Another node lacks the last word on some who are here.
    pub(crate) fn announce(&mut self, names: &[PresenceName]) {
        for name in names {
            if let Some(shown) = self.shown.get(name).filter(|it| it.is_here()) {
                self.news.insert(name.clone(), shown.number);
            }
        }
    }

    /// Another node asks who is here, in full.
    pub(crate) fn announce_all(&mut self) {
        let own = self.shown.iter().filter(|(_, it)| it.is_here());
        let own = own.map(|(name, it)| (name.clone(), it.number));
        self.news.extend(own);
        self.roll_call.answer();
    }

    /// Nobody knows yet who is with the others, or whether all was heard of late: they are asked.
    pub(crate) fn ask_others(&mut self, at_once: bool, now: Now) {
        self.roll_call.ask(at_once, now);
    }

    /// Words of the others may have got lost: their people are gone soon, unless they say again who is there.
    pub(crate) fn doubt_others(&mut self, now: Now) {
        for other in self.others.values_mut() {
            other.doubted_ms.get_or_insert(now.monotonic_ms);
        }
        self.ask_others(true, now);
    }

    /// These are seen by nobody any more. If they were only slow, they answer.
    pub(crate) fn doubt_replicas(&mut self, gone: &[ReplicaId], now: Now) {
        for replica in gone {
            if let Some(other) = self.others.get_mut(replica) {
                other.doubted_ms.get_or_insert(now.monotonic_ms);
                self.roll_call.ask(true, now);
            }
        }
    }

    /// Takes out who is with nodes that have said nothing for too long.
    pub(crate) fn expire(&mut self, now: Now) -> Vec<Gone> {
        let limits = self.limits;
        let is_over = |other: &Other| other.ends_ms(limits) <= now.monotonic_ms;
        let over: Vec<_> = self
            .others
            .extract_if(.., |_, other| is_over(other))
            .map(|(replica, _)| Owner::Replica(replica))
            .collect();
        if over.is_empty() {
            return Vec::new();
        }
        let gone = self.shown.extract_if(.., |_, it| over.contains(&it.owner));
        gone.map(|(name, it)| (name, it.number)).collect()
    }

    /// When something is to be done if nothing happens: a roll to be called, or somebody to be gone.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let ends = self.others.values().map(|other| other.ends_ms(self.limits));
        ends.chain(self.roll_call.due_ms()).min()
    }
}

impl Other {
    fn ends_ms(&self, limits: super::RosterLimits) -> u64 {
        let of_silence = self.heard_ms + limits.silence_max_ms;
        let of_doubt = self.doubted_ms.map(|since_ms| since_ms + limits.doubt_ms);
        of_doubt.map_or(of_silence, |ends_ms| ends_ms.min(of_silence))
    }
}
