//! Rolls: what a node says now and then of who is with it, so that every lost word about somebody is made up for.
//!
//! A roll names all people of one node with the turn of the last word on each, and says of everybody else that they are
//! not with it. Who hears it lets go of whom the node does not have any more, and asks it for those of whom it lacks the
//! last word. Rolls carry no states, so they are cheap; and like all words they may be lost, repeated and late.

use std::collections::HashMap;

use crate::dot::ReplicaId;
use crate::time::Now;

use super::claim::{Claim, Live, Owner};
use super::{Presence, PresenceEntry, PresenceId, TURNS_PER_MS_BITS};

/// Who is with a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceRoll {
    /// Later than all that the node has said before, which is what the roll speaks of.
    pub turn: u64,
    /// Whether the others are to answer with rolls of their own.
    pub asks: bool,
    /// Its people, each with the turn of the last word on it.
    pub people: Vec<(PresenceId, u64)>,
}

/// What a roll comes to, for who hears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollHeard {
    /// News for the clients here.
    pub news: Vec<PresenceEntry>,
    /// Of whom the last word was not heard, in the order of their ids.
    pub unheard: Vec<PresenceId>,
}

impl PresenceRoll {
    /// The roll of a node where the document is not open any more, whatever was said before.
    pub fn of_nobody(now: Now) -> Self {
        Self {
            turn: (now.monotonic_ms + 1) << TURNS_PER_MS_BITS,
            ..Self::default()
        }
    }
}

impl Presence {
    /// The roll of our own connections; none if they have more entries than other nodes would take.
    pub fn roll(&mut self, asks: bool, now: Now) -> Option<PresenceRoll> {
        let turn = self.next_turn(now);
        let own = self.live.iter().flat_map(|(id, live)| {
            let own = live.claims().filter(|claim| claim.owner.is_here());
            own.map(|claim| (*id, claim.turn))
        });
        let mut people: Vec<_> = own.collect();
        people.sort_unstable();
        let is_bounded = people.len() <= self.limits.entries_per_replica_max;
        is_bounded.then_some(PresenceRoll { turn, asks, people })
    }

    /// Takes the roll of another node.
    pub fn hear_roll(&mut self, from: ReplicaId, roll: &PresenceRoll, now: Now) -> RollHeard {
        let people: HashMap<_, _> = roll.people.iter().copied().collect();
        let owner = Owner::Replica(from);
        for (id, live) in &mut self.live {
            let claims = live.claims_mut().filter(|claim| claim.owner == owner);
            let said = |claim: &Claim| people.get(id).is_some_and(|turn| claim.turn >= *turn);
            claims
                .filter(|claim| said(claim))
                .for_each(|claim| claim.doubted_ms = None);
        }
        let is_over = |id: PresenceId, claim: &Claim| {
            claim.owner == owner && claim.turn < roll.turn && !people.contains_key(&id)
        };
        let news = self.remove_where(now, Some(roll.turn), is_over);
        let mut unheard = roll.people.clone();
        unheard.retain(|(id, turn)| !self.has_heard(owner, *id, *turn));
        let unheard = unheard.into_iter().map(|(id, _)| id).collect();
        RollHeard { news, unheard }
    }

    /// Whether this word of an owner on an entry was heard, or a later one.
    fn has_heard(&self, owner: Owner, id: PresenceId, turn: u64) -> bool {
        let live = self.live.get(&id).into_iter().flat_map(Live::claims);
        let mut own = live.filter(|claim| claim.owner == owner);
        let gone = self.gone.get(&id).filter(|gone| gone.owner == owner);
        own.any(|claim| claim.turn >= turn) || gone.is_some_and(|gone| gone.turn > turn)
    }

    /// Makes notices of those entries that our own connections have, as if they were said anew.
    pub fn announce(&mut self, ids: &[PresenceId], now: Now) {
        let turn = self.next_turn(now);
        for id in ids {
            let live = self.live.get_mut(id).into_iter();
            let claims = live.flat_map(Live::claims_mut);
            for claim in claims.filter(|claim| claim.owner.is_here()) {
                claim.turn = turn;
                self.notices.insert(*id, claim.notice(*id));
            }
        }
    }

    /// The entries of a replica, in the order of their ids.
    pub fn of_replica(&self, replica: ReplicaId) -> Vec<PresenceId> {
        let owner = Owner::Replica(replica);
        let own = self
            .live
            .iter()
            .filter(|(_, live)| live.any(|claim| claim.owner == owner));
        let mut ids: Vec<_> = own.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}
