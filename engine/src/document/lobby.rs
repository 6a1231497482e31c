//! The lobby: where a client waits that has come to a shared document, until this node has seen what was stored by then.
//!
//! What it has written elsewhere, or was shown there, is stored; here it may be on its way still. So the store is asked how
//! far each lane is ([`Effect::AskHeads`]), after the client has come, and it is let in once all of that is here. What it
//! says meanwhile waits with it, in order, and holds up nobody else. It waits for a bounded time and within a bounded room;
//! beyond either, and when the store does not answer, it is let in with what is here.
//!
//! Of rights the last word counts: they are those that it has when it is let in. One whose rights are taken away is closed
//! where it waits.

use std::collections::VecDeque;

use crate::clock::VectorClock;
use crate::grant::Access;
use crate::names::ConnectionId;
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{Audience, CloseReason, Effect, Effects};
use super::input::{Input, Joining};
use super::phase::Phase;
use super::rebuilding;

/// The clients that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    waiting: VecDeque<Waiting>,
    /// What they have said takes up, in bytes.
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    joining: Joining,
    awaits: Awaits,
    until_ms: u64,
    /// What it has said since it came.
    said: Vec<Input>,
    bytes: usize,
}

/// What a client waits for.
#[derive(Debug)]
enum Awaits {
    /// That the store is asked.
    Question,
    /// That the store answers a question that was asked after it came.
    Answer,
    /// That all of this is here.
    Changes(VectorClock),
}

impl Document {
    /// A client has come. It is let in at once, or turned away, unless there may be something that it has to wait for.
    pub(super) fn came(&mut self, joining: Joining, now: Now, effects: &mut Effects) {
        let may_wait = self.limits.shared && !self.sabotage.is(Bug::BlindJoin);
        if may_wait && self.objection_to(&joining, now).is_none() {
            self.idle_since_ms = None;
            let until_ms = now.monotonic_ms + self.limits.join_wait_ms;
            self.lobby
                .waiting
                .push_back(Waiting::new(joining, until_ms));
        } else {
            self.joined(joining, now, effects);
        }
    }

    /// Takes what a client says that waits, or is said of one; gives back what is about somebody else.
    pub(super) fn hear_in_lobby(
        &mut self,
        input: Input,
        now: Now,
        effects: &mut Effects,
    ) -> Option<Input> {
        let waits = |connection| self.lobby.if_used()?.find(connection);
        let Some(at) = input.connection().and_then(waits) else {
            return Some(input);
        };
        match input {
            Input::Left { .. } => drop(self.lobby.remove(at)),
            Input::Revoked { .. } => self.turn_away(at, CloseReason::Revoked, effects),
            Input::Granted {
                access, until_ms, ..
            } => self.grant_in_lobby(at, access, until_ms, now, effects),
            said => self.lobby.keep(at, said, self.limits.unsaved_bytes_max),
        }
        self.rest_if_empty(now);
        None
    }

    fn grant_in_lobby(
        &mut self,
        at: usize,
        access: Access,
        until_ms: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        let rights = &mut self.lobby.waiting[at].joining.rights;
        rights.access = access;
        rights.until_ms = until_ms;
        if let Some(reason) = rights.refusal(now) {
            self.turn_away(at, reason, effects);
        }
    }

    fn turn_away(&mut self, at: usize, reason: CloseReason, effects: &mut Effects) {
        let connection = self.lobby.remove(at).joining.connection;
        effects.push(Effect::Close { connection, reason });
    }

    /// Lets those in who need not wait any more. Nobody needs to where nobody is served: they are told so.
    pub(super) fn let_in(&mut self, now: Now, effects: &mut Effects) {
        self.leave_lobby_out(effects);
        while !self.phase.is_building()
            && let Some(waiting) = self.next_from_lobby(now)
        {
            self.joined(waiting.joining, now, effects);
            for said in waiting.said {
                self.handle(said, now, effects);
            }
            self.rest_if_empty(now);
        }
    }

    fn next_from_lobby(&mut self, now: Now) -> Option<Waiting> {
        let is_open = self.phase == Phase::Open;
        let lobby = self.lobby.if_used_mut()?;
        let mut waiting = lobby.waiting.iter();
        let at = waiting.position(|one| !is_open || one.is_done(&self.clock, now))?;
        Some(lobby.remove(at))
    }

