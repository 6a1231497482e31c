//! The clients of an ordered document.

use std::collections::BTreeMap;

use crate::document::CloseReason;
use crate::grant::{Access, Capability, Rights};
use crate::names::ConnectionId;
use crate::time::Now;

use super::OrderedDocument;
use super::effect::{OrderedEffect, OrderedEffects};

/// Who is here; in order, so that the same inputs have the same effects.
pub(super) type Members = BTreeMap<ConnectionId, Member>;

/// One client.
#[derive(Debug)]
pub(super) struct Member {
    /// Who it is, and what it may do.
    pub(super) rights: Rights,
    /// Whether it is sent what comes.
    pub(super) is_subscribed: bool,
    /// Whether it is told where people are.
    pub(super) wants_presence: bool,
}

impl OrderedDocument {
    pub(super) fn joined(
        &mut self,
        connection: ConnectionId,
        rights: Rights,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        let member = Member {
            rights,
            is_subscribed: false,
            wants_presence: false,
        };
        self.idle_since_ms = None;
        self.members.insert(connection, member);
        self.expel_if_not_allowed(connection, now, effects);
    }

    pub(super) fn granted(
        &mut self,
        connection: ConnectionId,
        access: Access,
        until_ms: Option<u64>,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        if let Some(member) = self.members.get_mut(&connection) {
            member.rights.access = access;
            member.rights.until_ms = until_ms;
            if !self.may(connection, Capability::Presence) {
                self.take_presences(connection, effects);
            }
            self.expel_if_not_allowed(connection, now, effects);
        }
    }

    pub(super) fn left(
        &mut self,
        connection: ConnectionId,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        self.take_presences(connection, effects);
        self.members.remove(&connection);
        if self.members.is_empty() {
            self.idle_since_ms = Some(now.monotonic_ms);
        }
    }

    pub(super) fn expel(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        if self.members.contains_key(&connection) {
            effects.push(OrderedEffect::Close { connection, reason });
            self.left(connection, now, effects);
        }
    }

    pub(super) fn expel_expired(&mut self, now: Now, effects: &mut OrderedEffects) {
        let expired = |(_, member): &(&ConnectionId, &Member)| member.rights.have_ended(now);
        let expired = self.members.iter().filter(expired);
        for connection in expired
            .map(|(connection, _)| *connection)
            .collect::<Vec<_>>()
        {
            self.expel(connection, CloseReason::Expired, now, effects);
        }
    }

    pub(super) fn may(&self, connection: ConnectionId, capability: Capability) -> bool {
        let member = self.members.get(&connection);
        member.is_some_and(|member| member.rights.allow(capability))
    }

    fn expel_if_not_allowed(
        &mut self,
        connection: ConnectionId,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        let rights = self.members.get(&connection).map(|member| &member.rights);
        if let Some(reason) = rights.and_then(|rights| rights.refusal(now)) {
            self.expel(connection, reason, now, effects);
        }
    }
}
