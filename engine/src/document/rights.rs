//! Rights: what each client may do with the document and until when, and how it hears of what it may not.
//!
//! They are checked when it joins and again at each intent, for they end, are renewed and are taken away while it is
//! connected. An edit that brings nothing new is nobody's to refuse: readers answer questions as everyone does. One that is
//! refused is answered, so that its author never takes it for saved: clients that can be told are told and stay, all others
//! are closed.
//!
//! Whoever may write edits from the first edit on that brings something; where only so many may edit at the same time,
//! those who came later read until one of them leaves.

use crate::grant::{Access, Capability, Rights};
use crate::names::ConnectionId;
use crate::time::Now;

use super::Document;
use super::effect::{Audience, CloseReason, Effect, Effects, Event};
use super::input::PushTag;

impl Rights {
    /// Why they do not even let a client in.
    pub(crate) fn refusal(&self, now: Now) -> Option<CloseReason> {
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
        let stops_editing = peer.edits && !peer.rights.allow(Capability::Write);
        peer.edits &= !stops_editing;
        self.an_editor_left |= stops_editing;
        match peer.rights.refusal(now) {
            Some(reason) => self.expel(connection, reason, now, effects),
            None => self.reconsider(connection, now, effects),
        }
    }

    /// A client's rights were taken away.
    pub(super) fn revoked(&mut self, connection: ConnectionId, now: Now, effects: &mut Effects) {
        if self.peers.contains(connection) {
            self.expel(connection, CloseReason::Revoked, now, effects);
        }
    }

    /// Closes those whose rights have ended.
    pub(super) fn expel_expired(&mut self, now: Now, effects: &mut Effects) {
        for connection in self.peers.which(|peer| peer.rights.have_ended(now)) {
            self.expel(connection, CloseReason::Expired, now, effects);
        }
    }

    /// When the first rights end, in monotonic milliseconds.
    pub(super) fn rights_end_ms(&self) -> Option<u64> {
        let ends = self.peers.all().filter_map(|peer| peer.rights.until_ms);
        ends.min()
    }

    /// Tells those who may edit now that somebody else no longer does.
    pub(super) fn pass_on_editing(&mut self, now: Now, effects: &mut Effects) {
        if std::mem::take(&mut self.an_editor_left) {
            for connection in self.peers.which(|peer| peer.may_write == Some(false)) {
                self.reconsider(connection, now, effects);
            }
        }
    }

    /// Tells a client whether it may write. One whose edits were refused, and would not be now, has to come back with them.
    fn reconsider(&mut self, connection: ConnectionId, now: Now, effects: &mut Effects) {
        self.tell_rights(connection, effects);
        let peer = self.peers.get(connection);
        if peer.is_some_and(|peer| peer.was_refused && peer.may_write == Some(true)) {
            self.expel(connection, CloseReason::NotReady, now, effects);
        }
    }

    /// Tells a client whether it may write, unless it knows.
    pub(super) fn tell_rights(&mut self, connection: ConnectionId, effects: &mut Effects) {
        let may_write = self.bars_edits(connection).is_none();
        let Some(peer) = self.peers.get_mut(connection) else {
            return;
        };
        if peer.may_write.replace(may_write) != Some(may_write) {
            effects.push(Effect::Send {
                to: Audience::One(connection),
                event: Event::Rights { may_write },
                shows: None,
            });
        }
    }

    /// Why a client's edits are not taken if they bring anything.
    pub(super) fn bars_edits(&self, connection: ConnectionId) -> Option<CloseReason> {
        let peer = self.peers.get(connection)?;
        if !peer.rights.allow(Capability::Write) {
            return Some(CloseReason::Forbidden);
        }
        let editors_max = peer.rights.access.editors_max?;
        let editors = || self.peers.all().filter(|peer| peer.edits).count();
        (!peer.edits && editors() >= editors_max as usize).then_some(CloseReason::TooManyEditors)
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
        let peer = self.peers.get_mut(connection);
        let Some(peer) = peer.filter(|peer| peer.counts && reason.is_about_the_edit()) else {
            return self.expel(connection, reason, now, effects);
        };
        peer.was_refused |= reason.is_about_rights();
        effects.push(Effect::Send {
            to: Audience::One(connection),
            event: Event::Refused { tag, reason },
            shows: None,
        });
        self.tell_rights(connection, effects);
    }
}