    /// Whoever waits is shown nothing: it has nothing yet that this builds on.
    pub(super) fn leave_lobby_out(&self, effects: &mut Effects) {
        let lobby = self.lobby.if_used();
        let Some(lobby) = lobby.filter(|lobby| !lobby.is_empty()) else {
            return;
        };
        for effect in effects {
            if let Effect::Send {
                to: Audience::AllBut(few),
                ..
            } = effect
            {
                *few = lobby.and(few).into();
            }
        }
    }

    /// Whether the store is to be asked for somebody who waits; it counts as asked from now on.
    pub(super) fn ask_for_lobby(&mut self) -> bool {
        let lobby = self.lobby.if_used_mut();
        let waiting = lobby.into_iter().flat_map(|lobby| &mut lobby.waiting);
        let unasked = waiting.filter(|one| matches!(one.awaits, Awaits::Question));
        unasked.map(|one| one.awaits = Awaits::Answer).count() > 0
    }

    /// The store has answered, or could not.
    pub(super) fn tell_lobby(&mut self, heads: Option<&VectorClock>) {
        if let Some(lobby) = self.lobby.if_used_mut() {
            let asked = lobby.waiting.iter_mut();
            asked
                .filter(|one| matches!(one.awaits, Awaits::Answer))
                .for_each(|one| one.awaits = Awaits::Changes(heads.cloned().unwrap_or_default()));
        }
    }

    /// The store could not give what somebody may wait for.
    pub(super) fn despair_in_lobby(&mut self) {
        if let Some(lobby) = self.lobby.if_used_mut() {
            let told = lobby.waiting.iter_mut();
            told.filter(|one| matches!(one.awaits, Awaits::Changes(_)))
                .for_each(Waiting::despair);
        }
    }

    pub(super) fn close_lobby(&mut self, reason: CloseReason, effects: &mut Effects) {
        if let Some(lobby) = self.lobby.if_used_mut() {
            for waiting in std::mem::take(lobby).waiting {
                let connection = waiting.joining.connection;
                effects.push(Effect::Close { connection, reason });
            }
        }
    }

    /// Until when somebody waits at most, if somebody does.
    pub(super) fn lobby_due_ms(&self) -> Option<u64> {
        let lobby = self.lobby.if_used()?;
        let untils = lobby.waiting.iter().map(|one| one.until_ms);
        untils.min().filter(|_| self.phase == Phase::Open)
    }

    /// What those who wait have said takes up, in bytes.
    pub(super) fn lobby_bytes(&self) -> usize {
        self.lobby.if_used().map_or(0, |lobby| lobby.bytes)
    }

    /// Nobody is here, as far as is known, from now on.
    pub(super) fn rest_if_empty(&mut self, now: Now) {
        let nobody_waits = self.lobby.if_used().is_none_or(Lobby::is_empty);
        if self.peers.is_empty() && nobody_waits {
            self.idle_since_ms.get_or_insert(now.monotonic_ms);
        }
    }
}

impl Lobby {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn find(&self, connection: ConnectionId) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting.position(|one| one.joining.connection == connection)
    }

    fn remove(&mut self, at: usize) -> Waiting {
        let removed = self.waiting.remove(at).expect("it was just found");
        self.bytes -= removed.bytes;
        removed
    }

    /// Keeps what a client says. If that is too much it waits no longer.
    fn keep(&mut self, at: usize, said: Input, bytes_max: usize) {
        let bytes = rebuilding::weight(&said) + INPUT_OVERHEAD_BYTES;
        self.bytes += bytes;
        let waiting = &mut self.waiting[at];
        waiting.bytes += bytes;
        waiting.said.push(said);
        if self.bytes > bytes_max {
            waiting.despair();
        }
    }

    /// Some connections and all that wait, ascending.
    fn and(&self, few: &[ConnectionId]) -> Vec<ConnectionId> {
        let waiting = self.waiting.iter().map(|one| one.joining.connection);
        let mut all: Vec<_> = few.iter().copied().chain(waiting).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Waiting {
    fn new(joining: Joining, until_ms: u64) -> Self {
        Self {
            joining,
            awaits: Awaits::Question,
            until_ms,
            said: Vec::new(),
            bytes: 0,
        }
    }

    fn is_done(&self, clock: &VectorClock, now: Now) -> bool {
        let is_here = matches!(&self.awaits, Awaits::Changes(heads) if clock.dominates(heads));
        is_here || now.monotonic_ms >= self.until_ms
    }

    /// What is here has to do.
    fn despair(&mut self) {
        self.awaits = Awaits::Changes(VectorClock::default());
    }
}

/// What is kept of an input besides its bytes.
const INPUT_OVERHEAD_BYTES: usize = 256;
