//! The roll call: when a document tells the other nodes who is with this one ([`PresenceRoll`]).
//!
//! A word about presence may be lost, and nobody knows which. So soon after one was said the roll is called, and again
//! ([`RollCall`](crate::roll_call::RollCall)): what was lost is made up for at the next call. Repeated renewals are no news.
//! A document that was just opened, or has missed words of the others, has their rolls called too.

use crate::dot::ReplicaId;
use crate::presence::{PresenceId, PresenceRoll};
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{Effect, Effects};
use super::phase::Phase;

impl Document {
    /// The document is open, and nobody knows yet who is here.
    pub(super) fn begin_roll_calls(&mut self, now: Now) {
        self.roll_call.ask(false, now);
    }

    /// Words of the others may have been lost, and others may have lost those of this node.
    pub(super) fn doubt_others(&mut self, now: Now) {
        if self.limits.shared {
            self.presence.doubt_others(now);
            self.roll_call.ask(true, now);
        }
    }

    /// These replicas are seen by nobody any more. If they were only slow, they answer.
    pub(super) fn doubt_replicas(&mut self, gone: &[ReplicaId], now: Now, effects: &mut Effects) {
        for &of in gone {
            let ids = self.presence.of_replica(of);
            if !ids.is_empty() {
                self.presence.doubt_replica(of, now);
                effects.push(Effect::AskWhoIs { of, ids });
            }
        }
    }

    /// Another node asks who is here, in full.
    pub(super) fn presence_asked(&mut self, now: Now) {
        self.presence.announce_all(now);
        self.roll_call.answer();
    }

    /// Another node lacks the last word on some who are here.
    pub(super) fn asked_who_is(&mut self, of: ReplicaId, ids: &[PresenceId], now: Now) {
        if of == self.replica {
            self.presence.announce(ids, now);
        }
    }

    pub(super) fn heard_roll(
        &mut self,
        from: ReplicaId,
        roll: &PresenceRoll,
        now: Now,
        effects: &mut Effects,
    ) {
        if !self.listens() || from == self.replica || self.sabotage.is(Bug::DeafToRolls) {
            return;
        }
        let heard = self.presence.hear_roll(from, roll, now);
        self.show_presence(heard.news, None, now);
        if roll.asks {
            self.roll_call.answer();
        }
        if !heard.unheard.is_empty() {
            let (of, ids) = (from, heard.unheard);
            effects.push(Effect::AskWhoIs { of, ids });
        }
    }

    /// Tells the other nodes what is new of presence here, and who is here if that is due.
    pub(super) fn publish_presence(&mut self, now: Now, effects: &mut Effects) {
        let has_news = self.presence.take_has_news();
        let notices = self.presence.take_notices();
        if !self.limits.shared {
            return;
        }
        if !notices.is_empty() {
            effects.push(Effect::PublishPresence(notices));
        }
        if has_news {
            self.roll_call.news(now);
        }
        if self.is_open_to_clients()
            && let Some(asks) = self.roll_call.take(now)
        {
            self.call_roll(asks, now, effects);
        }
    }

    fn call_roll(&mut self, asks: bool, now: Now, effects: &mut Effects) {
        if let Some(roll) = self.presence.roll(asks, now) {
            if roll.people.is_empty() {
                self.roll_call.rest_if_told();
            }
            effects.push(Effect::PublishRoll(roll));
        }
    }

    /// When the roll is called next, if it is.
    pub(super) fn roll_call_due_ms(&self) -> Option<u64> {
        let due_ms = self.roll_call.due_ms();
        due_ms.filter(|_| self.is_open_to_clients())
    }

    fn is_open_to_clients(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Draining(_))
    }
}
