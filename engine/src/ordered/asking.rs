//! Asking: what clients want of an ordered document, and what they are answered. Each request gets one answer.

use crate::document::CloseReason;
use crate::grant::Capability;
use crate::names::ConnectionId;
use crate::sabotage::Bug;
use crate::time::Now;

use super::OrderedDocument;
use super::catching_up::Behind;
use super::effect::{OrderedEffect, OrderedEffects, OrderedEvent};
use super::input::{Request, RequestTag};
use super::placing::Submitted;
use super::submitting::Waiting;

impl OrderedDocument {
    /// Answers a request; `has_looked` if the store was asked for newer operations on account of it.
    pub(super) fn ask(
        &mut self,
        connection: ConnectionId,
        request: Request,
        has_looked: bool,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        if !self.members.contains_key(&connection) {
            return;
        }
        match request {
            Request::Fetch { from, .. } | Request::Subscribe { from, .. }
                if !has_looked && self.is_ahead(from) =>
            {
                let ahead = Behind::Question(connection, request);
                self.catching_up.wait_for_newer(ahead);
            }
            Request::Fetch { tag, from } => {
                self.tell(connection, tag, from, request, effects);
            }
            Request::CatchUp { tag, from } => {
                self.tell_some(connection, tag, from, request, effects);
            }
            Request::Subscribe { tag, from } => {
                if self.tell(connection, tag, from, request, effects)
                    && let Some(member) = self.members.get_mut(&connection)
                {
                    member.is_subscribed = true;
                }
            }
            Request::Unsubscribe { tag } => {
                if let Some(member) = self.members.get_mut(&connection) {
                    member.is_subscribed = false;
                }
                send(connection, OrderedEvent::Done { tag }, effects);
            }
            Request::ShowPresence { ref shown, .. }
                if !has_looked && self.is_ahead(shown.made_on) =>
            {
                let ahead = Behind::Question(connection, request);
                self.catching_up.wait_for_newer(ahead);
            }
            Request::ShowPresence { tag, shown } => {
                self.show_presence(connection, tag, shown, effects);
            }
            Request::SubscribePresence { tag } => {
                self.subscribe_presence(connection, tag, effects);
            }
            Request::UnsubscribePresence { tag } => {
                if let Some(member) = self.members.get_mut(&connection) {
                    member.wants_presence = false;
                }
                send(connection, OrderedEvent::Done { tag }, effects);
            }
            Request::Submit { .. } if !self.may(connection, Capability::Write) => {
                let tag = request.tag();
                send(connection, OrderedEvent::Forbidden { tag }, effects);
            }
            Request::Submit {
                tag,
                name,
                made_on,
                deed,
                skips_noop,
            } => {
                let author = self.members[&connection].rights.author.clone();
                let submitted = Submitted {
                    author,
                    made_on,
                    name,
                    deed,
                    skips_noop,
                };
                self.submitting.push(Waiting {
                    connection,
                    tag,
                    submitted,
                    has_looked,
                    needs: None,
                });
                if self.submitting.waiting_bytes() > self.limits.waiting_bytes_max {
                    self.expel(connection, CloseReason::StoreBehind, now, effects);
                }
            }
        }
    }

    /// The clients that wait for an answer to an operation.
    pub(super) fn awaiting(&self) -> impl Iterator<Item = ConnectionId> {
        let all = self.submitting.awaiting();
        let all = all.chain(self.catching_up.awaiting());
        all.chain(self.recognising.awaiting())
    }

    /// Whether somebody may have seen more on another node than is here.
    pub(super) fn is_ahead(&self, version: Option<u64>) -> bool {
        self.limits.is_shared && version.is_some_and(|version| version > self.log.stored().version)
    }

    /// Sends some of what came since a version.
    fn tell_some(
        &mut self,
        connection: ConnectionId,
        tag: RequestTag,
        from: u64,
        request: Request,
        effects: &mut OrderedEffects,
    ) {
        let version = self.log.stored().version;
        let to = version.min(from.saturating_add(self.limits.catch_up_step));
        if let Some(some) = self.log.between(from, to).filter(|_| from <= version) {
            for logged in some {
                let event = OrderedEvent::Operation(logged.record.clone());
                send(connection, event, effects);
            }
            let answer = match to < version {
                true => OrderedEvent::More { tag },
                false => OrderedEvent::Done { tag },
            };
            send(connection, answer, effects);
        } else if from < version && self.is_within_reach(from) {
            self.catching_up.wait_for_some(connection, tag, from);
        } else {
            self.tell(connection, tag, Some(from), request, effects);
        }
    }

    /// Sends the document, or what came since a version. False if that has to wait for the store.
    fn tell(
        &mut self,
        connection: ConnectionId,
        tag: RequestTag,
        from: Option<u64>,
        request: Request,
        effects: &mut OrderedEffects,
    ) -> bool {
        let stored = self.log.stored();
        // Who has seen what is nowhere any more begins anew as well.
        if let Some(had) = from.filter(|had| *had <= stored.version) {
            if let Some(missed) = self.log.since(had) {
                for logged in missed {
                    let event = OrderedEvent::Operation(logged.record.clone());
                    send(connection, event, effects);
                }
                send(connection, OrderedEvent::Done { tag }, effects);
                return true;
            }
            if self.is_within_reach(had) {
                let behind = Behind::Question(connection, request);
                self.catching_up.wait_for(had, behind);
                return false;
            }
        }
        // Whoever begins anew believes that what he is not answered is lost, and takes an answer that comes later for one to
        // what he does next.
        if self.awaiting().any(|awaiting| awaiting == connection) {
            self.catching_up.put_off(connection, request);
            return false;
        }
        let state = stored.clone();
        let event = match from {
            None => OrderedEvent::Document { tag, state },
            Some(_) if self.sabotage.is(Bug::NoReset) => OrderedEvent::Done { tag },
            Some(had) => OrderedEvent::Reset { tag, had, state },
        };
        send(connection, event, effects);
        true
    }
}

fn send(connection: ConnectionId, event: OrderedEvent, effects: &mut OrderedEffects) {
    effects.push(OrderedEffect::Send {
        to: vec![connection],
        event,
    });
}
