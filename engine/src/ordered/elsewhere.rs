//! Presence on other nodes: what they say of who is with them, and what they are told.
//!
//! What another node says is in the version that the document has there. If that is older than the last one here, it is
//! moved over what came since; if it is not here yet, it is shown when it is. All nodes move the same thing over the same
//! operations, so they come to the same. What was lost is asked for when the roll of its node is heard.

use crate::dot::ReplicaId;
use crate::ot::Json;
use crate::roster::{PresenceName, RosterNotice, RosterWord, Showing};
use crate::time::Now;

use super::OrderedDocument;
use super::effect::{OrderedEffect, OrderedEffects};
use super::presence::Place;

impl OrderedDocument {
    /// The document is open, and nobody knows yet who is here on other nodes.
    pub(super) fn begin_presence(&mut self, now: Now, effects: &mut OrderedEffects) {
        if self.limits.is_shared {
            self.presences.ask_others(false, now);
            effects.push(OrderedEffect::AskPresence);
        }
    }

    /// Takes what another node says of presence.
    pub(super) fn heard_presence(
        &mut self,
        word: RosterWord,
        now: Now,
        effects: &mut OrderedEffects,
    ) {
        match word {
            RosterWord::News {
                from,
                turn,
                notices,
            } if self.presences.hears(from, turn, now) => {
                for notice in notices {
                    self.heard_notice(from, notice, effects);
                }
            }
            RosterWord::Roll {
                from,
                turn,
                asks,
                people,
            } if self.presences.hears(from, turn, now) => {
                self.heard_roll(from, asks, people, effects);
            }
            RosterWord::Asked { of, names } if of == self.replica => {
                self.presences.announce(&names);
            }
            RosterWord::News { .. } | RosterWord::Roll { .. } | RosterWord::Asked { .. } => {}
        }
    }

    fn heard_roll(
        &mut self,
        from: ReplicaId,
        asks: bool,
        people: Vec<(PresenceName, u64)>,
        effects: &mut OrderedEffects,
    ) {
        let heard = self.presences.hear_roll(from, asks, people);
        self.tell_gone(heard.gone, None, effects);
        if !heard.lacking.is_empty() {
            let (of, names) = (from, heard.lacking);
            let asked = RosterWord::Asked { of, names };
            effects.push(OrderedEffect::PublishPresence(asked));
        }
    }

    fn heard_notice(
        &mut self,
        from: ReplicaId,
        notice: RosterNotice,
        effects: &mut OrderedEffects,
    ) {
        let read = notice.value.as_deref().map_or(Ok(Json::Null), Json::read);
        let Some((version, value)) = read.ok().and_then(|value| self.here(&notice, value)) else {
            return;
        };
        let showing = Showing {
            name: notice.name.clone(),
            author: notice.author,
            number: notice.number,
            value: Place::of(version, value.clone()),
        };
        if !self.presences.hear(from, showing) {
            return;
        }
        if version > self.log.stored().version {
            return self.catching_up.look();
        }
        let presence = self.presence(notice.name, notice.number, value);
        self.tell_presence(presence, None, effects);
    }

    /// Where somebody is whom another node tells of, in the last version or one that is not here yet; null if he is gone.
    /// None if what it would have to be moved over is not at hand: the next roll has it said again, in a newer version.
    fn here(&self, notice: &RosterNotice, value: Json) -> Option<(u64, Json)> {
        let last = self.log.stored().version;
        if value == Json::Null || notice.version > last {
            let version = if value == Json::Null {
                last
            } else {
                notice.version
            };
            return Some((version, value));
        }
        let is_at_hand = self.log.since(notice.version).is_some();
        let moved = || self.to_last(value, &notice.name, notice.version);
        is_at_hand.then(|| (last, moved().unwrap_or(Json::Null)))
    }

    /// Tells the other nodes what is new of presence here, and who is here if that is due.
    pub(super) fn publish_presence(&mut self, now: Now, effects: &mut OrderedEffects) {
        let gone = self.presences.expire(now);
        self.tell_gone(gone, None, effects);
        if !self.limits.is_shared {
            return self.presences.forget_news();
        }
        let write = |place: &Place| (place.version, place.value.write().into());
        let words = self.presences.publish(now, write);
        effects.extend(words.into_iter().map(OrderedEffect::PublishPresence));
    }
}
