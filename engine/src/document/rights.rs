//! Rights: what each client may do with the document and until when, and how it hears of what it may not.
//!
//! They are checked when it joins and again at each intent, for they end, are renewed and are taken away while it is
//! connected. An edit that brings nothing new is nobody's to refuse: readers answer questions as everyone does. One that is
//! refused is answered, so that its author never takes it for saved: clients that can be told are told and stay, all others
//! are closed.
//!
//! Whoever may write edits from the first edit on that brings something; where only so many may edit at the same time,
//! those who came later read until one of them leaves.

use crate::grant::{Access, Capabilities, Capability};
use crate::names::{Author, ConnectionId};
use crate::time::Now;

use super::Document;
use super::effect::{Audience, CloseReason, Effect, Effects, Event};
use super::input::PushTag;
use super::peers::Peer;

/// What a client may do with a document, who it is, and until when that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Who it is; none if anonymous.
    pub author: Option<Author>,
    /// What it may do.
    pub access: Access,
    /// When this ends, in monotonic milliseconds; never if none is said.
    pub until_ms: Option<u64>,
}

impl Rights {
    /// Everything, for as long as the client stays.
    pub fn all(author: Option<Author>) -> Self {
        Self {
            author,
            access: Access {
                may: Capabilities::all(),
                editors_max: None,
            },
            until_ms: None,
        }
    }

    /// Whether one thing is among what may be done.
    pub fn allow(&self, capability: Capability) -> bool {
        self.access.may.contains(capability)
    }

    pub(super) fn have_ended(&self, now: Now) -> bool {
        self.until_ms
            .is_some_and(|until_ms| until_ms <= now.monotonic_ms)
    }

    /// Why they do not even let a client in.
    pub(super) fn refusal(&self, now: Now) -> Option<CloseReason> {
        match () {
            () if self.have_ended(now) => Some(CloseReason::Expired),
            () if !self.allow(Capability::Read) => Some(CloseReason::Forbidden),
            () => None,
        }
    }
}

impl Document {
    /// A client's rights were renewed, or are others now. Who it is stays.
    pub(super) fn granted(
        &mut self,
        connection: ConnectionId,
        access: Access,
        until_ms: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.peers.get_mut(connection) else {
            return;
        };
        peer.rights.access = access;
        peer.rights.until_ms = until_ms;
        peer.edits &= peer.rights.allow(Capability::Write);
        match peer.rights.refusal(now) {
            Some(reason) => self.expel(connection, reason, now, effects),
            None => self.tell_rights(connection, effects),
        }
    }

    /// A client's rights were taken away.
    pub(super) fn revoked(&mut self, connection: ConnectionId, now: Now, effects: &mut Effects) {
        if self.peers.contains(connection) {
            self.expel(connection, CloseReason::Revoked, now, effects);
        }
    }

    /// Tells a client whether it may write.
    pub(super) fn tell_rights(&self, connection: ConnectionId, effects: &mut Effects) {
        let Some(peer) = self.peers.get(connection) else {
            return;
        };
        effects.push(Effect::Send {
            to: Audience::One(connection),
            event: Event::Rights {
                may_write: self.bars_edits_of(peer).is_none(),
            },
            shows: None,
        });
    }

    /// Closes those whose rights have ended.
    pub(super) fn expel_expired(&mut self, now: Now, effects: &mut Effects) {
        for connection in self.peers.which(|peer| peer.rights.have_ended(now)) {
            self.expel(connection, CloseReason::Expired, now, effects);
        }
    }

    /// When the first rights end, in monotonic milliseconds.
    pub(super) fn rights_end_ms(&self) -> Option<u64> {
        self.peers
            .all()
            .filter_map(|peer| peer.rights.until_ms)
            .min()
    }

    /// Why a client's edits are not taken if they bring anything.
    pub(super) fn bars_edits(&self, connection: ConnectionId) -> Option<CloseReason> {
        self.bars_edits_of(self.peers.get(connection)?)
    }

    fn bars_edits_of(&self, peer: &Peer) -> Option<CloseReason> {
        if !peer.rights.allow(Capability::Write) {
            return Some(CloseReason::Forbidden);
        }
        let editors_max = peer.rights.access.editors_max?;
        let is_full = || self.peers.all().filter(|peer| peer.edits).count() >= editors_max as usize;
        (!peer.edits && is_full()).then_some(CloseReason::TooManyEditors)
    }

    /// Answers an edit that is not taken, and would not be the next time.
    pub(super) fn refuse(
        &mut self,
        connection: ConnectionId,
        tag: PushTag,
        reason: CloseReason,
        now: Now,
        effects: &mut Effects,
    ) {
        let takes_refusals = self
            .peers
            .get(connection)
            .is_some_and(|peer| peer.takes_refusals);
        if !takes_refusals || !reason.is_about_the_edit() {
            return self.expel(connection, reason, now, effects);
        }
        effects.push(Effect::Send {
            to: Audience::One(connection),
            event: Event::Refused { tag, reason },
            shows: None,
        });
    }
}
